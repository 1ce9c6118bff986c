"""Every page in a real browser: no complaint under the strict policy, light and dark, wide and narrow."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import proxy.services
from proxy.models import Proxy
from tests.pages import world
from tests.pages.conftest import Desk
from tests.proxy.factories import document
from tests.support.people import BY

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]

PAGES = {
    "overview": "/",
    "tier": "/tiers/edge/",
    "revisions": "/tiers/edge/revisions/",
    "routes": "/routes/",
    "route": "/routes/shop/",
    "rollouts": "/rollouts/",
    "rollout": "/rollouts/{rollout}/",
    "rollout-start": "/rollouts/start/?route=shop&upstream=shop-v2",
    "rollout-replay": "/rollouts/{rollout}/replay/",
    "releases": "/releases/",
    "release": "/releases/{release}/",
    "runs": "/runs/",
    "run": "/runs/{run}/",
    "runbook": "/runbooks/canary-rolled-back/?incident={incident}",
    "runbook-automated": "/runbooks/retry-storm/",
    "runbook-start": "/runbooks/retry-storm/start/?tier=edge&subject=shop",
    "runbook-rehearse": "/runbooks/retry-storm/rehearse/?tier=edge&hours=1",
    "incidents": "/incidents/",
    "incident": "/incidents/{incident}/",
    "objectives": "/objectives/",
    "objective": "/objectives/{objective}/",
    "corrections": "/corrections/",
    "correction-add": "/corrections/add/?tier=edge&route=shop",
    "maintenance": "/maintenance/",
    "maintenance-add": "/maintenance/add/",
    "reports": "/reports/",
    "report": "/reports/-/{month}/",
    "planning": "/planning/",
    "audit": "/audit/",
    "lab": "/lab/",
    "automation": "/automation/",
    "account": "/account/",
}
WITH_CHARTS = {"objective": 1, "tier": 5, "route": 2, "rollout": 2}
LOOKS = {"wide-light": (1280, False), "wide-dark": (1280, True), "narrow-light": (390, False)}


@pytest.fixture
def filled() -> dict[str, Any]:
    now = datetime.now(UTC)
    world.tier(now)
    world.heartbeats(now)
    objective = world.budgets(now)
    world.left_out(now)
    incident = world.incident(now)
    return {
        "incident": incident,
        "run": world.run(now, incident),
        "rollout": world.rollout(now),
        "release": world.release(now),
        "objective": objective,
        "month": f"{now:%Y-%m}",
    }


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_draws_without_a_complaint_and_fits(
    look: str, desk: Desk, filled: dict[str, Any], measured: str, settings: Any
) -> None:
    settings.PROMETHEUS_URL = measured
    width, dark = LOOKS[look]
    seen = {}
    with desk.reader(width=width, dark=dark) as reader:
        for name, address in PAGES.items():
            page = reader.open(address.format(**filled))
            for number in range(WITH_CHARTS.get(name, 0)):
                page.locator(".plot-drawn").nth(number).wait_for()
            reader.picture(f"{name}-{look}")
            fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            seen[name] = (page.locator("h1").count(), fits, reader.complaints[:])

    assert seen == dict.fromkeys(PAGES, (1, True, []))


WORDS = """() => [...document.querySelectorAll(".plot")].map((plot) =>
    [...plot.querySelectorAll(".annotation")].map((word) => {
        const { left, right, top } = word.getBoundingClientRect();
        return [Math.round(left), Math.round(right), Math.round(top)];
    }))"""


@pytest.mark.parametrize("width", [390, 1280])
def test_the_words_of_changes_in_a_chart_do_not_lie_over_each_other(
    width: int, desk: Desk, measured: str, settings: Any
) -> None:
    settings.PROMETHEUS_URL = measured
    now = datetime.now(UTC)
    for minutes in (27, 22, 18, 13, 9, 6, 3, 1):
        changed = document()
        changed["tiers"][0]["routes"][0]["timeout"] = f"{minutes}s"
        at = now - timedelta(minutes=minutes)
        proxy.services.apply(document=changed, by=BY, reason="timeout", now=at, gate=lambda tier: [])
    with desk.reader(width=width) as reader:
        page = reader.open("/tiers/edge/")
        page.locator(".plot-drawn").nth(1).wait_for()
        reader.picture(f"marks-{width}")
        charts = page.evaluate(WORDS)

    for words in charts:
        by_line: dict[int, list[tuple[int, int]]] = {}
        for left, right, top in words:
            by_line.setdefault(top, []).append((left, right))
        assert max(len(line) for line in by_line.values()) > 1
        for line in map(sorted, by_line.values()):
            assert all(one[1] <= next_[0] for one, next_ in itertools.pairwise(line)), line
            assert line[-1][1] <= width


def test_a_row_of_drift_breaks_where_it_would_not_fit(desk: Desk, measured: str, settings: Any) -> None:
    settings.PROMETHEUS_URL = measured
    now = datetime.now(UTC)
    world.tier(now)
    path = "virtual_hosts[orders.test].routes[orders].typed_per_filter_config.envoy.filters.http.ext_authz.policy"
    Proxy.objects.update(drift=[f"routes edge: {path}.disabled is (none), not true"], read_at=now)
    with desk.reader() as reader:
        proxies = reader.open("/tiers/edge/").get_by_label("Proxies", exact=True)
        reader.picture("drift")
        assert proxies.evaluate("each => each.scrollWidth <= each.clientWidth")
