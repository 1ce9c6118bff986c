"""What Flagger and Argo Rollouts would decide on recorded counts, by the settings that they document.

Neither is run: the rule of each is a few lines, and what they read is the canary's success rate alone.

Flagger (docs.flagger.app/usage/how-it-works, /usage/deployment-strategies): `interval: 1m`, `threshold: 10`,
`maxWeight: 50`, `stepWeight: 5`, `request-success-rate` of at least 99 % over `interval: 1m`. A check that
fails is counted and the weight stays; at `threshold` failed checks the canary is rolled back ("interval *
threshold"), and after maxWeight / stepWeight good ones promoted ("interval * (maxWeight / stepWeight)").

Argo Rollouts (argo-rollouts.readthedocs.io/en/stable/features/analysis, Background Analysis): `interval: 5m`,
`successCondition: result[0] >= 0.95`, `failureLimit: 3`, `irate(...[5m])`, four steps with `pause: {duration:
10m}`. A measurement that fails is counted; the run fails when more than `failureLimit` did (`assessMetric` in
analysis/analysis.go), and the canary is promoted after the last pause. `irate` is the last two scrapes;
Istio's own Prometheus scrapes each 15 s.

What each makes of no data: to Flagger it is a failed check, and NaN is no success to Argo's condition.
"""

from collections.abc import Sequence
from itertools import count
from typing import Protocol

Counts = Sequence[tuple[int, int]]
"""The canary's requests and failures, second by second."""
Decision = tuple[str, int]
"""`rolled back` or `promoted`, and after how many seconds; `undecided` where the record ends before."""

FLAGGER_INTERVAL, FLAGGER_THRESHOLD, FLAGGER_LEAST, FLAGGER_CHECKS = 60, 10, 0.99, 50 // 5
ARGO_INTERVAL, ARGO_LIMIT, ARGO_LEAST, ARGO_SECONDS, ARGO_SCRAPE = 300, 3, 0.95, 4 * 600, 15


class Record(Protocol):
    """A simulated run: the canary's requests a second, and how many of them failed."""

    @property
    def n_c(self) -> int: ...

    @property
    def e_c(self) -> Sequence[int]: ...


def counts(record: Record) -> Counts:
    """The canary's side of a record, which is all that they read."""
    return [(record.n_c, int(failed)) for failed in record.e_c]


def flagger(record: Counts) -> Decision:
    """A check each minute over the last minute."""
    failed = passed = 0
    for at in count(FLAGGER_INTERVAL, FLAGGER_INTERVAL):
        if at > len(record):
            return "undecided", len(record)
        good = _succeeds(record[at - FLAGGER_INTERVAL : at], FLAGGER_LEAST)
        failed, passed = failed + (not good), passed + good
        if failed == FLAGGER_THRESHOLD:
            return "rolled back", at
        if passed == FLAGGER_CHECKS:
            return "promoted", at
    raise AssertionError("counts end")


def argo(record: Counts) -> Decision:
    """A measurement each five minutes, of the last scrape's interval."""
    failed = 0
    for at in count(ARGO_INTERVAL, ARGO_INTERVAL):
        if at > len(record):
            return "undecided", len(record)
        failed += not _succeeds(record[at - ARGO_SCRAPE : at], ARGO_LEAST)
        if failed > ARGO_LIMIT:
            return "rolled back", at
        if at >= ARGO_SECONDS:
            return "promoted", at
    raise AssertionError("counts end")


def _succeeds(span: Counts, least: float) -> bool:
    requests, failures = sum(n for n, _ in span), sum(e for _, e in span)
    return requests > 0 and 1 - failures / requests >= least
