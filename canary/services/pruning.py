"""Forgetting the evidence, tick by tick, of rollouts that ended long ago."""

from datetime import datetime, timedelta

from canary.models import Observation

# The steps keep for ever what decided each of them.
KEPT = timedelta(days=14)


def prune(*, now: datetime) -> int:
    """Delete the observations of rollouts that ended before `now - KEPT`; returns how many went."""
    gone, _ = Observation.objects.filter(rollout__finished_at__lt=now - KEPT).delete()
    return gone
