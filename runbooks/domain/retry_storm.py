"""The retry storm: is there one, what to do about it, did it work.

When every request is tried three times, the backend that fails gets up to three times the load. The
amplification is (first attempts + retries) / first attempts. It is a storm when many retries are wanted
(sent, or refused by the budget) and they do no good: most of those sent fail too, or the budget is
exhausted. Retries that heal what one bad endpoint breaks are no storm: to switch them off would hurt.
Without enough first attempts to judge by there is no data, and no data starts nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from runbooks.domain.policy import Policy

SLUG = "retry-storm"
CAUSE = "retry_storm"
ENOUGH_MEASURES = 2

Said = Literal["storm", "calm", "no_data"]
Outcome = Literal["yes", "no", "wait"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One route at a moment, each figure per second over the policy's lookback; None is no data.

    `exhausted` is of the route's upstreams together. `failed` counts failed first attempts, which retries
    cannot mask, and `wasted` failed retries. `busiest` is the upstream with the most retries.
    """

    at: datetime
    first: float | None = None
    retries: float | None = None
    wasted: float | None = None
    exhausted: float | None = None
    failed: float | None = None
    busiest: str = ""
    why_no_data: str = ""

    @property
    def share(self) -> float | None:
        """Retries per first attempt."""
        return _over(self.retries, self.first)

    @property
    def wasted_share(self) -> float | None:
        """Failed retries, per retry."""
        return _over(self.wasted, self.retries)

    @property
    def exhausted_share(self) -> float | None:
        """Retries refused by the budget, per first attempt."""
        return _over(self.exhausted, self.first)

    @property
    def failed_share(self) -> float | None:
        """Failed first attempts, per first attempt."""
        return _over(self.failed, self.first)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`yes`, `no` or `wait`, and why in one sentence."""

    outcome: Outcome
    why: str
    extend: bool = False


def detect(measure: Measure, policy: Policy) -> Said:
    """Whether this measure shows a storm."""
    if measure.first is None or measure.share is None or measure.first < policy.min_rate:
        return "no_data"
    # An upstream may serve several routes: its refused retries are this route's when its own attempts fail.
    failing = (measure.failed_share or 0.0) >= policy.exhausted_share
    refused = (measure.exhausted_share or 0.0) if failing else 0.0
    many = measure.share + refused >= policy.retry_share
    no_good = (measure.wasted_share or 0.0) >= policy.wasted_share or refused >= policy.exhausted_share
    return "storm" if many and no_good else "calm"


def explain(measure: Measure, policy: Policy) -> str:
    """What `detect` said, in words with its numbers."""
    match detect(measure, policy):
        case "no_data":
            return measure.why_no_data or f"fewer than {policy.min_rate:g} first attempts/s to judge by"
        case "storm":
            sent, wasted = _percent(measure.share), _percent(measure.wasted_share)
            return (
                f"{sent} retries per first attempt, {wasted} of them fail, {_rate(measure.exhausted)} refused"
            )
        case _:
            return f"{_percent(measure.share)} retries per first attempt"


def numbers(measure: Measure) -> dict[str, str]:
    """The figures that a message shows."""
    told = {
        "Retries per first attempt": _percent(measure.share),
        "Amplification": "unknown" if measure.share is None else f"x{1 + measure.share:.2f}",
        "Retries that fail too": _percent(measure.wasted_share),
        "Retries refused by the budget": _rate(measure.exhausted),
        "Failed first attempts": _percent(measure.failed_share),
        "First attempts": _rate(measure.first),
    }
    return {**told, "Most retries to": measure.busiest} if measure.busiest else told


def confirm(measures: Sequence[Measure], policy: Policy, *, since: datetime, now: datetime) -> Verdict:
    """Whether the symptom held from `since` for the policy's window. `no` as soon as it did not."""
    seen = [measure for measure in measures if measure.at >= since]
    said = [detect(measure, policy) for measure in seen]
    if "calm" in said:
        return Verdict("no", explain(seen[said.index("calm")], policy))
    if said.count("storm") >= ENOUGH_MEASURES and now - since >= policy.confirm_for and said[-1] == "storm":
        return Verdict("yes", explain(seen[-1], policy))
    if now - since >= 4 * policy.confirm_for:
        return Verdict("no", "no data to confirm it by")
    return Verdict("wait", "watching whether it holds")


def plan(*, route: str, upstreams: Sequence[str], policy: Policy) -> list[dict[str, Any]]:
    """The patches to lay over the tier, in the order of their targets."""
    if policy.remedy == "retry_budget":
        return [
            {"kind": "retry_budget", "upstream": name, "percent": policy.budget_percent, "min_concurrency": 0}
            for name in sorted(upstreams)
        ]
    return [{"kind": "retry_off", "route": route}]


