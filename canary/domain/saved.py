"""The judge's evidence as JSON values and back, with every bit of its floats."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from canary.domain.judge import Counts, Evidence
from canary.domain.odds import Cell


def dump(evidence: Evidence) -> dict[str, Any]:
    """The evidence as JSON values; `load` gives it back with every bit of its floats."""
    return {
        **{one.name: getattr(evidence, one.name) for one in fields(evidence)},
        "counts": _counts(evidence.counts),
        "step": _counts(evidence.step),
        "last": {proxy: tuple(cell) for proxy, cell in evidence.last.items()},
    }


def _counts(counts: Counts) -> dict[str, int]:
    return {"n_c": counts.n_c, "e_c": counts.e_c, "n_k": counts.n_k, "e_k": counts.e_k}


def load(saved: Mapping[str, Any]) -> Evidence:
    """Evidence from what `dump` gave; an empty mapping is evidence of nothing."""
    if not saved:
        return Evidence()
    return Evidence(
        **{
            **saved,
            "counts": Counts(**saved["counts"]),
            "step": Counts(**saved["step"]),
            "starts": tuple((int(k), tuple(logs)) for k, logs in saved["starts"]),
            "mirror": tuple(saved["mirror"]),
            "rate": tuple(saved["rate"]),
            "ratios": tuple(saved["ratios"]),
            "clumping": tuple(saved["clumping"]),
            "canary_clumping": tuple(saved["canary_clumping"]),
            "last": {proxy: Cell(*counts) for proxy, counts in saved["last"].items()},
        }
    )
