"""What becomes of headers and bodies on their way, and how large a request's body may be."""

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.domain.tier import Route, Tier
from proxy.domain.tier.transformation import Body, Headers
from proxy.domain.translate import kinds

BODIES = "sluice.bodies"

_SET, _ADD = "OVERWRITE_IF_EXISTS_OR_ADD", "APPEND_IF_EXISTS_OR_ADD"
_TRANSFORM = "filters.http.transform.v3.TransformConfig"
_LIMIT = "filters.http.body_size_limit.v3.BodySizeLimit"


def headers(part: Route | Tier) -> dict[str, Any]:
    """The fields of Envoy's route, or of its whole table, that change headers."""
    return {
        **_changes("request", part.request_headers),
        **_changes("response", part.response_headers),
    }


def joined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Parts of one of Envoy's routes as one: lists that several have are put behind each other."""
    found: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            found[key] = [*found[key], *value] if key in found and isinstance(value, list) else value
    return found


def server_header(tier: Tier) -> dict[str, Any]:
    """What an answer's Server header says."""
    return {
        "server_header_transformation": tier.server_header_transformation.upper(),
        "server_name": tier.server_name,
    }


def filters(tier: Tier) -> list[dict[str, Any]]:
    """The size first, so that what is too large is not held for its body to be changed."""
    found = [
        kinds.extension(_size_limit(limit), _LIMIT, max_request_bytes=limit) for limit in size_limits(tier)
    ]
    if any(_changes_bodies(route) for route in tier.routes):
        found.append({**kinds.extension(BODIES, _TRANSFORM), "disabled": True})
    return found


def per_route(route: Route, limits: Iterable[int]) -> dict[str, Any]:
    """The route's own bodies, and off what limits the sizes of others' requests; `limits` are the tier's."""
    others = (limit for limit in limits if limit != route.max_request_bytes)
    found = {_size_limit(limit): kinds.off() for limit in others}
    if _changes_bodies(route):
        found[BODIES] = kinds.on_route(
            _TRANSFORM,
            **_transformation("request", route.request_body),
            **_transformation("response", route.response_body),
        )
    return found


def size_limits(tier: Tier) -> list[int]:
    """Every limit that a route of the tier has, in bytes."""
    return sorted({route.max_request_bytes for route in tier.routes if route.max_request_bytes is not None})


def _size_limit(limit: int) -> str:
    """The filter's name: one a size, since a route cannot configure it, but only put it off."""
    return f"sluice.body-size-limit.{limit}"


def _changes_bodies(route: Route) -> bool:
    return route.request_body is not None or route.response_body is not None


def _changes(of: str, changes: Headers) -> dict[str, Any]:
    options = [*_options(changes.set.items(), _SET), *_options(changes.add.items(), _ADD)]
    return {
        **({f"{of}_headers_to_add": options} if options else {}),
        **({f"{of}_headers_to_remove": list(changes.remove)} if changes.remove else {}),
    }


def _options(values: Iterable[tuple[str, str]], action: str) -> list[dict[str, Any]]:
    return [{"header": {"key": name, "value": value}, "append_action": action} for name, value in values]


def _transformation(of: str, body: Body | None) -> dict[str, Any]:
    if body is None:
        return {}
    action, template = ("MERGE", body.merge) if body.merge is not None else ("REPLACE", body.replace)
    changed = {"body_format": {"json_format": template}, "action": action}
    return {f"{of}_transformation": {"body_transformation": changed}}
