"""The alert rules of the published file: a user's own Alertmanager can send them, and needs no Sluice for it.

Four rules for each period, whatever the number of objectives. Labels say what burns and never change with an
edit of owner or runbook, or the alert would start anew: annotations lead to those.
"""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from slo.domain.alerting import MIN_COVERAGE, MIN_EXPECTED
from slo.domain.indicators import BAD, EVENTS
from slo.domain.windows import AlertTier
from telemetry.domain.promql import duration, selector

ALLOWED = "sluice:sli_allowed"
COVERAGE, SCRAPED = "sluice:coverage:ratio", "sluice:scrape:timestamp"
LAST_SCRAPE = 'max by (tier) (timestamp(up{tier!=""}) and up{tier!=""} == 1)'
"""When some proxy of each tier was last scraped; it is recorded as SCRAPED."""
WHERE = "sli, place, tier, route, upstream"
# As the service does: a minute without a scrape is no data, and what burnt then is not over.
NO_DATA_SECONDS = 60
FROZEN_WITHIN = timedelta(hours=6)
# The part of Sluice that looks at objectives, as its own metrics name it.
HEARTBEAT = "objectives"
UNSENT_SECONDS = 120


def alerts(
    tiers: Iterable[AlertTier], periods: Iterable[timedelta], *, site: str = ""
) -> list[dict[str, Any]]:
    """A rule for each tier and period. `site` is Sluice's address, which the annotations lead to."""
    return [_alert(tier, period, site) for tier in tiers for period in periods]


def telling() -> dict[str, Any]:
    """An alert that fires while Sluice itself tells people: it looks at the objectives, and its messages go
    out.

    It is for an Alertmanager to inhibit the others by, so that nobody is told twice and somebody always.
    """
    looks = f"min({selector('sluice_heartbeat_age_seconds', part=HEARTBEAT)}) < {NO_DATA_SECONDS}"
    return {
        "alert": "SluiceTells",
        "expr": f"{looks} and max(sluice_outbox_oldest_seconds) < {UNSENT_SECONDS}",
        "labels": {"severity": "none", "sluice": "tells"},
        "annotations": {"summary": "Sluice tells of burning budgets itself: no other need do it."},
    }


def name(tier: AlertTier) -> str:
    """`SluicePageFast` for `page-fast`: the alert's name in Prometheus."""
    return "Sluice" + "".join(part.capitalize() for part in tier.name.split("-"))


def _alert(tier: AlertTier, period: timedelta, site: str) -> dict[str, Any]:
    return {
        "alert": name(tier),
        "expr": f"{burning(tier, period)} or {_frozen(tier, period)}",
        "labels": {"severity": tier.severity, "period": duration(period), "sluice": "burn"},
        "annotations": _annotations(tier, period, site),
    }


def burning(tier: AlertTier, period: timedelta) -> str:
    """PromQL of the burn over the tier's long window, of the promises that it tells of.

    It is what `slo.domain.alerting.judge` calls `fires`: both windows burn faster than the factor, what a
    young window did not measure counts as good, and ten failures are not yet enough.
    """
    factor, allowed = _number(tier.factor(period)), _allowed(tier, period)
    covered = _covered(tier.long)
    events = selector(f"{EVENTS}:count", window=duration(tier.long))
    long = f"({_ratio(tier.long)} * on (tier) group_left () {covered})"
    whole = f"({events} / on (tier) group_left () {covered})"
    burns = [
        f"({ratio} / on ({WHERE}) group_right () {allowed} > {factor})"
        for ratio in (long, _ratio(tier.short))
    ]
    busy = f"({whole} * on ({WHERE}) group_right () ({factor} * {allowed}) >= {MIN_EXPECTED})"
    return f"({' and '.join([*burns, busy])})"


def _allowed(tier: AlertTier, period: timedelta) -> str:
    """The promises of this period. A ticket is also for what pages when it burns faster; two objectives that
    promise the same are one alert.
    """
    who = {"severity": "page"} if tier.severity == "page" else {}
    return f"max without (severity) ({selector(ALLOWED, period=duration(period), **who)})"


def _ratio(window: timedelta) -> str:
    bad, events = (selector(f"{family}:count", window=duration(window)) for family in (BAD, EVENTS))
    return f"(sum by ({WHERE}) ({bad}) / on ({WHERE}) ({events} > 0))"


def _covered(window: timedelta) -> str:
    """1 from half of the window on, else the share of it that was measured."""
    coverage = selector(COVERAGE, window=duration(window))
    return f"(({coverage} >= bool {MIN_COVERAGE}) == 1 or {coverage})"


def _frozen(tier: AlertTier, period: timedelta) -> str:
    """What fired when the data ended, as 0: no data never ends an alert. After six hours it is let go, for
    the tier may be gone.
    """
    fired = selector("ALERTS", alertname=name(tier), alertstate="firing", period=duration(period))
    ended = f"time() - last_over_time({SCRAPED}[{duration(FROZEN_WITHIN)}]) > {NO_DATA_SECONDS}"
    return f"(0 * sum without (alertname, alertstate, severity, sluice) ({fired}) and on (tier) ({ended}))"


def _annotations(tier: AlertTier, period: timedelta, site: str) -> dict[str, str]:
    long, tells = duration(tier.long), "pages" if tier.severity == "page" else "tickets"
    of = "{{ $labels.tier }}" + "".join(
        f"{{{{ with $labels.{part} }}}}/{{{{ . }}}}{{{{ end }}}}" for part in ("route", "upstream")
    )
    burns = (
        f'{{{{ if gt $value 0.0 }}}}burns {{{{ $value | printf "%.1f" }}}}x over {long}'
        f" ({tells} at {float(tier.factor(period)):.4g}x){{{{ else }}}}burnt when its data ended{{{{ end }}}}"
    )
    found = f"{site}/objectives/find/?" + "&".join(
        f"{label}={{{{ $labels.{label} | urlquery }}}}"
        for label in ("tier", "sli", "route", "upstream", "target", "period")
    )
    return {
        "summary": f"{{{{ $labels.sli }}}} of {of} {burns}",
        "description": f"When this fires, {tier.share:.0%} of what {duration(period)} allow is spent.",
        "objective": found,
        "runbook_url": f"{found}&to=runbook",
    }


def _number(value: Decimal) -> str:
    """Exact where it ends; a factor such as 2.8 / 3 is cut where a float is."""
    return f"{value.normalize():f}" if len(f"{value.normalize():f}") < 18 else repr(float(value))
