"""What a rollout amounts to and what is promised of it, in words for whoever is no engineer."""

from math import log

from canary.domain.judge import Limits

# Shares of the way to the boundary, in logs of e-values: what is said of evidence that decided nothing yet.
SIGNS = ((0.75, "there are strong signs"), (0.4, "there are some signs"))
OVER = {
    "promoted": "{canary} took the place of what it replaces and serves all of {route} now.",
    "promoting": "{canary} is becoming what serves {route}.",
    "baking": "{canary} serves {route} now and is watched for a while; the old version can be back at once.",
    "needs_human": "The machine goes no further by itself: a person has to decide on {canary}.",
    "awaiting_approval": "{canary} did well with {weight:g} % of {route}; a person decides if it gets more.",
}


def sentence(state: str, *, canary: str, route: str, weight: float, by_person: bool, worse: float) -> str:
    """One sentence. `weight` in percent; `worse` is the share of the way to a FAIL, at most 1 (see `way`).

    `by_person`: a person took the decision that the state comes from.
    """
    names = {"canary": canary, "route": route, "weight": weight}
    if state in OVER:
        return OVER[state].format(**names)
    if state in ("running", "paused"):
        where = f"{canary} serves {weight:g} % of {route}"
        return f"{where}, and {_signs(worse)} that it is worse than what it replaces."
    done = "serves nobody any more" if state == "rolled_back" else "is being taken out of service"
    if by_person:
        return f"A person took {canary} back: it {done}."
    return f"{canary} was worse than what it replaces, so it {done}."


def promise(limits: Limits) -> str:
    """The error rates that the judge keeps, for all metrics together."""
    return (
        f"A healthy canary is rolled back in at most {100 * limits.alpha:g} % of rollouts. "
        f"One that is {limits.w1:g} times as bad passes a step in at most {100 * limits.beta:g} %."
    )


def way(e_fail: float, limit: float) -> float:
    """How far evidence has come to the boundary, 0 to 1, in logs."""
    return min(1.0, max(0.0, log(max(e_fail, 1.0)) / log(limit)))


def _signs(worse: float) -> str:
    return next((said for share, said in SIGNS if worse >= share), "nothing so far says")
