"""What a declaration's parts say of each other: names that lead nowhere, or that stand twice."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from proxy.domain import claims, demands, precedence, transcoding
from proxy.domain.errors import Problem
from proxy.domain.tier import ExtAuthz, JwtProvider, Objective, Proxy, Route, Tier, Upstream

M = TypeVar("M", bound=BaseModel)
_OFFERED = ("jwt_providers", "api_keys", "ext_authz")
"""What a tier offers for access, each by its name."""


def references(raw: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """References are checked even where other fields are wrong, so that one run shows all mistakes."""
    upstreams = {name_of(item) for item in _items(raw, "upstreams")}
    routes = {name_of(item) for item in _items(raw, "routes")}
    for section in ("proxies", "upstreams", "routes", "objectives", *_OFFERED):
        named = ((i, name_of(item)) for i, item in enumerate(_items(raw, section)))
        yield from doubles(named, f"{path}.{section}[{{}}].name", "name")
    yield from _port_problems(_valid(raw, "proxies", Proxy), path)
    for index, upstream in _valid(raw, "upstreams", Upstream):
        labels = ((i, f"{end.address}:{end.port}") for i, end in enumerate(upstream.endpoints))
        yield from doubles(labels, f"{path}.upstreams[{index}].endpoints[{{}}]", "endpoint")
        names = ((i, end.name or "") for i, end in enumerate(upstream.endpoints))
        yield from doubles(names, f"{path}.upstreams[{index}].endpoints[{{}}].name", "name")
    for index, item in enumerate(_items(raw, "routes")):
        for field, name in _arms(item):
            if name not in upstreams:
                yield f"{path}.routes[{index}].{field}", f"there is no upstream {name}"
    valid = _valid(raw, "routes", Route)
    yield from precedence.problems(valid, path)
    yield from transcoding.problems(valid, _valid(raw, "upstreams", Upstream), path)
    yield from demands.problems(valid, _offered(raw), path)
    yield from claims.problems(valid, {name_of(item) for item in _items(raw, "jwt_providers")}, path)
    for index, objective in _valid(raw, "objectives", Objective):
        if objective.route is not None and objective.route not in routes:
            yield f"{path}.objectives[{index}].route", f"there is no route {objective.route}"
        if objective.upstream is not None and objective.upstream not in upstreams:
            yield f"{path}.objectives[{index}].upstream", f"there is no upstream {objective.upstream}"


def _offered(raw: Mapping[str, Any]) -> demands.Offered:
    headers = raw.get("identity_headers", Tier.model_fields["identity_headers"].default)
    tls = raw.get("tls")
    return demands.Offered(
        providers=_valid(raw, "jwt_providers", JwtProvider),
        authorities=_valid(raw, "ext_authz", ExtAuthz),
        upstreams=_valid(raw, "upstreams", Upstream),
        names={of: {name_of(item) for item in _items(raw, of)} for of in ("upstreams", *_OFFERED)},
        identity_headers=[str(name).lower() for name in headers] if isinstance(headers, list | tuple) else (),
        verifies_certificates=isinstance(tls, dict) and bool(tls.get("client_certificates")),
        counts=bool(raw.get("rate_limit_service")),
    )


def _arms(route: Any) -> Iterator[tuple[str, str]]:
    """The upstreams that a route names, each with the field that names it."""
    if not isinstance(route, dict):
        return
    for index, arm in enumerate(_items(route, "arms")):
        if isinstance(arm, dict) and "upstream" in arm:
            yield f"arms[{index}].upstream", str(arm["upstream"])
    mirror = route.get("mirror")
    if isinstance(mirror, dict) and "upstream" in mirror:
        yield "mirror.upstream", str(mirror["upstream"])
    if isinstance(route.get("split"), dict):
        yield from ((f"split.{name}", str(name)) for name in route["split"])
    elif "upstream" in route:
        yield "upstream", str(route["upstream"])


def _port_problems(proxies: Sequence[tuple[int, Proxy]], path: str) -> Iterator[Problem]:
    taken: dict[tuple[str, int], str] = {}
    for index, proxy in proxies:
        for field in ("http_port", "https_port", "admin_port", "admin_tls_port", "health_port"):
            key = (proxy.address, getattr(proxy, field))
            if key[1] is None:
                continue
            if key in taken:
                yield f"{path}.proxies[{index}].{field}", f"port {key[1]} is already {taken[key]}"
            taken.setdefault(key, f"{proxy.name}'s {field}")


def doubles(named: Iterator[tuple[int, str]], form: str, what: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in named:
        if name and name in seen:
            yield form.format(index), f"the {what} {name} stands twice"
        seen.add(name)


def _valid(raw: Mapping[str, Any], section: str, model: type[M]) -> list[tuple[int, M]]:
    """The items of a section whose own fields are right, with their places."""
    found = []
    for index, item in enumerate(_items(raw, section)):
        try:
            found.append((index, model.model_validate(item)))
        except ValidationError:
            continue
    return found


def _items(raw: Mapping[str, Any], section: str) -> Sequence[Any]:
    items = raw.get(section)
    return items if isinstance(items, list | tuple) else ()


def name_of(item: Any) -> str:
    return str(item.get("name", "")) if isinstance(item, dict) else ""
