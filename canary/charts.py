"""The evidence of a rollout over time, against the two boundaries that decide."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from telemetry.charts import Boundary, Chart, Ink, Mark, Trace, gapped

# E-values run over hundreds of decades once a canary has clearly failed; what matters is near the boundaries.
LEAST, MOST = 1e-3, 1e9
EVERY_SECONDS = 3
MARGIN = timedelta(seconds=5)
# Ticks come every second or few: after so many without one, evidence was not measured.
LONGEST_PAUSE_SECONDS = 10.0
Point = tuple[datetime, float, float]
INKS: tuple[Ink, ...] = ("trace-1", "trace-2", "acting", "wait", "unknown")


def evidence(
    points: Sequence[Point],
    *,
    slug: str,
    title: str,
    fail_limit: float,
    pass_limit: float,
    url: str,
    moments: Sequence[tuple[datetime, str]] = (),
    queries: Sequence[str] = (),
    live: bool = True,
) -> Chart:
    """`points` are (time, e-value of "worse", e-value of "not worse")."""
    first, last = (points[0][0], points[-1][0]) if points else (None, None)
    return Chart(
        slug=slug,
        title=title,
        unit="",
        series=(
            Trace("evidence that it is worse", _line([(at, e) for at, e, _ in points])),
            Trace(
                "evidence that it is not",
                _line([(at, e) for at, _, e in points]),
                ink="trace-2",
                dash="dot",
            ),
        ),
        says=f"{title}: e-values over time. The table holds the values.",
        lines=(
            Boundary(f"fails at {fail_limit:g}", fail_limit, "bad"),
            Boundary(f"passes at {pass_limit:g}", pass_limit, "good"),
        ),
        marks=tuple(Mark(name, at.timestamp()) for at, name in moments),
        range=((first - MARGIN).timestamp(), (last + MARGIN).timestamp()) if first and last else None,
        scale="log",
        promql=tuple(queries),
        url=url,
        every=EVERY_SECONDS if live else 0,
    )


def dispersion(
    lines: Sequence[tuple[str, Sequence[tuple[datetime, float]]]],
    *,
    url: str,
    moments: Sequence[tuple[datetime, str]] = (),
    queries: Sequence[str] = (),
    live: bool = True,
) -> Chart:
    """How clumped failures are, over time: each line is a metric's name with its phi at each tick."""
    times = [at for _, points in lines for at, _ in points]
    return Chart(
        slug="dispersion",
        title="Dispersion: how clumped failures are",
        unit="",
        series=tuple(
            Trace(
                name,
                gapped([(at.timestamp(), phi) for at, phi in points], longest=LONGEST_PAUSE_SECONDS),
                ink=INKS[number % len(INKS)],
                dash="dot" if number else "solid",
            )
            for number, (name, points) in enumerate(lines)
        ),
        says="Dispersion over time: 1 is independent failures. It divides the logs of all e-values.",
        lines=(Boundary("independent failures", 1.0, "good"),),
        marks=tuple(Mark(name, at.timestamp()) for at, name in moments),
        range=((min(times) - MARGIN).timestamp(), (max(times) + MARGIN).timestamp()) if times else None,
        promql=tuple(queries),
        url=url,
        every=EVERY_SECONDS if live else 0,
    )


def _line(values: Sequence[tuple[datetime, float]]) -> tuple[tuple[float, float | None], ...]:
    return gapped([(at.timestamp(), _near(e)) for at, e in values], longest=LONGEST_PAUSE_SECONDS)


def _near(value: float) -> float:
    return min(MOST, max(LEAST, value))
