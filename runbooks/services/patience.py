"""How long one round may ask Prometheus, over all tiers: past it, whoever asks has no data at once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# A question that is under way may take its own timeout more; with both a round stays below its soft limit.
ROUND_SECONDS = 6.0


@dataclass(slots=True)
class Patience:
    """`clock` counts seconds. Only asking is counted: what a large tier takes to be written down is not."""

    seconds: float = ROUND_SECONDS
    clock: Callable[[], float] = time.monotonic
    spent: float = 0.0

    @property
    def is_over(self) -> bool:
        return self.spent >= self.seconds

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Count what is done here."""
        began = self.clock()
        try:
            yield
        finally:
            self.spent += self.clock() - began
