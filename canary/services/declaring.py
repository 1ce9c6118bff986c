"""Rollouts from files: the same file with the same key starts a rollout once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit.domain.actor import Actor
from canary.domain import declared
from canary.domain.errors import Refused
from canary.services.starting import start


def apply(*, document: Mapping[str, Any], key: str = "", by: Actor, now: datetime) -> int:
    """Start what the document declares, or find what its key started; returns the rollout's number.

    Raises BadFile with every mistake in the file, and a `Refused` whose field is the path in the file.
    """
    found = declared.rollout(document, key=key)
    try:
        return start(
            route=found.route,
            upstream=found.upstream,
            plan=found.plan,
            mode=found.mode,
            reason=found.reason,
            key=found.key,
            by=by,
            now=now,
        )
    except Refused as error:
        # The kind stays: a conflict is told from a mistake by it.
        error.field = f"rollout.{error.field}"
        raise
