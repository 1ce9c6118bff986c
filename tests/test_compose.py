"""docker-compose.yml against the repository: commands, variables and mounted files exist."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
# Read by lab/ and the tier's file, by the shell scripts of deploy/, or by the database's image.
OTHER_VARIABLES = {
    "LAB_BIND",
    "LAB_CA_FILE",
    "LAB_TRAFFIC_RPS",
    "LAB_ADDRESS",
    "EDGE_1_ADDRESS",
    "EDGE_1_BIND",
    "EDGE_2_ADDRESS",
    "EDGE_2_BIND",
    "SLUICE_TIER_FILE",
}


def variables_of_settings() -> set[str]:
    text = (ROOT / "config/settings.py").read_text()
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text))


def bind_mounts() -> list[str]:
    volumes = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    return sorted({volume.split(":")[0] for volume in volumes if volume.startswith("./")})


def named_volumes() -> set[str]:
    volumes = [
        re.sub(r"\$\{\w+:-(\w+)\}", r"\1", volume)
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    ]
    return {volume.split(":")[0] for volume in volumes if not volume.startswith("./")}


def programs_of_ours() -> set[str]:
    return {SERVICES[name]["command"][0] for name in OURS}


def test_every_part_of_the_production_shape_is_there() -> None:
    parts = {"postgres", "redis", "prometheus", "edge-1", "edge-2", "web", "worker", "beat", "xds", "setup"}
    assert parts <= set(SERVICES)


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_read_by_somebody(name: str) -> None:
    unread = set(SERVICES[name]["environment"]) - variables_of_settings() - OTHER_VARIABLES
    assert unread == set()


def test_variables_that_the_settings_do_not_read_are_read_elsewhere() -> None:
    readers = [*(ROOT / "lab").glob("*.py"), *(ROOT / "deploy").glob("*.sh"), ROOT / "lab/edge.yaml"]
    text = "".join(path.read_text() for path in readers)
    # lab/traffic.py builds EDGE_1_ADDRESS from the proxy's prefix.
    assert {name for name in OTHER_VARIABLES if name not in text} == set()


def test_every_program_of_ours_is_a_package_or_a_file() -> None:
    packages = {"python", *(line.split(">=")[0] for line in dependencies())}
    scripts = {name for name in programs_of_ours() if (ROOT / name).is_file()}
    assert programs_of_ours() - packages - scripts == set()


def dependencies() -> list[str]:
    listed: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return listed


def test_scripts_can_be_run() -> None:
    scripts = sorted((ROOT / "deploy").glob("*.sh"))
    assert scripts
    assert [script.name for script in scripts if not script.stat().st_mode & 0o100] == []


def test_every_management_command_that_is_called_exists() -> None:
    called = set(re.findall(r"manage\.py (\w+)", (ROOT / "deploy/setup.sh").read_text()))
    called |= {
        service["command"][2] for service in SERVICES.values() if "manage.py" in service.get("command", [])
    }
    own = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    assert called - own == {"migrate", "collectstatic"}


def test_every_mounted_file_and_volume_exists() -> None:
    assert [mount for mount in bind_mounts() if not (ROOT / mount).is_file()] == []
    assert named_volumes() == set(COMPOSE["volumes"])


def test_every_service_waits_only_for_services() -> None:
    waited = {name for service in SERVICES.values() for name in service.get("depends_on", [])}
    assert waited <= set(SERVICES)


def test_nothing_has_to_be_set_before_the_first_start() -> None:
    assert re.findall(r"\$\{\w+:?\?", (ROOT / "docker-compose.yml").read_text()) == []


def test_prometheus_scrapes_the_admin_ports_of_the_proxies() -> None:
    document = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    scraped = {
        target: static["labels"]["proxy"]
        for job in document["scrape_configs"]
        if job["job_name"] == "envoy"
        for static in job["static_configs"]
        for target in static["targets"]
    }
    assert scraped == {"edge-1:19001": "edge-1", "edge-2:19002": "edge-2"}


def test_the_example_names_every_variable_that_compose_takes() -> None:
    taken = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    shown = set(re.findall(r"^# (\w+)=", (ROOT / ".env.example").read_text(), re.M))
    assert taken <= shown


@pytest.mark.real
def test_the_setup_script_prepares_an_empty_folder(tmp_path: Path) -> None:
    service = SERVICES["setup"]["environment"]
    passed = {name: value for name, value in service.items() if name.startswith(("EDGE_", "LAB_"))}
    environment = {
        **{name: value for name, value in os.environ.items() if name != "SLUICE_SECRET_KEY"},
        **passed,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SLUICE_VAR": str(tmp_path),
        "SLUICE_TIER_FILE": "lab/edge.yaml",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'sluice.sqlite3'}",
    }
    done = subprocess.run(
        ["deploy/setup.sh"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    bootstrap = json.loads((tmp_path / "envoy" / "edge-2.json").read_text())
    assert bootstrap["node"]["id"] == "edge-2"
    assert bootstrap["admin"]["address"]["socket_address"]["port_value"] == 19002
    assert '"address": "xds"' in json.dumps(bootstrap)
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600


@pytest.mark.real
def test_docker_compose_accepts_it() -> None:
    checked = subprocess.run(
        ["docker-compose", "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
