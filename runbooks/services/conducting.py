"""Takes runs as far as they go now: one function a state. Each move is its own transaction."""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from runbooks.domain.measures import Measure, as_data
from runbooks.domain.states import OPEN
from runbooks.models import Measurement, Run
from runbooks.services import unreadable
from runbooks.services.deciding import awaiting, confirming, proposed
from runbooks.services.looking import Look, Round
from runbooks.services.mitigating import mitigating
from runbooks.services.moving import Overtaken
from runbooks.services.reverting import needs_human, reverting, stopped
from runbooks.services.watched import kept_by
from runbooks.services.watching import holds, stays, taken, verifying

# Short, so that the next tick but one takes over from a dead worker while its intent still holds. A worker
# that outlives its claim changes nothing: each of its moves asks for its own claim.
CLAIM = timedelta(seconds=4)
MOVES_A_TICK = 4
UNMEASURED = ("NEEDS_HUMAN",)
STATES: dict[str, Callable[[Run, Look], bool]] = {
    "PROPOSED": proposed,
    "CONFIRMING": confirming,
    "AWAITING_APPROVAL": awaiting,
    "MITIGATING": mitigating,
    "VERIFYING": verifying,
    "HOLDING": holds,
    "TAKEN": taken,
    "REVERTING": reverting,
    "NEEDS_HUMAN": needs_human,
}
# What acts, as far as no measure is wanted for it: above all, taking it back.
UNLOOKED: dict[str, Callable[[Run, Look], bool]] = {
    "MITIGATING": stopped,
    "VERIFYING": stays,
    "HOLDING": taken,
    "TAKEN": taken,
    "REVERTING": reverting,
    "NEEDS_HUMAN": needs_human,
}
# Nothing more is to be done with these once there is a measure.
DONE_UNLOOKED = ("TAKEN", "REVERTING", "NEEDS_HUMAN")


def claim(round: Round, states: Collection[str] = OPEN) -> tuple[str, list[Run]]:
    """Take every open run in these states that no other worker has; the token gives them back."""
    token, until = secrets.token_hex(16), round.now + CLAIM
    free = Run.objects.filter(state__in=states).filter(Q(claim_token="") | Q(claimed_until__lte=round.now))
    with transaction.atomic():
        # Nobody waits for a run that a person moves just now, nor two workers for each other.
        mine = list(free.select_for_update(skip_locked=True).values_list("pk", flat=True))
        Run.objects.filter(pk__in=mine).update(claim_token=token, claimed_until=until)
    return token, list(Run.objects.filter(claim_token=token).order_by("id"))


def release(token: str) -> None:
    """Let others have what is still claimed."""
    Run.objects.filter(claim_token=token).update(claim_token="", claimed_until=None)


def remember(runs: Iterable[Run], measures: Mapping[int, Measure], round: Round) -> None:
    """What was measured for each run, by its number, in one statement."""
    Measurement.objects.bulk_create(
        Measurement(run=run, at=round.now, values=as_data(measures[run.pk]))
        for run in runs
        if run.state not in UNMEASURED
    )


def take_back(run: Run, round: Round) -> None:
    """Move a claimed run that acts as far as it goes without a measure: Prometheus may take its time."""
    _move(run, Measure(at=round.now, why_no_data="not looked at yet"), round, UNLOOKED)


def advance(run: Run, measure: Measure, round: Round) -> None:
    """Move a claimed run while it moves."""
    _move(run, measure, round, STATES)


def _move(
    run: Run, measure: Measure, round: Round, states: Mapping[str, Callable[[Run, Look], bool]]
) -> None:
    try:
        try:
            look = Look(round, measure, kept_by(run))
        except ValueError as error:
            unreadable.give_up(run, error, round)
            return
        for _ in range(MOVES_A_TICK):
            if not states[run.state](run, look):
                break
    except Overtaken:
        # A person or another worker was first; the next tick starts from what they did.
        return
