"""The runbooks that teams declared, as they are kept: one row a version, the newest holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max

from proxy.domain.difference import entity
from runbooks.domain.writing import Written, from_markdown, lines_of
from runbooks.models import RunbookVersion


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version. `gone`: with it the runbook was deleted; then `source` is empty."""

    slug: str
    number: int
    source: str
    gone: bool
    by: str
    reason: str
    at: datetime

    @property
    def written(self) -> Written:
        """The version as it was written."""
        return from_markdown(self.slug, self.source)


def newest() -> dict[str, VersionRow]:
    """The version that holds of each runbook that is there, by slug: one query, whatever their number."""
    last = RunbookVersion.objects.values("slug").annotate(last=Max("id")).values("last")
    rows = RunbookVersion.objects.filter(pk__in=last, gone=False).order_by("slug")
    return {row.slug: version(row) for row in rows}


def latest(slug: str) -> VersionRow | None:
    """The last version of a runbook, also where that says that it is gone; None where it never was."""
    row = RunbookVersion.objects.filter(slug=slug).order_by("-id").first()
    return None if row is None else version(row)


def history(slug: str) -> list[VersionRow]:
    """Every version, the newest first."""
    return [version(row) for row in RunbookVersion.objects.filter(slug=slug).order_by("-id")]


def changes(rows: Sequence[VersionRow]) -> list[tuple[VersionRow, tuple[str, ...]]]:
    """Versions, the newest first, each with what it changed in the one before it, a line each."""
    before = [*rows[1:], None]
    return [(row, _between(old, row)) for row, old in zip(rows, before, strict=True)]


def _between(old: VersionRow | None, new: VersionRow) -> tuple[str, ...]:
    was = lines_of(old.written) if old and not old.gone else None
    found = entity("runbook", new.slug, was, None if new.gone else lines_of(new.written))
    return tuple(str(change) for change in found)


def version(row: RunbookVersion) -> VersionRow:
    """The row as it is read."""
    return VersionRow(row.slug, row.number, row.source, row.gone, row.by, row.reason, row.at)
