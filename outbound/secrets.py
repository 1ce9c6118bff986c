"""The secrets that requests are signed with, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from outbound.errors import NoSecret

SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True)
class Secrets:
    """Secrets by name: `SLUICE_HOOK_SECRET_<NAME>` of the environment, else the file `hooks/<name>`."""

    environment: Mapping[str, str]
    folder: Path

    def read(self, name: str) -> bytes:
        """Raises NoSecret."""
        variable = f"SLUICE_HOOK_SECRET_{name.upper().replace('-', '_')}"
        place = self.folder / "hooks" / name
        found = self.environment.get(variable, "").strip()
        try:
            found = found or place.read_text().strip()
        except (OSError, ValueError):
            raise NoSecret(
                f"there is no secret {name} here: set {variable}, or write hooks/{name} in SLUICE_SECRETS"
            ) from None
        if len(found) < SHORTEST_SECRET:
            raise NoSecret(f"the secret {name} has fewer than {SHORTEST_SECRET} characters")
        return found.encode()
