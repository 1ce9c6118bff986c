"""Whether the `make` above this process was interrupted alone.

Ctrl-C interrupts make and what it runs together. A SIGINT sent to make's own id does not reach what it runs:
GNU make then waits for that to end, its SIGINT blocked, since it takes the terminal to have told everybody.
(SIGTERM it does pass on.)
"""

import os
import signal
from pathlib import Path


def interrupted() -> bool:
    """True once the parent is a make that is waiting for us to end; False where /proc does not tell."""
    try:
        status = (Path("/proc") / str(os.getppid()) / "status").read_text()
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if fields.get("Name") not in ("make", "gmake"):
        return False
    return bool(int(fields["SigBlk"], 16) & 1 << (signal.SIGINT - 1))
