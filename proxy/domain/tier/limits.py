"""What a client may take of a proxy."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from proxy.domain.tier.fields import Declared, Duration

Percent = Annotated[float, Field(ge=0, le=100)]


class Limits(Declared):
    """What a client may take, per proxy and listener: slow ones are cut, many ones are capped.

    Times end a client that sends its headers, its body, its TLS handshake or nothing at all too slowly, or
    reads its answer too slowly; counts cap connections, streams and headers; the rest makes connections go
    round (GOAWAY), so that clients spread over the proxies again.

    With the `accept_brake` on, connections are accepted at the lower of the two rates. It is a switch, and
    always there: listeners that change drain their connections, and clients that come back are what it is
    against.
    """

    max_connections: int = Field(default=10_000, ge=1)
    max_connections_per_address: int | None = Field(default=None, ge=1)
    max_accepts_per_second: int = Field(default=4_000, ge=1)
    braked_accepts_per_second: int = Field(default=200, ge=1)
    accept_brake: bool = False
    handshake_timeout: Duration = timedelta(seconds=5)
    request_headers_timeout: Duration = timedelta(seconds=5)
    request_timeout: Duration = timedelta(seconds=30)
    stream_idle_timeout: Duration = timedelta(seconds=60)
    stream_flush_timeout: Duration = timedelta(seconds=10)
    per_connection_buffer_high_watermark_timeout: Duration = timedelta(seconds=10)
    idle_timeout: Duration = timedelta(seconds=60)
    max_headers_kb: int = Field(default=32, ge=1, le=8192)
    max_headers_count: int = Field(default=100, ge=1)
    max_concurrent_streams: int = Field(default=100, ge=1)
    stream_reset_burst: int = Field(default=200, ge=1)
    stream_reset_rate: int = Field(default=50, ge=1)
    buffer_bytes: int = Field(default=65_536, ge=1024)
    max_connection_duration: Duration = timedelta(minutes=10)
    max_connection_duration_jitter: Percent = 20.0
    max_requests_per_connection: int | None = Field(default=None, ge=1)
    drain_timeout: Duration = timedelta(seconds=5)
