"""How fast a command is there: none of these loads the pages, which takes longer than all that they do."""

import pytest
from django.core.management import load_command_class

WITHOUT_PAGES = (
    "authorise", "bootstrap", "certificate", "connections", "export", "inspect", "instrument", "observed",
    "revert", "tickets", "xds",
)  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_PAGES)
def test_a_command_without_pages_checks_none(name: str) -> None:
    assert load_command_class("proxy", name).requires_system_checks == ()
