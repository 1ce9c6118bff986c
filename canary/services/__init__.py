"""The only writer of rollouts: people start them and act on them, the tick takes them further."""

from canary.services.acting import approve, pause, promote, resume, rollback
from canary.services.starting import start
from canary.services.ticking import tick

__all__ = ["approve", "pause", "promote", "resume", "rollback", "start", "tick"]
