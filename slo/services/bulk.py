"""Gives many rows their own values in one statement.

The ORM has a statement for each row, or `bulk_update`, which grows by a condition for each row and field and
takes longer than all of them. Here the values are one parameter, JSON, which the database takes apart.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Field, Model
from django.utils.duration import duration_iso_string

Row = Mapping[str, Any]
Fields = Mapping[str, "Field[Any, Any]"]
"""By column."""


def update_each(model: type[Model], names: Sequence[str], rows: Iterable[Row]) -> None:
    """Set these fields of each row: a mapping of their values by name, with the primary key as `pk`."""
    known = {field.name: field for field in model._meta.concrete_fields}
    fields = {str(known[name].column): known[name] for name in names}
    source, new = _on_postgresql(model, fields) if _postgresql() else _on_sqlite()
    table, key = f'"{model._meta.db_table}"', f'"{model._meta.pk.column}"'
    sets = ", ".join(f'"{column}" = {new.format(column)}' for column in fields)
    mine = f"{table}.{key} = {new.format('pk')}"
    # The names are the models' own, and every value is in the parameter.
    statement = f"UPDATE {table} SET {sets} FROM {source} WHERE {mine}"  # noqa: S608
    values = json.dumps([_values(fields, row) for row in rows], default=_spoken)
    with connection.cursor() as cursor:
        cursor.execute(statement, [values])


def _postgresql() -> bool:
    return connection.vendor == "postgresql"


def _on_postgresql(model: type[Model], fields: Fields) -> tuple[str, str]:
    """The rows of the parameter, and how a value of such a row is named."""
    types = ", ".join(f'"{column}" {field.db_type(connection)}' for column, field in fields.items())
    key = model._meta.pk.rel_db_type(connection)
    return f'jsonb_to_recordset(%s::jsonb) AS "new"("pk" {key}, {types})', '"new"."{}"'


def _on_sqlite() -> tuple[str, str]:
    """As `_on_postgresql`: a value has the type that JSON gives it."""
    return 'json_each(%s) AS "new"', """("new"."value" ->> '{}')"""


def _values(fields: Fields, row: Row) -> dict[str, Any]:
    """SQLite keeps times, spans and JSON in a form of Django's own."""
    given = {column: row[field.name] for column, field in fields.items()}
    if not _postgresql():
        given = {
            column: fields[column].get_db_prep_save(value, connection) for column, value in given.items()
        }
    return {"pk": row["pk"], **given}


def _spoken(value: object) -> str:
    """What JSON has no form for, as PostgreSQL reads it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    raise TypeError(f"no form for {value!r}")
