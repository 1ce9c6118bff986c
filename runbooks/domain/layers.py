"""Whether one layer alone retries on a route's way, by the declared call graph and the live policies (F1)."""

from planning.domain.amplification import Amplification, Load
from proxy.domain.checks import SINGLE_LAYER, Finding

TITLE = "One layer retries"


def single_layer(amplified: Amplification, tier: str, route: str) -> Finding | None:
    """What the graph says of the route; None where no declared call goes through it.

    What would mend it is an overlay where it is this route whose retries should go, and words where it is
    another layer's.
    """
    name = f"{tier}/{route}"
    loads = [load for load in amplified.loads if any(layer.name == name for layer in load.layers)]
    if not loads:
        return None
    worst = max(loads, key=lambda load: load.worst)
    return _multiplied(worst, name, route) if len(worst.retrying) > 1 else _alone(worst)


def _multiplied(load: Load, name: str, route: str) -> Finding:
    says = (
        f"{' and '.join(layer.name for layer in load.retrying)} all retry:"
        f" {load.formula} is {load.worst_words} at {load.service}, {load.budgeted_words} with the budgets"
    )
    patch = {"kind": "retry_off", "route": route} if name in load.others else None
    declare = f"no retries at {', '.join(load.others)}: {load.keep} keeps them"
    return Finding(SINGLE_LAYER, TITLE, False, says, patch, declare)


def _alone(load: Load) -> Finding:
    retrying = [layer.name for layer in load.retrying]
    says = f"only {retrying[0]} retries" if retrying else "nothing retries"
    return Finding(SINGLE_LAYER, TITLE, True, f"{says} on the declared way to {load.service}")
