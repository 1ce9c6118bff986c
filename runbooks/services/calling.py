"""Sends the calls of runs to services of others, outside of every transaction and of every tick.

The row says that it is being sent before anything is, and what came of it after. What a worker that died
between had in hand is told by `domain.calls`: sent again with its key, or unknown.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

import audit.services
from audit.domain.actor import automation
from outbound.errors import NotSent, Unanswered
from outbound.posting import Outbound
from proxy.services.asking import asked
from runbooks.domain import calls
from runbooks.domain.calls import CALL, MAYBE, Answer
from runbooks.models import Act, Run
from runbooks.services import gating

BY = automation("runbooks")
# The kinds whose acts are sent from here: `services.steps.outside`.
CALLED = ("webhook", "scale")
# Longer than one call may take: a worker that died while sending leaves it to the next.
CLAIM = timedelta(seconds=15)
# At most so many in one pass, all at once.
MOST = 32
# In which states of its run a call is still wanted. What takes back is, whoever was called for meanwhile.
WANTED = {"do": ("MITIGATING",), "undo": ("REVERTING", "NEEDS_HUMAN")}


def send(*, outbound: Outbound, now: datetime) -> int:
    """Send what is due; returns how many were sent. Lost, doubled or late rounds change nothing."""
    for act in _calls("sending").filter(claimed_until__lte=now)[:MOST]:
        event = calls.after_death(repeatable=act.said["repeatable"])
        _settle(act, event, "the worker that sent it died", now, sent=True)
    for act in _calls("due"):
        _give_up(act, now)
    due = _calls("due").filter(Q(next_at=None) | Q(next_at__lte=now))
    taken = [act for act in due[:MOST] if _claim(act, now)]
    reasons = {act.pk: _reason(act) for act in taken}
    for act, answer in zip(taken, asked(partial(_attempt, outbound, reasons, now), taken), strict=True):
        event = calls.event_of(answer, repeatable=act.said["repeatable"])
        _settle(act, event, answer.said, now, sent=answer.sent)
    return len(taken)


def _calls(state: str) -> QuerySet[Act]:
    return Act.objects.filter(kind__in=CALLED, state=state).select_related("run").order_by("id")


def _give_up(act: Act, now: datetime) -> None:
    """What is past its deadline, or no longer wanted, is sent no more."""
    late = now >= act.intended_at + timedelta(seconds=act.said["deadline"])
    unwanted = act.phase == "do" and act.run.state not in WANTED["do"]
    if not (late or unwanted):
        return
    why = "its time is over" if late else "the run has turned back"
    latest = f"; the latest: {act.answer}" if act.answer else ""
    if act.evidence.get(MAYBE):
        _settle(act, "lose", f"{why}, and it may have arrived{latest}", now)
    else:
        _settle(act, "give_up", f"{why}, and nothing was sent{latest}", now)


def _claim(act: Act, now: datetime) -> bool:
    """Commit that it is being sent. False where the run has moved on, or another worker was first."""
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=act.run_id)
        if run.state not in WANTED[act.phase] or (act.phase == "do" and gating.lock_switch().on):
            return False
        free = Act.objects.filter(pk=act.pk, state="due", attempts=act.attempts)
        act.state, act.claim_token = CALL["due"]["send"], secrets.token_hex(16)
        act.attempts += 1
        fields = {"state": act.state, "claim_token": act.claim_token, "attempts": act.attempts}
        return bool(free.update(**fields, claimed_until=now + CLAIM))


def _reason(act: Act) -> str:
    """Why the run acts, or why it takes back."""
    if act.phase == "undo":
        return act.run.ending_why
    return act.run.steps.filter(event="mitigate").values_list("why", flat=True).first() or act.run.why


def _attempt(outbound: Outbound, reasons: Mapping[int, str], now: datetime, act: Act) -> Answer:
    """One POST. Runs on a thread of its own: what it reads of the run was read before."""
    said = act.said if act.phase == "do" else {**act.said, **act.said["undo"]}
    try:
        reply = outbound.post(
            said["url"],
            said["secret"],
            _content(act, said, reasons[act.pk]),
            event=f"runbook_{act.kind}",
            delivery=act.key,
            timestamp=int(now.timestamp()),
            more=calls.key_headers(act.key),
        )
    except NotSent as error:
        return Answer(said=str(error), sent=False)
    except Unanswered as error:
        return Answer(said=str(error))
    return Answer(reply.status, calls.words_of(reply.status, reply.body))


def _content(act: Act, said: Mapping[str, Any], why: str) -> dict[str, Any]:
    run = act.run
    about = {
        "id": run.pk,
        "runbook": run.runbook,
        "tier": run.tier,
        "scope": run.scope,
        "subject": run.subject,
        "incident": run.incident_id,
        "url": f"{settings.BASE_URL}/runs/{run.pk}/",
    }
    return calls.content_of(key=act.key, phase=act.phase, said=said["body"], about=about, why=why)


@transaction.atomic
def _settle(act: Act, event: str, said: str, now: datetime, *, sent: bool = False) -> None:
    """Write what came of it, unless somebody else has; `sent`: this attempt may have arrived."""
    state = CALL[act.state][event]
    fields: dict[str, Any] = {"state": state, "answer": said, "claim_token": "", "claimed_until": None}
    if state == "due":
        maybe = sent or bool(act.evidence.get(MAYBE))
        fields["next_at"] = now + timedelta(seconds=calls.again_after(act.attempts))
        fields["evidence"] = {**act.evidence, MAYBE: maybe}
    held = Act.objects.filter(pk=act.pk, state=act.state, claim_token=act.claim_token, attempts=act.attempts)
    if held.update(**fields) and state != "due":
        audit.services.record(
            by=BY,
            action=f"call.{state}",
            target=act.run.target,
            reason=said,
            now=now,
            detail={"run": act.run_id, "step": act.place, "phase": act.phase, "attempts": act.attempts},
        )
