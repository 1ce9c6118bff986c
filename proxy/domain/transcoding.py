"""gRPC as JSON in a declaration: whose upstreams speak gRPC, and the file that describes its services."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from proxy.domain.errors import Invalid, Problem
from proxy.domain.tier import Route, Upstream

FILE, CONTENT = "descriptor_set_file", "descriptor_set"


def problems(
    routes: Sequence[tuple[int, Route]], upstreams: Sequence[tuple[int, Upstream]], path: str
) -> Iterator[Problem]:
    """Routes that transcode for an upstream that does not speak HTTP/2, which gRPC is spoken over."""
    protocols = {upstream.name: upstream.protocol for _, upstream in upstreams}
    for index, route in routes:
        for arm in route.split if route.transcode is not None else ():
            if protocols.get(arm, "http2") != "http2":
                here = f"{path}.routes[{index}].transcode"
                yield here, f"upstream {arm} needs protocol http2, which gRPC is spoken over"


def attached(document: Mapping[str, Any], read: Callable[[str], bytes]) -> dict[str, Any]:
    """The document with the content of each `descriptor_set_file` in its place, so that a revision holds it.

    `read` gives a file's content or raises OSError. Raises Invalid with every file that cannot be read.
    """
    errors: list[Problem] = []
    found = _attached(document, "", read, errors)
    if errors:
        raise Invalid(errors)
    return dict(found)


def _attached(node: Any, path: str, read: Callable[[str], bytes], errors: list[Problem]) -> Any:
    if isinstance(node, list):
        return [_attached(item, f"{path}[{index}]", read, errors) for index, item in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    found = {
        key: _attached(value, f"{path}.{key}" if path else str(key), read, errors)
        for key, value in node.items()
        if key != FILE
    }
    if FILE not in node:
        return found
    if CONTENT in node:
        errors.append((f"{path}.{FILE}", f"stands beside {CONTENT}: leave one out"))
        return found
    return {**found, CONTENT: _content(str(node[FILE]), f"{path}.{FILE}", read, errors)}


def _content(file: str, path: str, read: Callable[[str], bytes], errors: list[Problem]) -> str:
    try:
        return base64.b64encode(read(file)).decode()
    except OSError as error:
        errors.append((path, f"cannot read {file}: {error.strerror or error}"))
        return ""
