"""`manage.py authorise` and `connections`: what they are given is looked at before they serve."""

import io
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

GIVEN = {"url": "https://as.test/introspect", "client_id": "sluice", "client_secret": "oauth.secret"}


@pytest.fixture
def secrets(tmp_path: Path, settings: Settings) -> Path:
    settings.SECRETS = tmp_path
    return tmp_path


@pytest.mark.parametrize(("holds", "why"), [(b" \n", "is empty"), (b"\xff\xfe", "is not text")])
def test_a_secret_that_is_none_is_refused(holds: bytes, why: str, secrets: Path) -> None:
    (secrets / "oauth.secret").write_bytes(holds)
    with pytest.raises(CommandError, match=f"^--client-secret: .*/oauth.secret {why}$"):
        call_command("authorise", **GIVEN)


def test_a_secret_that_is_not_there_is_told_with_its_place(secrets: Path) -> None:
    with pytest.raises(CommandError, match=f"{secrets}/oauth.secret: No such file"):
        call_command("authorise", **GIVEN)


def test_a_token_is_not_believed_for_less_than_no_time() -> None:
    with pytest.raises(CommandError, match="--max-age: must be whole seconds"):
        call_command("authorise", "--max-age=-5", **GIVEN)


@pytest.mark.parametrize("command", ["authorise", "connections"])
@pytest.mark.parametrize(
    ("bind", "exposed"),
    [("127.0.0.1:18003", False), ("[::1]:18003", False), ("0.0.0.0:18003", True), ("10.0.0.5:18003", True)],
)
def test_who_listens_for_other_machines_is_warned(
    command: str, bind: str, exposed: bool, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unserved(served: Coroutine[Any, Any, None]) -> None:
        served.close()

    monkeypatch.setattr("asyncio.run", unserved)
    (secrets / "oauth.secret").write_text("secret")
    said = io.StringIO()
    call_command(command, bind=bind, stderr=said, **(GIVEN if command == "authorise" else {}))
    assert said.getvalue().startswith(f"warning: {bind} is reached from other machines") is exposed
