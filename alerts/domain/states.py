"""The states of alerts, incidents and outbox rows, each as one literal table of state -> event -> state."""

# A condition fires once it has held for a while, and is over once it has been gone for a while.
ALERT: dict[str, dict[str, str]] = {
    "PENDING": {"fire": "FIRING", "drop": "RESOLVED"},
    "FIRING": {"resolve": "RESOLVED"},
    "RESOLVED": {},
}
LIVE_ALERTS = ("PENDING", "FIRING")

INCIDENT: dict[str, dict[str, str]] = {
    "OPEN": {"acknowledge": "ACKED", "mitigate": "MITIGATED", "resolve": "RESOLVED"},
    # Who has acknowledged a ticket has not acknowledged the page that it becomes.
    "ACKED": {"worsen": "OPEN", "mitigate": "MITIGATED", "resolve": "RESOLVED"},
    "MITIGATED": {"worsen": "OPEN", "resolve": "RESOLVED"},
    "RESOLVED": {"reopen": "OPEN"},
}
OPEN_STATES = ("OPEN", "ACKED", "MITIGATED")

# A post is sent at most once: a row that was being sent when its worker died is UNKNOWN. It leaves that state
# by proof (found or absent in the channel's history) or by a person, never by a guess.
OUTBOX: dict[str, dict[str, str]] = {
    "PENDING": {"claim": "SENDING"},
    "SENDING": {
        "sent": "SENT",
        "not_sent": "PENDING",
        "refused": "FAILED",
        "give_up": "FAILED",
        "lost": "UNKNOWN",
    },
    "UNKNOWN": {"proved_sent": "SENT", "proved_absent": "PENDING", "resend": "PENDING"},
    "FAILED": {"resend": "PENDING"},
    "SENT": {},
}


class WrongState(Exception):
    """An event that the present state does not allow, such as a late acknowledgement."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"cannot {event.replace('_', ' ')}: it is {state.lower()}")
        self.state = state
        self.event = event


def alert_after(state: str, event: str) -> str:
    """The alert's next state. Raises WrongState."""
    return _after(ALERT, state, event)


def incident_after(state: str, event: str) -> str:
    """The incident's next state. Raises WrongState."""
    return _after(INCIDENT, state, event)


def outbox_after(state: str, event: str) -> str:
    """The outbox row's next state. Raises WrongState."""
    return _after(OUTBOX, state, event)


def _after(table: dict[str, dict[str, str]], state: str, event: str) -> str:
    try:
        return table[state][event]
    except KeyError:
        raise WrongState(state, event) from None
