"""A call to a service of others. What the receiver takes once by its key may be sent again, else never."""

from collections.abc import Mapping
from typing import Any

from outbound import signing
from runbooks.services.steps.contract import Case, Nature, Planned
from runbooks.services.steps.outside import Outside, call


class Webhook(Outside):
    """See `contract.Kind`."""

    # By its kind alone; `repeatable` of a step makes it keyed.
    nature: Nature = "at_most_once"

    def plan(self, step: Mapping[str, Any], case: Case) -> Planned:
        said = call(step, step["body"], step.get("undo"), repeatable=step["repeatable"])
        once = "" if step["repeatable"] else ", once and never again by itself"
        undo = said["undo"]
        return Planned(
            said,
            words=f"call {signing.shown(said['url'])}{once}",
            undo=f"call {signing.shown(undo['url'])} to take it back" if undo else "",
        )
