from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker, Settings

from tests.proxy.world import World, database, running


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files of tests/proxy anew"
    )


@pytest.fixture(scope="package")
def started_world(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[World]:
    with django_db_blocker.unblock(), running(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(started_world: World, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Real Envoys under a real ADS server, calm when the test begins."""
    with django_db_blocker.unblock(), database(started_world):
        started_world.calm()
        yield started_world


@pytest.fixture
def secrets(world: World, settings: Settings) -> Path:
    """The secrets directory of the world, for this process too."""
    settings.SECRETS = world.var / "secrets"
    settings.SECRETS.mkdir(exist_ok=True)
    return world.var / "secrets"
