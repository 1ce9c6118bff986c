"""Light ADS clients, many in one process: each has a stream of its own over mutual TLS and takes what comes.

Run as `python -m bench.clients FILE`; the file is what `Group.document` makes. Each version of the runtime
layer that all of them acknowledged gives a line: `acked`, the version, the monotonic clock in seconds.
"""

import asyncio
import json
import random
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import django
import grpc

from proxy import schema
from proxy.domain.identity import ADS_HOST
from proxy.domain.translate import kinds

_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
ACKED = "acked"
AT_ONCE = 10
"""So many of a process open a connection at a time: a thousand TLS handshakes at once are no part of this."""
BACK_OFF_SECONDS = (0.25, 2.0)
_MESSAGES = "envoy.service.discovery.v3"


@dataclass(frozen=True, slots=True)
class Group:
    """Clients of one tier in one process. `names` is what each asks for by type URL, in this order; of
    `identities` each is a proxy's name, its certificate, key and authority in PEM.
    """

    ads: str
    tier: str
    names: dict[str, list[str]]
    identities: list[tuple[str, str, str, str]]

    def document(self) -> str:
        return json.dumps(asdict(self))


class Clients:
    """The streams, and which of them acknowledged each version of the runtime layer."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._request = schema.bundled().message(f"{_MESSAGES}.DiscoveryRequest")
        self._response = schema.bundled().message(f"{_MESSAGES}.DiscoveryResponse")
        self._acked: dict[str, set[str]] = defaultdict(set)
        self._connecting = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """For ever."""
        await asyncio.gather(*(self._client(*identity) for identity in self._group.identities))

    async def _client(self, proxy: str, certificate: str, key: str, authority: str) -> None:
        """Like a proxy it comes back when its stream ends, after a while of its own."""
        credentials = grpc.ssl_channel_credentials(authority.encode(), key.encode(), certificate.encode())
        options = [("grpc.ssl_target_name_override", ADS_HOST), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(self._group.ads, credentials, options) as channel:
            while True:
                with suppress(grpc.aio.AioRpcError):
                    await self._converse(channel, proxy)
                await asyncio.sleep(random.uniform(*BACK_OFF_SECONDS))  # noqa: S311  (no secret)

    async def _converse(self, channel: grpc.aio.Channel, proxy: str) -> None:
        method: Any = channel.stream_stream(
            _METHOD,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self._response.FromString,
        )
        async with self._connecting:
            await channel.channel_ready()
            stream = method()
            node = {"id": proxy, "cluster": self._group.tier}
            for kind, names in self._group.names.items():
                await stream.write(self._request(node=node, type_url=kind, resource_names=names))
        async for response in stream:
            await stream.write(self._acknowledging(response))
            if response.type_url == kinds.RUNTIME:
                self._count(response.version_info, proxy)

    def _acknowledging(self, response: Any) -> Any:
        return self._request(
            type_url=response.type_url,
            version_info=response.version_info,
            response_nonce=response.nonce,
            resource_names=self._group.names[response.type_url],
        )

    def _count(self, version: str, proxy: str) -> None:
        """Said once, when the last of them did."""
        acked = self._acked[version]
        last = proxy not in acked and len(acked) + 1 == len(self._group.identities)
        acked.add(proxy)
        if last:
            sys.stdout.write(f"{ACKED} {version} {time.monotonic()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    django.setup()
    asyncio.run(Clients(Group(**json.loads(Path(sys.argv[1]).read_text()))).run())
