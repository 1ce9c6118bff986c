"""HAProxy from Debian's package as a proxy beside others, on one thread."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.parts import MEASURED, on
from bench.site import PATHS, Files
from tests.support.processes import free_port, listening

_CONFIGURATION = """\
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend site
    bind 127.0.0.1:{port} ssl crt {certificate} ssl-min-ver TLSv1.2
    {routes}
{backends}
"""


@contextlib.contextmanager
def proxy(folder: Path, files: Files, backend_port: int) -> Iterator[int]:
    """With the site's routes; its port."""
    folder.mkdir(parents=True)
    port, file = free_port(), folder / "haproxy.cfg"
    routes = [f"use_backend route{n} if {{ path_beg {path} }}" for n, path in enumerate(PATHS)]
    backends = [f"backend route{n}\n    server one 127.0.0.1:{backend_port}" for n in range(len(PATHS))]
    text = _CONFIGURATION.format(
        port=port, certificate=files.both, routes="\n    ".join(routes), backends="\n".join(backends)
    )
    file.write_text(text)
    argv = [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", str(file)]
    with on([MEASURED], argv, log=folder / "haproxy.log", ready=lambda: listening(port)):
        yield port
