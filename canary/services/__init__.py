"""The only writer of rollouts: people start them and act on them, the tick takes them further."""

from canary.services.acting import approve, close, pause, promote, resume, rollback
from canary.services.pruning import prune
from canary.services.starting import start
from canary.services.ticking import tick

__all__ = ["approve", "close", "pause", "promote", "prune", "resume", "rollback", "start", "tick"]
