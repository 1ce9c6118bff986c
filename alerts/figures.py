"""A column of figures in words, kept in the order in which a person reads them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:  # the class itself takes no parameters
    Json = models.JSONField[dict[str, str], dict[str, str]]
else:
    Json = models.JSONField


class FiguresField(Json):
    """Words by name. Kept as a list of pairs: PostgreSQL's jsonb knows no order of keys."""

    def get_prep_value(self, value: Any) -> Any:
        pairs = [list(pair) for pair in value.items()] if isinstance(value, Mapping) else value
        return super().get_prep_value(pairs)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Rows of before the order was kept are a mapping."""
        found = super().from_db_value(value, expression, connection)
        return None if found is None else dict(found)
