"""What a runbook's checks say of the tier, as declared and as its proxies run it, when a run decides."""

from collections.abc import Collection, Sequence
from typing import Any

import planning.selectors
import proxy.selectors
from planning.domain.amplification import Amplification
from proxy.domain import checks, observing
from proxy.domain.checks import Finding, Subject
from proxy.domain.errors import ProxyError, ProxyUnreachable
from proxy.domain.observing import Seen
from proxy.domain.tier import Tier
from proxy.ports import ProxyAdmin
from proxy.services.asking import asked
from runbooks.domain.conditions import holds
from runbooks.domain.definition import Choice
from runbooks.domain.judging import Judge
from runbooks.domain.layers import single_layer
from runbooks.domain.measures import Measure
from runbooks.domain.targets import upstreams_of
from runbooks.models import Run
from runbooks.services.looking import Look

# Of a run that is about many upstreams or routes, so many are checked: the evidence is read by people.
MOST = 5


def findings(run: Run, look: Look) -> tuple[Finding, ...]:
    """One for each check and what it looks at; none where the runbook has no checks. Outside of transactions.

    A proxy that does not answer is not seen, and what is only declared is not known to be obeyed.
    """
    names = look.watched.definition.checks
    if not names:
        return ()
    try:
        tier = proxy.selectors.desired(run.tier, now=look.now)
        rows = proxy.selectors.tier(run.tier).proxies
    except ProxyError:
        return ()
    # A dump of all that a proxy runs is large, and not every check looks at one.
    shown_to = rows if any(name in checks.CHECKS for name in names) else ()
    seen = asked(lambda row: _seen(look.round.admin, row.admin_address), shown_to)
    shown = {row.name: each for row, each in zip(shown_to, seen, strict=True) if each is not None}
    tiers = [proxy.selectors.base(row.name) for row in proxy.selectors.tiers()]
    amplified = planning.selectors.amplified(now=look.now) if checks.SINGLE_LAYER in names else None
    return tuple(
        _of_graph(amplified, name, run.tier, subject)
        or checks.checked(name, Subject(tier, shown, subject, tiers))
        for name in names
        for subject in _subjects(name, run, look, tier)
    )


def _of_graph(amplified: Amplification | None, name: str, tier: str, route: str) -> Finding | None:
    """The declared call graph knows more of a route's way than the tiers do, where it is in it."""
    if amplified is None or name != checks.SINGLE_LAYER:
        return None
    return single_layer(amplified, tier, route)


def chosen(judge: Judge, measured: Measure, found: Sequence[Finding]) -> str:
    """The remedy of the first choice whose check or figures say so, or none.

    What a person or the tier set stays: a choice is made in place of the runbook's own remedy only.
    """
    definition, policy = judge.definition, judge.policy
    if policy.remedy != definition.remedy:
        return ""
    said = {(finding.check, finding.holds) for finding in found}
    return next((each.remedy for each in definition.choose if _says(each, said, judge, measured)), "")


def _says(choice: Choice, said: Collection[tuple[str, bool | None]], judge: Judge, measured: Measure) -> bool:
    if choice.when is None:
        return (choice.check, choice.holds) in said
    return holds(choice.when, measured, judge.policy.thresholds) is True


def as_data(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings as a step of the run keeps them."""
    return [
        {"check": each.check, "title": each.title, "holds": each.holds, "says": each.says, "do": each.declare}
        for each in found
    ]


def _seen(admin: ProxyAdmin, address: str) -> Seen | None:
    try:
        return observing.read(admin.config_dump(address))
    except ProxyUnreachable:
        return None


def _subjects(name: str, run: Run, look: Look, tier: Tier) -> Sequence[str]:
    """What the check looks at for this run: the tier, the upstreams behind it, or the routes to it."""
    scope = look.watched.definition.scope
    if name == checks.SINGLE_LAYER:
        if scope == "route":
            return (run.subject,)
        routes = (route.name for route in tier.routes if scope == "tier" or run.subject in route.split)
        return tuple(routes)[:MOST]
    if checks.CHECKS[name].scope == "tier":
        return ("",)
    return upstreams_of(scope, run.subject, tier)[:MOST]
