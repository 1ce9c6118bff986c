"""Roles and tokens."""

import stat
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import call_command
from django.test import Client

from access import selectors, services
from access.domain.roles import Role, strongest
from access.models import ApiToken
from tests.support.people import BY, NOW, person


def test_no_role_group_is_no_role() -> None:
    assert strongest(["staff", "Operator"]) is None


def test_the_strongest_of_several_roles_counts() -> None:
    assert strongest(["viewer", "owner", "operator"]) is Role.OWNER


def test_a_superuser_is_an_administrator() -> None:
    assert strongest([], superuser=True) is Role.ADMINISTRATOR


def test_nobody_logged_in_has_no_role() -> None:
    assert selectors.role(AnonymousUser()) is None


@pytest.mark.django_db
def test_an_inactive_user_has_no_role() -> None:
    user = person(Role.OWNER)
    user.is_active = False
    user.save()

    assert selectors.role(user) is None


@pytest.mark.django_db
def test_a_new_role_replaces_the_one_before() -> None:
    user = person(Role.OWNER)

    services.grant(user=user, role=Role.VIEWER, by=BY, reason="moved on", now=NOW)

    assert selectors.role(user) is Role.VIEWER


@pytest.mark.django_db
def test_a_token_is_kept_only_as_its_digest() -> None:
    token = services.issue_token(user=person(Role.VIEWER), name="ci", by=BY, now=NOW)

    row = ApiToken.objects.get()
    assert token not in (row.digest, row.prefix)
    assert token.startswith(row.prefix)


@pytest.mark.django_db
def test_a_token_stands_for_its_user_and_notes_its_use() -> None:
    user = person(Role.VIEWER)
    token = services.issue_token(user=user, name="ci", by=BY, now=NOW)

    assert services.authenticate(token=token, now=NOW) == user
    assert ApiToken.objects.get().last_used_at == NOW


@pytest.mark.django_db
def test_a_revoked_token_no_longer_works() -> None:
    user = person(Role.VIEWER)
    token = services.issue_token(user=user, name="ci", by=BY, now=NOW)

    assert services.revoke_token(user=user, token_id=ApiToken.objects.get().pk, by=BY, now=NOW)
    assert services.authenticate(token=token, now=NOW) is None


@pytest.mark.django_db
def test_nobody_can_revoke_the_token_of_another() -> None:
    token = services.issue_token(user=person(Role.VIEWER), name="ci", by=BY, now=NOW)
    other = person(Role.ADMINISTRATOR)

    assert not services.revoke_token(user=other, token_id=ApiToken.objects.get().pk, by=BY, now=NOW)
    assert services.authenticate(token=token, now=NOW) is not None


@pytest.mark.django_db
def test_setup_admin_makes_a_login_and_a_token_in_private_files(tmp_path: Path, settings: object) -> None:
    settings.VAR = tmp_path  # type: ignore[attr-defined]  # pytest-django's settings
    out = StringIO()

    call_command("setup_admin", stdout=out)

    password = (tmp_path / "admin-password").read_text().strip()
    assert out.getvalue().strip() == f"login: admin / {password}"
    assert Client().login(username="admin", password=password)
    assert services.authenticate(token=(tmp_path / "admin-token").read_text().strip(), now=NOW) is not None
    assert stat.S_IMODE((tmp_path / "admin-password").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "admin-token").stat().st_mode) == 0o600


@pytest.mark.django_db
def test_setup_admin_twice_changes_nothing(tmp_path: Path, settings: object) -> None:
    settings.VAR = tmp_path  # type: ignore[attr-defined]  # pytest-django's settings
    call_command("setup_admin", stdout=StringIO())
    before = (tmp_path / "admin-password").read_text(), (tmp_path / "admin-token").read_text()

    call_command("setup_admin", stdout=StringIO())

    assert before == ((tmp_path / "admin-password").read_text(), (tmp_path / "admin-token").read_text())
    assert ApiToken.objects.count() == 1


@pytest.mark.django_db
def test_setup_admin_leaves_a_password_that_a_person_chose(tmp_path: Path, settings: object) -> None:
    settings.VAR = tmp_path  # type: ignore[attr-defined]  # pytest-django's settings
    call_command("setup_admin", stdout=StringIO())
    user = User.objects.get(username="admin")
    user.set_password("chosen by a person")
    user.save()
    out = StringIO()

    call_command("setup_admin", stdout=out)

    user.refresh_from_db()
    assert user.check_password("chosen by a person")
    assert "changepassword admin" in out.getvalue()
