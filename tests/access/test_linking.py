"""Who in Slack acts as whom: by the command and on the administrators' page."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

import audit.selectors
from access import linking, selectors
from access.domain.roles import Role
from access.linking import CannotLink
from tests.support.people import BY, NOW, person

pytestmark = pytest.mark.django_db


def link(slack_id: str = "U012AB3CD", username: str = "ann") -> None:
    linking.link(slack_id=slack_id, username=username, by=BY, reason="on call", now=NOW)


def test_a_linked_person_is_that_user() -> None:
    ann = person(Role.OPERATOR, "ann")
    link()
    assert selectors.slack_user("U012AB3CD") == ann
    assert selectors.slack_user("U999") is None
    entry = audit.selectors.entries(action="slack.linked")[0]
    assert (entry.target, entry.reason) == ("user/ann", "on call")


def test_linking_again_changes_nothing() -> None:
    person(Role.OPERATOR, "ann")
    link()
    link()
    assert len(audit.selectors.entries(action="slack.linked")) == 1


@pytest.mark.parametrize("slack_id", ["", "ann", "u012ab3cd", "C012AB3CD", "U012AB3CD\n", "U" + "1" * 40])
def test_what_is_no_member_id_is_refused(slack_id: str) -> None:
    person(Role.OPERATOR, "ann")
    with pytest.raises(CannotLink, match="no member ID"):
        link(slack_id)


def test_nobody_is_linked_to_a_user_who_is_not_there_or_has_left() -> None:
    gone = person(Role.OPERATOR, "bob")
    gone.is_active = False
    gone.save()
    for name in ("bob", "eve"):
        with pytest.raises(CannotLink, match="no active user"):
            link(username=name)


def test_a_link_is_not_moved_in_passing() -> None:
    person(Role.OPERATOR, "ann")
    person(Role.OWNER, "bob")
    link()
    with pytest.raises(CannotLink, match="linked to ann: end that link first"):
        link(username="bob")


def test_the_list_shows_the_role_of_the_moment_in_a_constant_number_of_queries(
    django_assert_num_queries: Any,
) -> None:
    for number in range(10):
        person(Role.OPERATOR, f"p{number}")
        link(f"U{number}", f"p{number}")
    with django_assert_num_queries(2):
        rows = selectors.slack_links()
    assert {row.role for row in rows} == {Role.OPERATOR}


def test_the_command_links_lists_and_unlinks() -> None:
    person(Role.OPERATOR, "ann")
    out = StringIO()
    call_command("slack", "link", "U012AB3CD", "ann", "--by", "root", "--reason", "on call", stdout=out)
    call_command("slack", "links", stdout=out)
    call_command("slack", "unlink", "U012AB3CD", stdout=out)
    assert out.getvalue().splitlines() == [
        "U012AB3CD is ann",
        "U012AB3CD  ann  operator",
        "U012AB3CD is linked to nobody any more",
    ]


@pytest.mark.parametrize("argv", [("link", "U1", "nobody"), ("link", "x", "ann"), ("unlink", "U1")])
def test_the_command_says_what_cannot_be(argv: tuple[str, ...]) -> None:
    person(Role.OPERATOR, "ann")
    with pytest.raises(CommandError) as caught:
        call_command("slack", *argv)
    assert caught.value.returncode == 2


def test_without_an_app_token_there_is_nothing_to_listen_to(settings: Any) -> None:
    settings.SLACK_APP_TOKEN = ""
    with pytest.raises(CommandError, match="SLUICE_SLACK_APP_TOKEN is not set"):
        call_command("slack")


def test_an_administrator_links_and_unlinks_on_the_page(client: Client) -> None:
    client.force_login(person(Role.ADMINISTRATOR))
    person(Role.OPERATOR, "ann")
    form = {"slack_id": "U012AB3CD", "username": "ann", "reason": "on call"}
    assert client.post("/account/slack/", form).status_code == 302
    page = client.get("/account/slack/").content.decode()
    assert "U012AB3CD" in page
    assert "operator" in page

    client.post("/account/slack/U012AB3CD/unlink/", {"reason": "left"})
    assert selectors.slack_links() == []
    assert audit.selectors.entries(action="slack.unlinked")[0].reason == "left"


def test_the_page_says_what_cannot_be_beside_its_field(client: Client) -> None:
    client.force_login(person(Role.ADMINISTRATOR))
    page = client.post("/account/slack/", {"slack_id": "U1", "username": "eve", "reason": "x"})
    assert "there is no active user eve here" in page.content.decode()
    assert selectors.slack_links() == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.OWNER])
def test_nobody_else_sees_or_changes_links(role: Role, client: Client) -> None:
    client.force_login(person(role))
    assert client.get("/account/slack/").status_code == 403
    assert client.post("/account/slack/U1/unlink/", {"reason": "x"}).status_code == 403


def test_a_link_without_a_reason_is_not_ended(client: Client) -> None:
    client.force_login(person(Role.ADMINISTRATOR))
    person(Role.OPERATOR, "ann")
    link()
    client.post("/account/slack/U012AB3CD/unlink/", {})
    assert len(selectors.slack_links()) == 1
