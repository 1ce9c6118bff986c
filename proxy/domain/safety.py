"""What in a tier is less safe than its default, in words, and whether somebody has written down why.

A default is what the source of these rules asks of every tier: retries that are budgeted, idempotent and few,
timeouts, caps, ejection, a verified identity. Anything may be set less safe; then it says why, under
`accepted` beside the setting, and the tier's page and every `apply` go on showing it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from proxy.domain import spelling
from proxy.domain.errors import Problem
from proxy.domain.tier import FORWARDED_IDENTITY, Access, Route, Tier, Upstream, seconds

P = TypeVar("P", Tier, Upstream, Route)
MINUTE = timedelta(minutes=1)
QUEUE = 1024
"""Envoy's own default of pending requests: a queue as long hides an overload."""


@dataclass(frozen=True, slots=True)
class Risk:
    """One setting that is less safe than its default.

    `path` leads to it within the tier (`routes[2].retry.attempts`), `name` is what `accepted` calls it,
    `says` what may come of it, `reason` why that is accepted: empty where nobody has written it down.
    Somebody set a `deliberate` one and must say why; the others are shown until they are mended or accepted.
    `of` is whose it is (`route shop`), since nobody counts to the 18th route; empty where it is the tier's.
    """

    path: str
    name: str
    says: str
    reason: str
    deliberate: bool = True
    of: str = ""

    def __str__(self) -> str:
        why = (
            f"accepted: {self.reason}"
            if self.reason
            else f"to accept it, write accepted: {{{self.name}: why}}"
        )
        whose = f" of {self.of}" if self.of else ""
        return f"{self.path}{whose} is less safe: {self.says} ({why})"


@dataclass(frozen=True, slots=True)
class _Rule(Generic[P]):
    """`says` gives what may come of a part's setting, and nothing where it is safe."""

    name: str
    says: Callable[[Tier, P], str | None]
    deliberate: bool = True


def risks(tier: Tier) -> tuple[Risk, ...]:
    """Every one, in the order of the declaration."""
    found = [*_of("", tier, tier, _TIER, tier.accepted)]
    for index, upstream in enumerate(tier.upstreams):
        found += _of(f"upstreams[{index}].", tier, upstream, _UPSTREAM, upstream.accepted)
    rules = _route_rules(tier)
    for index, route in enumerate(tier.routes):
        found += _of(f"routes[{index}].", tier, route, rules, route.accepted)
    return tuple(found)


def problems(tier: Tier, path: str) -> list[Problem]:
    """What is less safe without a reason, and reasons for what is not there."""
    found = risks(tier)
    unexplained = [
        (f"{path}.{risk.path}", f"is less safe: {risk.says}. If it is meant, write why: {_where(risk, path)}")
        for risk in found
        if risk.deliberate and not risk.reason
    ]
    return unexplained + list(_idle(tier, path, {(_part(risk), risk.name) for risk in found}))


def _where(risk: Risk, path: str) -> str:
    return f"{path}.{_part(risk)}accepted: {{{risk.name}: ...}}"


def _part(risk: Risk) -> str:
    return risk.path.removesuffix(risk.name)


def _of(
    prefix: str, tier: Tier, part: P, rules: Sequence[_Rule[P]], why: Mapping[str, str]
) -> Iterator[Risk]:
    for rule in rules:
        says = rule.says(tier, part)
        if says is not None:
            reason = why.get(rule.name, "")
            of = f"{type(part).__name__.lower()} {part.name}" if prefix else ""
            yield Risk(f"{prefix}{rule.name}", rule.name, says, reason, rule.deliberate, of)


def _idle(tier: Tier, path: str, needed: set[tuple[str, str]]) -> Iterator[Problem]:
    """An `accepted` that nothing needs: a misspelt name, or what a later change has made safe."""
    parts: list[tuple[str, Mapping[str, str]]] = [("", tier.accepted)]
    parts += [(f"upstreams[{i}].", one.accepted) for i, one in enumerate(tier.upstreams)]
    parts += [(f"routes[{i}].", one.accepted) for i, one in enumerate(tier.routes)]
    for prefix, accepted in parts:
        for name in accepted:
            if (prefix, name) not in needed:
                yield f"{path}.{prefix}accepted.{name}", "nothing of that name is less safe than its default"


def _longer(what: timedelta, than: timedelta, says: str) -> str | None:
    return f"{seconds(what)} {says}" if what > than else None


def _more(what: float, than: float, says: str) -> str | None:
    return f"{what:g} {says}" if what > than else None


def _open_authorities(tier: Tier) -> str | None:
    found = [one.name for one in tier.ext_authz if one.failure_mode_allow]
    return f"while {', '.join(found)} cannot be asked, everybody is let through" if found else None


def _believed(tier: Tier) -> str | None:
    """A list of one's own takes the place of the usual one, and does not add to it."""
    taken = {*tier.identity_headers, *tier.told_identity}
    left = [name for name in FORWARDED_IDENTITY if name not in taken]
    return f"{', '.join(left)} reach the backends as clients wrote them: name them too" if left else None


