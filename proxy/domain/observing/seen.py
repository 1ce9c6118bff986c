"""What a foreign Envoy was seen to be configured with, in neutral words that no version of it changes.

Times are seconds, sizes bytes, shares percent. None is "not written", so that Envoy's own default counts; it
is never zero. What was there and is not in these rows stands in `Seen.notes` or was not asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["config dump", "bootstrap", "resources", "nothing"]
State = Literal["static", "active", "warming", "draining"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was there and not understood; `times` places had the same, `path` is the first."""

    path: str
    what: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """An update that the Envoy refused and reports as `error_state`: it runs what it had before."""

    kind: str
    name: str
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class Extension:
    """A filter, logger or the like: its name, its message below `envoy.`, whether it is off by default."""

    name: str
    type: str = ""
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS towards clients. `tickets`: `shared` keys come with the configuration, `own` are each process'."""

    minimum_version: str | None
    alpn: tuple[str, ...]
    client_certificate: Literal["required", "verified if given", "not asked"]
    tickets: Literal["shared", "own", "off"]
    quic: bool = False


@dataclass(frozen=True, slots=True)
class ClientTls:
    """TLS towards backends: whether the backend's certificate is verified, its names too, and ours shown."""

    sni: str | None
    verifies: bool
    verifies_names: bool
    shows_certificate: bool


@dataclass(frozen=True, slots=True)
class Manager:
    """An HTTP connection manager. `table` names its routes; `scoped` means that several tables stand behind.

    `timeouts` has Envoy's field names, of which a missing one means Envoy's default, and 0 means none.
    """

    stat_prefix: str
    codec: str
    table: str | None
    scoped: bool
    timeouts: Mapping[str, float]
    limits: Mapping[str, float]
    filters: tuple[Extension, ...]
    access_logs: tuple[Extension, ...]
    attempt_logs: tuple[Extension, ...]
    measures: frozenset[str]
    forward_client_cert_details: str | None
    use_remote_address: bool | None
    headers_with_underscores: str | None
    normalizes_paths: bool | None
    server_header: str | None


@dataclass(frozen=True, slots=True)
class Chain:
    """A filter chain: how connections that meet it are unwrapped and by what they are served."""

    name: str
    tls: ServerTls | None
    handshake_timeout: float | None
    filters: tuple[Extension, ...]
    managers: tuple[Manager, ...]


@dataclass(frozen=True, slots=True)
class Listener:
    """Where clients arrive."""

    name: str
    address: str
    port: int | None
    transport: Literal["tcp", "udp", "pipe", "internal"]
    state: State
    buffer_bytes: float | None
    listener_filters: tuple[Extension, ...]
    chains: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Retry:
    """What is tried again. `idempotent_only`: a matcher on the request restricts it."""

    retry_on: tuple[str, ...]
    num_retries: float | None
    per_try_timeout: float | None
    base_interval: float | None
    max_interval: float | None
    other_host: bool
    idempotent_only: bool
    honours_retry_after: bool


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests: the path's form and text, and on what else it depends."""

    form: str
    path: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """A route in its virtual host. `arms` maps clusters to weights as written; one cluster has weight 1."""

    name: str
    virtual_host: str
    hosts: tuple[str, ...]
    match: Match
    action: str
    arms: Mapping[str, float]
    sticky: bool
    hedged: bool
    mirrored: bool
    timeout: float | None
    idle_timeout: float | None
    retry: Retry | None
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A route configuration."""

    name: str
    state: State
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Circuit breakers of one priority. Not written: 1024 each, and 3 retries at once."""

    priority: str
    max_connections: float | None
    max_pending_requests: float | None
    max_requests: float | None
    max_retries: float | None
    budget_percent: float | None
    track_remaining: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """A set of backends. `endpoints` None: they come by discovery and were not in what was read."""

    name: str
    state: State
    discovery: str
    protocol: Literal["http1", "http2", "http3", "auto", "as the client"]
    balancing: str
    endpoints: int | None
    connect_timeout: float | None
    thresholds: tuple[Thresholds, ...]
    outlier_detection: Mapping[str, float] | None
    tls: ClientTls | None
    health_checks: int
    retry: Retry | None
    limits: Mapping[str, float]
    buffer_bytes: float | None


@dataclass(frozen=True, slots=True)
class Trigger:
    """At what pressure (0 to 1) of which monitor an overload action begins; `scaled` ones grow from there."""

    monitor: str
    threshold: float | None
    scaled: bool


@dataclass(frozen=True, slots=True)
class Overload:
    """The overload manager."""

    monitors: tuple[str, ...]
    actions: Mapping[str, tuple[Trigger, ...]]
    shed_points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Admin:
    """The admin interface. `exposed`: it listens past the loopback interface, and it has no login."""

    address: str
    port: int | None
    exposed: bool


@dataclass(frozen=True, slots=True)
class Stats:
    """How statistics are kept. `narrowed`: a matcher leaves series out. `own_tags` are those declared."""

    flush_interval: float | None
    default_tags: bool
    own_tags: tuple[str, ...]
    narrowed: bool
    bucket_settings: int
    dispatcher: bool
    sinks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything together. What a dump or a bootstrap did not contain is None or empty."""

    source: Source
    node: str = ""
    cluster: str = ""
    version: str = ""
    control_plane: tuple[str, ...] = ()
    admin: Admin | None = None
    overload: Overload | None = None
    stats: Stats | None = None
    listeners: tuple[Listener, ...] = ()
    tables: tuple[Table, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[Note, ...] = field(default=())

    @property
    def managers(self) -> tuple[Manager, ...]:
        """Every connection manager, listener by listener."""
        return tuple(
            manager for listener in self.listeners for chain in listener.chains for manager in chain.managers
        )

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route, table by table."""
        return tuple(route for table in self.tables for route in table.routes)
