"""A service that a runbook calls, for the lab: it does a thing once a key, as docs/runbooks.md asks.

    POST /effects         a call; its signature is checked, and a known key is answered, not done again
    GET  /effects         what was done, in order, how often each key came, and how many instances there are
    POST /effects/mode    {"mode": "ok|refuse|unavailable|drop|drop_after|hang"}: how it fails from now on

`drop` cuts the connection before anything is done, `drop_after` when it is done: whoever calls cannot tell
them apart. A call with `instances` sets how many there are.
"""

import asyncio
import json
import time
from collections import Counter
from typing import Any

from lab.hooks import genuine
from lab.http import Request, Response

MODES = ("ok", "refuse", "unavailable", "drop", "drop_after", "hang")
HANG_SECONDS = 60.0


class Effects:
    """Keeps what was done. Without `keyed` it does a thing as often as it is asked."""

    def __init__(self, secret: str = "", *, keyed: bool = True, instances: int = 4) -> None:
        self._secret, self._keyed = secret, keyed
        self.mode = "ok"
        self.instances = instances
        self.done: list[dict[str, Any]] = []
        self.came: Counter[str] = Counter()

    async def answered(self, request: Request) -> Response | None:
        """The answer to a request below /effects; None cuts the connection."""
        match request.method, request.path:
            case "POST", "/effects":
                return await self._called(request)
            case "GET", "/effects":
                return self._state()
            case "POST", "/effects/mode":
                return self._set(request)
        return Response(404)

    async def _called(self, request: Request) -> Response | None:
        if not genuine(self._secret, request, now=time.time()):
            return Response.of({"error": "the signature is none, or an old one"}, 401)
        key = request.headers.get("idempotency-key", "").strip('"')
        self.came[key] += 1
        match self.mode:
            case "refuse":
                return Response.of({"error": "not here"}, 403)
            case "unavailable":
                return Response.of({"error": "not now"}, 503)
            case "drop":
                return None
            case "hang":
                await asyncio.sleep(HANG_SECONDS)
                return None
        self._do(key, json.loads(request.body))
        return None if self.mode == "drop_after" else Response.of({"done": key})

    def _do(self, key: str, content: dict[str, Any]) -> None:
        if self._keyed and any(each["key"] == key for each in self.done):
            return
        self.done.append(content)
        self.instances = int(content.get("instances", self.instances))

    def _state(self) -> Response:
        return Response.of({"done": self.done, "came": dict(self.came), "instances": self.instances})

    def _set(self, request: Request) -> Response:
        try:
            mode = json.loads(request.body)["mode"]
        except (ValueError, KeyError, TypeError):
            mode = None
        if mode not in MODES:
            return Response.of({"errors": {"mode": f"must be one of {', '.join(MODES)}"}}, 422)
        self.mode = mode
        return self._state()
