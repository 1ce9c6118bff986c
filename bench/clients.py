"""Light ADS clients, many in one process: each has a stream of its own over mutual TLS and takes what comes.

Run as `python -m bench.clients FILE`; the file is what `Group.document` makes. Each version of the runtime
layer that all of them acknowledged gives a line: the version and the monotonic clock in seconds.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import django
import grpc

from proxy import schema
from proxy.domain.identity import ADS_HOST
from proxy.domain.translate import kinds

_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
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
    """The streams, and how many acknowledged each version of the runtime layer."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._request = schema.bundled().message(f"{_MESSAGES}.DiscoveryRequest")
        self._response = schema.bundled().message(f"{_MESSAGES}.DiscoveryResponse")
        self._acked: Counter[str] = Counter()

    async def run(self) -> None:
        """Until the server ends a stream."""
        await asyncio.gather(*(self._client(*identity) for identity in self._group.identities))

    async def _client(self, proxy: str, certificate: str, key: str, authority: str) -> None:
        credentials = grpc.ssl_channel_credentials(authority.encode(), key.encode(), certificate.encode())
        options = [("grpc.ssl_target_name_override", ADS_HOST), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(self._group.ads, credentials, options) as channel:
            method: Any = channel.stream_stream(
                _METHOD,
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=self._response.FromString,
            )
            stream = method()
            for kind, names in self._group.names.items():
                node = {"id": proxy, "cluster": self._group.tier}
                await stream.write(self._request(node=node, type_url=kind, resource_names=names))
            await self._answer(stream)

    async def _answer(self, stream: Any) -> None:
        responses: AsyncIterator[Any] = stream
        async for response in responses:
            acknowledged = self._request(
                type_url=response.type_url,
                version_info=response.version_info,
                response_nonce=response.nonce,
                resource_names=self._group.names[response.type_url],
            )
            await stream.write(acknowledged)
            if response.type_url == kinds.RUNTIME:
                self._count(response.version_info)

    def _count(self, version: str) -> None:
        self._acked[version] += 1
        if self._acked[version] == len(self._group.identities):
            sys.stdout.write(f"{version} {time.monotonic()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    django.setup()
    asyncio.run(Clients(Group(**json.loads(Path(sys.argv[1]).read_text()))).run())
