"""What a client may take of a proxy."""

from datetime import timedelta

from pydantic import Field

from proxy.domain.tier.fields import Declared, Duration


class Limits(Declared):
    """What a client may take, per proxy and listener: slow ones are cut, many ones are capped."""

    max_connections: int = Field(default=10_000, ge=1)
    handshake_timeout: Duration = timedelta(seconds=5)
    request_headers_timeout: Duration = timedelta(seconds=5)
    request_timeout: Duration = timedelta(seconds=30)
    stream_idle_timeout: Duration = timedelta(seconds=60)
    idle_timeout: Duration = timedelta(seconds=60)
    max_headers_kb: int = Field(default=32, ge=1, le=8192)
    max_concurrent_streams: int = Field(default=100, ge=1)
    buffer_bytes: int = Field(default=65_536, ge=1024)
