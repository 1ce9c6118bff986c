"""Pages without a browser: empty, full, and with Prometheus away; a constant number of queries."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import alerts.services
import proxy.selectors
import proxy.services
from access.domain.roles import Role
from proxy.memory import InMemoryAdmin
from slo.models import Budget
from tests.pages import world
from tests.proxy.factories import document
from tests.support.people import BY, person

pytestmark = pytest.mark.django_db
NOBODY_LISTENS = "http://127.0.0.1:9"
LISTS = [
    "/",
    "/routes/",
    "/rollouts/",
    "/runs/",
    "/incidents/",
    "/objectives/",
    "/audit/",
    "/lab/",
    "/account/",
]


@pytest.fixture(autouse=True)
def _no_prometheus(settings: Any) -> None:
    settings.PROMETHEUS_URL = NOBODY_LISTENS
    settings.LAB_URL = settings.LAB_RECEIVER_URL = ""
    cache.clear()


@pytest.fixture
def reader(client: Client) -> Client:
    client.force_login(person(Role.OWNER))
    return client


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def queries(client: Client, path: str) -> int:
    """Of a page that was looked at before: a revision's document is read once for each revision."""
    client.get(path)
    cache.clear()
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    return len(seen)


@pytest.mark.parametrize("path", LISTS)
def test_an_empty_page_teaches(path: str, reader: Client) -> None:
    assert 'class="empty"' in text(reader, path) or 'class="note' in text(reader, path)


@pytest.mark.parametrize("path", ["/", "/tiers/edge/", "/routes/", "/routes/shop/"])
def test_without_prometheus_a_page_says_so_and_shows_the_rest(
    path: str, reader: Client, now: datetime
) -> None:
    world.tier(now)

    page = text(reader, path)

    assert "Prometheus does not answer" in page
    assert "edge" in page


@pytest.mark.parametrize(
    "path", ["/tiers/nowhere/", "/routes/nowhere/", "/rollouts/9/", "/runs/9/", "/incidents/9/"]
)
def test_what_is_not_there_is_404(path: str, reader: Client) -> None:
    answer = reader.get(path)

    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


@pytest.mark.parametrize(
    "path",
    ["/live/", "/tiers/edge/live/", "/routes/live/", "/routes/shop/live/", "/rollouts/live/", "/runs/live/"],
)
def test_a_fragment_is_a_part_with_its_own_address(path: str, reader: Client, now: datetime) -> None:
    world.tier(now)

    page = text(reader, path)

    assert page.lstrip().startswith('<div class="fragment"')
    assert f'hx-get="{path}"' in page or "routes" in path
    assert "<html" not in page


@pytest.mark.parametrize("path", ["/", "/objectives/"])
def test_an_overspent_budget_is_marked_and_says_how_little_was_measured(
    path: str, reader: Client, now: datetime
) -> None:
    world.tier(now)
    world.budgets(now)
    Budget.objects.update(left=-231.0, coverage=0.0001)

    page = text(reader, path)

    assert "overspent</span>" in page
    assert "spent 232 times over" in page
    assert ", 4 min 19 s measured" in page
    assert "-231" not in page


def test_the_sentence_leads_to_the_rollout_that_it_names(reader: Client, now: datetime) -> None:
    world.tier(now)
    number = world.rollout(now, ticks=0)

    assert f'<a href="/rollouts/{number}/">Rollout {number}</a> of shop-v2 on shop is' in text(reader, "/")


def test_a_late_automation_is_told_on_the_overview(reader: Client, now: datetime) -> None:
    world.tier(now)
    world.heartbeats(now - timedelta(minutes=2))

    assert "The automation is late" in text(reader, "/")


def test_a_disconnected_proxy_is_told_on_the_overview(reader: Client, now: datetime) -> None:
    world.tier(now)
    proxy.services.record_disconnection(tier="edge", proxies=["edge-2"], now=now)

    page = text(reader, "/")

    assert "1 of 2 proxies are connected" in page


def test_a_proxy_that_cannot_be_read_says_why_on_its_tier_s_page(reader: Client, now: datetime) -> None:
    world.tier(now)
    proxy.services.readback(admin=InMemoryAdmin(), now=now)

    page = text(reader, "/tiers/edge/")

    assert "not read" in page
    assert "127.0.0.1:19002 does not answer; never read" in page


def test_a_runbook_opens_with_the_incident_in_view(reader: Client, now: datetime) -> None:
    world.tier(now)
    number = world.incident(now)

    page = text(reader, f"/runbooks/canary-rolled-back/?incident={number}")

    assert f"Incident {number}: Canary shop-v2 on shop was rolled back" in page
    assert "Set shop-v2 to 0 % on both proxies" in page


