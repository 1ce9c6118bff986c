"""What it costs a request that its route must be found: regular expressions are tried one after another.

The figures are Envoy's own `downstream_rq_route_resolution_time_us` at the median, for a request that only
the last route takes. A host whose table is a tree (`translate.tables`) tries what the path leads to only.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from proxy.domain.tier import Route, Tier
from proxy.domain.tier.matching import Match
from proxy.domain.translate import tables
from proxy.domain.translate.tables import Made

MEASURED = ((0, 0.0), (100, 7.0), (1_000, 86.0), (10_000, 2_828.0))
"""So many expressions, so many microseconds."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one host: its routes, the expressions tried for a request that none of them takes, microseconds."""

    host: str
    routes: int
    expressions: int

    @property
    def microseconds(self) -> float:
        """Between two measured points a straight line, and beyond the last as between the last two."""
        pairs = list(pairwise(MEASURED))
        low, high = next((pair for pair in pairs if self.expressions <= pair[1][0]), pairs[-1])
        share = (self.expressions - low[0]) / (high[0] - low[0])
        return low[1] + share * (high[1] - low[1])


def costs(tier: Tier) -> tuple[Cost, ...]:
    """By host, the dearest first."""
    by_host: dict[str, list[Route]] = defaultdict(list)
    for route in tier.routes:
        for host in dict.fromkeys(route.hosts):
            by_host[host].append(route)
    found = [Cost(host, len(here), _tried(here)) for host, here in by_host.items()]
    return tuple(sorted(found, key=lambda cost: -cost.expressions))


def warnings(tier: Tier) -> Iterator[str]:
    """A line for each host that tries expressions, with what they cost."""
    measured = ", ".join(f"{count:,}: {cost:,.0f} µs" for count, cost in MEASURED[1:])
    for cost in costs(tier):
        if cost.expressions:
            yield (
                f"tier {tier.name}, {cost.host}: {cost.expressions} regular expressions and templates are"
                f" tried on every request that none of them takes, some {cost.microseconds:.2g} µs"
                f" (measured: {measured}); a path or a prefix in their place costs next to nothing"
            )


def expressions(match: Match) -> int:
    """Regular expressions in a match; Envoy makes one of a template and of several methods, too."""
    by_path = match.by[0] in ("safe_regex", "path_template")
    in_conditions = sum(item.comparison[0] == "safe_regex" for _, item in match.compared)
    return by_path + in_conditions + (len(match.methods) > 1)


def _tried(routes: Sequence[Route]) -> int:
    if tables.grows([Made(route, ()) for route in routes]):
        routes = [route for route in routes if route.match.by[0] in ("safe_regex", "path_template")]
    return sum(expressions(route.match) for route in routes)
