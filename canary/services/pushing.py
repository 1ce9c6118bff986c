"""Following a change of weights: acknowledged by every proxy, then read back from every proxy.

An acknowledgement says that a proxy took the configuration, a read-back that it runs these weights: only that
begins a step.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import proxy.selectors
from canary.models import Rollout
from canary.services import moving
from proxy.domain.errors import ProxyUnreachable
from proxy.ports import ProxyAdmin
from proxy.selectors import Progress, ProxyRow, TierRow
from proxy.services.asking import asked

Arms = frozenset[tuple[str, str]]
"""What goes to upstreams beside the weights: as `Routing.told`."""
# Proxies that do not show the weights are asked less and less often: each that is dead costs its timeout.
SELDOM = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Followed:
    """Where a push stands. `refused` says why it will not be obeyed; `problem` what is missing still.

    `known`: it was verified before, so that nothing is new.
    """

    push: dict[str, Any]
    refused: str = ""
    problem: str = ""
    late: bool = False
    known: bool = False

    @property
    def acked(self) -> bool:
        return bool(self.push.get("acked_at"))

    @property
    def verified(self) -> bool:
        return bool(self.push.get("verified_at"))

    def write_step(self, rollout: Rollout) -> None:
        """Keep when every proxy was seen to run the present step's weights. Raises Overtaken; see
        `moving.leave_step`.
        """
        if self.verified and not self.known:
            moving.lock(rollout)
            rollout.steps.filter(ended_at=None, obeyed_at=None).update(
                obeyed_at=datetime.fromisoformat(self.push["verified_at"])
            )


def follow(rollout: Rollout, *, now: datetime) -> Followed:
    """The push with what the proxies acknowledged by now, and nothing asked of them: see `read_back`."""
    push = rollout.push
    if not push or push.get("verified_at"):
        return Followed(push, known=True)
    # Before the proxies' rows, so that these know when each acknowledged what is complete here.
    progress = proxy.selectors.weights_progress(rollout.tier, push["generation"])
    tier = proxy.selectors.tier(rollout.tier)
    push = _with_acks(push, tier, progress, now)
    late = now > datetime.fromisoformat(push["deadline"])
    if not push["acked_at"]:
        waiting = _waiting(progress)
        refused = waiting if (progress.nacks or late) and push.get("refusable", True) else ""
        return Followed(push, refused=refused, problem=waiting if late or progress.nacks else "", late=late)
    return Followed(push, problem=unread(push), late=late)


def read_back(rollout: Rollout, followed: Followed, *, admin: ProxyAdmin, now: datetime) -> Followed:
    """The same with what each proxy runs, where all acknowledged it. What is verified is not asked again.

    Not before the judge has looked: a proxy that is slow to answer must hold no rollback up.
    """
    push = followed.push
    if followed.known or not followed.acked or not _due(push, now):
        return followed
    tier = proxy.selectors.tier(rollout.tier)
    arms = _arms(rollout, now) if rollout.plan.get("match") or rollout.plan.get("mirror") else None
    push, wrong = _read(push, rollout.route_name, arms, tier, admin, now)
    refused = wrong if wrong and followed.late and rollout.state == "promoting" else ""
    return Followed(push, refused=refused, problem=unread(push), late=followed.late)


def _due(push: dict[str, Any], now: datetime) -> bool:
    """Whether the proxies are to be asked again: the longer they did not show it, the later."""
    if "read_at" not in push:
        return True
    read_at, acked_at = (datetime.fromisoformat(push[name]) for name in ("read_at", "acked_at"))
    return now - read_at >= min(SELDOM, (read_at - acked_at) / 2)


def unread(push: dict[str, Any]) -> str:
    """What the latest look at the proxies missed; empty where nothing was, or nobody looked yet."""
    wrong = push.get("unread", "")
    return f"acknowledged by every proxy and not read back yet: {wrong}" if wrong else ""


def moment(unix_seconds: float | None) -> datetime | None:
    return None if unix_seconds is None else datetime.fromtimestamp(unix_seconds, tz=UTC)


def _with_acks(push: dict[str, Any], tier: TierRow, progress: Progress, now: datetime) -> dict[str, Any]:
    if push["acked_at"] or not progress.complete:
        return push
    times = [row.acked_at for row in tier.proxies if row.acked_at is not None]
    sent = datetime.fromisoformat(push["at"])
    # A later generation may have been acknowledged since: never before it was sent, never after now.
    acked_at = min(now, max([sent, *times]))
    return {**push, "acked_at": acked_at.isoformat()}


def _waiting(progress: Progress) -> str:
    if progress.nacks:
        return "; ".join(f"{name} refused it: {why}" for name, why in sorted(progress.nacks.items()))
    silent = sorted(name for name, acked in progress.acked.items() if not acked)
    return f"no acknowledgement from {', '.join(silent)}" if silent else "the tier has no proxies"


def _read(
    push: dict[str, Any], route: str, arms: Arms | None, tier: TierRow, admin: ProxyAdmin, now: datetime
) -> tuple[dict[str, Any], str]:
    """What every proxy really runs beside what it should; the second value says what differs.

    `arms` by attribute are looked at where they are given.

    All are asked at once: one that is dead costs its timeout, and the tick once.
    """
    wanted = _positive(push["weights"])
    known = {name: row for name, row in push["proxies"].items() if row["verified"]}
    open_ones = [row for row in tier.proxies if row.name not in known]
    seen = {row.name: known[row.name] for row in tier.proxies if row.name in known}
    wrong: list[str] = []
    ask = partial(_runs, admin, route, arms is not None)
    for row, found in zip(open_ones, asked(ask, open_ones), strict=True):
        if isinstance(found, ProxyUnreachable):
            wrong.append(f"{row.name} cannot be read: {found}")
            continue
        runs, chosen = found
        verified = runs is not None and _positive(runs) == wanted and chosen == arms
        seen[row.name] = {"weights": runs, "verified": verified, "at": now.isoformat()}
        if not verified:
            asking = "" if chosen == arms else f", and by attribute {sorted(chosen or ())}"
            wrong.append(f"{row.name} runs {runs}{asking}")
    said = "; ".join(wrong)
    verified_at = None if wrong else now.isoformat()
    told = {"proxies": seen, "verified_at": verified_at, "read_at": now.isoformat(), "unread": said}
    return {**push, **told}, said


def _arms(rollout: Rollout, now: datetime) -> Arms | None:
    """The arms by attribute that the route should have now; None where the route is gone."""
    route = proxy.selectors.desired(rollout.tier, now=now).route(rollout.route_name)
    return None if route is None else route.told


def _runs(
    admin: ProxyAdmin, route: str, with_arms: bool, row: ProxyRow
) -> tuple[dict[str, int] | None, Arms | None] | ProxyUnreachable:
    """Asks only: it runs beside others."""
    try:
        weights = admin.weights(row.admin_address, route)
        return weights, admin.chosen(row.admin_address, route) if with_arms else None
    except ProxyUnreachable as error:
        return error


def _positive(split: dict[str, int]) -> dict[str, int]:
    return {arm: weight for arm, weight in split.items() if weight > 0}
