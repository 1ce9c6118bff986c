"""What becomes of a request: another path or host, a redirect, a fixed answer."""

import re
from typing import Any

from proxy.domain.tier import Route
from proxy.domain.tier.actions import DirectResponse, Redirect
from proxy.domain.tier.matching import Match

_CODES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
_KEPT = ("host_redirect", "port_redirect", "path_redirect")


def rewrites(route: Route) -> dict[str, Any]:
    """The part of a route action that changes the request's path and host on the way to the upstream."""
    found: dict[str, Any] = {}
    if route.prefix_rewrite is not None:
        found |= _prefix(route.match, route.prefix_rewrite)
    if route.regex_rewrite is not None:
        regex = {"regex": route.regex_rewrite.pattern}
        found["regex_rewrite"] = {"pattern": regex, "substitution": route.regex_rewrite.substitution}
    if route.host_rewrite_literal is not None:
        found["host_rewrite_literal"] = route.host_rewrite_literal
    return found


def redirect(match: Match, to: Redirect) -> dict[str, Any]:
    """Envoy's redirect action."""
    found: dict[str, Any] = {"response_code": _CODES[to.response_code]}
    if to.https_redirect:
        found["https_redirect"] = True
    if to.strip_query:
        found["strip_query"] = True
    found |= {key: value for key in _KEPT if (value := getattr(to, key)) is not None}
    return found | (_prefix(match, to.prefix_rewrite) if to.prefix_rewrite is not None else {})


def direct_response(given: DirectResponse) -> dict[str, Any]:
    """The parts of a route that answers by itself."""
    answer: dict[str, Any] = {"status": given.status}
    if not given.body:
        return {"direct_response": answer}
    kind = {"header": {"key": "content-type", "value": given.content_type}}
    return {
        "direct_response": {**answer, "body": {"inline_string": given.body}},
        "response_headers_to_add": [{**kind, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }


def _prefix(match: Match, rewrite: str) -> dict[str, Any]:
    """What is below the match's prefix is put below another: `/api/v2` to `/` makes `/z` of `/api/v2/z`.

    Envoy replaces the text of the prefix alone: there `/` would make `//z`, and `/v2` for `/` would make
    `/v2z`.
    """
    kind, text = match.by
    if kind == "path":
        return {"prefix_rewrite": rewrite}
    new = rewrite.rstrip("/")
    if text.endswith("/"):
        return {"prefix_rewrite": f"{new}/"}
    if new:
        return {"prefix_rewrite": new}
    return {"regex_rewrite": {"pattern": {"regex": f"^{re.escape(text)}/?"}, "substitution": "/"}}
