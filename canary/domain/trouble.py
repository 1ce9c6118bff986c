"""An incident that both arms share is no fault of the canary's, and no time to give it more."""

from canary.domain.family import Family


def shared(evidence: Family, above: float) -> str:
    """Why no step up is taken now; empty where nothing speaks against it.

    `above` (0 to 1) is the share of the control's first attempts in each proxy's newest tick that may fail.
    Where both arms fail often, "not w1 times worse" is shown within seconds.
    """
    arms = [cell.control() for cell in evidence["first_attempt"].last.values()]
    attempts, failures = sum(n for n, _ in arms), sum(e for _, e in arms)
    if failures <= above * attempts:
        return ""
    seen, most = f"{100 * failures / attempts:.3g} %", f"{100 * above:g} % (hold_above)"
    return f"{seen} of the control's first attempts fail, more than {most}: both arms are in trouble"
