"""The PromQL of an observed fleet that bears Sluice's statistics, by the words of a driven tier.

Unlike there a route may have no name, and its requests count all the same.
"""

from collections.abc import Iterable
from datetime import timedelta

from telemetry.domain.catalogue import ADDED, ANSWERED, ATTEMPTS, FIRST, REQUESTS, TOTAL
from telemetry.domain.failure import Matchers, Originator, failed_attempts, failed_requests
from telemetry.domain.plain import Watched
from telemetry.domain.promql import duration, equal, matching, selector, unequal

TIMED_OUT = equal("reason", "upstream_timeout")


def _rate(metric: str, window: timedelta, *matchers: str) -> str:
    return f"rate({selector(metric, *matchers)}[{duration(window)}])"


def _any(metric: str, watched: Watched, window: timedelta, ways: Iterable[Matchers], *also: str) -> str:
    return " or ".join(_rate(metric, window, *watched.matchers, *also, *way) for way in ways)


def failures(watched: Watched, window: timedelta, originator: Originator) -> str:
    """Failures that `originator` made; 0 where there are requests."""
    bad = _any(REQUESTS, watched, window, failed_requests(originator))
    return f"sum({bad}) or 0 * sum({_rate(REQUESTS, window, *watched.matchers, ANSWERED)})"


def cluster_failures(watched: Watched, window: timedelta, originator: Originator) -> str:
    """The same by cluster, in the label `arm`."""
    bad = _any(REQUESTS, watched, window, failed_requests(originator))
    every = _rate(REQUESTS, window, *watched.matchers, ANSWERED, unequal("arm", ""))
    return f"sum by (arm) ({bad}) or 0 * sum by (arm) ({every})"


def first_attempt_failures(watched: Watched, window: timedelta, by: str = "") -> str:
    """The share of first attempts that failed, 0 to 1; `by` is `arm` or nothing.

    An attempt that the route's own timeout cut is logged like one whose client left, code 0 and no flag. A
    driven tier's attempts are always cut a little before that; another's are found again among the requests:
    of those that the timeout ended at their first attempt, that one failed.
    """
    total = f"sum by ({by})" if by else "sum"
    bad = _any(ATTEMPTS, watched, window, failed_attempts(), FIRST)
    every = _rate(ATTEMPTS, window, *watched.matchers, FIRST)
    gone = _rate(ATTEMPTS, window, *watched.matchers, FIRST, equal("code", "0"), equal("flags", "-"))
    cut = _rate(REQUESTS, window, *watched.matchers, equal("attempts", "1"), TIMED_OUT)
    firsts = f"{total} ({every} unless {gone} or {cut})"
    return f"({total} ({bad} or {cut}) or 0 * {firsts}) / ({firsts} > 0)"


def numbered(watched: Watched, window: timedelta) -> str:
    """The share of attempts that bear their number, 0 to 1; no data where none is logged.

    Without the router's logger there are none, without the virtual host's header they bear none.
    """
    every = _rate(ATTEMPTS, window, *watched.matchers)
    with_number = _rate(ATTEMPTS, window, *watched.matchers, matching("attempt", "[0-9]+"))
    return f"(sum({with_number}) or 0 * sum({every})) / (sum({every}) > 0)"


def added(watched: Watched, window: timedelta, quantile: float) -> str:
    """Microseconds that the proxy added to a request, measured for each one."""
    rate = _rate(ADDED, window, *watched.matchers, equal("attempts", "1"))
    return f"histogram_quantile({quantile:g}, sum by (le) ({rate}))"


def latency(watched: Watched, window: timedelta, quantile: float) -> str:
    """Microseconds from a request's first byte to its answer's last, of those that a backend answered."""
    rate = _rate(TOTAL, window, *watched.matchers)
    return f"histogram_quantile({quantile:g}, sum by (le) ({rate}))"


def coverage(watched: Watched, window: timedelta) -> str:
    """The share of the answers that Sluice's statistics saw, 0 to 1, on the proxy where it is least."""
    by = watched.proxy_label
    seen = f"sum by ({by}) ({_rate(REQUESTS, window, *watched.matchers, ANSWERED)})"
    answered = _rate("envoy_http_downstream_rq_xx", window, *watched.served())
    every = f"(sum by ({by}) ({answered}) > 0)"
    return f"min(({seen} or 0 * {every}) / {every})"


def nameless(watched: Watched, window: timedelta) -> str:
    """The share of requests whose route has no name, or that no route took, 0 to 1."""
    every = _rate(REQUESTS, window, *watched.matchers, ANSWERED)
    bare = _rate(REQUESTS, window, *watched.matchers, ANSWERED, equal("route", ""))
    return f"(sum({bare}) or 0 * sum({every})) / sum({every})"