def verify(
    measures: Sequence[Measure],
    before: Measure,
    policy: Policy,
    *,
    applied_at: datetime,
    extended: bool,
    now: datetime,
) -> Verdict:
    """Whether it worked, over a window that begins one lookback after `applied_at`.

    Earlier measures still hold samples from before. `no` at once when first attempts fail more than before;
    without enough to judge by, the window is extended once, and then it is `no`.
    """
    start = applied_at + policy.lookback
    end = start + policy.verify_for * (2 if extended else 1)
    seen = [measure for measure in measures if start <= measure.at and detect(measure, policy) != "no_data"]
    worse = next((measure for measure in seen if worsened(measure, before, policy)), None)
    if worse is not None:
        return Verdict("no", f"first attempts fail more: {_percent(worse.failed_share)}")
    if now < end:
        return Verdict("wait", "watching whether it worked")
    recent = seen[-ENOUGH_MEASURES:]
    if len(recent) == ENOUGH_MEASURES and all(detect(measure, policy) == "calm" for measure in recent):
        return Verdict("yes", explain(recent[-1], policy))
    if not extended:
        return Verdict("wait", "not clear yet: watching once more as long", extend=True)
    return Verdict("no", "it did not help" if len(recent) == ENOUGH_MEASURES else "too little data to tell")


def hold(
    measures: Sequence[Measure],
    before: Measure,
    policy: Policy,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
) -> Verdict:
    """Whether to go on holding (`wait`), to revert since it is over (`yes`) or since it got worse (`no`).

    With retries off nothing is retried: the cause is over when first attempts have been healthy for a while.
    """
    if now >= until:
        return Verdict("yes", "its time is over")
    seen = [measure for measure in measures if measure.at >= since and measure.failed_share is not None]
    if seen and detect(seen[-1], policy) != "no_data" and worsened(seen[-1], before, policy):
        return Verdict("no", f"first attempts fail more: {_percent(seen[-1].failed_share)}")
    quiet = [measure for measure in seen if measure.at >= now - policy.quiet_for]
    healthy = all((measure.failed_share or 0.0) <= policy.healthy_share for measure in quiet)
    if len(quiet) >= ENOUGH_MEASURES and healthy and now - since >= policy.quiet_for:
        return Verdict("yes", f"first attempts are healthy: {_percent(quiet[-1].failed_share)} fail")
    return Verdict("wait", "holding")


def holds(measure: Measure, policy: Policy) -> str:
    """What the remedy does and what it cannot heal, in words with the number."""
    did = "retries are off" if policy.remedy == "retry_off" else "the retry budget is tight"
    if measure.failed_share is None or measure.failed_share <= policy.healthy_share:
        return f"{did}; {_first_attempts(measure)}"
    return f"{did}; first attempts still fail {measure.failed_share * 100:.0f} %"


def standing(measure: Measure, before: Measure, policy: Policy) -> str:
    """What clients still feel while it is mitigated. `before` knows the upstream that had the retries."""
    at = f" at backend {before.busiest}" if before.busiest else ""
    # Without retries a failed first attempt is a failed request; a tight budget heals some of them.
    what = "requests" if policy.remedy == "retry_off" else "first attempts"
    if measure.failed_share is None or measure.failed_share <= policy.healthy_share:
        return f"load is no longer multiplied; {_first_attempts(measure)}{at}"
    return f"load is no longer multiplied; {measure.failed_share * 100:.0f} % of {what} still fail{at}"


def _first_attempts(measure: Measure) -> str:
    if measure.failed_share is None:
        return "no data of first attempts"
    return f"first attempts are healthy: {_percent(measure.failed_share)} fail"


def worsened(measure: Measure, before: Measure, policy: Policy) -> bool:
    """Whether first attempts fail more than before the change, by more than the policy allows.

    The final error rate is no guard: with retries off it rises to that of first attempts by design.
    """
    if measure.failed_share is None or before.failed_share is None:
        return False
    return measure.failed_share > before.failed_share + policy.worse_by


def as_data(measure: Measure) -> dict[str, Any]:
    """JSON data that `measure_from` reads back."""
    return {**asdict(measure), "at": measure.at.isoformat()}


def measure_from(data: Mapping[str, Any]) -> Measure:
    """The measure that `as_data` wrote."""
    return Measure(**{**data, "at": datetime.fromisoformat(str(data["at"]))})


def _over(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _percent(ratio: float | None) -> str:
    return "unknown" if ratio is None else f"{ratio * 100:.1f} %"


def _rate(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}/s"
