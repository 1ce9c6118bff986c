from collections.abc import Iterator

import pytest

from tests.support.processes import wait_until
from tests.support.running import Running, running


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One running system for all end-to-end tests: it is started once, with the lab's traffic,
    and ends with them: the tests of other packages have the machine to themselves."""
    with running(tmp_path_factory.mktemp("system")) as found:
        yield found


@pytest.fixture
def calm(system: Running) -> Iterator[Running]:
    """The system with no fault, no live rollout and the base weights on the proxies, before and after."""
    _calm(system)
    yield system
    _calm(system)


def _calm(system: Running) -> None:
    system.heal()
    for rollout in system.get("rollouts?live=true"):
        system.api("POST", f"rollouts/{rollout['id']}/rollback", {"reason": "the next test begins"})
    wait_until(lambda: not system.get("rollouts?live=true"), timeout=30, what="no live rollout")
