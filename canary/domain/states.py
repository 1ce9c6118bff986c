"""The states of a rollout, as one literal table of state -> event -> state."""

ROLLOUT: dict[str, dict[str, str]] = {
    "running": {
        "fail": "rolling_back",
        "step_up": "running",
        "earn": "awaiting_approval",
        "finish": "promoting",
        "refuse": "needs_human",
        "overstay": "needs_human",
        "lose": "needs_human",
        "skip": "running",
        "pause": "paused",
        "promote": "promoting",
        "roll_back": "rolling_back",
    },
    "awaiting_approval": {
        "fail": "rolling_back",
        "approve": "running",
        "approve_last": "promoting",
        "lose": "needs_human",
        "pause": "paused",
        "promote": "promoting",
        "roll_back": "rolling_back",
    },
    "paused": {
        "fail": "rolling_back",
        "refuse": "needs_human",
        "lose": "needs_human",
        "resume": "running",
        "skip": "running",
        "promote": "promoting",
        "roll_back": "rolling_back",
    },
    "needs_human": {
        "fail": "rolling_back",
        "resume": "running",
        "approve": "running",
        "approve_last": "promoting",
        "promote": "promoting",
        "roll_back": "rolling_back",
    },
    "promoting": {
        "fail": "rolling_back",
        "refuse": "needs_human",
        "lose": "needs_human",
        "bake": "baking",
        "verify": "promoted",
        "roll_back": "rolling_back",
    },
    "baking": {
        "fail": "rolling_back",
        "lose": "needs_human",
        "finish": "promoting",
        "promote": "promoting",
        "roll_back": "rolling_back",
    },
    "rolling_back": {"verify": "rolled_back", "close": "rolled_back", "force": "rolling_back"},
    "promoted": {"undo": "rolling_back"},
    "rolled_back": {},
}
TERMINAL = ("promoted", "rolled_back")
LIVE = tuple(state for state in ROLLOUT if state not in TERMINAL)
# The canary has traffic at a step of the plan or in its bake, and is judged; a pause stops no rollback.
JUDGED = ("running", "awaiting_approval", "paused", "needs_human", "baking")
# What a person may do to a rollout; the rest is the machine's. A retry is a rollout of its own.
PERSONS = ("approve", "skip", "pause", "resume", "promote", "roll_back", "force", "close", "undo")


class WrongState(Exception):
    """An event that the present state does not allow, such as an approval after a rollback."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"cannot {event.replace('_', ' ')}: the rollout is {state.replace('_', ' ')}")
        self.state = state
        self.event = event


def after(state: str, event: str) -> str:
    """The rollout's next state. Raises WrongState."""
    try:
        return ROLLOUT[state][event]
    except KeyError:
        raise WrongState(state, event) from None


def allowed(state: str) -> tuple[str, ...]:
    """What a person may do in this state, in the order of PERSONS."""
    return tuple(event for event in PERSONS if event in ROLLOUT[state])