def test_a_tier_says_where_it_is_less_safe_and_why(reader: Client, now: datetime) -> None:
    declared = document()
    payments = declared["tiers"][0]["routes"][1]
    payments |= {"timeout": "5m", "accepted": {"timeout": "a bank takes its time"}}
    proxy.services.apply(document=declared, by=BY, reason="first", now=now)

    page = text(reader, "/tiers/edge/")

    assert "<code>routes[1].timeout</code>" in page
    assert "a bank takes its time" in page


def test_an_incident_says_first_what_clients_still_feel(reader: Client, now: datetime) -> None:
    number = world.incident(now)
    felt = "12 % of requests to shop still fail"
    alerts.services.mitigate(incident_id=number, by=BY, reason="retries are off", standing=felt, now=now)

    page = text(reader, f"/incidents/{number}/")

    assert f"<h1>{felt}</h1>" in page
    assert "<p>Canary shop-v2 on shop was rolled back" in page


def test_a_runbook_with_an_incident_that_is_gone_still_opens(reader: Client) -> None:
    assert "There is no incident 77" in text(reader, "/runbooks/canary-rolled-back/?incident=77")


def test_what_people_write_is_shown_as_text(reader: Client, now: datetime) -> None:
    number = world.incident(now)
    reader.post(f"/incidents/{number}/acknowledge/", {"reason": "<script>alert(1)</script>"})

    page = text(reader, f"/incidents/{number}/")

    assert "<script>alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_an_incident_is_written_up_as_markdown(reader: Client, now: datetime) -> None:
    answer = reader.get(f"/incidents/{world.incident(now)}/export.md")

    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    assert "| Fault of | backend shop-v2 |" in answer.content.decode()


def test_an_action_asks_for_a_reason(reader: Client, now: datetime) -> None:
    number = world.incident(now)

    answer = reader.post(f"/incidents/{number}/acknowledge/", {"reason": ""}, follow=True)

    assert "Nothing was changed" in answer.content.decode()


def test_an_action_that_came_too_late_says_so(reader: Client, now: datetime) -> None:
    number = world.incident(now)
    reader.post(f"/incidents/{number}/resolve/", {"reason": "over"})

    answer = reader.post(f"/incidents/{number}/acknowledge/", {"reason": "mine"}, follow=True)

    assert "Nothing was changed: cannot acknowledge: it is resolved" in answer.content.decode()


def test_a_rollout_starts_only_after_its_exact_change_was_shown(reader: Client, now: datetime) -> None:
    world.tier(now)
    given = {"route": "shop", "upstream": "shop-v2", "steps": "5, 100", "mode": "auto", "reason": "try it"}

    shown = reader.post("/rollouts/start/", given).content.decode()

    assert "shop-v1 100 %" in shown
    assert "shop-v2 5 %" in shown
    assert "None yet" not in shown
    answer = reader.post("/rollouts/start/", {**given, "key": "web-1"})
    assert answer.status_code == 302
    assert "shop-v2 serves 5 % of shop" in text(reader, answer["Location"])


def test_a_rollout_with_senseless_steps_is_refused_in_place(reader: Client, now: datetime) -> None:
    world.tier(now)
    given = {"route": "shop", "upstream": "shop-v2", "steps": "50, 5", "mode": "auto", "reason": "x"}

    assert "must rise from step to step" in reader.post("/rollouts/start/", given).content.decode()


def test_rolling_back_by_hand_shows_the_exact_change_first(reader: Client, now: datetime) -> None:
    world.tier(now)
    number = world.rollout(now)

    page = text(reader, f"/rollouts/{number}/")

    assert "<del>shop-v2 5 %</del><ins>shop-v2 0 %</ins>" in page
    reader.post(f"/rollouts/{number}/roll_back/", {"reason": "it smells"})
    assert "rolling back" in text(reader, f"/rollouts/{number}/")


def test_a_viewer_sees_no_buttons(client: Client, now: datetime) -> None:
    world.tier(now)
    client.force_login(person(Role.VIEWER))

    page = text(client, f"/rollouts/{world.rollout(now)}/")

    assert "Roll back" not in page
    assert "Acting takes the role operator; yours is viewer." in page


