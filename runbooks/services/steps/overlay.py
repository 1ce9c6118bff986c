"""A patch as it is declared."""

from collections.abc import Mapping, Sequence
from typing import Any

from runbooks.services.steps.contract import Case


class Overlay:
    """See `contract.Overlaying`."""

    def patches(self, step: Mapping[str, Any], case: Case) -> Sequence[dict[str, Any]]:
        return [step["patch"]]
