"""Whatever two owners do, in whatever order, late or twice: what is rendered keeps these promises."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from audit.domain.actor import Actor
from proxy import selectors, services
from proxy.domain.errors import ProxyError
from tests.proxy.factories import document, split_of, weights

START = datetime(2026, 1, 1, tzinfo=UTC)
BY = Actor("ann", "cli")
TARGET = "route/shop/weights"

OWNERS = st.sampled_from(["rollout/1", "run/2"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["lease", "put", "renew", "delete", "expire"]),
        OWNERS,
        st.integers(min_value=0, max_value=6),  # a fence, right or stale
        st.integers(min_value=0, max_value=90),  # seconds that pass before
    ),
    max_size=25,
)


class World:
    """The tier, a clock, and the fences whose overlays were deleted."""

    def __init__(self) -> None:
        services.apply(document=document(), by=BY, reason="", now=START)
        self.now = START
        self.buried = 0
        self.generation = selectors.generation("edge")
        self.split = self._split()

    def step(self, what: str, owner: str, fence: int, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        until = self.now + timedelta(seconds=60)
        held = {"tier": "edge", "target": TARGET, "owner": owner}
        with suppress(ProxyError):
            match what:
                case "lease":
                    services.lease(**held, until=until, by=BY, now=self.now)
                case "put":
                    patch = weights(100 * fence)
                    services.put_overlay(
                        tier="edge",
                        target=TARGET,
                        owner=owner,
                        patch=patch,
                        fence=fence,
                        expires_at=until,
                        by=BY,
                        reason="",
                        now=self.now,
                    )
                case "renew":
                    services.renew_overlay(**held, fence=fence, expires_at=until, now=self.now)
                case "delete":
                    services.delete_overlay(
                        tier="edge", target=TARGET, owner=owner, fence=fence, by=BY, reason="", now=self.now
                    )
                    self.buried = max(self.buried, fence)
                case "expire":
                    services.expire(now=self.now)

    def check(self) -> None:
        split, generation = self._split(), selectors.generation("edge")
        live = selectors.live_overlays("edge", now=self.now)
        floors = {row.name: row.fence_floor for row in selectors.targets("edge")}
        assert sum(split.values()) == 10000
        assert len(live) <= 1
        assert all(row.fence >= floors[row.target] for row in live)
        assert all(row.expires_at > self.now for row in live)
        assert all(row.fence > self.buried for row in live)
        assert generation >= self.generation
        self.generation = generation

    def _split(self) -> dict[str, int]:
        return split_of(selectors.desired("edge", now=self.now))


class TestOverlays(TestCase):
    @settings(max_examples=40, deadline=None)
    @given(STEPS)
    def test_no_overlay_is_rendered_below_its_floor_or_past_its_time(
        self, steps: list[tuple[str, str, int, int]]
    ) -> None:
        world = World()
        for step in steps:
            world.step(*step)
            world.check()

    @settings(max_examples=20, deadline=None)
    @given(STEPS)
    def test_a_changed_split_is_a_new_generation_while_no_time_passes(
        self, steps: list[tuple[str, str, int, int]]
    ) -> None:
        world = World()
        for what, owner, fence, _ in steps:
            before, generation = world._split(), world.generation
            world.step(what, owner, fence, 0)
            world.check()
            assert world._split() == before or world.generation > generation
