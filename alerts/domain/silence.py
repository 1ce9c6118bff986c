"""How long a silence may last."""

from datetime import datetime, timedelta

LONGEST = timedelta(days=7)


class BadSilence(ValueError):
    """A silence that does not end, ends in the past or lasts too long."""


def check(*, now: datetime, until: datetime) -> None:
    """Raises BadSilence unless `now` < `until` <= `now` + 7 days."""
    if until <= now:
        raise BadSilence("a silence ends in the future")
    if until - now > LONGEST:
        raise BadSilence("a silence ends within 7 days")