_TIER: tuple[_Rule[Tier], ...] = (
    _Rule(
        "limits.request_headers_timeout",
        lambda _, t: _longer(
            t.limits.request_headers_timeout,
            MINUTE / 2,
            "lets a client drip its headers",
        ),
    ),
    _Rule(
        "limits.request_timeout",
        lambda _, t: _longer(t.limits.request_timeout, 5 * MINUTE, "lets a client drip its body"),
    ),
    _Rule(
        "limits.handshake_timeout",
        lambda _, t: _longer(
            t.limits.handshake_timeout, MINUTE / 4, "lets unfinished handshakes hold connections"
        ),
    ),
    _Rule(
        "limits.stream_idle_timeout",
        lambda _, t: _longer(
            t.limits.stream_idle_timeout, 5 * MINUTE, "lets a stream in which nothing moves hold its buffers"
        ),
    ),
    _Rule(
        "limits.per_connection_buffer_high_watermark_timeout",
        lambda _, t: _longer(
            t.limits.per_connection_buffer_high_watermark_timeout,
            MINUTE,
            "lets a client that does not read its answer hold its buffers",
        ),
    ),
    _Rule(
        "limits.stream_flush_timeout",
        lambda _, t: _longer(
            t.limits.stream_flush_timeout, MINUTE, "lets a client that does not read its answer hold a stream"
        ),
    ),
    _Rule(
        "limits.idle_timeout",
        lambda _, t: _longer(t.limits.idle_timeout, 60 * MINUTE, "keeps connections that nobody uses"),
    ),
    _Rule(
        "limits.buffer_bytes",
        lambda _, t: _more(
            t.limits.buffer_bytes,
            1 << 20,
            "bytes a connection: many slow readers fill the memory",
        ),
    ),
    _Rule(
        "limits.max_concurrent_streams",
        lambda _, t: _more(
            t.limits.max_concurrent_streams,
            1000,
            "streams let one connection ask like a thousand clients",
        ),
    ),
    _Rule("identity_headers", lambda _, t: _believed(t)),
    _Rule("ext_authz.failure_mode_allow", lambda _, t: _open_authorities(t)),
)

_UPSTREAM: tuple[_Rule[Upstream], ...] = (
    _Rule(
        "circuit_breaker.max_pending_requests",
        lambda _, u: _more(
            u.circuit_breaker.max_pending_requests, QUEUE, "requests may wait: a long queue hides an overload"
        ),
    ),
    _Rule(
        "retry_budget.percent",
        lambda _, u: _more(
            u.retry_budget.percent, 20, "% more load on backends that fail already: a retry storm begins so"
        ),
    ),
    _Rule(
        "retry_budget.min_concurrency",
        lambda _, u: _more(
            u.retry_budget.min_concurrency,
            10,
            "retries at once whatever the traffic: no budget at all then",
        ),
    ),
    _Rule(
        "retry_budget.budget_interval",
        lambda _, u: (
            "the requests of an interval count for more than those in flight: a looser budget"
            if u.retry_budget.budget_interval is not None
            else None
        ),
    ),
    _Rule(
        "outlier_detection.enabled",
        lambda _, u: (
            "a failing endpoint keeps its share of the requests"
            if u.outlier_detection.enabled is False and len(u.endpoints) >= 3
            else None
        ),
    ),
    _Rule(
        "outlier_detection.max_ejection_percent",
        lambda _, u: _more(
            u.outlier_detection.max_ejection_percent,
            50,
            "% of the endpoints may be out: those that are left take all of the load",
        ),
    ),
    _Rule(
        "outlier_detection.split_external_local_origin_errors",
        lambda _, u: (
            "each connect that succeeds ends a row of timeouts, so that a slow endpoint may never be ejected"
            if u.outlier_detection.split_external_local_origin_errors
            else None
        ),
    ),
)


def _route_rules(tier: Tier) -> tuple[_Rule[Route], ...]:
    """Those that look at a route alone, and those for which all of the tier is gone through, once."""
    unguarded = frozenset(upstream.name for upstream in tier.upstreams if _is_open(upstream))
    around = spelling.ways_around(tier)
    return (
        *_ROUTE,
        _Rule("access", lambda _, r: _unauthenticated(r, unguarded), deliberate=False),
        _Rule("match", lambda _, r: around.get(r.name), deliberate=False),
    )


def _unauthenticated(route: Route, unguarded: Collection[str]) -> str | None:
    """Where the proxy vouches for who somebody is, the way to the backend must be closed to all others."""
    if route.access == Access():
        return None
    open_arms = [arm for arm in route.split if arm in unguarded]
    if not open_arms:
        return None
    return (
        f"{', '.join(open_arms)} cannot tell the proxy from anybody who reaches its port: "
        "who somebody is, is then anybody's word. Set tls.client_certificate on the upstream"
    )


def _is_open(upstream: Upstream) -> bool:
    return upstream.tls is None or upstream.tls.client_certificate is None


_ROUTE: tuple[_Rule[Route], ...] = (
    _Rule(
        "idempotency",
        lambda _, r: (
            "every request may be sent twice, one that changes something too"
            if r.idempotency == "always" and r.retried
            else None
        ),
    ),
    _Rule("retry.attempts", lambda _, r: _more(r.retry.attempts, 2, "retries of each request that fails")),
    _Rule(
        "retry.retry_on",
        lambda _, r: (
            f"{', '.join(r.retry.less_safe)} repeats work that a backend did or refused"
            if r.retry.less_safe
            else None
        ),
    ),
    _Rule("timeout", lambda _, r: _longer(r.timeout, MINUTE, "holds a connection and buffers for as long")),
    _Rule(
        "idle_timeout",
        lambda _, r: (
            _longer(r.idle_timeout, 5 * MINUTE, "lets a request in which nothing moves hold its buffers")
            if r.idle_timeout is not None
            else None
        ),
    ),
    _Rule(
        "request_timeout",
        lambda _, r: (
            _longer(r.request_timeout, 5 * MINUTE, "lets a client drip its body")
            if r.request_timeout is not None
            else None
        ),
    ),
    _Rule(
        "access.jwt.allow_missing",
        lambda _, r: (
            "a request without a token is let through"
            if r.access.jwt is not None and r.access.jwt.allow_missing
            else None
        ),
    ),
)
