"""Plain tiers for tests."""

from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from proxy.domain import safety
from proxy.domain.tier import Tier


def declaration(**changes: Any) -> dict[str, Any]:
    """A small tier as a person would declare it: two proxies, a split route and a POST route."""
    return {
        "name": "edge",
        "proxies": [
            {"name": "edge-1", "http_port": 10080, "https_port": 10443, "admin_port": 19001},
            {"name": "edge-2", "http_port": 10081, "https_port": 10444, "admin_port": 19002},
        ],
        "upstreams": [
            {"name": "shop-v1", "endpoints": [{"port": 11001}, {"port": 11002}]},
            {"name": "shop-v2", "endpoints": [{"port": 11003}]},
            {"name": "payments", "endpoints": [{"port": 11004}]},
        ],
        "routes": [
            {"name": "shop", "hosts": ["shop.test"], "split": {"shop-v1": 10000, "shop-v2": 0}},
            {"name": "payments", "hosts": ["payments.test"], "upstream": "payments"},
        ],
        **changes,
    }


def tier(**changes: Any) -> Tier:
    return Tier.model_validate(declaration(**changes))


def document(**changes: Any) -> dict[str, Any]:
    return {"tiers": [declaration(**changes)]}


def explained(raw: dict[str, Any]) -> dict[str, Any]:
    """The same tier with a reason for all that is less safe in it; a wrong one stays as it is."""
    try:
        risks = safety.risks(Tier.model_validate(raw))
    except ValidationError:
        return raw
    found = deepcopy(raw)
    for risk in risks:
        section, _, rest = risk.path.partition("[")
        part = found[section][int(rest.split("]")[0])] if rest else found
        part.setdefault("accepted", {})[risk.name] = "asked for by a test"
    return found


def weights(canary: int, route: str = "shop") -> dict[str, Any]:
    """A patch that gives shop-v2 so many basis points."""
    return {"kind": "weights", "route": route, "weights": {"shop-v1": 10000 - canary, "shop-v2": canary}}


def split_of(given: Tier, route: str = "shop") -> dict[str, int]:
    """A route's weights; the route must be there."""
    found = given.route(route)
    assert found is not None
    return found.split
