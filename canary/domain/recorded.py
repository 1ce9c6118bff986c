"""The judge on recorded data: what `manage.py judge FILE` reads, checked, judged and described.

Kinds: `counts` (attempts and failures a tick), `latency` (cumulative bucket counts a tick: the same test at
every edge) and `samples` (points of a gauge or a business metric: one Mann-Whitney test).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from typing import Any

from canary.domain import latency, samples, verdicts
from canary.domain.judge import BadLimit, Evidence, Limits, Reading, Tick, e_value, observe, weigh
from canary.domain.odds import Cell
from canary.domain.verdicts import Words

LIMITS = ("alpha", "beta", "w0", "w1", "negligible")
Row = tuple[float, Sequence[int], Sequence[int]]
Check = Callable[[Sequence[int]], str]


class BadRecording(ValueError):
    """The file cannot be judged; `field` names the place, such as `ticks[3].canary`."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


def judge(recording: Any) -> dict[str, Any]:
    """The verdict as JSON values. Raises BadRecording.

    FAIL stands wherever it is reached, even after a PASS; `at` is the time of the tick that decided.
    """
    if not isinstance(recording, Mapping):
        raise BadRecording("file", "must hold one JSON object")
    limits = _limits(recording)
    match recording.get("kind"):
        case "counts":
            return _counts(recording, limits)
        case "latency":
            return _latency(recording, limits)
        case "samples":
            return samples.judge(
                canary=_points(recording, "canary"),
                control=_points(recording, "control"),
                direction=_direction(recording),
                limits=limits,
            )
        case kind:
            raise BadRecording("kind", f"must be counts, latency or samples, not {kind!r}")


