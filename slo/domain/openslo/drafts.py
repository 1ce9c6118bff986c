"""An objective while it is put together: its fields as a tier declares them, and where the file has each."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from slo.domain.objectives import NOMINAL


@dataclass(slots=True)
class Draft:
    """Fields of proxy.domain.tier.Objective, and their paths."""

    fields: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, value: Any, path: str) -> None:
        self.fields[name], self.paths[name] = value, path

    def text(self, name: str) -> str:
        """The value, empty where there is none."""
        return str(self.fields.get(name, ""))

    @property
    def period(self) -> timedelta:
        """What alert factors take the period for."""
        calendar = self.fields.get("calendar")
        return NOMINAL[calendar] if calendar else timedelta(days=self.fields.get("window_days", 30))

    def copy(self) -> "Draft":
        return Draft(dict(self.fields), dict(self.paths))
