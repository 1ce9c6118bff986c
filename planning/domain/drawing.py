"""Where the call graph's services stand when it is drawn: columns by how far behind the clients they are.

Lengths are in the drawing's own units, which are pixels where it is shown at its natural size.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from planning.domain.amplification import Amplification
from planning.domain.graph import Call, CallGraph

COLUMN, ROW = 220, 76
WIDTH, HEIGHT = 150, 46
MARGIN = 12


@dataclass(frozen=True, slots=True)
class Box:
    """One service; `load` is empty for those that nobody calls. `flagged`: several layers retry for it."""

    name: str
    x: int
    y: int
    load: str
    flagged: bool
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def name_at(self) -> int:
        return self.y + (19 if self.load else 28)

    @property
    def load_at(self) -> int:
        return self.y + 36


@dataclass(frozen=True, slots=True)
class Line:
    """One call, from the caller's right side to the callee's left one."""

    x1: int
    y1: int
    x2: int
    y2: int
    label: str
    retries: bool

    @property
    def path(self) -> str:
        bend = (self.x2 - self.x1) // 2
        return (
            f"M{self.x1} {self.y1}C{self.x1 + bend} {self.y1} {self.x2 - bend} {self.y2} {self.x2} {self.y2}"
        )

    @property
    def label_at(self) -> tuple[int, int]:
        return (self.x1 + self.x2) // 2, (self.y1 + self.y2) // 2 - 6


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn, and how large it is."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def drawing(graph: CallGraph, found: Amplification) -> Drawing:
    """The graph with what one request becomes at each service."""
    boxes = {name: _box(name, place, found) for name, place in _places(graph).items()}
    retrying = {layer.name for load in found.loads for layer in load.layers if layer.retries}
    lines = tuple(_line(call, boxes, retrying) for call in graph.calls)
    right = max((box.x + box.width for box in boxes.values()), default=0)
    low = max((box.y + box.height for box in boxes.values()), default=0)
    return Drawing(right + MARGIN, low + MARGIN, tuple(boxes.values()), lines)


def _places(graph: CallGraph) -> dict[str, tuple[int, int]]:
    """Column and row of each service: one column behind the last of its callers, rows as declared."""
    columns: dict[str, int] = {}
    used: dict[int, int] = {}
    places = {}
    for service in graph.order():
        columns[service] = 1 + max((columns[call.caller] for call in graph.into(service)), default=-1)
        row = used.get(columns[service], 0)
        used[columns[service]] = row + 1
        places[service] = (columns[service], row)
    return places


def _box(name: str, place: tuple[int, int], found: Amplification) -> Box:
    load = found.load(name)
    column, row = place
    return Box(
        name=name,
        x=MARGIN + column * COLUMN,
        y=MARGIN + row * ROW,
        load="" if load is None else f"{load.worst_words}, budgets {load.budgeted_words}",
        flagged=load is not None and len(load.retrying) > 1,
    )


def _line(call: Call, boxes: Mapping[str, Box], retrying: set[str]) -> Line:
    caller, callee = boxes[call.caller], boxes[call.callee]
    own = f"{call.attempts} tries" if call.attempts > 1 else ""
    return Line(
        x1=caller.x + caller.width,
        y1=caller.y + caller.height // 2,
        x2=callee.x,
        y2=callee.y + callee.height // 2,
        label=", ".join(part for part in (own, call.route or "") if part),
        retries=bool(own) or call.route in retrying,
    )
