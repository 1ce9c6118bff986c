"""The rules that Sloth 0.16 generates for one objective of a route: three groups, 17 rules, each 30 seconds.

Written after its Prometheus plugin and its default windows of 30 days (`sli_recordings`, `meta_recordings`,
`alerts`): the 30 days are an average of recorded ratios, which Sloth calls optimised and has by default.
"""

from collections.abc import Iterator

EVERY_SECONDS = 30
TARGET = "0.999"
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
PAGES = (("5m", "1h", 14.4), ("30m", "6h", 6))
TICKETS = (("2h", "1d", 3), ("6h", "3d", 1))


def recordings(route: str) -> list[str]:
    """The PromQL of the 15 rules that record: eight ratios, seven of them from the counters, and metadata."""
    return [*(_ratio(route, window) for window in WINDOWS), _period(route), *_meta(route)]


def alerts(route: str) -> list[str]:
    """The PromQL of the page and of the ticket."""
    return [_alert(route, PAGES), _alert(route, TICKETS)]


def recorded(window: str) -> str:
    """The series that a window's ratio is recorded as."""
    return f"slo:sli_error:ratio_rate{window}"


def labels(route: str) -> str:
    """What Sloth's recorded series of an objective are labelled with."""
    return f'sloth_id="edge-{route}",sloth_service="edge",sloth_slo="{route}"'


def _ratio(route: str, window: str) -> str:
    where = f'tier="edge",route="{route}"'
    bad = f'sum(rate(envoy_sluice_rq{{{where},code=~"5.."}}[{window}]))'
    return f"({bad})\n/\n(sum(rate(envoy_sluice_rq{{{where}}}[{window}])))"


def _period(route: str) -> str:
    series = f"{recorded('5m')}{{{labels(route)}}}[30d]"
    return f"sum_over_time({series}) / ignoring (sloth_window) count_over_time({series})"


def _meta(route: str) -> Iterator[str]:
    where = labels(route)
    budget = f"slo:error_budget:ratio{{{where}}}"
    yield f"vector({TARGET})"
    yield f"vector(1-{TARGET})"
    yield "vector(30)"
    for window in ("5m", "30d"):
        yield f"{recorded(window)}{{{where}}} / on(sloth_id, sloth_slo, sloth_service) group_left {budget}"
    yield f"1 - slo:period_burn_rate:ratio{{{where}}}"
    yield "vector(1)"


def _alert(route: str, pairs: tuple[tuple[str, str, float], ...]) -> str:
    def above(window: str, factor: float) -> str:
        series = f"{recorded(window)}{{{labels(route)}}}"
        return f"max({series} > ({factor} * {1 - float(TARGET):g})) without (sloth_window)"

    return "\nor\n".join(f"({above(a, factor)} and {above(b, factor)})" for a, b, factor in pairs)
