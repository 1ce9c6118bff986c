"""Writes the record. Called inside the transaction of the change that it records."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit.domain.actor import Actor
from audit.models import Entry


def record(
    *,
    by: Actor,
    action: str,
    target: str,
    reason: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add one entry.

    `action` is `noun.verb`, such as `rollout.rolled_back`; `target` names what was acted on, such as
    `edge/route/shop`; `detail` holds JSON values and never a secret.
    """
    Entry.objects.create(
        at=now,
        actor=by.name,
        source=by.source,
        action=action,
        target=target,
        reason=reason,
        detail=dict(detail or {}),
    )
