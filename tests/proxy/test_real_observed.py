"""Somebody else's Envoys under a real Prometheus: which figures are exact, and that those are the truth."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from audit.domain.actor import Actor
from proxy import observed, services
from proxy.domain import observing
from proxy.domain.observed import ObservedTier
from proxy.envoy_admin import EnvoyAdmin
from telemetry.domain.quality import Observation
from telemetry.observation import observe
from telemetry.prometheus import Prometheus
from tests.proxy.foreign import Gateway, envoy
from tests.support.processes import wait_until
from tests.support.prometheus import Target, prometheus

pytestmark = pytest.mark.real
ROUNDS = 8
# All series of a fleet are scraped together, so that their shares are those of what was counted.
NEAR = 0.002


@dataclass
class Fleets:
    """One gateway as its team wrote it, one with Sluice's statistics, and what was measured of both."""

    plain: Gateway
    instrumented: Gateway
    seen: dict[str, Observation]


@dataclass
class Watch:
    """One gateway's traffic and figures, in whole rounds."""

    name: str
    gateway: Gateway
    metrics: Prometheus
    sent: int = 0

    def rounds(self, count: int) -> None:
        """Send them, and wait until Prometheus has scraped every count of them, twice."""
        self.sent += sum(len(self.gateway.round()) for _ in range(count))
        wait_until(self._counted, timeout=10, what=f"{self.name}: all that was sent is scraped")
        last = self.scraped()
        wait_until(lambda: self.scraped() > last, timeout=10, what=f"{self.name}: scraped again")

    def scraped(self) -> float:
        """When the newest sample was taken, in Unix time."""
        return self._value(f'timestamp(up{{job="{self.name}"}})')

    def observe(self, since: float) -> Observation:
        now = timezone.now()
        fleet = {"name": self.name, "observed": True, "labels": {"job": self.name}}
        declared = ObservedTier.model_validate({**fleet, "proxies": [{"name": "gw", "series": self.name}]})
        window = timedelta(seconds=now.timestamp() - since + 0.05)
        return observe(self.metrics, watched=declared.watched(), at=now, window=window)

    def _counted(self) -> bool:
        """Counters are as they are; histograms follow at Envoy's next flush."""
        names = ("envoy_http_downstream_rq_xx", "envoy_http_downstream_rq_time_count")
        which = f'{{job="{self.name}",envoy_http_conn_manager_prefix="ingress"}}'
        return all(self._value(f"sum({name}{which})") == self.sent for name in names)

    def _value(self, promql: str) -> float:
        return next((sample.value for sample in self.metrics.vector(promql, at=timezone.now())), 0.0)


def figures(watch: Watch) -> Observation:
    """Of some rounds, once every series is there: a rate misses what one had counted before its first scrape."""
    watch.rounds(2)
    since = watch.scraped()
    watch.rounds(ROUNDS)
    return watch.observe(since)


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleets]:
    directory = tmp_path_factory.mktemp("observed")
    with ExitStack() as stack:
        plain = stack.enter_context(envoy(directory, "plain", instrumented=False))
        instrumented = stack.enter_context(envoy(directory, "instrumented", instrumented=True))
        targets = [
            Target(gateway.admin, {"job": name, "instance": name}, "/stats/prometheus")
            for name, gateway in (("plain", plain), ("instrumented", instrumented))
        ]
        running = stack.enter_context(prometheus(directory / "prometheus", targets=targets))
        metrics = Prometheus(running.url, timeout=5)
        stack.callback(metrics.close)
        watches = [Watch("plain", plain, metrics), Watch("instrumented", instrumented, metrics)]
        with ThreadPoolExecutor() as pool:
            seen = dict(zip(("plain", "instrumented"), pool.map(figures, watches), strict=True))
        yield Fleets(plain, instrumented, seen)


def share(seen: Observation, name: str) -> float:
    """A figure as a share of the answers."""
    part, whole = seen.figures[name].figure.value, seen.figures["requests"].figure.value
    assert part is not None
    assert whole
    return part / whole


def test_what_envoy_counts_is_exact_and_the_truth(fleets: Fleets) -> None:
    seen = fleets.seen["plain"]
    assert share(seen, "failed") == pytest.approx(5 / 12, rel=NEAR)
    # One healed 503, and one refused connection that is tried again.
    assert share(seen, "retries") == pytest.approx(2 / 12, rel=NEAR)
    worth = {name: seen.figures[name].quality.worth for name in ("requests", "failed", "retries")}
    assert set(worth.values()) == {"exact"}


def test_who_failed_is_an_estimate_that_is_near_the_truth(fleets: Fleets) -> None:
    seen = fleets.seen["plain"]
    assert not seen.instrumented
    assert seen.figures["failed_backend"].quality.worth == "approximate"
    assert share(seen, "failed_backend") == pytest.approx(Gateway.BACKENDS / Gateway.ANSWERS, rel=NEAR)
    assert share(seen, "failed_proxy") == pytest.approx(Gateway.PROXYS / Gateway.ANSWERS, rel=NEAR)


