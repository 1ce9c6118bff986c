"""nginx from Debian's package: as a backend that is never the bottleneck, and as a proxy beside others."""

import contextlib
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from bench.parts import MEASURED, OTHERS, on
from bench.site import HOST, PATHS, Files
from tests.support.processes import free_port, listening

BODY = "x" * 128
"""What a backend answers: the size of a small JSON document, held in nginx's configuration."""
_CONFIGURATION = """\
worker_processes 1;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {blocks}
}}
"""


@contextlib.contextmanager
def tagged(folder: Path, names: Sequence[str]) -> Iterator[dict[str, int]]:
    """Backends: a port for each name, whose every answer is that name."""
    ports = {name: free_port() for name in names}
    servers = [f'server {{ listen 127.0.0.1:{port}; return 200 "{name}"; }}' for name, port in ports.items()]
    with _running(folder, servers, ports.values(), OTHERS):
        yield ports


@contextlib.contextmanager
def backend(folder: Path) -> Iterator[int]:
    """A backend's port."""
    port = free_port()
    with _running(folder, [f'server {{ listen 127.0.0.1:{port}; return 200 "{BODY}"; }}'], [port], OTHERS):
        yield port


@contextlib.contextmanager
def direct(folder: Path, files: Files) -> Iterator[int]:
    """The backend itself behind TLS, on the processor where else a proxy is; its port."""
    port = free_port()
    server = f'server {{ listen 127.0.0.1:{port} ssl; {_secure(files)} return 200 "{BODY}"; }}'
    with _running(folder, [server], [port], [MEASURED]):
        yield port


@contextlib.contextmanager
def proxy(folder: Path, files: Files, backend_port: int) -> Iterator[int]:
    """As a proxy with the site's routes; its port."""
    port = free_port()
    kept = 'proxy_http_version 1.1; proxy_set_header Connection "";'
    locations = " ".join(f"location {path} {{ proxy_pass http://backend; }}" for path in PATHS)
    endless = "keepalive 256; keepalive_requests 1000000000;"
    blocks = [
        f"upstream backend {{ server 127.0.0.1:{backend_port}; {endless} }}",
        f"server {{ listen 127.0.0.1:{port} ssl; server_name {HOST}; {_secure(files)} {kept} {locations} }}",
    ]
    with _running(folder, blocks, [port], [MEASURED]):
        yield port


def _secure(files: Files) -> str:
    held = f"ssl_certificate {files.certificate}; ssl_certificate_key {files.key};"
    return f"{held} ssl_protocols TLSv1.2 TLSv1.3;"


@contextlib.contextmanager
def _running(
    folder: Path, blocks: Sequence[str], ports: Collection[int], processors: Sequence[int]
) -> Iterator[None]:
    """One process with these blocks of `http`, ready when it listens on the ports."""
    folder.mkdir(parents=True)
    file = folder / "nginx.conf"
    file.write_text(_CONFIGURATION.format(folder=folder, blocks="\n    ".join(blocks)))
    argv = [_program(), "-c", str(file), "-p", str(folder)]
    ready = lambda: all(map(listening, ports))  # noqa: E731  (one line, asked often)
    with on(processors, argv, log=folder / "nginx.log", ready=ready):
        yield


def _program() -> str:
    return shutil.which("nginx") or "/usr/sbin/nginx"
