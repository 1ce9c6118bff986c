"""What a rollout's state means to a pipeline, which knows exit codes only."""

PROMOTED, ROLLED_BACK, UNDECIDED = 0, 1, 2
ENDS = {"promoted": PROMOTED, "rolled_back": ROLLED_BACK}
WANTS_A_PERSON = ("awaiting_approval", "paused", "needs_human")


def release_exit_code(state: str, *, asks: bool, patient: bool) -> int | None:
    """As `exit_code` for a release; `asks`: one of its rollouts, or it itself, waits for a person."""
    if state in ENDS:
        return ENDS[state]
    return UNDECIDED if asks and not patient else None


def exit_code(state: str, *, patient: bool) -> int | None:
    """0 promoted, 1 rolled back, 2 a person is asked (unless the pipeline is patient); None: it goes on."""
    if state in ENDS:
        return ENDS[state]
    return UNDECIDED if state in WANTS_A_PERSON and not patient else None
