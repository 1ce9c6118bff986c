import signal
import subprocess
import sys
from pathlib import Path

from tests.support.processes import end, wait_until

CHILD = """
import time
from lab import parent
print("started", parent.interrupted(), flush=True)
while not parent.interrupted():
    time.sleep(0.05)
print("interrupted", flush=True)
"""


def test_an_interrupt_that_only_make_got_is_seen(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    (tmp_path / "Makefile").write_text(f"up:\n\t@exec {sys.executable} child.py\n")
    log = tmp_path / "log"

    with log.open("wb") as out:
        make = subprocess.Popen(
            # Tests that run in the background of a shell have the interrupt ignored, and so would make.
            ["env", "--default-signal=INT", "make", "up"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path.cwd()), "PATH": "/usr/bin:/bin"},
            stdout=out,
        )
    try:
        wait_until(lambda: "started False" in log.read_text(), timeout=10, what="the child")
        make.send_signal(signal.SIGINT)
        wait_until(lambda: "interrupted" in log.read_text(), timeout=10, what="the interrupt")
        wait_until(lambda: make.poll() is not None, timeout=10, what="make's end")
    finally:
        end(make)
