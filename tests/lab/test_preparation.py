"""Ports, and what is made before the local system starts."""

import socket
from pathlib import Path

import pytest
import yaml

from lab import ports, preparation, programs
from lab.ports import BadPort
from lab.programs import Place
from lab.stack import CannotStart, Stack
from tests.lab.lab_processes import free_environment


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "8000.5"])
def test_a_port_out_of_range_is_refused_by_its_variable(text: str) -> None:
    with pytest.raises(BadPort, match="SLUICE_WEB_PORT"):
        ports.from_environment({"SLUICE_WEB_PORT": text})


def test_two_variables_with_one_port_are_refused_by_both_names() -> None:
    with pytest.raises(BadPort, match="SLUICE_WEB_PORT and LAB_RECEIVER_PORT are both port 12000"):
        ports.from_environment({"SLUICE_WEB_PORT": "12000"})


def test_an_empty_variable_means_the_default() -> None:
    assert ports.from_environment({"SLUICE_WEB_PORT": ""})["SLUICE_WEB_PORT"] == 8000


def test_the_secret_key_is_private_and_made_once(tmp_path: Path) -> None:
    place = Place.of(ports.from_environment({}), tmp_path, {})
    preparation.folders_and_key(place)
    key = tmp_path / "secret-key"
    first = key.read_text()
    preparation.folders_and_key(place)
    assert key.read_text() == first
    assert key.stat().st_mode & 0o777 == 0o600


def test_prometheus_scrapes_this_places_proxies_with_their_names(tmp_path: Path) -> None:
    place = Place.of(ports.from_environment({"EDGE_2_ADMIN_PORT": "29002"}), tmp_path, {})
    preparation.folders_and_key(place)
    preparation.prometheus(place)
    written = yaml.safe_load((tmp_path / "prometheus" / "prometheus.yml").read_text())
    envoy = written["scrape_configs"][0]["static_configs"]
    assert [(static["targets"], static["labels"]) for static in envoy] == [
        (["127.0.0.1:19001"], {"tier": "edge", "proxy": "edge-1"}),
        (["127.0.0.1:29002"], {"tier": "edge", "proxy": "edge-2"}),
    ]
    assert written["rule_files"] == [f"{tmp_path}/prometheus/rules/*.yml"]


def test_presses_in_the_lab_are_signed_with_a_secret_of_each_start(tmp_path: Path) -> None:
    secrets = {
        Place.of(ports.from_environment({}), tmp_path, {}).environment["SLUICE_SLACK_SIGNING_SECRET"]
        for _ in range(2)
    }
    assert len(secrets) == 2


@pytest.mark.parametrize("own", ["SLUICE_SLACK_BOT_TOKEN", "SLUICE_SLACK_WEBHOOK_URL"])
def test_beside_a_slack_of_ones_own_no_secret_is_made_up(tmp_path: Path, own: str) -> None:
    place = Place.of(ports.from_environment({}), tmp_path, {own: "x"})
    assert "SLUICE_SLACK_SIGNING_SECRET" not in place.environment


@pytest.mark.parametrize(("token", "run"), [("", False), ("xapp-lab", True)])
def test_socket_mode_is_run_where_there_is_an_app_token(tmp_path: Path, token: str, run: bool) -> None:
    place = Place.of(ports.from_environment({}), tmp_path, {"SLUICE_SLACK_APP_TOKEN": token})
    assert ("slack" in programs.programs(place)) is run


@pytest.mark.real
def test_a_port_in_use_is_named_with_its_variable(tmp_path: Path) -> None:
    environment = free_environment()
    port = environment["SLUICE_WEB_PORT"]
    said: list[str] = []
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(port)))
        other.listen()
        stack = Stack(environment=environment, var=tmp_path, say=said.append, ports_free_seconds=0)
        with pytest.raises(CannotStart, match=f"port {port} is in use; SLUICE_WEB_PORT chooses another"):
            stack.up()
        stack.down()
