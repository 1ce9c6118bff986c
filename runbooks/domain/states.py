"""The states of a run, as one literal table of state -> event -> next state."""

RUN: dict[str, dict[str, str]] = {
    "PROPOSED": {"confirm": "CONFIRMING", "suppress": "SUPPRESSED", "cancel": "CANCELLED"},
    "CONFIRMING": {
        "ask": "AWAITING_APPROVAL",
        "mitigate": "MITIGATING",
        "absent": "NOT_CONFIRMED",
        "suppress": "SUPPRESSED",
        "cancel": "CANCELLED",
    },
    "AWAITING_APPROVAL": {
        "approve_first": "AWAITING_APPROVAL",
        "approve": "CONFIRMING",
        "deny": "DENIED",
        "expire": "EXPIRED",
        "absent": "NOT_CONFIRMED",
        "suppress": "SUPPRESSED",
        "cancel": "CANCELLED",
    },
    "MITIGATING": {
        "put": "MITIGATING",
        "intend": "MITIGATING",
        "did": "MITIGATING",
        "failed_to": "MITIGATING",
        "applied": "VERIFYING",
        "revert": "REVERTING",
    },
    "VERIFYING": {"extend": "VERIFYING", "worked": "HOLDING", "take": "TAKEN", "revert": "REVERTING"},
    "HOLDING": {"take": "TAKEN", "revert": "REVERTING"},
    # A person has it: the machine ends it at its time, and does nothing else with it.
    "TAKEN": {"extend": "TAKEN", "give_back": "VERIFYING", "revert": "REVERTING"},
    "REVERTING": {
        "intend": "REVERTING",
        "did": "REVERTING",
        "failed_to": "REVERTING",
        "succeeded": "SUCCEEDED",
        "failed": "FAILED_REVERTED",
        "cancelled": "CANCELLED",
        "stuck": "NEEDS_HUMAN",
    },
    "NEEDS_HUMAN": {"revert": "REVERTING", "close": "CANCELLED"},
    "SUCCEEDED": {},
    "SUPPRESSED": {},
    "NOT_CONFIRMED": {},
    "DENIED": {},
    "EXPIRED": {},
    "FAILED_REVERTED": {},
    "CANCELLED": {},
}
ENDED = tuple(state for state, events in RUN.items() if not events)
OPEN = tuple(state for state, events in RUN.items() if events)
# What may have changed the tier: it is left only through REVERTING.
ACTING = ("MITIGATING", "VERIFYING", "HOLDING", "TAKEN", "REVERTING", "NEEDS_HUMAN")


class WrongState(Exception):
    """An event that the present state does not allow, such as an approval of a run that is over."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"cannot {event}: the run is {state.lower().replace('_', ' ')}")
        self.state = state
        self.event = event


def after(state: str, event: str) -> str:
    """The next state. Raises WrongState."""
    try:
        return RUN[state][event]
    except KeyError:
        raise WrongState(state, event) from None
