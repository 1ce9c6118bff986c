"""The chart of a rollout's evidence."""

from datetime import UTC, datetime, timedelta

from canary import charts as canary

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_evidence_is_not_drawn_through_a_pause_of_the_judge() -> None:
    ticks = [NOW + timedelta(seconds=second) for second in (0, 1, 4, 64, 65)]

    drawn = canary.evidence(
        [(at, 2.0, 3.0) for at in ticks],
        slug="final",
        title="Evidence",
        fail_limit=100,
        pass_limit=20,
        url="/",
    )

    middle = (NOW + timedelta(seconds=34)).timestamp()
    gaps = [[at for at, value in trace.points if value is None] for trace in drawn.series]
    assert gaps == [[middle], [middle]]
