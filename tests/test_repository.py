"""What must hold of the repository itself."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "config/settings.py").read_text()))
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/settings.md").read_text(), re.M))

    assert documented == read


def test_every_dependency_has_its_reason() -> None:
    lines = re.findall(r'^    "([\w\-\[\]]+[>=<][^"]*)",(.*)$', (ROOT / "pyproject.toml").read_text(), re.M)

    assert len(lines) > 20
    assert [name for name, rest in lines if "# " not in rest and not name.startswith("types-")] == []


def test_requirements_are_pinned_with_hashes_and_name_no_index() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "index-url" not in text
        assert "find-links" not in text
        pinned = re.findall(r"^([a-z0-9\-\[\]]+)==\S+ \\\n +--hash=sha256:", text, re.M)
        assert len(pinned) == len(re.findall(r"^[a-z0-9]", text, re.M))
        assert len(pinned) > len(declared)


def test_decisions_are_short() -> None:
    decisions = tracked("docs/adr/*.md")

    assert decisions
    assert [d.name for d in decisions if len(d.read_text().splitlines()) > 40] == []


@pytest.mark.parametrize("folder", ["static/vendor"])
def test_a_licence_stands_beside_every_vendored_file(folder: str) -> None:
    scripts = [path for path in tracked(folder) if path.suffix in {".js", ".css"}]

    assert scripts
    assert [s.name for s in scripts if not list(s.parent.glob("LICENSE*"))] == []


def test_files_are_a_screen_or_a_few() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py")
        if "migrations" not in path.parts and (lines := len(path.read_text().splitlines())) > 400
    }

    assert long == {}
