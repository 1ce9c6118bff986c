"""Arms by attribute and copies that an overlay brings to a route: held to what declared ones are."""

from collections.abc import Collection, Iterator, Sequence

from proxy.domain import claims, demands
from proxy.domain.errors import Problem
from proxy.domain.tier import Route, Tier
from proxy.domain.tier.mirrors import Mirror, refusal
from proxy.domain.tier.splits import Arm

_HERE = "tier.routes[0]."


def problems(tier: Tier, route: Route, split: Collection[str], arms: Sequence[Arm]) -> Iterator[Problem]:
    """What no request could meet, and what another upstream than the split's would take: `arms[0].match...`.

    Nothing is looked at where there are no arms: a change of weights costs the same in any tier.
    """
    if not arms:
        return
    for index, arm in enumerate(arms):
        if arm.upstream not in split:
            yield f"arms[{index}].upstream", f"{arm.upstream} is not among the weights"
    alone = [(0, route.model_copy(update={"arms": tuple(arms)}))]
    found = demands.problems(alone, _offered(tier), "tier")
    claimed = claims.problems(alone, {provider.name for provider in tier.jwt_providers}, "tier")
    for place, why in (*found, *claimed):
        if place.startswith(f"{_HERE}arms["):
            yield place.removeprefix(_HERE), why


def of_copies(tier: Tier, route: Route, mirror: Mirror | None) -> Iterator[Problem]:
    """What is wrong with sending copies of the route's requests there."""
    if mirror is None:
        return
    if tier.upstream(mirror.upstream) is None:
        yield "mirror.upstream", f"there is no upstream {mirror.upstream}"
    why = refusal(mirror, route.methods, route.idempotency)
    if why:
        yield "mirror", why
    if route.upgrade:
        yield "mirror", "does not go with upgrade: a copy cannot be spoken with"


def _offered(tier: Tier) -> demands.Offered:
    return demands.Offered(
        providers=list(enumerate(tier.jwt_providers)),
        authorities=list(enumerate(tier.ext_authz)),
        upstreams=list(enumerate(tier.upstreams)),
        names={
            "upstreams": {upstream.name for upstream in tier.upstreams},
            "jwt_providers": {provider.name for provider in tier.jwt_providers},
            "api_keys": {keys.name for keys in tier.api_keys},
            "ext_authz": {authority.name for authority in tier.ext_authz},
        },
        identity_headers=tier.identity_headers,
        verifies_certificates=tier.tls.client_certificates is not None,
        counts=tier.rate_limit_service is not None,
    )
