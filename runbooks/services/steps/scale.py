"""Asking a scaler for more instances, and for as many as there were to take it back."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from outbound import signing
from runbooks.domain.scaling import NotNow, scaling
from runbooks.models import Act
from runbooks.services.steps.contract import CannotPlan, Case, Planned
from runbooks.services.steps.outside import Outside, call

# Of an act that may have changed how many there are.
COUNTS = ("due", "sending", "done", "unknown")


class Scale(Outside):
    """See `contract.Kind`. A number is set, not added: it may be sent again."""

    def plan(self, step: Mapping[str, Any], case: Case) -> Planned:
        _refuse_soon(step, case)
        try:
            found = scaling(
                instances=case.measured.value(step["instances"]),
                load=case.measured.value(step["load"]),
                target=float(step["target"]),
                at_least=step["at_least"],
                at_most=step["at_most"],
            )
        except NotNow as error:
            raise CannotPlan(f"it is not scaled: {error}") from error
        more = {"instances": found.wanted, "before": found.before}
        less = {"instances": found.before, "before": found.wanted}
        said = call(step, {**step["body"], **more}, {"body": {**step["body"], **less}}, repeatable=True)
        where = signing.shown(step["url"])
        return Planned(
            said,
            words=f"ask {where} for {found.wanted} instances instead of {found.before}",
            undo=f"ask {where} for {found.before} instances again",
        )


def _refuse_soon(step: Mapping[str, Any], case: Case) -> None:
    """Instances need time to come: what is measured before they did would ask for more and more."""
    since = case.now - timedelta(seconds=step["cooldown"])
    asked = Act.objects.filter(kind="scale", phase="do", intended_at__gt=since, state__in=COUNTS)
    lately = next((act for act in asked.order_by("-intended_at") if act.said["url"] == step["url"]), None)
    if lately is not None:
        at = f"{lately.intended_at:%H:%M:%S} UTC"
        raise CannotPlan(f"it is not scaled: run {lately.run_id} asked for instances at {at}")
