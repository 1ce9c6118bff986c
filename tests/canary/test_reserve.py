"""Whether arms can take a canary's traffic back, and in which stages: for any capacities."""

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.domain.reserve import SMALLEST_STAGE, WHOLE, Arm, least_share, shortage, stage, told

RATES = st.just(0.0) | st.floats(min_value=1e-3, max_value=1e6)


@st.composite
def pools(draw: st.DrawFn) -> tuple[Arm, ...]:
    weights = draw(st.lists(st.integers(1, WHOLE), min_size=1, max_size=4))
    return tuple(
        Arm(
            f"v{number}",
            weight / sum(weights),
            draw(st.none() | RATES),
            draw(RATES),
            draw(st.floats(1.0, 3.0)),
            source="declared",
        )
        for number, weight in enumerate(weights)
    )


@settings(max_examples=300, deadline=None)
@given(pools(), RATES, st.integers(0, WHOLE))
def test_a_stage_gives_no_arm_more_than_it_takes_and_never_gives_the_canary_more(
    arms: tuple[Arm, ...], traffic: float, present: int
) -> None:
    share = stage(arms, traffic, present)
    assert 0 <= share <= present
    if share < present and traffic:
        assert share == 0 or present - share >= SMALLEST_STAGE
        for arm in arms:
            whole = arm.needs(traffic, 0)
            assert arm.rps is None or arm.needs(traffic, share) <= arm.rps + 1e-9 * (1 + whole)


@settings(max_examples=300, deadline=None)
@given(pools(), RATES)
def test_a_step_is_refused_exactly_where_something_would_be_kept_back(
    arms: tuple[Arm, ...], traffic: float
) -> None:
    assert bool(shortage(arms, traffic, "shop")) == (least_share(arms, traffic) > 0)


def test_the_least_share_is_what_one_arm_cannot_take() -> None:
    assert least_share([Arm("v1", 1.0, 150.0)], 200.0) == 2500
    assert least_share([Arm("v1", 1.0, 150.0, others=50.0)], 200.0) == 5000
    assert least_share([Arm("v1", 1.0, 150.0, repeats=1.5)], 200.0) == 5000
    assert least_share([Arm("v1", 1.0, 0.0)], 200.0) == WHOLE
    assert least_share([Arm("v1", 1.0, 200.0)], 200.0) == 0


def test_a_stage_ends_however_little_is_left_and_is_else_no_smaller_than_a_percent() -> None:
    arms = [Arm("v1", 1.0, 150.0)]
    assert stage(arms, 200.0, 2599) == 2599
    assert stage(arms, 200.0, 2600) == 2500
    assert stage([Arm("v1", 1.0, 200.0)], 200.0, 3) == 0


def test_a_shortage_names_every_figure_and_what_is_not_known_is_told() -> None:
    arm = Arm("v1", 1.0, 120.0, others=10.0, healthy=2, source="declared")
    assert shortage([arm], 200.0, "shop") == (
        "v1 could not take shop back: it would get 210 requests/s, of which 10 are other routes',"
        " and 2 healthy endpoints can take 120"
    )
    assert "neither declared (capacity_rps) nor measured for v1" in told([Arm("v1", 1.0, None)], 200.0)
    assert "present traffic is not known" in told([arm], None)
