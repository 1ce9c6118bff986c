"""How tests start an Envoy of their own."""

from pathlib import Path

from proxy import schema


def command(bootstrap: Path) -> list[str]:
    """One worker, which says only what is wrong."""
    run = [str(schema.binary()), "-c", str(bootstrap), "--concurrency", "1", "--disable-hot-restart"]
    return [*run, "-l", "warning"]
