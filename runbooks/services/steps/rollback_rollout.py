"""Rolling back the canary that a run is about. Nothing takes that back: it is the safe side."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import canary.selectors
import canary.services
from audit.domain.actor import automation
from canary.domain.errors import Refused, UnknownRollout
from canary.domain.states import WrongState
from canary.selectors import RolloutRow
from runbooks.models import Act, Run
from runbooks.services.looking import Look
from runbooks.services.steps.contract import Came, CannotPlan, Case, Nature, Planned

BY = automation("runbooks")
# A way back in stages is given time; the rollback itself goes on, whatever the run says of it.
WITHIN_SECONDS = 600.0


class RollbackRollout:
    """See `contract.Kind`."""

    nature: Nature = "declarative"

    def plan(self, step: Mapping[str, Any], case: Case) -> Planned:
        row = _live(case)
        if row is None:
            raise CannotPlan(f"there is no rollout to roll back on {case.watched.words(case.subject)}")
        return Planned(
            {"rollout": row.id, "route": row.route, "upstream": row.upstream, "within": WITHIN_SECONDS},
            words=f"roll back rollout {row.id}: {row.upstream} gets 0 % of {row.route}, and stays there",
        )

    def do(self, act: Act, run: Run, look: Look) -> Came | None:
        number = act.said["rollout"]
        try:
            row = canary.selectors.rollout(number).row
        except UnknownRollout as error:
            return Came("refused", str(error))
        match row.state:
            case "rolled_back":
                return Came("done", "every proxy was seen to give it nothing", {"weight": row.weight})
            case "rolling_back":
                late = look.now >= act.intended_at + timedelta(seconds=act.said["within"])
                return Came("refused", f"it takes too long: {row.problem or row.reason}") if late else None
            case "promoted":
                return Came("refused", f"rollout {number} was promoted meanwhile")
        return _roll_back(number, run, look)

    def undo(self, act: Act, run: Run, look: Look) -> Came | None:
        return Came("done", "who wants the canary again starts a new rollout")


def _roll_back(number: int, run: Run, look: Look) -> Came | None:
    reason = f"run {run.pk}: {run.why}"
    try:
        canary.services.rollback(rollout_id=number, by=BY, reason=reason, now=look.now)
    except (WrongState, Refused) as error:
        return Came("refused", str(error))
    return None


def _live(case: Case) -> RolloutRow | None:
    """The rollout on the route, or whose canary is the upstream, or the only one of the tier."""
    mine = [row for row in canary.selectors.rollouts(live=True) if row.tier == case.tier.name]
    match case.watched.definition.scope:
        case "route":
            mine = [row for row in mine if row.route == case.subject]
        case "upstream":
            mine = [row for row in mine if row.upstream == case.subject]
    return mine[0] if len(mine) == 1 else None
