"""What a hop adds to the slowest in a hundred requests: Envoy under Sluice, HAProxy and nginx beside it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from django.utils import timezone

from bench import haproxy, nginx
from bench.envoy import envoy
from bench.figures import Figure, figure
from bench.load import p99_us, saturate, warm_up
from bench.site import Files, certify, ecdsa
from bench.sizes import Size

BENCH = "hop"
DIRECT = "direct"
ENVOY = "Envoy under Sluice"


def run(size: Size, folder: Path) -> list[Figure]:
    """Every server behind the same routes, certificate and backend, each alone on one processor, in turn.

    All of them get the same rate, half of what Envoy takes, so that it is the hop which is compared.
    """
    files = certify(folder / "site", ecdsa(), now=timezone.now())
    with _servers(folder, files) as ports:
        warm_up(ports.values(), size.warm_up)
        rates = [
            {name: saturate(port, size.seconds) for name, port in ports.items()} for _ in range(size.repeats)
        ]
        half = min(each[ENVOY] for each in rates) / 2
        tails = [
            {name: p99_us(port, half, size.seconds, folder / "answers.tsv") for name, port in ports.items()}
            for _ in range(size.repeats)
        ]
    proxies = [name for name in ports if name != DIRECT]
    return [
        *(
            figure(BENCH, f"saturation, {name}", "requests/s", [each[name] for each in rates])
            for name in ports
        ),
        figure(BENCH, f"p99, {DIRECT}", "us", [each[DIRECT] for each in tails]),
        *(
            figure(BENCH, f"added p99, {name}", "us", [each[name] - each[DIRECT] for each in tails])
            for name in proxies
        ),
    ]


@contextlib.contextmanager
def _servers(folder: Path, files: Files) -> Iterator[dict[str, int]]:
    """The TLS port of each."""
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(nginx.backend(folder / "backend"))
        running = stack.enter_context(envoy(folder / "envoy", files, backend))
        yield {
            DIRECT: stack.enter_context(nginx.direct(folder / "direct", files)),
            ENVOY: running.https_port,
            "HAProxy": stack.enter_context(haproxy.proxy(folder / "haproxy", files, backend)),
            "nginx": stack.enter_context(nginx.proxy(folder / "nginx", files, backend)),
        }
