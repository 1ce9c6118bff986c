"""What tests of runbooks have in common."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.runbooks.stepping import alone


@pytest.fixture
def receiver_beside(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """A service may be called here, signed, and a tick looks by the one runbook of `stepping` alone."""
    monkeypatch.setenv("SLUICE_HOOK_SECRET_OPS", "what the tests sign with")
    settings.HOOK_HOSTS = ["127.0.0.1"]
    with alone():
        yield
