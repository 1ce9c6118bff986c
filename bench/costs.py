"""What a tick or a page costs, measured again and again."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Costs:
    """Seconds of each repeat, by the clock and of the processor.

    `sql` and `promql` are the queries of one repeat.
    """

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    sql: int = 0
    promql: int = 0