def test_a_route_says_what_it_takes_and_what_it_does(reader: Client, now: datetime) -> None:
    world.tier(now)
    to = {"https_redirect": True}
    chosen = {"upstream": "shop-v2", "match": {"headers": [{"name": "x-canary", "exact": "always"}]}}
    shop = {"split": {"shop-v1": 10000, "shop-v2": 0}, "arms": [chosen], "sticky": {"cookie": "uid"}}
    routes = [
        {"name": "shop", "hosts": ["shop.test"], "match": {"path_template": "/a/{id}"}, **shop},
        {"name": "old", "hosts": ["shop.test"], "prefix": "/old", "methods": ["GET"], "redirect": to},
    ]
    proxy.services.apply(document=document(routes=routes), by=BY, reason="", now=now, gate=lambda tier: [])
    found = {row.name: text(reader, f"/routes/{row.id}/") for row in proxy.selectors.routes("edge")}

    assert "like /a/{id}" in found["shop"]
    assert "header x-canary is always: always shop-v2" in found["shop"]
    assert "visitors keep their upstream by cookie uid for 7 days" in found["shop"]
    assert "1 regular expressions are tried for shop.test, some" in found["shop"]
    assert "/old and below" in found["old"]
    assert "method GET" in found["old"]
    assert "redirects, 307 to https, the same host, the same path" in found["old"]
    assert "Start a rollout" not in found["old"]
    assert "redirects, 307" in text(reader, "/routes/")


@pytest.mark.parametrize("path", ["/", "/routes/", "/tiers/edge/"])
def test_the_queries_of_a_page_do_not_grow_with_routes(path: str, reader: Client, now: datetime) -> None:
    world.tier(now)
    few = queries(reader, path)
    many = [{"name": f"route-{n}", "hosts": [f"r{n}.test"], "upstream": "payments"} for n in range(40)]
    routes = [*document()["tiers"][0]["routes"], *many]
    proxy.services.apply(
        document=document(routes=routes), by=BY, reason="more", now=now, gate=lambda tier: []
    )

    assert queries(reader, path) == few


@pytest.mark.parametrize("path", ["/", "/rollouts/", "/runs/", "/incidents/"])
def test_the_queries_of_a_page_do_not_grow_with_what_happened(
    path: str, reader: Client, now: datetime
) -> None:
    world.tier(now)
    world.run(now, world.incident(now))
    few = queries(reader, path)
    for hour in range(1, 6):
        then = now - timedelta(hours=hour)
        reader.post(f"/incidents/{world.incident(then)}/resolve/", {"reason": "over"})

    assert queries(reader, path) <= few


def test_a_theme_is_kept_and_needs_no_script(client: Client) -> None:
    answer = client.post("/theme/", {"theme": "dark", "next": "/login/"})

    assert answer["Location"] == "/login/"
    assert 'data-theme="dark"' in client.get("/login/").content.decode()


def test_a_theme_never_leads_away(client: Client) -> None:
    assert client.post("/theme/", {"theme": "dark", "next": "https://elsewhere.example/"})["Location"] == "/"


def test_a_new_token_is_shown_once(reader: Client) -> None:
    made = reader.post("/account/", {"name": "pipeline"}).content.decode()

    assert "Copy the token now" in made
    assert "Copy the token now" not in text(reader, "/account/")
    assert "pipeline" in text(reader, "/account/")


def test_the_process_answers_without_a_login(client: Client) -> None:
    assert client.get("/healthz").content == b"ok\n"


def test_not_ready_names_each_dependency(client: Client, settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:9/0"

    answer = client.get("/readyz")

    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert (checks["database"], checks["broker"]) == ("ok", "does not answer")
    assert "ok" not in (checks["prometheus"], checks["heartbeats"])


def test_only_people_who_are_logged_in_are_told_an_errors_own_words(reader: Client, settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:9/0"

    assert "127.0.0.1:9" in reader.get("/readyz").json()["checks"]["broker"]
    assert "127.0.0.1" not in Client().get("/readyz").content.decode()


def test_the_services_own_numbers_are_for_prometheus(client: Client, now: datetime) -> None:
    world.incident(now)
    world.heartbeats(now)

    page = client.get("/metrics").content.decode()

    assert 'sluice_incidents_open{tier="edge"} 1.0' in page
    assert 'sluice_heartbeat_age_seconds{part="canary"}' in page
    assert 'sluice_outbox_messages{state="pending"} 1.0' in page


def test_the_audit_is_narrowed_and_exported(reader: Client, now: datetime) -> None:
    world.tier(now)
    number = world.incident(now)
    reader.post(f"/incidents/{number}/acknowledge/", {"reason": "=1+1"})

    assert "incident." in text(reader, "/audit/?action=incident.")
    assert "revision." not in text(reader, "/audit/?action=incident.")
    assert "'=1+1" in text(reader, "/audit/export.csv")


@pytest.mark.parametrize(("role", "there"), [(Role.ADMINISTRATOR, True), (Role.OWNER, False)])
def test_an_administrator_finds_the_way_to_people(client: Client, role: Role, there: bool) -> None:
    client.force_login(person(role, name="one"))

    assert ('href="/admin/"' in text(client, "/")) is there
