"""Taking one endpoint out of its upstream: an overlay."""

from collections.abc import Mapping, Sequence
from typing import Any

from runbooks.services.steps.contract import CannotPlan, Case


class DrainEndpoint:
    """See `contract.Overlaying`."""

    def patches(self, step: Mapping[str, Any], case: Case) -> Sequence[dict[str, Any]]:
        named = step["endpoint"]
        endpoint = named if isinstance(named, str) else next(iter(named), "")
        if not endpoint:
            raise CannotPlan("no endpoint is named by what was measured")
        return [{"kind": "drain", "upstream": step["upstream"], "endpoints": [endpoint]}]
