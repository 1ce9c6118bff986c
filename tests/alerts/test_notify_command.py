"""`manage.py notify`: what the declared file means, or what is wrong with it and where."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.alerts.test_escalation import FILE


def told(path: Path | str = "") -> str:
    out = StringIO()
    call_command("notify", *([str(path)] if path else []), stdout=out)
    return out.getvalue()


def test_it_says_who_is_told_and_when_and_no_token(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DESK", "PAGER"):
        monkeypatch.setenv(f"SLUICE_HOOK_SECRET_{name}", "a secret of the tests")
    settings.NOTIFY_FILE = str(tmp_path / "notify.yaml")
    (tmp_path / "notify.yaml").write_text(FILE)
    said = told()
    assert said.splitlines() == [
        "second: slack, Slack #on-call",
        "desk: webhook, https://desk.test/sluice",
        "pager: pagerduty, https://events.pagerduty.com/v2/enqueue",
        "at once, of each page and ticket: desk",
        "when nobody acknowledged within 5 min: second",
        "when nobody acknowledged within 15 min: pager",
    ]


def test_a_secret_that_is_not_there_is_told(settings: Any, tmp_path: Path) -> None:
    settings.SECRETS = tmp_path
    (tmp_path / "notify.yaml").write_text(FILE)
    with pytest.raises(CommandError, match="SLUICE_HOOK_SECRET_DESK") as caught:
        told(tmp_path / "notify.yaml")
    assert caught.value.returncode == 2


def test_another_channel_takes_a_bot(settings: Any, tmp_path: Path) -> None:
    settings.SLACK_WEBHOOK_URL, settings.SLACK_BOT_TOKEN = "https://hooks.slack.test/x", ""
    (tmp_path / "notify.yaml").write_text("receivers: {second: {slack: '#on-call'}}")
    with pytest.raises(CommandError, match="#on-call takes SLUICE_SLACK_BOT_TOKEN"):
        told(tmp_path / "notify.yaml")


def test_each_error_is_named_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text("receivers: {a: {slack: general}}\nescalation: [{after: soon, to: a}]")
    with pytest.raises(CommandError) as caught:
        told(path)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["receivers.a.slack", "escalation.0.after"]


def test_without_a_file_it_says_what_to_set(settings: Any) -> None:
    settings.NOTIFY_FILE = ""
    with pytest.raises(CommandError, match="SLUICE_NOTIFY_FILE is not set"):
        told()
