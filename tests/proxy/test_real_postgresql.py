"""The ADS server on PostgreSQL under real Envoys, and when that database goes away."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from proxy import models, selectors
from tests.proxy.factories import weights
from tests.proxy.world import World, database, running
from tests.support.postgresql import postgresql
from tests.support.processes import wait_until

pytestmark = pytest.mark.real
SHOP = "route/shop/weights"


@pytest.fixture(scope="module")
def started_on_postgresql(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[World]:
    var = tmp_path_factory.mktemp("postgresql-world")
    with django_db_blocker.unblock(), postgresql() as url, running(var, url) as world:
        yield world


@pytest.fixture
def world(started_on_postgresql: World, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), database(started_on_postgresql):
        assert connection.vendor == "postgresql"
        started_on_postgresql.calm()
        yield started_on_postgresql


def test_a_weight_is_pushed_obeyed_and_acknowledged(world: World) -> None:
    _, generation = world.put(weights(10000), SHOP)
    world.wait_acked(generation)
    assert selectors.weights_progress("edge", generation).complete
    assert world.arms(10) == world.arms(10, proxy="EDGE_2") == {"shop-v2": 10}


def test_an_overlay_expires_and_is_deleted_with_nothing_alive_but_the_ads_server(world: World) -> None:
    _, generation = world.put(weights(10000), SHOP, lasts=timedelta(seconds=1.5))
    world.wait_acked(generation)
    wait_until(lambda: world.arms(1) == {"shop-v1": 1}, timeout=5, what="back at the base")
    wait_until(lambda: not models.Overlay.objects.exists(), timeout=5, what="expiry recorded")


def test_a_refusal_is_recorded_and_weights_go_on_past_it(world: World) -> None:
    """A port that another process holds passes every check here: only the proxy itself can refuse it."""
    first, second = world.declared()["tiers"][0]["proxies"]
    refused = world.apply({"proxies": [{**first, "https_port": world.ports["LAB_CONTROL_PORT"]}, second]})
    wait_until(lambda: selectors.progress("edge", refused).nacks.get("edge-1"), timeout=10, what="a refusal")
    _, generation = world.put(weights(10000), SHOP)
    wait_until(lambda: selectors.weights_progress("edge", generation).complete, timeout=10, what="weights")
    assert world.arms(10) == {"shop-v2": 10}
    assert "edge-https" in wait_until(
        lambda: selectors.progress("edge", generation).nacks.get("edge-1", ""), timeout=10, what="told again"
    )


def test_a_connection_that_the_database_cuts_is_made_anew(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    _, generation = world.put(weights(10000), SHOP)
    world.wait_acked(generation)
    assert world.arms(10) == {"shop-v2": 10}


def test_a_statement_does_not_run_for_ever(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("20s",)
