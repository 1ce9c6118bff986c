"""The authoriser: proxies ask it about each request (Envoy's ext_authz over gRPC), and it asks an OAuth
authorisation server about the request's token (RFC 7662).

It keeps nothing but answers in memory, for seconds. What it cannot find out it does not let through: the
proxy then answers 503.
"""

import asyncio
import json
import logging
import signal
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlsplit

import grpc
import requests

from proxy import schema
from proxy.domain.introspection import Ages, Introspected, Known, Outcome, challenge, outcome, read, token_of

log = logging.getLogger("sluice.authoriser")

AUTHORIZATION = "envoy.service.auth.v3.Authorization"
GRACE_SECONDS = 1.0
THREADS = 16
WAITING = 256
"""So many tokens are asked about at a time; beyond it the answer is 503 at once, not late."""
LARGEST = 1 << 16
"""Bytes of an answer."""
_STATUS = {"no token": (401, 16), "bad token": (401, 16), "too little scope": (403, 7)}
"""HTTP's code, and gRPC's: unauthenticated, permission denied."""


class CannotBind(Exception):
    """The address is taken, or is not this machine's."""


class Unanswered(Exception):
    """The authorisation server did not say what is with a token."""


def is_safe(url: str) -> bool:
    """Whether tokens may be sent there: over TLS, or to this machine."""
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))


@dataclass(slots=True)
class Server:
    """The authorisation server's introspection endpoint, and who asks there."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    timeout: timedelta = timedelta(seconds=2)
    _own: threading.local = field(default_factory=threading.local, repr=False)

    def ask(self, token: str) -> Any:
        """The document about a token. Raises Unanswered. Blocks; one connection a thread is kept."""
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        try:
            with self._own.session.post(
                self.url,
                data={"token": token, "token_type_hint": "access_token"},
                # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
                auth=(quote_plus(self.client_id), quote_plus(self.client_secret)),
                headers={"Accept": "application/json"},
                timeout=self.timeout.total_seconds(),
                allow_redirects=False,
                stream=True,
            ) as answer:
                return _document(answer)
        except requests.RequestException as error:
            raise Unanswered(type(error).__name__) from error


def _document(answer: requests.Response) -> Any:
    if answer.status_code != 200:
        raise Unanswered(f"status {answer.status_code}")
    body = next(answer.iter_content(LARGEST + 1), b"")
    if len(body) > LARGEST:
        raise Unanswered("too long an answer")
    try:
        return json.loads(body)
    except ValueError as error:
        raise Unanswered("the answer is not JSON") from error


@dataclass(slots=True)
class Authoriser:
    """Decides on requests. Each token is asked about once at a time, however many requests bear it."""

    server: Server
    audience: str | None = None
    ages: Ages = field(default_factory=Ages)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _known: Known = field(default_factory=Known)
    _asked: dict[str, "asyncio.Task[Introspected]"] = field(default_factory=dict)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="introspection")
    )

    async def decide(
        self, authorization: str, scopes: Collection[str]
    ) -> tuple[Outcome, Introspected | None]:
        """What becomes of a request with this Authorization header. Raises Unanswered."""
        token = token_of(authorization) if authorization else None
        if token is None:
            return ("bad token" if authorization else "no token"), None
        found = self._known.get(token, now=self.clock()) or await self._find_out(token)
        return outcome(found, scopes=scopes, audience=self.audience), found

    async def _find_out(self, token: str) -> Introspected:
        if token not in self._asked:
            if len(self._asked) >= WAITING:
                raise Unanswered("too many tokens are being asked about")
            task = asyncio.create_task(self._introspected(token))
            self._asked[token] = task
            task.add_done_callback(lambda _: self._asked.pop(token, None))
        # One client that leaves must not end the question for the others.
        return await asyncio.shield(self._asked[token])

    async def _introspected(self, token: str) -> Introspected:
        document = await asyncio.get_running_loop().run_in_executor(self._threads, self.server.ask, token)
        try:
            found = read(document, self.ages, now=self.clock())
        except ValueError as error:
            raise Unanswered(str(error)) from error
        self._known.keep(token, found)
        return found


async def serve(bind: str, authoriser: Authoriser) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotBind."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_handler(authoriser),))
    try:
        server.add_insecure_port(bind)
    except RuntimeError as error:
        raise CannotBind(
            f"cannot listen on {bind}: is it an address of this machine, and its port free?"
        ) from error
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await server.start()
    log.info("authorising on %s by what %s says", bind, authoriser.server.url)
    await stop.wait()
    await server.stop(GRACE_SECONDS)


def _handler(authoriser: Authoriser) -> "grpc.GenericRpcHandler[Any, Any]":
    asked = schema.bundled().message("envoy.service.auth.v3.CheckRequest")
    answer = schema.bundled().message("envoy.service.auth.v3.CheckResponse")

    async def check(request: Any, context: Any) -> Any:
        scopes = request.attributes.context_extensions.get("scope", "").split()
        try:
            why, found = await authoriser.decide(_authorization(request), scopes)
        except Unanswered as error:
            log.warning("a token cannot be looked at: %s", error)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "introspection gave no answer")
            raise
        made: Any = answer()
        if why == "let through" and found is not None:
            _let_through(made, found)
        else:
            _refuse(made, why, scopes)
        return made

    unary = grpc.unary_unary_rpc_method_handler(
        check, request_deserializer=asked.FromString, response_serializer=_serialize
    )
    return grpc.method_handlers_generic_handler(AUTHORIZATION, {"Check": unary})


def _authorization(request: Any) -> str:
    return str(request.attributes.request.http.headers.get("authorization", ""))


def _let_through(made: Any, found: Introspected) -> None:
    """The token ends here: the backend is told whose it is."""
    for name, value in found.told.items():
        option = made.ok_response.headers.add()
        option.header.key, option.header.value = name, value
    made.ok_response.headers_to_remove.append("authorization")


def _refuse(made: Any, why: Outcome, scopes: Collection[str]) -> None:
    http, made.status.code = _STATUS[why]
    made.denied_response.status.code = http
    option = made.denied_response.headers.add()
    option.header.key, option.header.value = "www-authenticate", challenge(why, scopes)


def _serialize(message: Any) -> bytes:
    made: bytes = message.SerializeToString()
    return made
