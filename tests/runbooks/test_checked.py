"""What is checked of the tier when a run decides: evidence on the run, and on its page."""

from typing import Any

import pytest
from django.test import Client

from access.domain.roles import Role
from proxy.memory import InMemoryAdmin
from runbooks import services
from tests.runbooks.world import ANN, World, world
from tests.support.people import person

pytestmark = pytest.mark.django_db


class Counting(InMemoryAdmin):
    """Proxies that count how often they are asked for all that they run."""

    def __init__(self) -> None:
        super().__init__()
        self.dumps: list[str] = []

    def config_dump(self, address: str) -> dict[str, Any]:
        self.dumps.append(address)
        return super().config_dump(address)


def started(runbook: str, subject: str) -> World:
    """A run that a person started, decided."""
    w = world()
    w.admin = Counting()
    given: dict[str, Any] = {"runbook": runbook, "tier": "edge", "subject": subject, "metrics": w.metrics}
    plan = services.dry_run(**given, now=w.now).plan
    services.start(**given, plan_hash=plan.digest, by=ANN, reason="look", now=w.now)
    w.until("VERIFYING")
    return w


def test_a_check_of_what_proxies_run_asks_each_of_them_once(client: Client) -> None:
    w = started("brownout", "shop-v1")
    assert isinstance(w.admin, Counting)
    assert len(w.admin.dumps) == len(set(w.admin.dumps)) == 2
    found = {each["check"]: each["holds"] for each in w.run().checks}
    assert set(found) == {"outlier_detection", "circuit_breaker", "bounded_queue"}
    client.force_login(person(Role.VIEWER))
    page = client.get(f"/runs/{w.run().id}/").content.decode()
    assert "What was checked" in page
    assert w.run().checks[0]["title"] in page


def test_a_check_of_declarations_alone_asks_no_proxy() -> None:
    w = started("retry-storm", "shop")
    assert isinstance(w.admin, Counting)
    assert w.admin.dumps == []
    assert [each["check"] for each in w.run().checks] == ["single_layer_retries"]
