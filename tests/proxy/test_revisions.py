"""Revisions: what each changed, the way back, and that nobody's change is lost unseen."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.test import Client

from access.domain.roles import Role
from audit.domain.actor import Actor
from proxy import models, revisions, selectors, services
from proxy.domain.difference import difference
from proxy.domain.errors import Invalid, Overtaken, UnknownRevision, UnknownTier
from proxy.domain.translate import kinds
from tests.proxy.factories import declaration, document, weights
from tests.proxy.test_commands import refused, run
from tests.support.people import bearer, person

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANN, BOB = Actor("ann", "cli"), Actor("bob", "web")
ROUTES = declaration()["routes"]
SLOWER = [{**ROUTES[0], "timeout": "9s"}, ROUTES[1]]


def apply(by: Actor = ANN, made_from: int | None = None, **changes: Any) -> services.Applied:
    return services.apply(
        document=document(**changes),
        by=by,
        reason="because",
        now=NOW,
        made_from=None if made_from is None else {"edge": made_from},
    )


def revert(number: int, made_from: int | None = None) -> services.Applied:
    return services.revert(
        tier="edge", number=number, by=BOB, reason="too slow", now=NOW, made_from=made_from
    )


def timeout() -> timedelta:
    route = selectors.base("edge").route("shop")
    assert route is not None
    assert route.timeout is not None
    return route.timeout


def test_going_back_publishes_the_old_one_anew() -> None:
    apply()
    before = timeout()
    apply(routes=SLOWER)
    assert revert(1).revision == 3
    assert timeout() == before
    newest = revisions.revisions("edge")[0]
    assert (newest.number, newest.by, newest.reason) == (3, "bob", "back to revision 1: too slow")
    assert models.Revision.objects.get(number=3).digest == models.Revision.objects.get(number=1).digest


def test_going_back_to_what_is_published_publishes_nothing() -> None:
    apply()
    generation = selectors.generation("edge")
    assert revert(1).revision is None
    assert selectors.generation("edge") == generation


def test_there_is_no_way_back_to_what_never_was() -> None:
    apply()
    with pytest.raises(UnknownRevision, match="no revision 7"):
        revert(7)
    with pytest.raises(UnknownTier, match="there is no tier wing"):
        revisions.published("wing", 1)


def test_a_split_that_is_held_is_not_changed_by_going_back() -> None:
    apply()
    apply(routes=[{**ROUTES[0], "split": {"shop-v1": 9000, "shop-v2": 1000}}, ROUTES[1]])
    until = NOW + timedelta(minutes=5)
    held = {"tier": "edge", "target": "route/shop/weights", "owner": "rollout/1"}
    fence = services.lease(**held, until=until, by=ANN, now=NOW)
    services.put_overlay(
        **held, patch=weights(500), fence=fence, expires_at=until, by=ANN, reason="", now=NOW
    )
    with pytest.raises(Invalid, match="held by rollout/1"):
        revert(1)


def test_the_difference_of_two_revisions_is_in_envoy_s_terms() -> None:
    apply()
    apply(routes=SLOWER)
    apply(access_log="all", routes=SLOWER)
    found = [str(change) for change in revisions.changes("edge", 1, 2)]
    assert any(".timeout: " in line and "-> 9s" in line for line in found)
    assert not any(".timeout: " in str(change) for change in revisions.changes("edge", 2, 3))
    assert str(revisions.changes("edge", 0, 1)[0]).startswith("+ ")


def test_what_only_grows_is_not_told_as_if_it_had_been_empty() -> None:
    before = {kinds.RUNTIME: {"sluice": {"name": "sluice", "layer": {"a": 1}}}}
    after = {kinds.RUNTIME: {"sluice": {"name": "sluice", "layer": {"a": 1, "b": 2}}}}
    assert [str(change) for change in difference(before, after)] == ["~ runtime sluice: layer.b: (none) -> 2"]
    assert [str(change) for change in difference(after, before)] == ["~ runtime sluice: layer.b: 2 -> (none)"]


def test_the_second_of_two_who_edit_at_once_is_told_what_the_first_changed() -> None:
    apply()
    apply(by=ANN, made_from=1, routes=SLOWER)
    with pytest.raises(Overtaken) as told:
        apply(by=BOB, made_from=1, access_log="all")
    assert (told.value.newest, told.value.by) == (2, "ann")
    assert any("-> 9s" in line for line in told.value.changes)
    assert selectors.tier("edge").revision == 2
    assert apply(by=BOB, made_from=2, access_log="all", routes=SLOWER).revision == 3


def test_who_goes_back_from_an_old_page_is_told_too() -> None:
    apply()
    apply(routes=SLOWER)
    apply(access_log="all")
    with pytest.raises(Overtaken):
        revert(1, made_from=2)


def test_the_same_change_by_two_is_no_conflict() -> None:
    apply()
    apply(made_from=1, routes=SLOWER)
    assert apply(by=BOB, made_from=1, routes=SLOWER).revision is None


@pytest.mark.real
def test_the_command_line_goes_back_and_is_told(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(yaml.safe_dump(document()))
    run("apply", str(file))
    exported = run("export", "edge")
    assert exported.startswith("# manage.py apply FILE --base edge=1\n")
    file.write_text(yaml.safe_dump(document(access_log="all")))
    run("apply", str(file), "--base", "1")
    file.write_text(exported.replace("shop.test", "store.test"))
    told = refused("apply", str(file), "--base", "edge=1")
    assert "has published revision 2 since" in told[0]
    assert len(told) > 1
    assert "tier edge: revision 3" in run("revert", "edge", "1", "--reason", "it was better")
    with pytest.raises(CommandError) as ended:
        call_command("revert", "edge", "9", reason="x")
    assert ended.value.returncode == 2


@pytest.mark.real
def test_the_api_publishes_goes_back_and_refuses_the_second(client: Client) -> None:
    owner = bearer(Role.OWNER)
    apply()

    def call(method: str, path: str, body: Any = None) -> Any:
        send = getattr(client, method)
        return send(f"/api/v1/tiers/edge{path}", body, content_type="application/json", headers=owner)

    body = {
        "declaration": {**declaration(), "exact_added_latency": False},
        "base_revision": 1,
        "reason": "cheap",
    }
    assert call("put", "", body).json()["revision"] == 2
    second = call("put", "", {**body, "declaration": declaration(routes=SLOWER)})
    assert second.status_code == 409
    assert second["Content-Type"] == "application/problem+json"
    assert second.json()["errors"][0]["field"] == "base_revision"
    wrong = call("put", "", {**body, "base_revision": 2, "declaration": declaration(exact_added_latency=7)})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"].startswith("declaration.exact_added_latency")
    assert call("post", "/revisions/1/revert", {"reason": "enough"}).json()["revision"] == 3
    assert [row["number"] for row in call("get", "/revisions").json()] == [3, 2, 1]
    assert call("get", "/revisions/2").json()["declaration"]["exact_added_latency"] is False
    assert call("get", "/changes?before=1&after=3").json() == []
    assert call("get", "/changes?before=1&after=9").status_code == 404
    operator = bearer(Role.OPERATOR)
    refused_to = client.put("/api/v1/tiers/edge", body, content_type="application/json", headers=operator)
    assert refused_to.status_code == 403


@pytest.mark.real
def test_the_page_shows_the_difference_and_goes_back_from_the_revision_that_it_showed(client: Client) -> None:
    apply()
    apply(routes=SLOWER)
    client.force_login(person(Role.OWNER))
    page = client.get("/tiers/edge/revisions/?before=1&after=2").content.decode()
    assert "9s" in page
    assert "Go back to revision 1" in page
    assert '<input type="hidden" name="base" value="2">' in page
    apply(access_log="all")
    stale = client.post("/tiers/edge/revisions/1/revert/", {"reason": "slow", "base": 2}, follow=True)
    assert "has published revision 3 since" in stale.content.decode()
    assert selectors.tier("edge").revision == 3
    client.post("/tiers/edge/revisions/1/revert/", {"reason": "slow", "base": 3})
    assert selectors.tier("edge").revision == 4


def test_a_viewer_reads_revisions_and_is_offered_no_way_back(client: Client) -> None:
    apply()
    apply(routes=SLOWER)
    client.force_login(person(Role.VIEWER))
    page = client.get("/tiers/edge/revisions/?before=1&after=2")
    assert "Go back" not in page.content.decode()
    assert client.post("/tiers/edge/revisions/1/revert/", {"reason": "x", "base": 2}).status_code == 403
