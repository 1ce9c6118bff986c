"""A small runbook as data, for tests of what any definition does."""

from copy import deepcopy
from typing import Any

from runbooks import texts
from runbooks.domain.definition import Definition, definition_from

DECLARED: dict[str, Any] = {
    "title": "Slow pool",
    "cause": "brownout",
    "scope": "upstream",
    "thresholds": {"least": 1.0, "slow": 0.5, "worse_by": 0.2, "percent": 5.0},
    "signals": {
        "rate": {"unit": "per_second", "promql": 'sum by (upstream) (x{tier="$tier"})', "by": "upstream"},
        "slow": {
            "title": "Slow share",
            "unit": "ratio",
            "promql": 'avg by (upstream, endpoint) (y{tier="$tier"})',
            "by": "upstream",
            "join": "max",
            "names": "endpoint",
            "most": "Slowest",
        },
        "drained": {"unit": "count", "promql": 'z{tier="$tier"}', "by": "upstream", "absent": 0},
    },
    "shows": ["slow", "rate"],
    "originator": "backend",
    "enough": {"signal": "rate", "at_least": "least"},
    "symptom": {"signal": "slow", "at_least": "slow"},
    "unless": [{"when": {"signal": "drained", "above": 0}, "because": "{name.slow} is being drained"}],
    "worse": {"signal": "slow", "above_before_by": "worse_by"},
    "over": {"signal": "slow", "below": "slow"},
    "remedy": "tight",
    "remedies": {
        "tight": {
            "did": "the budget is tight",
            "steps": [
                {
                    "do": "overlay",
                    "patch": {"kind": "retry_budget", "upstream": "$upstream", "percent": "$percent"},
                }
            ],
        }
    },
    "says": {
        "present": "{slow} are slow",
        "calm": "{slow} are slow, as usual",
        "healthy": "few are slow: {slow}",
        "unhealthy": "{about.slow} are still slow",
        "relief": "the pool breathes",
        "felt": "{about.slow} of {felt} are still slow",
    },
}


def declared(**changes: Any) -> dict[str, Any]:
    return deepcopy(DECLARED) | changes


def built_in(slug: str) -> Definition:
    """Of a runbook that comes with Sluice."""
    found = texts.built_in()[slug].definition
    assert found is not None
    return found


def definition(**changes: Any) -> Definition:
    return definition_from(declared(**changes))