def _counts(recording: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    evidence, decided = Evidence(), _Decided()
    for at, canary, control in _rows(recording, 2, _check_pair):
        tick = Tick(at, {"": Cell(*canary, *control)})
        evidence = observe(evidence, tick, limits)
        verdict = verdicts.decide(evidence, limits, Words(), traffic_now=_traffic(canary[0], control[0]))
        if decided.note(verdict.kind, at, verdict.reason, evidence):
            break
    evidence = decided.evidence or evidence
    verdict = verdicts.decide(evidence, limits, Words())
    return {
        "verdict": decided.kind or verdict.kind,
        "at": decided.at,
        "reason": decided.reason or verdict.reason,
        **_figures(weigh(evidence, limits), evidence),
        "passed_at": decided.passed_at,
        "limit": 1 / limits.alpha,
    }


def _latency(recording: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    edges = _edges(recording)
    own, decided = replace(limits, negligible=None), _Decided()
    evidence = {edge: Evidence() for edge in edges}
    verdict = latency.decide(evidence, own, _slower)
    for at, canary, control in _rows(recording, len(edges) + 1, _check_rising):
        for i, edge in enumerate(edges):
            slower = Cell(canary[-1], canary[-1] - canary[i], control[-1], control[-1] - control[i])
            evidence[edge] = observe(evidence[edge], Tick(at, {"": slower}), own)
        verdict = latency.decide(evidence, own, _slower, traffic_now=_traffic(canary[-1], control[-1]))
        if decided.note(verdict.kind, at, verdict.reason, None):
            break
    weighed = latency.weigh_edges(evidence, own)
    return {
        "verdict": decided.kind or verdict.kind,
        "at": decided.at,
        "reason": decided.reason or verdict.reason,
        **_figures(weighed.reading, weighed.evidence),
        "edge": weighed.edge,
        "passed_at": decided.passed_at,
        "limit": 1 / limits.alpha,
    }


def _slower(edge: float) -> Words:
    return Words(fails=f"is slower than {edge:g} in", of="requests")


@dataclass(slots=True)
class _Decided:
    """The first PASS, until a FAIL overrules it."""

    kind: str = ""
    at: float | None = None
    reason: str = ""
    evidence: Evidence | None = None
    passed_at: float | None = None

    def note(self, kind: str, at: float, reason: str, evidence: Evidence | None) -> bool:
        """True when nothing more can change."""
        if kind == "fail" or (kind == "pass" and not self.kind):
            self.kind, self.at, self.reason, self.evidence = kind, at, reason, evidence
            self.passed_at = at if kind == "pass" else self.passed_at
        return kind == "fail"


def _figures(reading: Reading, evidence: Evidence) -> dict[str, Any]:
    counts = evidence.counts
    return {
        "e_value": e_value(reading.log_fail),
        "e_value_pass": e_value(reading.log_pass),
        "p_value": reading.p,
        "odds_ratio": reading.odds,
        "confidence": [reading.low, reading.high],
        "phi": reading.phi,
        "canary": [counts.n_c, counts.e_c],
        "control": [counts.n_k, counts.e_k],
    }


def _traffic(n_c: int, n_k: int) -> bool:
    return n_c > 0 and n_k > 0


def _limits(recording: Mapping[str, Any]) -> Limits:
    given = {name: recording[name] for name in LIMITS if recording.get(name) is not None}
    for name, value in given.items():
        if not _is_number(value):
            raise BadRecording(name, "must be a number")
    try:
        return Limits(**given)
    except BadLimit as error:
        raise BadRecording(error.field, error.why) from error


def _rows(recording: Mapping[str, Any], width: int, check: Check) -> list[Row]:
    """Every tick checked. A tick whose arm is null was a missing scrape: it is dropped for both arms."""
    ticks = recording.get("ticks")
    if not isinstance(ticks, list):
        raise BadRecording("ticks", "must be a list")
    rows: list[Row] = []
    latest = float("-inf")
    for i, tick in enumerate(ticks):
        place = f"ticks[{i}]"
        if not isinstance(tick, Mapping):
            raise BadRecording(place, "must be an object")
        at: Any = tick.get("t")
        if not _is_number(at) or at <= latest:
            raise BadRecording(f"{place}.t", "must be a number of seconds later than the tick before")
        latest = float(at)
        missing = [arm for arm in ("canary", "control") if arm not in tick]
        if missing:
            raise BadRecording(f"{place}.{missing[0]}", "is missing")
        if tick["canary"] is None or tick["control"] is None:
            continue
        canary = _arm(f"{place}.canary", tick["canary"], width, check)
        control = _arm(f"{place}.control", tick["control"], width, check)
        rows.append((latest, canary, control))
    return rows


def _arm(place: str, value: Any, width: int, check: Check) -> list[int]:
    if not isinstance(value, list) or len(value) != width:
        raise BadRecording(place, f"must be a list of {width} counts")
    if not all(_is_number(one) and one >= 0 and float(one).is_integer() for one in value):
        raise BadRecording(place, "must hold whole numbers, 0 or more")
    counts = [int(one) for one in value]
    why = check(counts)
    if why:
        raise BadRecording(place, why)
    return counts


def _check_pair(counts: Sequence[int]) -> str:
    return "" if counts[1] <= counts[0] else "must be [attempts, failed], with no more failed than attempts"


def _check_rising(counts: Sequence[int]) -> str:
    return "" if list(counts) == sorted(counts) else "must be cumulative: one count per edge, then all"


def _edges(recording: Mapping[str, Any]) -> list[float]:
    edges = recording.get("edges")
    if not isinstance(edges, list) or not edges or not all(_is_number(edge) for edge in edges):
        raise BadRecording("edges", "must be a list of numbers, one at least")
    if any(after <= before for before, after in pairwise(edges)):
        raise BadRecording("edges", "must rise")
    return [float(edge) for edge in edges]


def _points(recording: Mapping[str, Any], arm: str) -> list[float]:
    points = recording.get(arm)
    if not isinstance(points, list) or not all(_is_number(point) for point in points):
        raise BadRecording(arm, "must be a list of finite numbers")
    return [float(point) for point in points]


def _direction(recording: Mapping[str, Any]) -> samples.Direction:
    direction = recording.get("direction", "increase")
    if direction not in samples.DIRECTIONS:
        raise BadRecording("direction", f"must be one of {', '.join(samples.DIRECTIONS)}")
    return direction  # type: ignore[no-any-return]  # checked against the literal's values above


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
