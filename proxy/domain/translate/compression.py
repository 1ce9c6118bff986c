"""Compression of answers: a filter a coding, off but on the routes that ask for it."""

from typing import Any

from proxy.domain.tier import Route, Tier
from proxy.domain.tier.transformation import Coding, Compression
from proxy.domain.translate import kinds

_LIBRARIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "br": ("brotli", "Brotli", {"quality": 4}),
    "gzip": ("gzip", "Gzip", {"compression_level": "COMPRESSION_LEVEL_4", "window_bits": 12}),
    "zstd": ("zstd", "Zstd", {"compression_level": 3}),
}
"""Fast levels: a proxy compresses every answer anew."""


def filters(tier: Tier) -> list[dict[str, Any]]:
    """Above everything that makes or changes an answer's body, since answers pass the filters from below."""
    if not tier.compression.enabled and not any(route.compression for route in tier.routes):
        return []
    first = tier.compression.codings[0]
    return [
        {**_filter(tier.compression, coding, preferred=coding == first), "disabled": True}
        for coding in tier.compression.codings
    ]


def per_route(tier: Tier, route: Route) -> dict[str, Any]:
    """On, where the route says so or says nothing and the tier does."""
    on = tier.compression.enabled if route.compression is None else route.compression
    if not on:
        return {}
    plain = kinds.on_route("filters.http.compressor.v3.CompressorPerRoute", overrides={})
    return {name(coding): plain for coding in tier.compression.codings}


def name(coding: Coding) -> str:
    """The filter's name."""
    return f"sluice.compress.{coding}"


def _filter(settings: Compression, coding: Coding, *, preferred: bool) -> dict[str, Any]:
    library, message, options = _LIBRARIES[coding]
    common = {
        "min_content_length": settings.min_content_length,
        # What may follow is a parameter, such as the character set.
        "content_type_matcher": [{"prefix": kind} for kind in settings.content_type],
    }
    return kinds.extension(
        name(coding),
        "filters.http.compressor.v3.Compressor",
        choose_first=preferred,
        compressor_library=kinds.extension(
            library, f"compression.{library}.compressor.v3.{message}", **options
        ),
        # A strong ETag is of the bytes, which are others now; to drop it would cost the client its cache.
        response_direction_config={"common_config": common, "weaken_etag_on_compress": True},
    )
