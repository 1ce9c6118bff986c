"""The page of an observed tier in a real browser, over real Envoys of somebody else."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

import proxy.services
from proxy.envoy_admin import EnvoyAdmin
from telemetry.prometheus import Prometheus
from tests.pages.conftest import Desk
from tests.proxy.foreign import Gateway, envoy
from tests.support.people import BY
from tests.support.processes import wait_until
from tests.support.prometheus import Target, prometheus

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]

LOOKS = {
    "wide-light": (1280, False),
    "wide-dark": (1280, True),
    "narrow-light": (390, False),
}
FLEETS = ("plain", "instrumented")


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, Gateway]]]:
    """The address of a Prometheus, and a gateway with and one without Sluice's statistics under it."""
    directory = tmp_path_factory.mktemp("observed")
    with ExitStack() as stack:
        gateways = {
            name: stack.enter_context(envoy(directory, name, instrumented=name == "instrumented"))
            for name in FLEETS
        }
        targets = [
            Target(gateway.admin, {"tier": name}, "/stats/prometheus") for name, gateway in gateways.items()
        ]
        running = stack.enter_context(prometheus(directory / "prometheus", targets=targets))
        metrics = Prometheus(running.url, timeout=5)
        stack.callback(metrics.close)
        for _ in range(5):
            for gateway in gateways.values():
                gateway.round()
        sampled = 'min(count_over_time(envoy_http_downstream_rq_xx{envoy_response_code_class="5"}[1m])) > 3'
        wait_until(lambda: metrics.vector(sampled, at=timezone.now()), timeout=15, what="a few scrapes")
        yield running.url, gateways


def declare(gateways: dict[str, Gateway]) -> None:
    tiers = [
        {"name": name, "observed": True, "proxies": [{"name": "gw-1", "admin": gateways[name].admin}]}
        for name in FLEETS
    ]
    tiers[0]["proxies"] = [*tiers[0]["proxies"], {"name": "gw-2", "admin": "127.0.0.1:9"}]  # type: ignore[misc]
    proxy.services.apply(document={"tiers": tiers}, by=BY, reason="to be looked at", now=timezone.now())
    proxy.services.watch(admin=EnvoyAdmin(), now=timezone.now())


@pytest.mark.parametrize("look", LOOKS)
def test_every_figure_shows_its_worth_and_the_page_fits(
    look: str, desk: Desk, fleets: tuple[str, dict[str, Gateway]], settings: Any
) -> None:
    settings.PROMETHEUS_URL, gateways = fleets
    declare(gateways)
    width, dark = LOOKS[look]
    words = {}
    with desk.reader(width=width, dark=dark) as reader:
        for name in FLEETS:
            page = reader.open(f"/observed/{name}/")
            reader.picture(f"observed-{name}-{look}")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            words[name] = page.locator(".figures").inner_text()
            reasons = page.get_by_label("How far to trust it")
            assert reasons.evaluate("each => each.scrollWidth <= each.clientWidth")
        reader.open("/")
        reader.picture(f"observed-overview-{look}")
        assert reader.complaints == []
    assert "approximate" in words["plain"]
    assert "unavailable" in words["plain"]
    # Without a listener that terminates TLS there is nothing of TLS to be had.
    assert words["instrumented"].count("unavailable") == 3


def test_a_fleet_that_prometheus_does_not_know_is_told_within_a_narrow_page(
    desk: Desk, fleets: tuple[str, dict[str, Gateway]], settings: Any
) -> None:
    settings.PROMETHEUS_URL = fleets[0]
    name = "a-fleet-with-a-long-name-that-nobody-scrapes"
    raw = {"name": name, "observed": True, "proxies": [{"name": "gw-1", "admin": "127.0.0.1:9"}]}
    proxy.services.apply(document={"tiers": [raw]}, by=BY, reason="to be looked at", now=timezone.now())
    with desk.reader(width=390) as reader:
        page = reader.open(f"/observed/{name}/")
        assert page.get_by_text("Prometheus has no series of this tier.").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_address_of_a_driven_tier_leads_to_it(
    desk: Desk, fleets: tuple[str, dict[str, Gateway]], settings: Any
) -> None:
    settings.PROMETHEUS_URL, gateways = fleets
    declare(gateways)
    with desk.reader() as reader:
        page = reader.open("/tiers/plain/")
        assert page.url.endswith("/observed/plain/")
        assert page.get_by_text("Unavailable by route:").is_visible()


def test_without_prometheus_the_page_says_so_and_keeps_what_was_read(
    desk: Desk, fleets: tuple[str, dict[str, Gateway]], settings: Any
) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"
    cache.clear()
    declare(fleets[1])
    with desk.reader() as reader:
        page = reader.open("/observed/plain/")
        assert page.get_by_text("Prometheus does not answer").is_visible()
        assert page.get_by_text("Nothing: every part of it was read.").is_visible()
        reader.picture("observed-no-prometheus")
