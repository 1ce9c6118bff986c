"""Presses of buttons, as Slack sends them: a signed request, or an envelope by Socket Mode.

    POST /press        {"action": "incident.acknowledge", "user": "U0LAB", "via": "http|socket"}: the newest
                       such button; answers whether that was acknowledged within Slack's 3 s
    GET  /whispers     what was said to whoever pressed, the newest last
    GET  /sockets      how many Socket Mode connections there are, and how many envelopes wait
    POST /sockets/cut, /sockets/refresh    end the connections without a word, or ask for new ones

The secret that requests are signed with is SLUICE_SLACK_SIGNING_SECRET, as Sluice has it.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

import h11

from lab import ports
from lab.http import Connection, Response
from lab.websocket import WebSocket

# Slack shows an error to the person when it hears nothing for so long.
ACKNOWLEDGE_SECONDS = 3.0
# Slack takes so many answers to one press.
ANSWERS = 5
KEPT = 100
PATH = "/slack/interactions"
PORTS = ("LAB_RECEIVER_PORT", "LAB_SOCKET_PORT", "SLUICE_WEB_PORT")
Message = Mapping[str, Any]


class NoSuchButton(Exception):
    """No message shows it now."""


@dataclass
class Whisper:
    """Where words to one person may be sent, and how often still."""

    user: str
    left: int = ANSWERS


@dataclass
class Presses:
    """`url` is where this receiver is reached, `web_port` where Sluice takes signed requests."""

    url: str = ""
    socket_url: str = ""
    web_port: int = 0
    secret: str = ""
    whispers: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    _answers: dict[str, Whisper] = field(default_factory=dict)
    _sockets: list[WebSocket] = field(default_factory=list)
    _waiting: dict[str, asyncio.Event] = field(default_factory=dict)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """As the local system's variables have it. Raises BadPort."""
        port = {name: ports.port(name, environment) for name in PORTS}
        return cls(
            url=f"http://127.0.0.1:{port['LAB_RECEIVER_PORT']}",
            socket_url=f"ws://127.0.0.1:{port['LAB_SOCKET_PORT']}",
            web_port=port["SLUICE_WEB_PORT"],
            secret=environment.get("SLUICE_SLACK_SIGNING_SECRET", ""),
        )

    async def press(self, messages: Iterable[Message], given: Mapping[str, Any]) -> Response:
        """Press a button as a person of Slack. Raises NoSuchButton."""
        message, button = _found(messages, str(given.get("action", "")))
        payload = self._payload(message, button, str(given.get("user", "U0LAB")))
        via = given.get("via") or ("socket" if self._sockets else "http")
        began = time.monotonic()
        envelope = str(given.get("envelope") or secrets.token_hex(8))
        status = await (self._by_socket(payload, envelope) if via == "socket" else self._by_http(payload))
        return Response.of(
            {"acknowledged": status == 200, "status": status, "seconds": time.monotonic() - began, "via": via}
        )

    def opened(self) -> Response:
        """Slack's answer to `apps.connections.open`."""
        return Response.of({"ok": True, "url": f"{self.socket_url}/link/?ticket={secrets.token_hex(8)}"})

    def said(self, token: str, given: Mapping[str, Any]) -> Response:
        """A word to whoever pressed, at the address that came with the press."""
        known = self._answers.get(token)
        if known is None or not known.left:
            return Response(404, b"expired_url")
        known.left -= 1
        self.whispers.append({"user": known.user, "text": given.get("text", ""), "at": time.time()})
        return Response(200, b"ok", {"content-type": "text/plain"})

    async def serve(self, socket: WebSocket) -> None:
        """One Socket Mode connection: greets, and takes acknowledgements until it ends."""
        await socket.send(json.dumps({"type": "hello", "num_connections": len(self._sockets) + 1}))
        self._sockets.append(socket)
        try:
            while (text := await socket.receive()) is not None:
                waiting = self._waiting.get(str(json.loads(text).get("envelope_id")))
                if waiting is not None:
                    waiting.set()
        finally:
            self._sockets.remove(socket)

    def sockets(self) -> Response:
        """How many connections there are, and how many envelopes wait to be acknowledged."""
        return Response.of({"sockets": len(self._sockets), "waiting": len(self._waiting)})

    def cut(self) -> None:
        for socket in list(self._sockets):
            socket.cut()

    async def refresh(self) -> None:
        """Ask for new connections, as Slack does every few hours."""
        for socket in list(self._sockets):
            await socket.send(json.dumps({"type": "disconnect", "reason": "refresh_requested"}))

    def _payload(self, message: Message, button: Mapping[str, Any], user: str) -> dict[str, Any]:
        token = secrets.token_hex(8)
        self._answers[token] = Whisper(user)
        return {
            "type": "block_actions",
            "team": {"id": "T0LAB", "domain": "lab"},
            "user": {"id": user, "username": user.lower(), "team_id": "T0LAB"},
            "api_app_id": "A0LAB",
            "token": "deprecated",
            "container": {"type": "message", "message_ts": message["ts"], "channel_id": "C0LAB"},
            "channel": {"id": "C0LAB", "name": "sluice"},
            "message": dict(message),
            "response_url": f"{self.url}/respond/{token}",
            "trigger_id": secrets.token_hex(8),
            "actions": [{**button, "block_id": "b1", "action_ts": f"{time.time():.6f}"}],
        }

    async def _by_http(self, payload: Mapping[str, Any]) -> int | None:
        """The status that was answered in time; None for none."""
        body = urlencode({"payload": json.dumps(payload)}).encode()
        sent = {"host": f"127.0.0.1:{self.web_port}", **signed(self.secret, body, at=time.time())}
        with contextlib.suppress(OSError, TimeoutError, h11.ProtocolError):
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                connection = await Connection.open("127.0.0.1", self.web_port)
                try:
                    return (await connection.request("POST", PATH, sent, body)).status
                finally:
                    connection.close()
        return None

    async def _by_socket(self, payload: Mapping[str, Any], envelope: str) -> int | None:
        """200 when the envelope was acknowledged in time, by the one connection that it went to."""
        if not self._sockets:
            return None
        self._waiting[envelope] = heard = asyncio.Event()
        sent = {"type": "interactive", "envelope_id": envelope, "payload": payload}
        try:
            await self._sockets[-1].send(json.dumps({**sent, "accepts_response_payload": True}))
            await asyncio.wait_for(heard.wait(), ACKNOWLEDGE_SECONDS)
        except (OSError, TimeoutError):
            return None
        finally:
            del self._waiting[envelope]
        return 200


def signed(secret: str, body: bytes, *, at: float) -> dict[str, str]:
    """The headers of a request that Slack signs at a time in Unix seconds."""
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": f"v0={digest}",
    }


def _found(messages: Iterable[Message], action: str) -> tuple[Message, Mapping[str, Any]]:
    for message in reversed(list(messages)):
        for block in message.get("blocks") or ():
            for element in block.get("elements", ()) if block.get("type") == "actions" else ():
                if element.get("action_id") == action:
                    return message, element
    raise NoSuchButton(f"no message shows a button {action}")
