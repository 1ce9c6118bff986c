"""A stored revision that today's rules refuse, or that this Sluice does not understand."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

import alerts.selectors
from access.domain.roles import Role
from audit.domain.actor import Actor
from proxy import bases, revisions, selectors, services
from proxy.ads.source import Source
from proxy.domain.errors import Invalid, Overtaken
from proxy.models import Revision
from proxy.services.declaring import digest
from tests.proxy.factories import document, weights
from tests.proxy.test_commands import run
from tests.support.people import bearer, person

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANN = Actor("ann", "cli")
SECOND_FACTOR = ("routes", 0, "access", "second_factor")
LATER: dict[str, Any] = {"routes": [{"name": "later", "hosts": ["later.test"], "upstream": "payments"}]}


def apply(made_from: int | None = None, **changes: Any) -> None:
    services.apply(
        document=document(**changes),
        by=ANN,
        reason="because",
        now=NOW,
        made_from=None if made_from is None else {"edge": made_from},
    )


def rewrite(path: tuple[str | int, ...], value: Any) -> None:
    """The newest revision as another Sluice published it: with this value at this place."""
    newest = Revision.objects.first()
    assert newest is not None
    part: Any = newest.document
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    newest.digest = digest(newest.document)
    newest.save()


def two_revisions_and_the_newest_is_not_understood() -> None:
    apply()
    apply(routes=[*document()["tiers"][0]["routes"], *LATER["routes"]])
    rewrite(SECOND_FACTOR, "totp")


@pytest.fixture
def refused() -> None:
    apply()
    rewrite(("limits", "max_connections"), 0)


@pytest.fixture
def behind() -> None:
    two_revisions_and_the_newest_is_not_understood()


@pytest.fixture
def nothing() -> None:
    """No revision is understood."""
    apply()
    rewrite(SECOND_FACTOR, "totp")


@pytest.mark.usefixtures("refused")
def test_what_a_later_rule_refuses_is_served_as_it_was_and_told() -> None:
    served = selectors.served("edge", now=NOW)
    assert (served.behind, served.whole) == (False, True)
    assert served.base.limits.max_connections == 0
    (trouble,) = served.troubles
    assert trouble.startswith("revision 1 is served, but could not be declared today: limits.max_connections")


@pytest.mark.usefixtures("refused")
def test_weights_that_automation_publishes_do_not_meet_the_later_rule() -> None:
    number = services.publish_split(
        tier="edge",
        route="shop",
        weights={"shop-v1": 0, "shop-v2": 10000},
        by=ANN,
        reason="promoted",
        now=NOW,
    )
    assert bases.base("edge").revision == number == 2
    assert selectors.base("edge").limits.max_connections == 0


@pytest.mark.usefixtures("refused")
def test_a_new_declaration_meets_the_later_rule() -> None:
    with pytest.raises(Invalid):
        services.revert(tier="edge", number=1, by=ANN, reason="again", now=NOW)
    apply(**LATER)
    assert bases.base("edge").troubles == ()


def test_what_breaks_the_translation_is_not_served() -> None:
    apply()
    rewrite(("routes", 0, "split"), {"no-such-upstream": 9000})
    found = bases.base("edge")
    assert (found.whole, found.behind) == (False, True)
    assert found.refused
    assert found.unread


@pytest.mark.usefixtures("behind")
def test_the_last_revision_that_is_understood_stands_in() -> None:
    served = selectors.served("edge", now=NOW)
    assert (served.behind, served.whole) == (True, True)
    assert served.base.route("later") is None
    head, line = served.troubles
    assert "revision 2 is not understood" in head
    assert "get revision 1" in head
    assert line == "revision 2: routes[0].access.second_factor: unknown key"


@pytest.mark.usefixtures("behind")
def test_automation_does_not_bury_what_is_not_understood() -> None:
    with pytest.raises(Invalid, match="revision 2 is not understood"):
        services.publish_split(
            tier="edge", route="shop", weights={"shop-v1": 10000}, by=ANN, reason="promoted", now=NOW
        )


@pytest.mark.usefixtures("behind")
def test_an_overlay_that_does_not_fit_the_stand_in_is_not_laid() -> None:
    rewrite(("routes", 0, "access"), {})
    lease = {"tier": "edge", "target": "route/later/weights", "owner": "rollout/1"}
    until = NOW + timedelta(hours=1)
    fence = services.lease(**lease, until=until, by=ANN, now=NOW)
    patch = {"kind": "weights", "route": "later", "weights": {"payments": 10000}}
    services.put_overlay(
        **lease, patch=patch, fence=fence, expires_at=until, by=ANN, reason="because", now=NOW
    )
    rewrite(SECOND_FACTOR, "totp")
    served = selectors.served("edge", now=NOW)
    assert served.overlays == ()
    assert "rollout/1's overlay on route/later/weights is not laid" in served.troubles[-1]


@pytest.mark.usefixtures("behind")
def test_going_back_is_a_way_out() -> None:
    services.revert(tier="edge", number=1, by=ANN, reason="it is understood", now=NOW, made_from=2)
    assert (bases.base("edge").revision, bases.base("edge").troubles) == (3, ())


@pytest.mark.usefixtures("nothing")
def test_a_declaration_is_a_way_out_though_no_revision_is_understood() -> None:
    apply(made_from=1)
    assert (bases.base("edge").revision, bases.base("edge").troubles) == (2, ())


@pytest.mark.usefixtures("behind")
def test_who_declares_from_the_revision_before_hears_that_the_newest_is_not_understood() -> None:
    with pytest.raises(Overtaken) as refusal:
        apply(made_from=1, **LATER)
    assert refusal.value.changes == ("revision 2: routes[0].access.second_factor: unknown key",)


@pytest.mark.parametrize("kind", ["refused", "behind", "nothing"])
def test_every_page_and_the_api_work_and_say_what_is_wrong(
    kind: str, client: Client, request: pytest.FixtureRequest, settings: Any
) -> None:
    request.getfixturevalue(kind)
    settings.PROMETHEUS_URL, settings.LAB_URL = "http://127.0.0.1:9", ""
    client.force_login(person(Role.OWNER))
    route = selectors.route("edge/shop").id
    pages = ["/", "/routes/", f"/routes/{route}/", "/rollouts/", "/rollouts/start/", "/runs/", "/objectives/"]
    pages += ["/tiers/edge/", "/tiers/edge/revisions/"]
    assert {page: client.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
    said = "could not be declared today" if kind == "refused" else "is not understood by this Sluice"
    assert said in client.get("/tiers/edge/").content.decode()
    headers = bearer(Role.OPERATOR)
    paths = ["tiers", "tiers/edge", "routes", f"routes/{route}", "tiers/edge/revisions"]
    answers = {path: client.get(f"/api/v1/{path}", headers=headers) for path in paths}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert said in answers["tiers/edge"].json()["troubles"][0]
    newest = selectors.tier("edge").revision
    told = client.get(f"/api/v1/tiers/edge/revisions/{newest}", headers=headers)
    assert told.status_code == (200 if kind == "refused" else 422)


@pytest.mark.parametrize("kind", ["refused", "behind", "nothing"])
def test_export_and_plan_work_and_say_what_is_wrong(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    request.getfixturevalue(kind)
    exported = run("export")
    assert yaml.safe_load(exported)["tiers"][0]["name"] == "edge"
    assert "warning: tier edge: revision" in capsys.readouterr().err
    file = tmp_path / "edge.yaml"
    file.write_text(json.dumps(document()))
    assert run("apply", str(file), "--plan")
    assert "warning: tier edge: revision" in capsys.readouterr().err
    call_command("apply", str(file))
    assert bases.base("edge").troubles == ()


@pytest.mark.usefixtures("behind")
def test_people_are_told_until_there_is_a_new_declaration() -> None:
    services.tell_bases(now=NOW)
    services.tell_bases(now=NOW)
    (incident,) = alerts.selectors.incidents(state="OPEN")
    assert incident.title == "Tier edge: revision 2 is not understood by this Sluice"
    apply(**LATER)
    services.tell_bases(now=NOW)
    assert alerts.selectors.incidents(state="OPEN") == []


def test_the_history_is_read_by_its_words_too() -> None:
    apply()
    rewrite(("limits", "max_connections"), 0)
    apply(**LATER)
    assert "max_connections" in "".join(map(str, revisions.changes("edge", 1, 2)))


@pytest.mark.usefixtures("behind")
def test_a_proxy_that_has_what_is_not_understood_here_keeps_it(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.take(selectors.served("edge", now=timezone.now()), timezone.now())
    source.tell_that_it_is_fresh()
    start = source.newest["edge", "edge-1"]
    assert (start.stale, start.generation) == (True, 0)
    apply()
    source.take(selectors.served("edge", now=timezone.now()), timezone.now())
    source.tell_that_it_is_fresh()
    start = source.newest["edge", "edge-1"]
    assert (start.stale, start.generation) == (False, selectors.generation("edge"))


@pytest.mark.usefixtures("nothing")
def test_nothing_is_served_of_what_is_left_of_a_revision(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.take(selectors.served("edge", now=timezone.now()), timezone.now())
    assert source.newest == {}


@pytest.mark.usefixtures("refused")
def test_overlays_are_laid_over_what_a_later_rule_refuses() -> None:
    lease = {"tier": "edge", "target": "route/shop/weights", "owner": "rollout/1"}
    until = NOW + timedelta(hours=1)
    fence = services.lease(**lease, until=until, by=ANN, now=NOW)
    services.put_overlay(
        **lease, patch=weights(500), fence=fence, expires_at=until, by=ANN, reason="because", now=NOW
    )
    route = selectors.desired("edge", now=NOW).route("shop")
    assert route is not None
    assert route.split["shop-v2"] == 500