def test_the_counter_that_dashboards_rate_would_have_blamed_the_backend(fleets: Fleets) -> None:
    clusters = fleets.seen["plain"].clusters
    refused = clusters["payments"]
    assert refused["failed_backend"].figure.value == pytest.approx(0, abs=0.05)
    assert refused["failed_proxy"].figure.value == pytest.approx(refused["answers"].figure.value, rel=NEAR)


def test_first_attempts_are_estimated_from_what_retries_healed(fleets: Fleets) -> None:
    first = fleets.seen["plain"].figures["first_attempts"]
    assert first.quality.worth == "approximate"
    assert first.figure.value == pytest.approx(Gateway.FIRST_FAILURES / Gateway.FIRSTS, rel=NEAR)


def test_what_cannot_be_had_says_what_to_add(fleets: Fleets) -> None:
    added = fleets.seen["plain"].figures["added_p99"]
    assert (added.figure.value, added.quality.worth) == (None, "unavailable")
    assert "manage.py instrument" in added.quality.note
    assert fleets.seen["plain"].routes == {}


def test_a_pool_is_measured_where_what_remains_is_tracked(fleets: Fleets) -> None:
    clusters = fleets.seen["plain"].clusters
    assert clusters["shop"]["pool"].quality.worth == "exact"
    assert clusters["payments"]["pool"].quality.worth == "unavailable"
    assert "track_remaining" in clusters["payments"]["pool"].quality.note


def test_with_the_snippets_the_same_figures_are_exact_and_the_truth(fleets: Fleets) -> None:
    seen = fleets.seen["instrumented"]
    assert seen.instrumented, seen.coverage
    worth = {name: judged.quality.worth for name, judged in seen.figures.items()}
    exact = ("failed_proxy", "failed_backend", "first_attempts", "added_p50", "added_p99")
    assert {worth[name] for name in exact} == {"exact"}
    assert share(seen, "failed_backend") == pytest.approx(Gateway.BACKENDS / Gateway.ANSWERS, rel=NEAR)
    assert share(seen, "failed_proxy") == pytest.approx(Gateway.PROXYS / Gateway.ANSWERS, rel=NEAR)
    firsts = seen.figures["first_attempts"].figure.value
    assert firsts == pytest.approx(Gateway.FIRST_FAILURES / Gateway.FIRSTS, rel=NEAR)
    assert seen.figures["added_p99"].figure.value


def test_with_the_snippets_clusters_and_named_routes_are_exact(fleets: Fleets) -> None:
    seen = fleets.seen["instrumented"]
    assert seen.clusters["shop"]["failed_backend"].quality.worth == "exact"
    assert seen.clusters["payments"]["pool"].quality.worth == "exact"
    split = seen.routes["split"]
    assert split.backend_error_ratio == pytest.approx(2 / 9, rel=NEAR)
    assert set(split.reasons) == {"backend", "upstream_timeout"}
    assert set(seen.routes) == {"pay", "split"}
    assert seen.nameless == pytest.approx(2 / 12, rel=NEAR)


def test_a_dump_of_the_running_envoy_says_what_its_bootstrap_says(fleets: Fleets) -> None:
    dump = observing.read(EnvoyAdmin().config_dump(fleets.plain.admin))
    written = observing.read(fleets.plain.configuration)
    assert dump.notes == ()
    assert (dump.source, dump.version[:2]) == ("config dump", "1.")
    assert dump.listeners == written.listeners
    assert dump.tables == written.tables
    assert dump.clusters == written.clusters
    assert (dump.admin, dump.overload, dump.stats) == (written.admin, written.overload, written.stats)


def test_the_reader_sees_which_gateway_bears_the_statistics(fleets: Fleets) -> None:
    plain, instrumented = (
        observing.read(EnvoyAdmin().config_dump(gateway.admin))
        for gateway in (fleets.plain, fleets.instrumented)
    )
    assert plain.managers[0].measures == frozenset()
    assert {"sluice.rq", "sluice.attempt", "sluice.added_us"} <= instrumented.managers[0].measures


@pytest.mark.django_db
def test_a_tick_reads_the_fleet_and_tells_what_differs(fleets: Fleets, tmp_path: Path) -> None:
    proxies = [
        {"name": "gw-1", "admin": fleets.plain.admin},
        {"name": "gw-2", "admin": fleets.instrumented.admin},
    ]
    document = {"tiers": [{"name": "storefront", "observed": True, "proxies": proxies}]}
    now = timezone.now()
    services.apply(document=document, by=Actor("ann", "cli"), reason="", now=now)
    services.watch(admin=EnvoyAdmin(), now=now)
    row = observed.tier("storefront")
    assert all(proxy.seen and proxy.read_at == now for proxy in row.proxies)
    different = {(each.kind, each.name) for each in row.differences}
    assert ("listener", "web") in different
    assert ("routes", "shop") not in different
