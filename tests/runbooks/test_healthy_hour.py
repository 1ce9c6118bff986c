"""An hour of a tier that is well: no runbook acts, nor would it ask to. And a few minutes of each trouble, in which
just the one does that the trouble is for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from proxy.domain.tier import Tier
from runbooks import texts
from runbooks.domain.judging import Judge, Said, Verdict
from runbooks.domain.measures import Measure
from runbooks.services.measuring import Answers, measure
from telemetry.domain.promql import moment
from telemetry.domain.series import Sample
from telemetry.prometheus import Prometheus
from tests.proxy.factories import tier
from tests.runbooks.healthy import HOUR, UPSTREAMS, history, variants
from tests.support.prometheus import prometheus

pytestmark = pytest.mark.real

END = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=4)
TICK = timedelta(seconds=10)
"""The machine's own are 3 s; this is as fine as what is measured changes, over windows of 20 s and more."""
TROUBLE = 80
"""Seconds of each trouble."""
BUILT_IN = ("retry-storm", "grpc-hotspot", "handshake-storm", "slow-clients", "brownout")
ACTS = {
    "pinned": {"grpc-hotspot": ["shop"]},
    "one-slow": {},
    "storm": {"handshake-storm": [""]},
    "more-traffic": {},
    "slowloris": {"slow-clients": [""]},
    "one-fails": {"brownout": ["shop"]},
    "all-fail": {},
    "all-slow": {"brownout": ["shop"]},
}
"""By trouble: which runbooks act, and on what. A retry storm is its own trouble, with tests of its own."""


def declared(name: str) -> Tier:
    upstreams = [
        {"name": name, "endpoints": [{"address": each.partition(":")[0], "port": 80} for each in endpoints]}
        for name, endpoints in UPSTREAMS.items()
    ]
    routes = [{"name": name, "hosts": [f"{name}.test"], "upstream": name} for name in UPSTREAMS]
    return tier(name=name, upstreams=upstreams, routes=routes)


@dataclass
class Past:
    """Prometheus as of each of some moments; each query is asked once for all of them."""

    prometheus: Prometheus
    lasts: timedelta
    known: dict[str, dict[datetime, list[Sample]]] = field(default_factory=dict)

    @property
    def moments(self) -> list[datetime]:
        return [END - self.lasts + TICK * number for number in range(self.lasts // TICK + 1)]

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        if promql not in self.known:
            self.known[promql] = self._asked(promql)
        return tuple(self.known[promql].get(at, ()))

    def _asked(self, promql: str) -> dict[datetime, list[Sample]]:
        found: dict[datetime, list[Sample]] = {}
        first, *_, last = self.moments
        for series in self.prometheus.matrix(promql, start=first, end=last, step=TICK):
            for seconds, value in series.points:
                at = moment(seconds)
                found.setdefault(at, []).append(Sample(series.labels, value, at))
        return found

    def measures(self, judge: Judge, tier: str) -> dict[str, list[Measure]]:
        """Each target's measures, moment by moment."""
        found: dict[str, list[Measure]] = {}
        of, definition, policy = declared(tier), judge.definition, judge.policy
        for at in self.moments:
            answers = Answers(self, tier, at)  # type: ignore[arg-type]  # it is asked by `vector` alone
            now = measure(answers, tier=of, definition=definition, policy=policy)
            for name, each in now.items():
                found.setdefault(name, []).append(each)
        return found


@pytest.fixture(scope="module")
def prometheus_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    series = history(END)
    for name, course in variants().items():
        series += history(END, tier=name, course=course, lasts=TROUBLE)
    with prometheus(tmp_path_factory.mktemp("prometheus"), history=series) as running:
        client = Prometheus(running.url, timeout=20.0)
        yield client
        client.close()


def judging(slug: str) -> Judge:
    text = texts.built_in()[slug]
    assert text.definition is not None
    return Judge(text.definition, text.policy)


def acts(judge: Judge, measures: Sequence[Measure]) -> list[Verdict]:
    """What would have been confirmed: each time that the symptom begins, whether it holds for long enough."""
    found = []
    for place, first in enumerate(measures):
        if judge.detect(first) == "present":
            end = first.at + 4 * judge.policy.confirm_for
            until = [each for each in measures[place:] if each.at <= end]
            verdicts = (
                judge.confirm(until[: number + 1], since=first.at, now=each.at)
                for number, each in enumerate(until)
            )
            found += [verdict for verdict in verdicts if verdict.outcome == "yes"][:1]
    return found


@pytest.mark.parametrize("slug", BUILT_IN)
def test_no_runbook_acts_in_an_hour_that_is_well(prometheus_of_all: Prometheus, slug: str) -> None:
    judge = judging(slug)
    by_target = Past(prometheus_of_all, timedelta(seconds=HOUR)).measures(judge, "edge")
    assert {name: acts(judge, measures) for name, measures in by_target.items()} == {
        name: [] for name in by_target
    }
    said = [judge.detect(each) for measures in by_target.values() for each in measures]
    assert _share(said, "no_data") < 0.05


def _share(said: Sequence[Said], which: Said) -> float:
    return said.count(which) / len(said)


@pytest.mark.parametrize("trouble", ACTS)
def test_in_each_trouble_the_runbook_acts_that_is_for_it(prometheus_of_all: Prometheus, trouble: str) -> None:
    past, found = Past(prometheus_of_all, timedelta(seconds=TROUBLE)), dict[str, list[str]]()
    for slug in BUILT_IN[1:]:
        judge = judging(slug)
        targets = [name for name, each in past.measures(judge, trouble).items() if acts(judge, each)]
        found |= {slug: targets} if targets else {}
    assert found == ACTS[trouble]


def last(prometheus: Prometheus, slug: str, trouble: str, target: str = "") -> str:
    """What the runbook says of the last moment."""
    judge = judging(slug)
    measures = Past(prometheus, timedelta(seconds=TROUBLE)).measures(judge, trouble)[target]
    return judge.explain(measures[-1])


def test_a_slow_endpoint_is_named_as_slow_and_not_as_pinned(prometheus_of_all: Prometheus) -> None:
    said = last(prometheus_of_all, "grpc-hotspot", "one-slow", "shop")
    assert said.startswith("10.0.0.1:80 is slow (x")
    assert "not pinned" in said


def test_load_is_told_from_a_storm_of_handshakes(prometheus_of_all: Prometheus) -> None:
    said = last(prometheus_of_all, "handshake-storm", "more-traffic")
    assert said.startswith("no storm of handshakes")
    assert said.endswith("the usual requests, and wants more proxies")


def test_the_cause_is_named_where_it_is_one(prometheus_of_all: Prometheus) -> None:
    assert last(prometheus_of_all, "grpc-hotspot", "pinned", "shop").startswith("10.0.0.1:80 gets x2.")
    assert last(prometheus_of_all, "brownout", "one-fails", "shop").startswith("10.0.0.1:80 fails most")
    assert "fresh handshakes" in last(prometheus_of_all, "handshake-storm", "storm")
    assert "not sent to the end" in last(prometheus_of_all, "slow-clients", "slowloris")
