"""A real Alertmanager sends to a real web process: firing, repeated, resolved, with a token for that alone."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_django.live_server_helper import LiveServer

from access import services as access
from access.domain.roles import Role
from alerts.models import Alert, Incident
from tests.support.people import BY, person
from tests.support.processes import end, free_port, listening, wait_until

PROGRAM = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
pytestmark = [
    pytest.mark.real,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(PROGRAM is None, reason="no Alertmanager here: `make test` installs it"),
]

CONFIG = """
route: {{receiver: sluice, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1s}}
receivers:
- name: sluice
  webhook_configs:
  - url: {url}/api/v1/alerts/alertmanager
    max_alerts: 500
    http_config: {{authorization: {{credentials_file: {token}}}}}
"""
LABELS = {"alertname": "Brownout", "severity": "critical", "tier": "edge", "upstream": "shop-v1", "job": "x"}


@pytest.fixture
def manager(tmp_path: Path, live_server: LiveServer) -> Iterator[str]:
    """Its address."""
    now = datetime.now(UTC)
    token = access.issue_token(user=person(Role.OPERATOR), name="am", only="alerts", by=BY, now=now)
    (tmp_path / "token").write_text(token)
    (tmp_path / "am.yml").write_text(CONFIG.format(url=live_server.url, token=tmp_path / "token"))
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(PROGRAM),
                f"--config.file={tmp_path / 'am.yml'}",
                f"--storage.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: listening(port), timeout=10, what="Alertmanager to listen")
            yield f"http://127.0.0.1:{port}"
        finally:
            end(process)


def send(address: str, *, ends: datetime | None = None) -> None:
    alert: dict[str, Any] = {"labels": LABELS, "annotations": {"summary": "shop-v1 fails 88 %"}}
    alert["startsAt"] = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    if ends is not None:
        alert["endsAt"] = ends.isoformat()
    answer = requests.post(f"{address}/api/v2/alerts", json=[alert], timeout=5)
    assert answer.status_code == 200, answer.text


def test_what_a_real_alertmanager_sends_opens_and_ends_one_incident(manager: str) -> None:
    send(manager)
    wait_until(Incident.objects.exists, timeout=15, what="the incident")
    found = Incident.objects.get()
    assert (found.target, found.severity, found.title) == (
        "edge/upstream/shop-v1",
        "page",
        "shop-v1 fails 88 %",
    )
    wait_until(lambda: Alert.objects.get().count > 1, timeout=15, what="a repeated notification")
    send(manager, ends=datetime.now(UTC))
    wait_until(lambda: Incident.objects.get().state == "RESOLVED", timeout=15, what="the end")
    assert (Incident.objects.count(), Alert.objects.count()) == (1, 1)
