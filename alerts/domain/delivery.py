"""When to try again, and when a claim is dead."""

from datetime import timedelta

# Celery's hard limit: a delivery task is ended by then, so a claim that is older by far has no worker.
TASK_LIVES = timedelta(seconds=30)
CLAIM_DEAD_AFTER = timedelta(seconds=45)
FIRST_RETRY = timedelta(seconds=2)
LONGEST_RETRY = timedelta(minutes=2)
PROOF_EVERY = timedelta(seconds=10)
PROOF_FOR = timedelta(minutes=15)


def retry_after(attempts: int, told: timedelta | None) -> timedelta:
    """How long to wait before the next attempt: what the chat said, else doubling from 2 s to 2 minutes."""
    if told is not None:
        return told
    return min(FIRST_RETRY * (1 << min(attempts, 10)), LONGEST_RETRY)
