"""A Slack-shaped receiver: the part of Slack's Web API that Sluice uses, and a page of what came.

    POST /api/auth.test, /api/chat.postMessage, /api/chat.update     as Slack answers them
    GET  /api/conversations.history, /api/conversations.replies      with each message's metadata
    POST /webhook                                                    an incoming webhook: "ok"
    GET  /messages                                                   what came, the newest last
    DELETE /messages                                                 forget it
    GET, POST /mode    {"mode": "ok|error|rate_limited|unavailable|drop|hang"}: how it fails from now on
    /press, /whispers, /sockets    buttons, by signed requests and by Socket Mode: see presses.py
    /hook, /hook/answer    a hook of rollouts: see hooks.py
    /effects, /effects/mode    a service that runbooks call, and a scaler: see effects.py

The last messages are kept in `var/receiver.json`, so that they outlive a restart.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from lab import ports, websocket
from lab.effects import Effects
from lab.hooks import Hook
from lab.http import Request, Response, Server
from lab.presses import NoSuchButton, Presses

KEPT = 300
HANG_SECONDS = 60.0
CHANNEL_ID = "C0LAB"
Message = dict[str, Any]


def fields(request: Request) -> dict[str, Any]:
    """The arguments of a call, from JSON or a form, as slack-sdk sends either. Raises ValueError."""
    if request.headers.get("content-type", "").startswith("application/json"):
        given = json.loads(request.body or b"{}")
        if not isinstance(given, dict):
            raise ValueError("not an object")
        return given
    form: dict[str, Any] = dict(parse_qsl(request.body.decode()))
    return {**form, **{name: json.loads(form[name]) for name in ("blocks", "attachments") if name in form}}


class Receiver:
    """Keeps messages and answers as Slack does: failures of a call are HTTP 200 with `ok` false."""

    def __init__(
        self, file: Path | None = None, *, presses: Presses | None = None, hook_secret: str = ""
    ) -> None:
        self._file = file
        self._hook = Hook(hook_secret)
        self._effects = Effects(hook_secret)
        self.presses = presses or Presses()
        self.mode = "ok"
        self.messages: deque[Message] = deque(_kept(file), maxlen=KEPT)
        self._last_ts = 0

    async def answer(self, request: Request) -> Response | None:
        if request.path.startswith("/effects"):
            return await self._effects.answered(request)
        if request.path.startswith("/hook"):
            return await self._hook.answered(request)
        match request.method, request.path:
            case "GET", "/messages":
                return Response.of({"messages": list(self.messages)})
            case "DELETE", "/messages":
                self.messages.clear()
                self._save()
                return Response.of({"messages": []})
            case "GET", "/mode":
                return Response.of({"mode": self.mode})
            case "POST", "/mode":
                return self._set_mode(request)
            case "GET" | "POST", "/api/conversations.history" | "/api/conversations.replies" if (
                self.mode == "ok"
            ):
                return Response.of({"ok": True, "messages": list(self.messages), "has_more": False})
            case "POST", path if path in CALLS:
                return await self._called(request, CALLS[path])
            case "POST", path if path.startswith("/respond/"):
                token = path.removeprefix("/respond/")
                return await self._called(request, lambda self, given: self.presses.said(token, given))
        return await self._pressed(request)

    async def _pressed(self, request: Request) -> Response:
        match request.method, request.path:
            case "POST", "/press":
                try:
                    return await self.presses.press(self.messages, fields(request))
                except (NoSuchButton, ValueError) as error:
                    return Response.of({"errors": {"action": str(error)}}, 404)
            case "GET", "/whispers":
                return Response.of({"whispers": list(self.presses.whispers)})
            case "GET", "/sockets":
                return self.presses.sockets()
            case "POST", "/sockets/cut":
                self.presses.cut()
                return self.presses.sockets()
            case "POST", "/sockets/refresh":
                await self.presses.refresh()
                return self.presses.sockets()
        return Response.of({"ok": False, "error": "unknown_method"}, 404)

    async def _called(self, request: Request, call: "Call") -> Response | None:
        match self.mode:
            case "rate_limited":
                return Response.of({"ok": False, "error": "ratelimited"}, 429, {"retry-after": "1"})
            case "unavailable":
                return Response(500)
            case "hang":
                await asyncio.sleep(HANG_SECONDS)
                return None
            case "error":
                return Response.of({"ok": False, "error": "fatal_error"})
        try:
            answer = call(self, fields(request))
        except ValueError:
            answer = Response.of({"ok": False, "error": "invalid_json"})
        # Dropped after it was read and kept: the sender cannot know, and must not send it again.
        return None if self.mode == "drop" else answer

    def _set_mode(self, request: Request) -> Response:
        try:
            mode = fields(request).get("mode")
        except ValueError:
            mode = None
        if mode not in MODES:
            return Response.of({"errors": {"mode": f"must be one of {', '.join(MODES)}"}}, 422)
        self.mode = mode
        return Response.of({"mode": mode})

    def post(self, given: Mapping[str, Any]) -> Response:
        if not given.get("channel"):
            return Response.of({"ok": False, "error": "channel_not_found"})
        if not (given.get("text") or given.get("blocks") or given.get("attachments")):
            return Response.of({"ok": False, "error": "no_text"})
        message = self._keep("chat.postMessage", given)
        return Response.of({"ok": True, "channel": CHANNEL_ID, "ts": message["ts"], "message": message})

    def update(self, given: Mapping[str, Any]) -> Response:
        for message in self.messages:
            if message["ts"] == str(given.get("ts")):
                message.update({name: given[name] for name in SHOWN if name in given}, edited_at=time.time())
                self._save()
                ts = message["ts"]
                return Response.of({"ok": True, "channel": CHANNEL_ID, "ts": ts, "text": message["text"]})
        return Response.of({"ok": False, "error": "message_not_found"})

    def webhook(self, given: Mapping[str, Any]) -> Response:
        self._keep("webhook", given)
        return Response(200, b"ok", {"content-type": "text/plain"})

    def who(self, given: Mapping[str, Any]) -> Response:
        return Response.of(
            {"ok": True, "team": "Lab", "user": "sluice", "team_id": "T0LAB", "user_id": "U0LAB"}
        )

    def socket(self, given: Mapping[str, Any]) -> Response:
        return self.presses.opened()

    def _keep(self, method: str, given: Mapping[str, Any]) -> Message:
        shown = {name: given[name] for name in SHOWN if name in given}
        message = {"text": "", **shown, "ts": self._ts(), "method": method, "at": time.time()}
        self.messages.append(message)
        self._save()
        return message

    def _ts(self) -> str:
        """Slack's identity of a message in a channel: microseconds, never twice the same."""
        self._last_ts = max(time.time_ns() // 1000, self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def _save(self) -> None:
        if self._file is not None:
            # Renamed into place: a reader or a crash never meets half a file.
            partial = self._file.with_suffix(".partial")
            partial.write_text(json.dumps(list(self.messages)))
            partial.replace(self._file)


Call = Callable[[Receiver, Mapping[str, Any]], Response]
SHOWN = ("channel", "text", "blocks", "attachments", "thread_ts", "metadata", "reply_broadcast")
MODES = ("ok", "error", "rate_limited", "unavailable", "drop", "hang")
CALLS: dict[str, Call] = {
    "/api/chat.postMessage": Receiver.post,
    "/api/chat.update": Receiver.update,
    "/api/auth.test": Receiver.who,
    "/api/apps.connections.open": Receiver.socket,
    "/webhook": Receiver.webhook,
}


def _kept(file: Path | None) -> list[Message]:
    """The messages of the last run; none when there is no file or it cannot be read."""
    try:
        kept = json.loads(file.read_text()) if file is not None else []
    except (OSError, ValueError):
        return []
    return kept if isinstance(kept, list) else []


async def run(environment: Mapping[str, str]) -> None:
    """Serves until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    var = Path(environment.get("SLUICE_VAR") or "var")
    var.mkdir(parents=True, exist_ok=True)
    presses = Presses.of(environment)
    receiver = Receiver(
        var / "receiver.json", presses=presses, hook_secret=environment.get("LAB_HOOK_SECRET", "")
    )
    server = Server(ports.port("LAB_RECEIVER_PORT", environment), receiver.answer)
    await server.open()
    sockets = await websocket.listen(ports.port("LAB_SOCKET_PORT", environment), presses.serve)
    await ended.wait()
    server.close()
    sockets.close()
    presses.cut()


def main() -> int:
    try:
        asyncio.run(run(os.environ))
    except (OSError, ports.BadPort) as error:
        sys.stderr.write(f"receiver: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
