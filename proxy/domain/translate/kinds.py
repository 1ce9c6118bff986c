"""The type URLs of what is served, and how an extension is written."""

from typing import Any

_PREFIX = "type.googleapis.com/"

CLUSTER = _PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = _PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = _PREFIX + "envoy.config.listener.v3.Listener"
ROUTES = _PREFIX + "envoy.config.route.v3.RouteConfiguration"
SECRET = _PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
EXTENSION = _PREFIX + "envoy.config.core.v3.TypedExtensionConfig"
RUNTIME = _PREFIX + "envoy.service.runtime.v3.Runtime"

MAKE_BEFORE_BREAK = (CLUSTER, ENDPOINTS, SECRET, EXTENSION, LISTENER, ROUTES)
"""A route must not reach a proxy before its cluster, nor a cluster before its endpoints."""

SPOKEN = {
    CLUSTER: "cluster",
    ENDPOINTS: "endpoints",
    LISTENER: "listener",
    ROUTES: "routes",
    SECRET: "secret",
    EXTENSION: "extension",
    RUNTIME: "runtime",
}

OVER_ADS = {"ads": {}, "resource_api_version": "V3"}


def extension(name: str, message: str, /, **fields: Any) -> dict[str, Any]:
    """A named extension with its typed configuration; `message` is the type below `envoy.extensions.`.

    Made anew for each place: protobuf's parser takes `@type` out of what it reads and puts it back.
    """
    return {"name": name, "typed_config": configuration(message, **fields)}


def configuration(message: str, /, **fields: Any) -> dict[str, Any]:
    """A typed configuration alone, such as a route's own of a filter."""
    return {"@type": f"{_PREFIX}envoy.extensions.{message}", **fields}


def extension_resource(name: str, message: str, /, **fields: Any) -> dict[str, Any]:
    """The configuration of an extension that a listener only names."""
    return {"@type": EXTENSION, **extension(name, message, **fields)}


def discovered(name: str, message: str, /) -> dict[str, Any]:
    """An HTTP filter whose configuration is the extension resource of its name.

    Where that does not come in time, a proxy that is new runs the filter with an empty configuration: it must
    be of a sort that then refuses.
    """
    empty = configuration(message)
    soon = {**OVER_ADS, "initial_fetch_timeout": "5s"}
    source = {"config_source": soon, "type_urls": [empty["@type"]], "default_config": empty}
    return {"name": name, "config_discovery": source}


def off() -> dict[str, Any]:
    """A filter's configuration for one route that does without it."""
    return {"@type": f"{_PREFIX}envoy.config.route.v3.FilterConfig", "disabled": True}


def on_route(message: str, /, **fields: Any) -> dict[str, Any]:
    """A filter's configuration for one route, which also puts a filter on that is off elsewhere."""
    config = configuration(message, **fields)
    return {"@type": f"{_PREFIX}envoy.config.route.v3.FilterConfig", "config": config}
