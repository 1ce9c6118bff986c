"""A rollout's hook for the lab: what a team's own service would do with a signed question.

    POST /hook           a question; its signature is checked as docs/pipelines.md says, by LAB_HOOK_SECRET
    GET  /hook           the answer that is given, and the latest questions, the newest last
    POST /hook/answer    {"answer": "go|wait|refuse|none", "reason": "...", "after_seconds": 0}: from now on

Without LAB_HOOK_SECRET every question is refused with 401: an unsigned hook is nobody's.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections import deque
from typing import Any

from lab.http import Request, Response

ANSWERS = ("go", "wait", "refuse", "none")
KEPT = 100
# A question that was signed longer ago than this was recorded and sent again.
FRESH_SECONDS = 300.0


def genuine(secret: str, request: Request, *, now: float) -> bool:
    """Whether whoever knows the secret signed just this body just now; `now` in Unix seconds."""
    stamp = request.headers.get("sluice-timestamp", "")
    if not secret or not stamp.isdigit() or abs(now - int(stamp)) > FRESH_SECONDS:
        return False
    signed = hmac.new(secret.encode(), stamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"v1={signed}", request.headers.get("sluice-signature", ""))


class Hook:
    """Keeps the questions and answers all of them alike."""

    def __init__(self, secret: str = "") -> None:
        self._secret = secret
        self.answer, self.reason, self.after_seconds = "go", "", 0.0
        self.questions: deque[dict[str, Any]] = deque(maxlen=KEPT)

    async def answered(self, request: Request) -> Response | None:
        """The answer to a request below /hook; None cuts the connection."""
        match request.method, request.path:
            case "POST", "/hook":
                return await self._asked(request)
            case "GET", "/hook":
                return self._state()
            case "POST", "/hook/answer":
                return self._set(request)
        return Response(404)

    async def _asked(self, request: Request) -> Response | None:
        if not genuine(self._secret, request, now=time.time()):
            return Response.of({"error": "the signature is none, or an old one"}, 401)
        self.questions.append(json.loads(request.body))
        await asyncio.sleep(self.after_seconds)
        if self.answer == "none":
            return None
        return Response.of({"answer": self.answer, "reason": self.reason})

    def _state(self) -> Response:
        return Response.of({"answer": self.answer, "reason": self.reason, "questions": list(self.questions)})

    def _set(self, request: Request) -> Response:
        try:
            given = json.loads(request.body)
            answer, after = given["answer"], float(given.get("after_seconds", 0))
        except (ValueError, KeyError, TypeError, AttributeError):
            answer, after = None, 0.0
        if answer not in ANSWERS:
            return Response.of({"errors": {"answer": f"must be one of {', '.join(ANSWERS)}"}}, 422)
        self.answer, self.reason, self.after_seconds = answer, str(given.get("reason", "")), after
        return self._state()
