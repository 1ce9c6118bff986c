"""Run in a network namespace by `test_lossy`: what crosses a lossy link, as JSON.

python -m tests.lab.over_link LOSS DELAY_MS
"""

import json
import socket
import sys
import time
from pathlib import Path
from threading import Thread

from lab.drills import lossy
from tests.support.processes import started

DATAGRAMS = 200
"""The kernel keeps some 270 that nobody has read yet."""
SPOKEN = b"x" * 20_000


def main(loss: str, delay_ms: str) -> None:
    argv = [sys.executable, "-m", "lab.drills.lossy", "--loss", loss, "--delay-ms", delay_ms]
    up = lambda: lossy.DEVICE in Path("/proc/net/route").read_text()  # noqa: E731
    with started(argv, ready=up):
        found = {"arrived": datagrams(), "round_trip": round_trip(), "echoed": echoed()}
    sys.stdout.write(json.dumps(found) + "\n")


def datagrams() -> int:
    """How many of so many arrive."""
    with socket.socket(type=socket.SOCK_DGRAM) as here, socket.socket(type=socket.SOCK_DGRAM) as there:
        there.bind((lossy.NEAR, 7000))
        there.settimeout(1)
        for _ in range(DATAGRAMS):
            here.sendto(b"hello", (lossy.FAR, 7000))
            time.sleep(0.001)
        arrived = 0
        try:
            while there.recv(64):
                arrived += 1
        except TimeoutError:
            return arrived
        return arrived


def round_trip() -> float:
    """Seconds of a connection's first exchange, which TCP makes again where it is lost."""
    with socket.create_server((lossy.NEAR, 7001)):
        began = time.monotonic()
        with socket.create_connection((lossy.FAR, 7001), timeout=10):
            return time.monotonic() - began


def echoed() -> bool:
    """Whether what is sent over TCP comes back whole, whatever is lost on the way."""
    with socket.create_server((lossy.NEAR, 7002)) as server:

        def echo() -> None:
            client, _ = server.accept()
            with client:
                while chunk := client.recv(65536):
                    client.sendall(chunk)

        thread = Thread(target=echo)
        thread.start()
        with socket.create_connection((lossy.FAR, 7002), timeout=20) as client:
            client.sendall(SPOKEN)
            client.shutdown(socket.SHUT_WR)
            read = b""
            while chunk := client.recv(65536):
                read += chunk
        thread.join()
    return read == SPOKEN


if __name__ == "__main__":
    main(*sys.argv[1:])
