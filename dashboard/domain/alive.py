"""Is the automation alive? Three things must hold, each with its limit, or the dead man's switch is let go.

Limits are well above what a busy moment takes: who is woken for nothing switches the switch off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.domain.figures import duration

# Parts without which nothing is judged, told or called.
NEEDED = ("canary", "runbooks", "objectives", "messages", "escalation")
DEAD_AFTER = timedelta(seconds=60)
STALE_AFTER = timedelta(seconds=60)
LAGS_AFTER = timedelta(minutes=2)
# Of each tier the newest scrape that succeeded, in Unix seconds.
SCRAPED = 'max by (tier) (timestamp(up{tier!=""}) and up{tier!=""} == 1)'


@dataclass(frozen=True, slots=True)
class Beat:
    """When a part last did its round, and how often it does one."""

    name: str
    age: timedelta
    every: timedelta


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known. `tiers` are those whose proxies are connected; `scraped` is None without an answer, and
    `trouble` is why; `waiting_since` is when the oldest message that waits was written.
    """

    beats: Sequence[Beat]
    tiers: Sequence[str]
    scraped: Mapping[str, datetime] | None
    waiting_since: datetime | None
    trouble: str = ""
    receivers: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One of the conditions: `says` how it stands, `limit` what it must hold within."""

    name: str
    title: str
    holds: bool
    says: str
    limit: str
    promql: str = ""


def checks(facts: Facts, *, now: datetime) -> list[Check]:
    """Each condition, in the order in which one would mend them."""
    return [_ticks(facts), _prometheus(facts, now), _outbox(facts, now), _receivers(facts)]


def alive(found: Sequence[Check]) -> bool:
    """Whether all of them hold."""
    return all(check.holds for check in found)


def dead_after(every: timedelta) -> timedelta:
    """How old a part's last round may be: three rounds, and a minute at least."""
    return max(3 * every, DEAD_AFTER)


def _ticks(facts: Facts) -> Check:
    known = {beat.name for beat in facts.beats}
    dead = [f"{beat.name} last ticked {duration(beat.age)} ago" for beat in facts.beats if _dead(beat)]
    dead += [f"{name} has never ticked" for name in NEEDED if name not in known]
    says = "; ".join(dead) or f"{len(known)} parts tick"
    limit = f"a round within {duration(DEAD_AFTER)}, or three of its rounds"
    return Check("ticks", "The automation ticks", not dead, says, limit)


def _dead(beat: Beat) -> bool:
    return beat.age > dead_after(beat.every)


def _prometheus(facts: Facts, now: datetime) -> Check:
    limit = f"a scrape of each connected tier within {duration(STALE_AFTER)}"
    if facts.scraped is None:
        says = f"Prometheus does not answer: {facts.trouble}"
        return Check("prometheus", "Prometheus is fresh", False, says, limit, SCRAPED)
    stale = [_scrape(tier, facts.scraped.get(tier), now) for tier in facts.tiers]
    bad = [words for words in stale if words]
    says = "; ".join(bad) or f"{len(facts.tiers)} connected tiers are scraped"
    return Check("prometheus", "Prometheus is fresh", not bad, says, limit, SCRAPED)


def _scrape(tier: str, at: datetime | None, now: datetime) -> str:
    """What is wrong with a tier's scrapes; empty when nothing is."""
    if at is None:
        return f"{tier} is not scraped"
    return f"{tier} was last scraped {duration(now - at)} ago" if now - at > STALE_AFTER else ""


def _outbox(facts: Facts, now: datetime) -> Check:
    limit = f"no message waits longer than {duration(LAGS_AFTER)}"
    waits = now - facts.waiting_since if facts.waiting_since else timedelta(0)
    says = f"the oldest message waits for {duration(waits)}" if facts.waiting_since else "no message waits"
    return Check("outbox", "Messages go out", waits <= LAGS_AFTER, says, limit)


def _receivers(facts: Facts) -> Check:
    says = facts.receivers or "the declared receivers can be read"
    return Check("receivers", "Receivers are known", not facts.receivers, says, "the file can be read")
