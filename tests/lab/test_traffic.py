"""The lab's clients, through real Envoys: the mix, the handshakes, the bounds and the back-off."""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from lab import ports, traffic
from lab.traffic import BadSetting, Settings
from tests.lab.lab_processes import Backends, running_backends
from tests.lab.small_envoy import running_envoy, write_certificate
from tests.support.processes import started, wait_until


@pytest.fixture(scope="module")
def tier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    folder = tmp_path_factory.mktemp("tier")
    write_certificate(folder)
    with ExitStack() as stack:
        backends = stack.enter_context(running_backends(folder / "backends.log"))
        backends.environment["LAB_CA_FILE"] = str(folder / "cert.pem")
        stack.enter_context(running_envoy(folder, backends.environment, "EDGE_1"))
        stack.enter_context(running_envoy(folder, backends.environment, "EDGE_2"))
        yield backends


def outcomes(tier: Backends) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(tier.url("LAB_TRAFFIC_PORT", "/outcomes"), timeout=5).json()
    return answer


def counts(seen: dict[str, Any], *keys: str) -> Counter[tuple[str, ...]]:
    counted: Counter[tuple[str, ...]] = Counter()
    for row in seen["answers"]:
        counted[tuple(row[key] for key in keys)] += row["count"]
    return counted


@pytest.mark.real
def test_the_mix_reaches_every_route_through_both_proxies_and_ends_on_sigterm(
    tier: Backends, tmp_path: Path
) -> None:
    argv = [sys.executable, "-m", "lab.traffic"]
    environment = {**tier.environment, "LAB_TRAFFIC_RPS": "400"}

    def enough() -> dict[str, Any]:
        seen = outcomes(tier)
        kinds = {row["kind"] for row in seen["handshakes"]}
        complete = len(counts(seen, "route", "proxy")) == 8 and {"fresh", "resumed"} <= kinds
        return seen if complete and counts(seen, "route")[("shop",)] > 500 else {}

    with started(argv, env=environment, log=tmp_path / "log") as process:
        seen = wait_until(enough, timeout=20, what="the whole mix")
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert set(counts(seen, "status")) == {("200",), ("OK",)}
    assert set(counts(seen, "arm")) == {("shop-v1",), ("payments",), ("admin",), ("greeter",)}
    assert "failed" not in {row["kind"] for row in seen["handshakes"]}


@pytest.mark.real
def test_traffic_ends_by_itself_when_its_time_is_over(tier: Backends, tmp_path: Path) -> None:
    environment = {**tier.environment, "LAB_TRAFFIC_SECONDS": "0.5"}
    with started([sys.executable, "-m", "lab.traffic"], env=environment, log=tmp_path / "log") as process:
        assert process.wait(10) == 0


@pytest.mark.real
def test_traffic_backs_off_from_proxies_that_are_down(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    with running_backends(tmp_path / "backends.log") as alone:
        environment = {
            **alone.environment,
            "LAB_CA_FILE": str(tmp_path / "cert.pem"),
            "LAB_TRAFFIC_RPS": "400",
        }

        def many_skipped() -> dict[str, Any]:
            seen = outcomes(alone)
            return seen if sum(seen["skipped"].values()) > 200 else {}

        with started([sys.executable, "-m", "lab.traffic"], env=environment, log=tmp_path / "log"):
            seen = wait_until(many_skipped, timeout=20, what="requests that were not sent")
    refused = counts(seen, "route", "status")[("shop", "none")]
    assert 0 < refused < 100


def test_the_shares_of_the_mix_add_up_to_all() -> None:
    of_doors = sum(door.share for door in traffic.doors({}, ports.DEFAULTS))
    of_http = sum(share for _, _, _, share in traffic.HTTP_ROUTES)
    assert of_doors == pytest.approx(1)
    assert of_http + traffic.GREETER_SHARE == pytest.approx(1)


@pytest.mark.parametrize("rate", ["0", "-1", "many", "1e9"])
def test_a_rate_out_of_bounds_is_refused_by_name(rate: str) -> None:
    with pytest.raises(BadSetting, match="LAB_TRAFFIC_RPS"):
        Settings.read({"LAB_TRAFFIC_RPS": rate})
