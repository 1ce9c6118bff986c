"""What can go wrong with a request, by what is known of its receiver afterwards."""


class NotSent(Exception):
    """Nothing of it has left for the receiver: whoever sends it again sends it once."""


class NotAllowed(NotSent):
    """The address is none that a request may go to."""


class NoSecret(NotSent):
    """There is no such secret here, or none that is long enough."""


class Unreachable(NotSent):
    """The name leads nowhere, or nobody takes the connection."""


class Unanswered(Exception):
    """It may have arrived, whole or in part: what the receiver did is not known."""
