"""Whether a proxy really runs a patch, by its own configuration dump: an ACK alone is no proof.

Retry budgets are set through Envoy's runtime, which the dump does not hold: of those nothing is shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reading:
    """What a dump says of a patch, in words; `contradicts` when the proxy runs something else."""

    says: str
    contradicts: bool = False


def read(dump: Mapping[str, Any], patch: Mapping[str, Any]) -> Reading:
    """What the dump shows of one patch."""
    if patch["kind"] != "retry_off":
        return Reading("not shown in the dump")
    found = [policy.get("num_retries") for policy in _retry_policies(dump, str(patch["route"]))]
    if not found:
        return Reading("not shown in the dump")
    retrying = next((number for number in found if number != 0), 0)
    return Reading(f"retries {retrying} times", contradicts=True) if retrying else Reading("does not retry")


def _retry_policies(node: Any, route: str) -> Iterator[Mapping[str, Any]]:
    """The retry policy of every route of this name, wherever Envoy's types put it."""
    if isinstance(node, Mapping):
        policy = node["route"].get("retry_policy") if isinstance(node.get("route"), Mapping) else None
        if node.get("name") == route and policy is not None:
            yield policy
        for value in node.values():
            yield from _retry_policies(value, route)
    elif isinstance(node, list):
        for item in node:
            yield from _retry_policies(item, route)
