"""A lossy link: packets that leave for FAR come back late, and some of them never, as if from another
machine.

The kernel's own TCP, and QUIC on its UDP, meet real loss and recover from it as they always do; `netem` of
`tc` does the same where the kernel has it. It is a tun device in a network namespace of its own, so that
nothing of the machine is changed: run what is to use it by `namespace()`. A packet from NEAR to FAR is
written back as one from FAR to NEAR: then whoever connects to a port at FAR reaches who listens there at
NEAR, and both ways cross the link. (Sums of IP, TCP and UDP do not change when two addresses change places.)

    python -m lab.drills.lossy --loss 0.02 --delay-ms 10     within the namespace, until SIGTERM
"""

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

NEAR, FAR = "198.18.0.1", "198.18.0.2"
"""Of the range for tests of network devices (RFC 2544), which no network routes."""
DEVICE, NETWORK = "lossy", f"{NEAR}/30"
TUN = Path("/dev/net/tun")
MOST_BYTES = 2048
SOURCE, DESTINATION, AFTER = 12, 16, 20
"""Where in a packet of IPv4 its addresses stand."""
PROTOCOL, NAMES = 9, {6: "tcp", 17: "udp"}
_SET_NAME, _IS_TUN, _BARE = 0x400454CA, 0x0001, 0x1000
"""Linux's TUNSETIFF, IFF_TUN and IFF_NO_PI: packets without a head of their own."""
CONGESTION = "cubic"
"""How the namespace's TCP slows down when it loses: the default of most kernels."""


class NotPermitted(Exception):
    """There can be no such link on this machine; the message says why."""


def namespace() -> list[str]:
    """The command that runs what follows it in a network of its own, as root there. Raises NotPermitted."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            raise NotPermitted(f"{program} is missing (packages util-linux, iproute2)")
    if not os.access(TUN, os.R_OK | os.W_OK):
        raise NotPermitted(f"{TUN} cannot be opened: a container needs --device {TUN}")
    own = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    tried = subprocess.run([*own, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise NotPermitted(f"no network namespace: {tried.stderr.strip()}")
    return own


@dataclass(slots=True)
class Link:
    """`loss` is the share of packets that is dropped each way while it is `losing`, `delay` how long in
    seconds each takes. Counted is since `begin_to_lose`, or since the start.
    """

    loss: float
    delay: float
    losing: bool = True
    carried: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def takes(self, packet: bytes) -> bytes | None:
        """The packet as it arrives, or None where it is lost."""
        kind = NAMES.get(packet[PROTOCOL], "other")
        if self.losing and random.random() < self.loss:
            self.dropped[kind] += 1
            return None
        self.carried[kind] += 1
        return returned(packet)

    def begin_to_lose(self) -> None:
        self.losing = True
        self.carried.clear()
        self.dropped.clear()

    def as_json(self) -> dict[str, dict[str, int]]:
        return {"carried": dict(self.carried), "dropped": dict(self.dropped)}


def returned(packet: bytes) -> bytes:
    """The packet with its two addresses in each other's place."""
    source, destination = packet[SOURCE:DESTINATION], packet[DESTINATION:AFTER]
    return packet[:SOURCE] + destination + source + packet[AFTER:]


def open_device() -> int:
    """The tun device's file, its network up, in this process' namespace. Raises OSError, NotPermitted."""
    device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _SET_NAME, struct.pack("16sH", DEVICE.encode(), _IS_TUN | _BARE))
    with contextlib.suppress(OSError):  # a kernel without it keeps its own
        Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text(CONGESTION)
    for line in ("link set lo up", f"addr add {NETWORK} dev {DEVICE}", f"link set {DEVICE} up"):
        done = subprocess.run(["ip", *line.split()], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotPermitted(f"ip {line}: {done.stderr.strip()}")
    return device


def congestion() -> str:
    """How TCP of this process' namespace answers loss."""
    return Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()


async def carry(link: Link, device: int, over: asyncio.Event) -> None:
    """Until `over`. What is under way then is lost."""
    loop = asyncio.get_running_loop()

    def arrive(packet: bytes) -> None:
        with contextlib.suppress(OSError):  # the device is full or gone: a loss as well
            os.write(device, packet)

    def depart() -> None:
        with contextlib.suppress(BlockingIOError):
            while packet := os.read(device, MOST_BYTES):
                if packet[0] >> 4 == 4 and (arriving := link.takes(packet)) is not None:
                    loop.call_later(link.delay, arrive, arriving)

    loop.add_reader(device, depart)
    try:
        await over.wait()
    finally:
        loop.remove_reader(device)


async def run(link: Link) -> None:
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, link.begin_to_lose)
    await carry(link, open_device(), over)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.drills.lossy", description=__doc__.splitlines()[0])
    parser.add_argument("--loss", type=float, required=True, help="share of packets dropped each way")
    parser.add_argument("--delay-ms", type=float, required=True, help="each way")
    parser.add_argument("--from-signal", action="store_true", help="lose nothing before SIGUSR1")
    given = parser.parse_args(argv)
    if not (0 <= given.loss <= 0.5 and 0 <= given.delay_ms <= 500):
        sys.stderr.write("lossy: --loss is 0 to 0.5, --delay-ms 0 to 500\n")
        return 2
    link = Link(given.loss, given.delay_ms / 1000, losing=not given.from_signal)
    try:
        asyncio.run(run(link))
    except (OSError, NotPermitted) as error:
        sys.stderr.write(f"lossy: {error}\n")
        return 1
    sys.stdout.write(json.dumps(link.as_json()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
