"""Which requests: a path and conditions as Envoy's RouteMatch."""

from typing import Any

from proxy.domain.tier.matching import Claim, Compared, Conditions, Cookie, Header, Match, QueryParameter
from proxy.domain.translate import kinds

JWT = "envoy.filters.http.jwt_authn"
"""The filter whose dynamic metadata hold, under each provider's name, the claims that it vouched for."""


def route_match(match: Match, *more: Conditions) -> dict[str, Any]:
    """The match of a route, with the further conditions of an arm."""
    found = _path(match)
    methods = [_methods(match)] if match.methods else []
    every = (match, *more)
    parts = {
        "headers": [*methods, *(_header(item) for given in every for item in given.headers)],
        "query_parameters": [_query(item) for given in every for item in given.query_parameters],
        "cookies": [_cookie(item) for given in every for item in given.cookies],
        "dynamic_metadata": [_claim(item) for given in every for item in given.claims],
    }
    return found | {key: items for key, items in parts.items() if items}


def _path(match: Match) -> dict[str, Any]:
    """`/api` takes `/api` and `/api/x` but not `/apix`; a prefix that ends with a slash is taken as it is."""
    kind, text = match.by
    match kind:
        case "path":
            return {"path": text}
        case "safe_regex":
            return {"safe_regex": {"regex": text}}
        case "path_template":
            return {"path_match_policy": _template(text)}
    return {"prefix" if text.endswith("/") else "path_separated_prefix": text}


def _template(text: str) -> dict[str, Any]:
    return kinds.extension(
        "envoy.path.match.uri_template.uri_template_matcher",
        "path.match.uri_template.v3.UriTemplateMatchConfig",
        path_template=text,
    )


def _methods(match: Match) -> dict[str, Any]:
    if len(match.methods) == 1:
        return {"name": ":method", "string_match": {"exact": match.methods[0]}}
    return {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(match.methods)}}}


def _header(item: Header) -> dict[str, Any]:
    if item.present_match is not None:
        return {"name": item.name, "present_match": not item.inverted}
    found = {"name": item.name, "string_match": _string(item)}
    # Without the second, a request that lacks the header would match neither the condition nor its inverse.
    return {**found, "invert_match": True, "treat_missing_header_as_empty": True} if item.inverted else found


def _query(item: QueryParameter) -> dict[str, Any]:
    if item.present_match is not None:
        return {"name": item.name, "present_match": item.present_match}
    return {"name": item.name, "string_match": _string(item)}


def _cookie(item: Cookie) -> dict[str, Any]:
    anything = {"safe_regex": {"regex": ".*"}}
    wanted = anything if item.present_match is not None else _string(item)
    found = {"name": item.name, "string_match": wanted}
    return {**found, "invert_match": True} if item.inverted else found


def _claim(item: Claim) -> dict[str, Any]:
    path = [{"key": key} for key in (item.provider, *item.claim)]
    return {"filter": JWT, "path": path, "value": _value(item)}


def _value(item: Claim) -> dict[str, Any]:
    kind, value = item.comparison
    if kind == "present_match":
        return {"present_match": True}
    if kind == "bool_match":
        return {"bool_match": value}
    one: dict[str, Any] = {"string_match": _string(item)}
    # Claims such as groups are lists.
    return {"or_match": {"value_matchers": [one, {"list_match": {"one_of": one}}]}}


def _string(item: Compared) -> dict[str, Any]:
    kind, value = item.comparison
    if kind == "safe_regex":
        return {"safe_regex": {"regex": value}}
    return {kind: value, "ignore_case": True} if item.ignore_case else {kind: value}
