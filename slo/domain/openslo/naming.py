"""What objectives are called in a file: each by a name of its own, no longer than those of DNS."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from slo.domain.objectives import Objective
from slo.domain.openslo.vocabulary import NAME_LENGTH

MARK = 8
"""Hexadecimal digits that tell apart what would be called alike."""


def names(objectives: Sequence[Objective]) -> list[str]:
    """A name for each, in their order: the objective's own where that is free, else with its tier before it.

    What is too long is cut. Where two come to the same, and where a name is cut, a mark at the end tells them
    apart, which follows from the whole name: the next export says the same.
    """
    shared = Counter(one.name for one in objectives)
    wanted = [_wanted(one, alone=shared[one.name] == 1) for one in objectives]
    found = Counter(wanted)
    return [
        name
        if len(name) <= NAME_LENGTH and found[name] == 1
        else _marked(name, one, alone=shared[one.name] == 1)
        for one, name in zip(objectives, wanted, strict=True)
    ]


def _wanted(one: Objective, *, alone: bool) -> str:
    return one.name if alone else f"{one.tier}-{one.name}"


def _marked(name: str, one: Objective, *, alone: bool) -> str:
    """An objective that is alone with its name is called the same, whatever the tier."""
    whole = one.name if alone else f"{one.tier}/{one.name}"
    mark = hashlib.sha256(whole.encode()).hexdigest()[:MARK]
    return f"{name[: NAME_LENGTH - MARK - 1].rstrip('-')}-{mark}"
