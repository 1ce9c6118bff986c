"""When to try again, and when a claim is dead."""

from datetime import datetime, timedelta

# Celery's hard limit: a delivery task is ended by then, so a claim that is older by far has no worker.
TASK_LIVES = timedelta(seconds=30)
CLAIM_DEAD_AFTER = timedelta(seconds=45)
FIRST_RETRY = timedelta(seconds=2)
LONGEST_RETRY = timedelta(minutes=2)
PROOF_EVERY = timedelta(seconds=10)
PROOF_FOR = timedelta(minutes=15)
# The next look for a message of unknown outcome is no further off than this while it is looked for at all.
SOUGHT_WITHIN = max(PROOF_EVERY, TASK_LIVES)
# Slack takes a word to whoever pressed a button for half an hour.
WHISPER_LIVES = timedelta(minutes=30)


def sought(*, next_at: datetime, claimed_at: datetime | None, now: datetime) -> bool:
    """Whether a message of unknown outcome is still looked for, so that what is about it had better wait."""
    return next_at <= now + SOUGHT_WITHIN and claimed_at is not None and claimed_at > now - PROOF_FOR


def retry_after(attempts: int, told: timedelta | None) -> timedelta:
    """How long to wait before the next attempt: what the chat said, else doubling from 2 s to 2 minutes."""
    if told is not None:
        return told
    return min(FIRST_RETRY * (1 << min(attempts, 10)), LONGEST_RETRY)
