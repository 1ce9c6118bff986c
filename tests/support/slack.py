"""A small Slack-shaped server on a real socket, with the ways in which Slack fails."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from tests.support.processes import free_port

Mode = Literal["ok", "429", "500", "drop", "lost", "hang", "refused"]
FIRST_TS = 1_772_000_000


@dataclass
class SlackServer:
    """`drop` and `hang` take the message and do not answer, `lost` cuts the connection without taking it;
    `refused` is HTTP 200 with `ok: false`. `choose` picks a mode for each request.
    """

    port: int
    mode: Mode = "ok"
    history: bool = True
    choose: Callable[[], Mode] | None = None
    retry_after: int = 7
    whispers: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    messages: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def webhook(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/T/B/x"

    @property
    def answer_to(self) -> str:
        """Where words to whoever pressed a button are taken."""
        return f"http://127.0.0.1:{self.port}/respond"

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            match path.rsplit("/", 1)[-1]:
                case "chat.update":
                    return self._update(body)
                case "conversations.history" | "conversations.replies":
                    return self._history()
                case "respond":
                    self.whispers.append(f"{body['response_type']}: {body['text']}")
                    return {"ok": True}
                case _:
                    return self._post(body)

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        ts = f"{FIRST_TS + len(self.messages)}.000100"
        self.messages.append({**body, "ts": ts, "edits": 0})
        named = str(body.get("channel", ""))
        return {"ok": True, "channel": "C2" if named == "#other" else "C1", "ts": ts}

    def _update(self, body: dict[str, Any]) -> dict[str, Any]:
        for message in self.messages:
            if message["ts"] == body["ts"]:
                message.update({**body, "edits": message["edits"] + 1})
                return {"ok": True, "channel": "C1", "ts": body["ts"]}
        return {"ok": False, "error": "message_not_found"}

    def _history(self) -> dict[str, Any]:
        if not self.history:
            return {"ok": False, "error": "missing_scope"}
        return {"ok": True, "messages": self.messages, "has_more": False}


@contextlib.contextmanager
def slack_server() -> Iterator[SlackServer]:
    """The server, for the length of the block."""
    state = SlackServer(port=free_port())
    server = ThreadingHTTPServer(("127.0.0.1", state.port), _handler(state))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def _handler(state: SlackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self._read()
            state.requests.append(urlsplit(self.path).path)
            match state.choose() if state.choose else state.mode:
                case "429":
                    wait = {"Retry-After": str(state.retry_after)}
                    self._reply(429, {"ok": False, "error": "ratelimited"}, wait)
                case "lost":
                    self.close_connection = True
                case "refused":
                    self._reply(200, {"ok": False, "error": "channel_not_found"})
                case "500":
                    state.answer(urlsplit(self.path).path, body)
                    self._reply(500, {"ok": False, "error": "internal_error"})
                case "drop":
                    state.answer(urlsplit(self.path).path, body)
                    self.close_connection = True
                case "hang":
                    state.answer(urlsplit(self.path).path, body)
                    state.released.wait(30)
                    self.close_connection = True
                case _:
                    self._reply(200, state.answer(urlsplit(self.path).path, body))

        def _read(self) -> dict[str, Any]:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if self.headers.get("Content-Type", "").startswith("application/json"):
                return dict(json.loads(raw or "{}"))
            form = {k: v[0] for k, v in parse_qs(raw or urlsplit(self.path).query).items()}
            return {k: json.loads(v) if v[:1] in "[{" else v for k, v in form.items()}

        def _reply(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who asked may be dead
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler
