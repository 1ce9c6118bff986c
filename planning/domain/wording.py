"""The planning figures in words and as data."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from planning.domain.amplification import Amplification
from planning.domain.buffers import SHED, Buffers, size


def amplification_data(found: Amplification) -> dict[str, Any]:
    """Every service with its load, for programs."""
    return {
        "services": [
            {
                "service": load.service,
                "worst": load.worst,
                "with_budgets": load.budgeted,
                "layers": [
                    {"name": layer.name, "route": layer.is_route, **asdict(layer.policy)}
                    for layer in load.layers
                ],
                "retrying_layers": len(load.retrying),
                "keep": load.keep or None,
            }
            for load in found.loads
        ],
        "unknown_routes": list(found.unknown),
    }


def amplification_lines(found: Amplification) -> Iterator[str]:
    """A table, what to switch off, and the routes that are not there."""
    width = max(len("service"), *(len(load.service) for load in found.loads))
    yield f"{'service':<{width}}  {'worst':>7}  {'budgets':>7}  layers"
    for load in found.loads:
        figures = f"{load.worst_words:>7}  {load.budgeted_words:>7}"
        yield f"{load.service:<{width}}  {figures}  {load.formula or 'nothing retries'}"
    for load in found.flagged:
        layers, others = len(load.retrying), ", ".join(load.others)
        yield f"{load.service}: {layers} layers retry; keep {load.keep}, switch off {others}"
    for route in found.unknown:
        yield f"no tier has the route {route}: it counts as one try"


def buffers_data(found: Buffers, why_unknown: str) -> dict[str, Any]:
    """The figures of one proxy, in requests and bytes, for programs."""
    return {
        "bytes_per_request": found.per_request,
        "requests_until_shed": found.until_shed,
        "max_heap_bytes": found.heap,
        "peak_requests": found.peak,
        "bytes_at_peak": found.at_peak,
        "bytes_one_request_per_connection": found.one_each,
        "bytes_all_streams": found.all_streams,
        "holds": found.holds,
        "why_unknown": why_unknown or None,
    }


def buffers_lines(found: Buffers, why_unknown: str) -> Iterator[str]:
    """Requests in flight and what they hold at most, and what moves it."""
    for name, requests, bytes_, note in buffers_rows(found, why_unknown):
        yield f"{name:<42} {requests:>12} {bytes_:>10}  {note}".rstrip()
    for line in found.moves():
        yield f"moves it: {line}"


def buffers_rows(found: Buffers, why_unknown: str) -> Iterator[tuple[str, str, str, str]]:
    """What is looked at, its requests in flight, the bytes that they hold, and what is to be said of it."""
    each = f"{size(found.each_side)} each side"
    yield "one request", "1", size(found.per_request), each
    if found.peak is None or found.at_peak is None:
        yield "the peak of seven days", "unknown", "unknown", why_unknown
    else:
        note = "" if found.holds else "ABOVE what the heap takes"
        yield "the peak of seven days", f"{found.peak:,.0f}", size(found.at_peak), note
    heap = f"{SHED:.0%} of protection.max_heap {size(found.heap)}: then new ones get 503"
    yield "until requests are shed, at most", f"{found.until_shed:,}", size(found.heap * SHED), heap
    yield _all("one request", found.connections, found.one_each, found.heap)
    yield _all("all its streams", found.connections * found.streams, found.all_streams, found.heap)


def _all(what: str, requests: int, held: float, heap: int) -> tuple[str, str, str, str]:
    note = "more than the heap: it sheds before" if held > heap else ""
    return f"every connection with {what}", f"{requests:,}", size(held), note
