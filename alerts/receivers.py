"""The declared receivers: the file that `SLUICE_NOTIFY_FILE` names, read again when it has changed."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from alerts.domain.receivers import BadReceivers, Declared, read

NOBODY = Declared()


def declared() -> Declared:
    """What the file says; nobody where there is none. A file that cannot be has a `problem` and nobody."""
    if not settings.NOTIFY_FILE:
        return NOBODY
    path = Path(settings.NOTIFY_FILE)
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        return Declared(problem=f"{path} cannot be read: {error.strerror}")


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Declared:
    """`changed` is in the key alone. Raises OSError."""
    try:
        return read(path.read_text())
    except (BadReceivers, UnicodeError) as error:
        return Declared(problem=f"{path}: {error}")
