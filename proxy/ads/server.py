"""The gRPC side: one coroutine a proxy's stream, with the messages that Envoy's own schema describes."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
from django.utils import timezone

from proxy import schema
from proxy.ads.addresses import is_loopback
from proxy.ads.conversation import Conversation, Request, Response
from proxy.ads.credentials import identity_ends_at, mutual_tls, peer
from proxy.ads.inbox import Flooded, Inbox
from proxy.ads.last_good import Keeper
from proxy.ads.reports import Key
from proxy.ads.snapshot import Snapshot
from proxy.ads.source import Source
from proxy.domain.translate import kinds

log = logging.getLogger("sluice.xds")

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
GRACE_SECONDS = 1.0
_MESSAGES = "envoy.service.discovery.v3"


class CannotBind(Exception):
    """The address is taken, or is not this machine's."""


async def serve(
    bind: str, pki_directory: Path, *, keeper: Keeper | None = None, plaintext: bool = False
) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotBind.

    Over mutual TLS, or in plaintext where nobody but this machine's own processes can connect.
    """
    if plaintext and not is_loopback(bind):
        raise CannotBind(f"{bind} is open to others: SLUICE_ADS_PLAINTEXT is for a loopback address")
    source = Source(pki_directory, server=f"{socket.gethostname()}:{bind.rpartition(':')[2]}", keeper=keeper)
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),  # a second server on the port is an error, not a silent half
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
        ]
    )
    server.add_generic_rpc_handlers((_handler(source, plaintext=plaintext),))
    credentials = None if plaintext else mutual_tls(pki_directory)
    try:
        if credentials is None:
            server.add_insecure_port(bind)
        else:
            server.add_secure_port(bind, credentials)
    except RuntimeError as error:
        raise CannotBind(f"cannot listen on {bind}: is the port taken?") from error
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await server.start()
    log.info("ADS on %s, %s", bind, "in plaintext" if plaintext else "over mutual TLS")
    polling = asyncio.create_task(source.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({polling, stopping}, return_when=asyncio.FIRST_COMPLETED)
    await server.stop(GRACE_SECONDS)
    if polling.done():
        polling.result()  # polling ends only by an error of this program
    polling.cancel()
    with suppress(asyncio.CancelledError):
        await polling
    await source.reports.finish()  # the streams have ended, and the pages should say so
    if keeper is not None:
        await keeper.flush()


def _handler(source: Source, *, plaintext: bool) -> "grpc.GenericRpcHandler[Any, Any]":
    request = schema.bundled().message(f"{_MESSAGES}.DiscoveryRequest")
    response = schema.bundled().message(f"{_MESSAGES}.DiscoveryResponse")

    async def stream(requests: AsyncIterator[Any], context: Any) -> None:
        await converse(source, requests, context, response, plaintext=plaintext)

    handlers = {
        "StreamAggregatedResources": grpc.stream_stream_rpc_method_handler(
            stream,
            request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
    }
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


async def converse(
    source: Source, requests: AsyncIterator[Any], context: Any, response: type[Any], *, plaintext: bool
) -> None:
    """One stream until it ends. A client that floods is ended, also where it does not read its answers."""
    inbox = Inbox()
    reading = asyncio.create_task(_read(requests, inbox))
    answering = asyncio.create_task(_converse(source, inbox, context, response, plaintext=plaintext))
    try:
        await asyncio.wait({reading, answering}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            await reading
        await answering
    except Flooded as flood:
        log.warning("%s is ended: it asks too much: %s", context.peer(), flood)
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"too much at once: {flood}")
    finally:
        reading.cancel()
        answering.cancel()
        await asyncio.gather(reading, answering, return_exceptions=True)


async def _converse(
    source: Source, inbox: Inbox, context: Any, response: type[Any], *, plaintext: bool
) -> None:
    """Requests and new snapshots come from one inbox, so that the conversation meets them one at a time."""
    first = await inbox.next()
    if first is None:
        return
    key = (first.node.cluster, first.node.id)
    if not plaintext and key != peer(context):
        await _refuse(context, key)
    log.info("%s/%s connected", *key)
    if key not in source.newest:
        log.warning("%s/%s is not declared, or not yet read: it waits", *key)
    source.reports.connected(key, timezone.now(), None if plaintext else identity_ends_at(context))
    try:
        await source.caught_up()
        source.listen(key, inbox.offer)
        await _answer(source, key, first, inbox, context, response)
    finally:
        source.unlisten(key, inbox.offer)
        source.reports.disconnected(key, timezone.now())
        log.info("%s/%s disconnected", *key)


async def _refuse(context: Any, key: Key) -> None:
    """A proxy sees what its certificate is for, and no more: another tier's secrets are served here too."""
    named = peer(context)
    bears = "no proxy's" if named is None else "that of {}/{}".format(*named)
    log.warning("refused %s/%s at %s: its certificate is %s", *key, context.peer(), bears)
    await context.abort(
        grpc.StatusCode.PERMISSION_DENIED, f"the certificate is {bears}, not {key[0]}/{key[1]}'s"
    )


async def _read(requests: AsyncIterator[Any], inbox: Inbox) -> None:
    """Until the client ends. Raises Flooded."""
    try:
        async for request in requests:
            inbox.ask(request)
    except grpc.RpcError as error:
        log.info("stream broke: %s", error)
    finally:
        inbox.end()


async def _answer(
    source: Source,
    key: Key,
    first: Any,
    inbox: Inbox,
    context: Any,
    response: type[Any],
) -> None:
    conversation = Conversation(source.at_a_start(key))
    reached: int | None = None
    weights: int | None = None
    item = first
    while item is not None:
        if isinstance(item, Snapshot):
            answers = conversation.on_snapshot(item)
        else:
            answers = conversation.on_request(_request(item))
        for answer in answers:
            await context.write(_message(answer, response))
        for refusal in conversation.refusals:
            spoken = kinds.SPOKEN.get(refusal.kind, refusal.kind)
            log.warning("%s/%s refuses %s: %s", *key, spoken, refusal.reason)
            source.reports.refused(key, refusal.generation, spoken, refusal.reason, timezone.now())
        conversation.refusals.clear()
        if conversation.weights_reached not in (None, weights):
            weights = conversation.weights_reached
            source.reports.acked_weights(key, weights or 0, timezone.now())
        if conversation.reached not in (None, reached):
            reached = conversation.reached
            source.reports.acked(key, reached or 0, timezone.now())
        item = await inbox.next()


def _request(message: Any) -> Request:
    refused = message.HasField("error_detail")
    return Request(
        kind=message.type_url,
        names=tuple(message.resource_names),
        version=message.version_info,
        nonce=message.response_nonce,
        error=(message.error_detail.message or "no reason given") if refused else None,
    )


def _message(answer: Response, response: type[Any]) -> Any:
    message = response(version_info=answer.version, type_url=answer.kind, nonce=answer.nonce)
    for value in answer.resources:
        message.resources.add(type_url=answer.kind, value=value)
    return message
