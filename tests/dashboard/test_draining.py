"""What is out of use, on the tier's page: who sees it, who does it, how it ends."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from access.domain.roles import Role
from proxy import selectors, services
from tests.proxy.factories import document
from tests.proxy.test_declaring import BY
from tests.support.people import person

pytestmark = pytest.mark.django_db
PAGE, FORM = "/tiers/edge/", "/tiers/edge/drain/"


@pytest.fixture
def now() -> datetime:
    now = timezone.now()
    services.apply(document=document(), by=BY, reason="", now=now)
    return now


def sit(client: Client, role: Role) -> Client:
    client.force_login(person(role))
    return client


def test_an_operator_takes_an_endpoint_out_of_use_and_back(client: Client, now: datetime) -> None:
    sit(client, Role.OPERATOR)
    said = {"what": "endpoint/shop-v1/127.0.0.1:11001", "minutes": 15, "reason": "new disk"}
    page = client.post(FORM, said, follow=True).content.decode()
    assert "endpoint 127.0.0.1:11001 of shop-v1" in page
    (overlay,) = selectors.live_overlays("edge", now=now)
    assert (overlay.target, overlay.reason) == ("upstream/shop-v1/endpoints", "new disk")
    client.post(FORM, {"what": said["what"], "undo": "on", "reason": "done"})
    assert selectors.live_overlays("edge", now=timezone.now()) == []


def test_an_upstream_that_is_called_proxy_is_no_proxy(client: Client, now: datetime) -> None:
    sit(client, Role.OPERATOR)
    ends = [{"name": "a", "port": 11008}, {"name": "b", "port": 11009}]
    declared = document(
        upstreams=[*document()["tiers"][0]["upstreams"], {"name": "proxy", "endpoints": ends}]
    )
    services.apply(document=declared, by=BY, reason="", now=now)
    assert 'value="endpoint/proxy/a"' in client.get(PAGE).content.decode()
    client.post(FORM, {"what": "endpoint/proxy/a", "minutes": 15, "reason": "new disk"})
    assert [row.target for row in selectors.live_overlays("edge", now=now)] == ["upstream/proxy/endpoints"]


def test_the_last_endpoint_stays_and_the_page_says_why(client: Client, now: datetime) -> None:
    sit(client, Role.OPERATOR)
    said = {"what": "endpoint/shop-v2/127.0.0.1:11003", "minutes": 15, "reason": "new disk"}
    page = client.post(FORM, said, follow=True).content.decode()
    assert "shop-v2 would have no endpoint left" in page


def test_a_time_must_be_given(client: Client, now: datetime) -> None:
    sit(client, Role.OPERATOR)
    page = client.post(FORM, {"what": "proxy/edge-1", "reason": "x"}, follow=True).content.decode()
    assert "minutes: say for how long" in page


def test_a_viewer_sees_what_is_out_of_use_and_no_form(client: Client, now: datetime) -> None:
    until = now + timedelta(minutes=5)
    services.drain_proxy(tier="edge", proxy="edge-1", until=until, by=BY, reason="upgrade", now=now)
    page = sit(client, Role.VIEWER).get(PAGE).content.decode()
    assert "proxy edge-1" in page
    assert "Take out of use" not in page
    assert client.post(FORM, {"what": "proxy/edge-1", "minutes": 5, "reason": "x"}).status_code == 403
