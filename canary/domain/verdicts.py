"""Verdicts: what the evidence amounts to, and why, in one sentence."""

from dataclasses import dataclass
from math import log
from typing import Literal

from canary.domain.judge import Counts, Evidence, Limits, Reading, e_value, weigh

Kind = Literal["fail", "pass", "inconclusive", "no_data"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One metric's verdict. `reading` is None only when nothing was measured.

    `rates` is the reason's first half, both arms' failure rates: what a message's heading has room for.
    `edge` (microseconds) is the one of a latency's histogram that speaks loudest for FAIL.
    """

    kind: Kind
    reason: str
    reading: Reading | None
    rates: str = ""
    edge: float | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """How a metric and its two arms are called in a reason."""

    canary: str = "the canary"
    control: str = "the control"
    of: str = "requests"
    fails: str = "fails"


def decide(evidence: Evidence, limits: Limits, words: Words, *, traffic_now: bool = True) -> Verdict:
    """FAIL, PASS, INCONCLUSIVE or NO_DATA, with its reason.

    `traffic_now` is False in a tick that had no attempts in one arm: nothing is decided in it.
    """
    counts = evidence.counts
    if not counts.n_c or not counts.n_k:
        return Verdict("no_data", _silence(counts, words), None)
    reading = weigh(evidence, limits)
    if traffic_now and reading.log_fail >= -log(limits.alpha):
        if counts.e_c >= limits.min_failures and evidence.failing_ticks >= limits.min_failing_ticks:
            return Verdict("fail", _failed(counts, reading, limits, words), reading, rates(counts, words))
        return Verdict("inconclusive", _guarded(evidence, limits, words), reading)
    if traffic_now and evidence.step.n_c and reading.log_pass >= -log(limits.beta):
        return Verdict("pass", _passed(evidence.step, reading, limits, words), reading)
    return Verdict("inconclusive", _open(evidence, reading, limits, words), reading)


def rates(counts: Counts, words: Words) -> str:
    """Both arms' failure rates with the counts behind them."""
    return (
        f"{words.canary} {words.fails} {percent(counts.e_c, counts.n_c)} of {words.of} "
        f"({counts.e_c} of {counts.n_c}), {words.control} {percent(counts.e_k, counts.n_k)} "
        f"({counts.e_k} of {counts.n_k})"
    )


def percent(part: int, whole: int) -> str:
    """A rate in words: "0.3 %"; a tiny one keeps two digits."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.2g} %" if 0 < share < 0.1 else f"{share:.1f} %"


def _times(odds: float | None) -> str:
    return "unknown" if odds is None else f"{odds:.3g}x"


def _failed(counts: Counts, reading: Reading, limits: Limits, words: Words) -> str:
    return (
        f"{rates(counts, words)}: odds {_times(reading.odds)}, "
        f"e-value {e_value(reading.log_fail):.2g} against a limit of {1 / limits.alpha:.4g}"
    )


def _passed(step: Counts, reading: Reading, limits: Limits, words: Words) -> str:
    harmless = "" if limits.negligible is None else f" or below {100 * limits.negligible:g} % of {words.of}"
    return (
        f"{rates(step, words)} at this step: not {limits.w1:g}x worse{harmless}, "
        f"e-value {e_value(reading.log_pass):.2g} against a limit of {1 / limits.beta:.4g}"
    )


def _guarded(evidence: Evidence, limits: Limits, words: Words) -> str:
    return (
        f"{rates(evidence.counts, words)}, too few to act on: it takes {limits.min_failures} failures "
        f"in {limits.min_failing_ticks} ticks, there were {evidence.counts.e_c} in {evidence.failing_ticks}"
    )


def _open(evidence: Evidence, reading: Reading, limits: Limits, words: Words) -> str:
    counts = evidence.counts
    if not counts.e_c and not counts.e_k:
        said = f"nothing failed in either arm yet ({counts.n_c} and {counts.n_k} {words.of})"
    else:
        said = rates(counts, words)
    return (
        f"{said}: evidence {e_value(reading.log_fail):.2g} of {1 / limits.alpha:.4g} that it is worse, "
        f"{e_value(reading.log_pass):.2g} of {1 / limits.beta:.4g} that it is not"
    )


def _silence(counts: Counts, words: Words) -> str:
    if not counts.n_c and not counts.n_k:
        return f"no {words.of} were measured in either arm"
    arm = words.canary if not counts.n_c else words.control
    return f"{arm} had no {words.of}, so there is nothing to compare"
