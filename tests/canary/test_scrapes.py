"""Raw scrapes become ticks, and what cannot be trusted is dropped for both arms."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from canary.domain.odds import Cell
from canary.domain.scrapes import Folded, fold
from canary.domain.tally import outcome, queries
from telemetry.domain.series import Series

ARMS: dict[str, Any] = {"canary": "shop-v2", "control": {"shop-v1"}}


def attempts(
    proxy: str,
    arm: str,
    code: str,
    values: Sequence[float | None],
    *,
    flags: str = "-",
    attempt: str = "1",
    offset: float = 0.3,
    start: int = 100,
) -> Series:
    labels = {
        "__name__": "envoy_sluice_attempt",
        "proxy": proxy,
        "route": "shop",
        "arm": arm,
        "attempt": attempt,
        "code": code,
        "flags": flags,
    }
    points = [(start + i + offset, float(v)) for i, v in enumerate(values) if v is not None]
    return Series(labels, tuple(points))


def up(proxy: str, values: Sequence[float | None], *, offset: float = 0.3, start: int = 100) -> Series:
    points = [(start + i + offset, float(v)) for i, v in enumerate(values) if v is not None]
    return Series({"__name__": "up", "proxy": proxy}, tuple(points))


def first(folded: Folded) -> list[Mapping[str, Cell]]:
    return [tick["first_attempt"].cells for tick in folded.ticks]


def test_a_tick_is_the_difference_of_two_scrapes_by_arm_and_proxy() -> None:
    series = [
        attempts("edge-1", "shop-v1", "200", [100, 190, 280]),
        attempts("edge-1", "shop-v2", "200", [10, 14, 19]),
        attempts("edge-1", "shop-v2", "503", [1, 2, 2]),
        attempts("edge-2", "shop-v1", "200", [50, 60, 80], offset=0.6),
    ]
    folded = fold(series, **ARMS, after=None, now=110.0)
    assert first(folded)[0] == {"edge-1": Cell(5, 1, 90, 0), "edge-2": Cell(0, 0, 10, 0)}
    assert first(folded)[1] == {"edge-1": Cell(5, 0, 90, 0), "edge-2": Cell(0, 0, 20, 0)}


def test_a_counter_that_is_born_between_two_scrapes_was_zero() -> None:
    series = [
        attempts("edge-1", "shop-v1", "200", [100, 190, 280]),
        attempts("edge-1", "shop-v2", "503", [None, None, 7]),
    ]
    assert first(fold(series, **ARMS, after=None, now=103.0))[-1] == {"edge-1": Cell(7, 7, 90, 0)}


def test_a_scrape_without_any_counter_of_the_route_still_is_one() -> None:
    series = [up("edge-1", [1, 1, 1]), attempts("edge-1", "shop-v1", "200", [None, 5, 9])]
    assert first(fold(series, **ARMS, after=None, now=103.0)) == [
        {"edge-1": Cell(0, 0, 5, 0)},
        {"edge-1": Cell(0, 0, 4, 0)},
    ]


def test_a_missing_scrape_of_one_proxy_leaves_both_its_arms_out_and_the_next_one_covers_it() -> None:
    series = [
        attempts("edge-1", "shop-v1", "200", [0, 10, 20, 30, 40]),
        attempts("edge-2", "shop-v1", "200", [0, 90, None, 270, 360]),
        attempts("edge-2", "shop-v2", "503", [0, 10, None, 30, 40]),
    ]
    folded = fold(series, **ARMS, after=None, now=105.0)
    assert [d.why for d in folded.dropped] == ["no complete scrape of edge-2"]
    assert [cells.get("edge-2") for cells in first(folded)] == [
        Cell(10, 10, 90, 0),
        None,
        Cell(20, 20, 180, 0),
        Cell(10, 10, 90, 0),
    ]
    assert [cells["edge-1"] for cells in first(folded)] == [Cell(0, 0, 10, 0)] * 4


def test_a_proxy_that_comes_and_goes_blinds_nobody_and_loses_nothing() -> None:
    flaps = [None if i % 2 else 10 * i for i in range(41)]
    series = [
        attempts("edge-1", "shop-v1", "200", [10 * i for i in range(41)]),
        attempts("edge-2", "shop-v2", "503", flaps),
    ]
    folded = fold(series, **ARMS, after=None, now=142.0)
    assert len(folded.ticks) == 40
    assert sum(tick["first_attempt"].canary()[1] for tick in folded.ticks) == 400
    assert {d.why for d in folded.dropped} == {"no complete scrape of edge-2"}


def test_a_scrape_that_is_long_past_is_not_compared_with() -> None:
    values = [0, *[None] * 39, 900, 910]
    series = [up("edge-1", [1] * 42), attempts("edge-2", "shop-v2", "503", values)]
    folded = fold(series, **ARMS, after=None, now=142.0)
    assert sum(tick["first_attempt"].canary()[1] for tick in folded.ticks) == 10
    assert folded.dropped[-1].why == "no scrape before of edge-2"


def test_a_counter_reset_drops_the_tick_and_the_next_one_counts_again() -> None:
    series = [
        attempts("edge-1", "shop-v1", "200", [500, 510, 3, 13]),
        attempts("edge-1", "shop-v2", "503", [5, 6, None, 2]),
    ]
    folded = fold(series, **ARMS, after=None, now=103.9)
    assert [d.why for d in folded.dropped] == ["a counter of edge-1 was reset"]
    assert first(folded) == [{"edge-1": Cell(1, 1, 10, 0)}, {"edge-1": Cell(2, 2, 10, 0)}]


def test_a_scrape_that_may_still_arrive_is_waited_for() -> None:
    series = [
        attempts("edge-1", "shop-v1", "200", [0, 10, 20]),
        attempts("edge-2", "shop-v1", "200", [0, 10, None]),
    ]
    assert len(fold(series, **ARMS, after=None, now=103.0).ticks) == 1
    assert not fold(series, **ARMS, after=None, now=103.0).dropped
    assert fold(series, **ARMS, after=None, now=104.5).dropped


def test_folding_in_pieces_gives_the_same_ticks_as_folding_at_once() -> None:
    values = [3 * i * i for i in range(40)]
    series = [
        attempts("edge-1", "shop-v1", "200", values, offset=0.98),
        attempts("edge-2", "shop-v2", "503", values, offset=0.02),
    ]
    whole = fold(series, **ARMS, after=None, now=150.0)
    early = fold(series, **ARMS, after=None, now=117.4)
    late = fold(series, **ARMS, after=early.until, now=150.0, clock=early.clock)
    assert early.ticks + late.ticks == whole.ticks
    assert early.ticks


def test_the_clock_keeps_its_boundary_away_from_every_scrape() -> None:
    series = [up("edge-1", [1] * 5, offset=0.98), up("edge-2", [1] * 5, offset=0.02)]
    clock = fold(series, **ARMS, after=None, now=110.0).clock
    assert clock is not None
    assert clock.interval == 1.0
    assert clock.phase == pytest.approx(0.5)


def test_nothing_scraped_gives_nothing_and_forgets_nothing() -> None:
    folded = fold([], **ARMS, after=77.0, now=110.0)
    assert (folded.ticks, folded.until) == ((), 77.0)


@pytest.mark.parametrize(
    ("code", "flags", "expected"),
    [
        ("200", "-", ("first_attempt", False)),
        ("404", "-", ("first_attempt", False)),
        ("503", "-", ("first_attempt", True)),
        ("0", "UF", ("first_attempt", True)),
        ("0", "UT", ("first_attempt", True)),
        ("0", "-", None),
        ("0", "DC", None),
    ],
)
def test_what_counts_as_a_failed_first_attempt(code: str, flags: str, expected: Any) -> None:
    labels = {"__name__": "envoy_sluice_attempt", "attempt": "1", "code": code, "flags": flags}
    assert outcome(labels) == expected
    assert outcome({**labels, "attempt": "2"}) is None


@pytest.mark.parametrize(
    ("code", "flags", "reason", "expected"),
    [
        ("200", "-", "backend", ("final", False)),
        ("503", "URX", "backend", ("final", True)),
        ("503", "UO,UF", "connect_failed", ("final", True)),
        ("504", "UT", "per_try_timeout", ("final", True)),
        ("503", "-", "overload", None),
        ("0", "DC", "client_gone", None),
    ],
)
def test_what_counts_as_a_final_failure(code: str, flags: str, reason: str, expected: Any) -> None:
    labels = {"__name__": "envoy_sluice_rq", "code": code, "flags": flags, "reason": reason}
    assert outcome(labels) == expected


@pytest.mark.parametrize(
    ("grpc", "flags", "reason", "expected"),
    [
        ("0", "-", "backend", ("final", False)),
        ("13", "-", "backend", ("final", True)),
        ("5", "-", "backend", ("final", False)),
        ("14", "URX,UF", "connect_failed", ("final", True)),
        ("14", "-", "load_shed", None),
        ("", "UT", "upstream_timeout", ("final", True)),
        ("", "DR", "client_gone", None),
    ],
)
def test_a_grpc_call_fails_by_its_status(grpc: str, flags: str, reason: str, expected: Any) -> None:
    labels = {"__name__": "envoy_sluice_rq", "code": "200", "grpc": grpc, "flags": flags, "reason": reason}
    assert outcome(labels) == expected


@pytest.mark.parametrize(
    ("grpc", "flags", "expected"), [("0", "-", False), ("2", "-", True), ("", "-", False), ("", "UR", True)]
)
def test_a_first_grpc_attempt_fails_by_its_status_or_when_it_was_cut(
    grpc: str, flags: str, expected: Any
) -> None:
    labels = {"__name__": "envoy_sluice_attempt", "attempt": "1", "code": "200", "grpc": grpc, "flags": flags}
    assert outcome(labels) == ("first_attempt", expected)


def test_requests_that_chose_their_arm_are_no_sample_and_are_not_asked_for() -> None:
    assert queries("edge", "shop") == (
        'envoy_sluice_attempt{tier="edge",route="shop",chosen!="attribute"}',
        'envoy_sluice_rq{tier="edge",route="shop",chosen!="attribute"}',
        'up{tier="edge",proxy!=""}',
    )
