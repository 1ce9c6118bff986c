"""Logging in, and guessing passwords."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from access.forms import WRONG_LOGINS

pytestmark = pytest.mark.django_db
TOO_MANY = "Too many wrong passwords"


@pytest.fixture(autouse=True)
def ann() -> Iterator[User]:
    cache.clear()
    yield User.objects.create_superuser("ann", password="right-one")
    cache.clear()


def attempt(page: str, password: str, *, name: str = "ann", address: str = "10.0.0.1") -> str:
    """What the page says; nothing when it lets in."""
    answer = Client(REMOTE_ADDR=address).post(page, {"username": name, "password": password})
    return "" if answer.status_code == 302 else answer.content.decode()


def guess(page: str, times: int) -> None:
    assert all(TOO_MANY not in attempt(page, f"guess-{n}") for n in range(times))


@pytest.mark.parametrize("page", ["/login/", "/admin/login/"])
def test_after_so_many_wrong_passwords_even_the_right_one_waits(page: str) -> None:
    guess(page, WRONG_LOGINS)

    assert TOO_MANY in attempt(page, "right-one")
    assert TOO_MANY in attempt(page, "right-one", name="Ann")


def test_another_address_and_another_name_do_not_wait() -> None:
    guess("/login/", WRONG_LOGINS)

    assert attempt("/login/", "right-one", address="10.0.0.2") == ""
    assert TOO_MANY not in attempt("/login/", "guess", name="ben")


def test_a_right_password_forgets_the_wrong_ones() -> None:
    guess("/login/", WRONG_LOGINS - 1)

    assert attempt("/login/", "right-one") == ""
    guess("/login/", WRONG_LOGINS)
