"""Takes runs as far as they go now: one function a state. Each move is its own transaction."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from runbooks.domain.measures import Measure, as_data
from runbooks.models import Measurement, Run
from runbooks.services.deciding import awaiting, confirming, proposed
from runbooks.services.looking import Look, Round
from runbooks.services.mitigating import mitigating
from runbooks.services.moving import Overtaken
from runbooks.services.reverting import needs_human, reverting
from runbooks.services.watched import kept_by
from runbooks.services.watching import holds, taken, verifying

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
# Tier, runbook and subject.
Key = tuple[str, str, str]


def claim(round: Round) -> tuple[str, list[Run]]:
    """Take every open run that no other worker has; the token gives them back."""
    token, until = secrets.token_hex(16), round.now + CLAIM
    free = Run.objects.open().filter(Q(claim_token="") | Q(claimed_until__lte=round.now))
    with transaction.atomic():
        # Nobody waits for a run that a person moves just now, nor two workers for each other.
        mine = list(free.select_for_update(skip_locked=True).values_list("pk", flat=True))
        Run.objects.filter(pk__in=mine).update(claim_token=token, claimed_until=until)
    return token, list(Run.objects.filter(claim_token=token).order_by("id"))


def release(token: str) -> None:
    """Let others have what is still claimed."""
    Run.objects.filter(claim_token=token).update(claim_token="", claimed_until=None)


def remember(runs: Iterable[Run], measures: Mapping[Key, Measure], round: Round) -> None:
    """What was measured for each run, in one statement."""
    Measurement.objects.bulk_create(
        Measurement(run=run, at=round.now, values=as_data(of(run, measures, round)))
        for run in runs
        if run.state not in UNMEASURED
    )


def of(run: Run, measures: Mapping[Key, Measure], round: Round) -> Measure:
    """The newest measure of what the run is about."""
    found = measures.get((run.tier, run.runbook, run.subject))
    return found or Measure(at=round.now, why_no_data=f"{run.words} was not looked at")


def advance(run: Run, measure: Measure, round: Round) -> None:
    """Move a claimed run while it moves."""
    look = Look(round, measure, kept_by(run))
    try:
        for _ in range(MOVES_A_TICK):
            if not STATES[run.state](run, look):
                break
    except Overtaken:
        # A person or another worker was first; the next tick starts from what they did.
        return
