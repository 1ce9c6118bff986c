"""A small line of burn by the hour, as the path of an SVG: the same scale for every row of a list."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 96.0, 24.0
DASH = 2.0
# Half of a stroke: a line at the very edge would be cut in two.
EDGE = 1.0


@dataclass(frozen=True, slots=True)
class Spark:
    """Burns by the hour, the oldest first; None: not measured."""

    burns: tuple[float | None, ...]

    @property
    def path(self) -> str:
        """The line as the `d` of a path in a box of 96 x 24; empty without a measurement.

        A burn of 1 is at half of the height, 9 at nine tenths: `burn / (1 + burn)`, so that a slow leak and
        an outage are both seen. What was not measured is a gap, and an hour between two gaps a dash.
        """
        step = (WIDTH - DASH) / max(1, len(self.burns) - 1)
        parts, drawing = [], False
        for place, burn in enumerate(self.burns):
            if burn is None:
                drawing = False
                continue
            x, y = place * step, EDGE + (HEIGHT - 2 * EDGE) / (1 + burn)
            alone = not drawing and _missing(self.burns, place + 1)
            parts.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}{f'h{DASH:g}' if alone else ''}")
            drawing = True
        return "".join(parts)

    @property
    def most(self) -> float | None:
        """The fastest burn of an hour; None where nothing was measured."""
        return max((burn for burn in self.burns if burn is not None), default=None)


def _missing(burns: Sequence[float | None], place: int) -> bool:
    return place >= len(burns) or burns[place] is None
