"""Describes what a person may do to a rollout now, and what exactly each would change."""

from collections.abc import Sequence
from dataclasses import dataclass

from canary.domain import shares, states
from canary.domain.plan import WHOLE, Plan
from canary.models import Rollout


@dataclass(frozen=True, slots=True)
class ActionRow:
    """What a person may do now and what exactly it would change: the split before and after."""

    action: str
    before: dict[str, int]
    after: dict[str, int]
    words: str


def actions(found: Rollout, plan: Plan, *, unread: Sequence[str]) -> tuple[ActionRow, ...]:
    """In the order that a page shows them; `unread` are the proxies that do not show the weights yet."""
    now = _share_now(found)
    return tuple(
        ActionRow(
            action=event,
            before=shares.split(plan, found.base, found.upstream, now),
            after=shares.split(plan, found.base, found.upstream, _share(event, found, plan)),
            words=_words(event, found, plan, unread),
        )
        for event in _events(found, plan)
    )


def _events(found: Rollout, plan: Plan) -> list[str]:
    events = [event for event in states.allowed(found.state) if event != "skip" or not _is_last(found, plan)]
    if not found.weight and "force" in events:
        events.remove("force")
    if found.state == "rolled_back":
        events.append("retry")
    # What came later on the route has the say: an older one is history.
    ended = found.state in states.TERMINAL
    later = ended and Rollout.objects.filter(route=found.route_id, pk__gt=found.pk).exists()
    return [] if later else events


def _is_last(found: Rollout, plan: Plan) -> bool:
    return plan.following(found.step, found.weight) == plan.last


def _share_now(found: Rollout) -> int:
    return WHOLE if found.state == "promoted" else found.weight


def _share(event: str, found: Rollout, plan: Plan) -> int:
    """The canary's basis points after the action."""
    match event:
        case "approve" | "skip":
            return plan.share(plan.following(found.step, found.weight))
        case "pause":
            return found.weight
        case "resume":
            return plan.share(found.step)
        case "promote":
            return WHOLE if found.state == "baking" else plan.share(plan.last)
        case "retry":
            return plan.share(0)
        case _:
            return 0


def _words(event: str, found: Rollout, plan: Plan, unread: Sequence[str]) -> str:
    canary, share = found.upstream, _share(event, found, plan)
    if event == "pause":
        return f"{canary} stays at {found.weight / 100:g} %; the judge goes on and may still roll back"
    if event == "close":
        return (
            f"it ends as rolled back, though it was not read back from {', '.join(unread) or 'every proxy'}"
        )
    goes = f"{canary} goes from {_share_now(found) / 100:g} % to {share / 100:g} % of {found.route_name}"
    match event:
        case "skip":
            return f"{goes} without a PASS of this step"
        case "promote" if share < WHOLE:
            return f"{goes}, bakes for {plan.bake.seconds:g} s, and then takes all"
        case "retry":
            return f"a new rollout with the same plan: {goes}, and is judged anew"
        case "undo":
            return f"{goes}: the split of before the promotion, at once and then as a revision"
        case _:
            return goes
