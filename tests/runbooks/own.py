"""A runbook of a team's own, as the tests write and change it."""

import copy
from typing import Any

from runbooks.domain.writing import Written, from_declaration

BODY = "## What it means\n\nThe pool is nearly full.\n\n## Do\n\nApprove the run."


def front(**changes: Any) -> dict[str, Any]:
    """The front matter of a runbook that tells of full pools and takes retries off; each change replaces a key."""
    return copy.deepcopy(FRONT) | changes


def declared(slug: str = "pool-full", **changes: Any) -> dict[str, Any]:
    """The same as an item of a declaration."""
    return {"slug": slug, **front(**changes), "text": BODY}


def written(slug: str = "pool-full", **changes: Any) -> Written:
    """The same as it is kept."""
    return from_declaration(declared(slug, **changes))


FRONT: dict[str, Any] = {
    "title": "Pool nearly full",
    "summary": "An upstream takes hardly any more requests at once.",
    "severity": "page",
    "owner": "team shop",
    "cause": "pool_full",
    "scope": "upstream",
    "policy": {"lookback": "10s", "confirm_for": "4s", "cooldown": "1m"},
    "thresholds": {"full": 0.9, "roomy": 0.6},
    "signals": {
        "used": {"unit": "ratio", "indicator": "requests_saturation", "by": "upstream"},
        "instances": {
            "unit": "count",
            "by": "upstream",
            "promql": 'max by (envoy_cluster_name) (envoy_cluster_membership_healthy{tier="$tier"})',
        },
    },
    "enough": {"signal": "instances", "at_least": 1},
    "symptom": {"all": [{"signal": "used", "at_least": "full"}]},
    "over": {"signal": "used", "at_most": "roomy"},
    "remedy": "tight",
    "remedies": {
        "tight": {
            "did": "the retry budget is tight",
            "steps": [
                {
                    "do": "overlay",
                    "patch": {
                        "kind": "retry_budget",
                        "upstream": "$upstream",
                        "percent": 1,
                        "min_concurrency": 0,
                    },
                }
            ],
        }
    },
    "says": {
        "present": "{used} of the pool is used",
        "calm": "{used} of the pool is used",
        "healthy": "{used} of the pool is used",
        "unhealthy": "still {used} of the pool is used",
        "relief": "fewer requests at once",
        "felt": "{used} of the pool is still used",
    },
}
