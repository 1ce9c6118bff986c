"""Quotas on real Envoys: who takes more than his share is told to come again later, and nobody else feels it."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests

from lab import greeter
from proxy import schema
from tests.proxy.guarded import HOST, IDP, Api, guarded
from tests.proxy.world import World
from tests.support.handshakes import Connection, trusting
from tests.support.processes import free_port

pytestmark = pytest.mark.real

ACME, ZETA, OMEGA = "acme-" + 24 * "1", "zeta-" + 24 * "2", "omega-" + 24 * "3"
PARTNERS = {"name": "partners", "file": "partners.keys"}
PROXIES = ("EDGE_1", "EDGE_2")
TWO = len(PROXIES)
"""The tier's proxies, which share a quota."""


@pytest.fixture
def api(world: World, secrets: Path) -> Iterator[Api]:
    (secrets / "partners.keys").write_text(f"acme: {ACME}\nzeta: {ZETA}\nomega: {OMEGA}\n")
    with guarded(world, secrets) as api:
        yield api


def key(value: str) -> dict[str, str]:
    return {"x-api-key": value}


def a_day(requests: int, **more: Any) -> dict[str, Any]:
    """A quota that does not fill up again while a test runs."""
    return {"requests": requests, "unit": "day", **more}


def let_through(api: Api, count: int, path: str = "/", **more: Any) -> int:
    """How many of so many requests are; the others must be told to come again."""
    found = Counter(api.statuses(count, path, **more))
    assert set(found) <= {200, 429}, found
    return found[200]


def test_a_route_s_quota_is_shared_by_its_hosts_its_listeners_and_the_proxies(api: Api) -> None:
    sticky = {"sticky": {"cookie": "arm"}}
    api.serve({"hosts": [HOST, "second.test"], "quotas": [a_day(12)], **sticky}, {"prefix": "/open"})
    assert let_through(api, 2) == 2
    assert api.world.get("second.test").status_code == 200
    context = trusting(api.world.var / "pki" / "ca.pem")
    with Connection(api.world.ports["EDGE_1_HTTPS_PORT"], context, name=HOST) as connection:
        answers = [connection.ask().status for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    assert let_through(api, 2) == 0
    assert let_through(api, 8, proxy="EDGE_2") == 12 // TWO
    assert let_through(api, 3, "/open") == 3


def test_a_quota_that_is_laid_on_a_route_holds_on_kept_connections_too(api: Api) -> None:
    api.serve({})
    assert let_through(api, 3) == 3
    api.world.wait_acked(api.declare({"quotas": [a_day(2)]}))
    assert let_through(api, 3) == 1


def test_who_is_over_is_told_when_to_come_again(api: Api) -> None:
    api.serve({"quotas": [{"requests": 2, "unit": "minute"}]}, {"prefix": "/open"})
    first, second = api.get(), api.get()
    assert first.status_code == 200
    assert first.headers["x-ratelimit-limit"].startswith("1")
    assert first.headers["x-ratelimit-remaining"] == "0"
    assert second.status_code == 429
    assert 1 <= int(second.headers["retry-after"]) <= 60
    assert not [name for name in api.get("/open").headers if "ratelimit" in name]


def test_each_client_has_a_quota_of_its_own_whichever_key_it_shows(api: Api) -> None:
    again = "acme-" + 24 * "9"
    (api.secrets / "partners.keys").write_text(f"acme: {ACME}\nacme: {again}\nzeta: {ZETA}\nomega: {OMEGA}\n")
    quota = a_day(4, by="client", overrides={"zeta": 10})
    api.serve({"access": {"api_keys": "partners"}, "quotas": [quota]}, api_keys=[PARTNERS])
    assert let_through(api, 1, headers=key(ACME)) == 1
    assert let_through(api, 4, headers=key(again)) == 1
    assert let_through(api, 8, headers=key(ZETA)) == 5
    spoofed = {**key(OMEGA), "x-sluice-client": "zeta"}
    assert let_through(api, 4, headers=spoofed) == 2
    assert api.status() == 401


def test_each_tenant_has_a_quota_of_its_own_by_its_claim_or_its_header(api: Api) -> None:
    by_claim = {"claim": {"provider": "idp", "claim": ["org", "name"]}}
    token = {"access": {"jwt": "idp"}}
    api.serve(
        {"prefix": "/claim", **token, "quotas": [a_day(4, by=by_claim, overrides={"gold": 8})]},
        {"prefix": "/header", **token, "quotas": [a_day(4, by={"header": "x-org"})]},
        jwt_providers=[IDP],
    )
    for path, gold in (("/claim", 4), ("/header", 2)):
        tokens = {name: api.issuer.bearer(org={"name": name}) for name in ("acme", "zeta", "gold")}
        found = {name: let_through(api, 5, path, headers=token) for name, token in tokens.items()}
        assert found == {"acme": 2, "zeta": 2, "gold": gold}
        assert let_through(api, 2, path, headers=api.issuer.bearer()) == 2  # nobody's: together
        assert let_through(api, 2, path, headers=api.issuer.bearer(sub="bob")) == 0


def test_each_address_has_a_quota_of_its_own_and_a_route_may_have_several(api: Api) -> None:
    api.serve({"quotas": [a_day(100), a_day(6, by="remote_address")]})
    assert let_through(api, 6, headers={"x-forwarded-for": "9.9.9.9"}) == 3
    address = ("127.0.0.2", 0)
    other = requests.Session()
    other.mount("http://", _From(address))
    url = f"http://127.0.0.1:{api.world.ports['EDGE_1_HTTP_PORT']}/"
    with other:
        found = [other.get(url, headers={"Host": HOST}, timeout=5).status_code for _ in range(4)]
    assert found == [200, 200, 200, 429]


class _From(requests.adapters.HTTPAdapter):
    """Connects from an address of its own."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> Any:
        return super().init_poolmanager(*args, **more, source_address=self._address)


def test_what_is_refused_for_a_quota_is_no_failure_of_anybody(api: Api) -> None:
    api.serve({"name": "told", "quotas": [a_day(2)]})
    assert let_through(api, 4) == 1
    count = api.world.metric
    assert count("envoy_sluice_rq", route="told", code="429", reason="rate_limited") == 3
    assert count("envoy_sluice_rq", route="told") == 4
    assert count("envoy_sluice_rq", route="told", reason="backend") == 1
    assert len(api.seen) == 1


@pytest.mark.parametrize("counted_by", ["proxy", "service"])
def test_a_grpc_client_is_told_that_it_is_over_and_not_to_try_again(counted_by: str, api: Api) -> None:
    upstreams = [one for one in api.world.declared()["tiers"][0]["upstreams"] if one["name"] == "greeter"]
    quota = {"requests": 2, "unit": "hour", "counted_by": counted_by}
    name = f"calls-{counted_by}"
    with counting(Counting()) as port:
        api.serve({"name": name, "upstream": "greeter", "quotas": [quota]}, upstreams=upstreams, **at(port))
        said = [_call(api) for _ in range(3)]
    assert said[0] == "OK"
    assert said[2] == "RESOURCE_EXHAUSTED"
    assert "UNAVAILABLE" not in said
    assert api.world.metric("envoy_sluice_rq", route=name, grpc="8", reason="rate_limited") >= 1


def _call(api: Api) -> str:
    """What one call on a connection of its own comes to."""
    address = f"127.0.0.1:{api.world.ports['EDGE_1_HTTP_PORT']}"
    with grpc.insecure_channel(address, options=[("grpc.default_authority", HOST)]) as channel:
        method = channel.unary_unary(
            greeter.PATH, request_serializer=greeter.request_bytes, response_deserializer=greeter.read_reply
        )
        try:
            method("you", timeout=5)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


@dataclass
class Counting:
    """A rate limit service (envoy.service.ratelimit.v3) that counts by description, within the limits it is told."""

    counts: Counter[str] = field(default_factory=Counter)
    asked: list[Any] = field(default_factory=list)
    wait: float = 0.0

    def should(self, request: Any, _: Any) -> Any:
        """Over where any of the descriptions is."""
        self.asked.append(request)
        time.sleep(self.wait)
        answer: Any = schema.bundled().message("envoy.service.ratelimit.v3.RateLimitResponse")()
        answer.overall_code = 1
        for described in request.descriptors:
            which = str(described.entries)
            self.counts[which] += 1
            over = self.counts[which] > described.limit.requests_per_unit
            answer.statuses.add().code = 2 if over else 1
            if over:
                answer.overall_code = 2
        return answer


@contextlib.contextmanager
def counting(service: Counting) -> Iterator[int]:
    """The service on the port that it yields."""
    asked = schema.bundled().message("envoy.service.ratelimit.v3.RateLimitRequest")
    method = grpc.unary_unary_rpc_method_handler(
        service.should,
        request_deserializer=asked.FromString,
        response_serializer=lambda m: m.SerializeToString(),
    )
    server = grpc.server(ThreadPoolExecutor(2))
    name = "envoy.service.ratelimit.v3.RateLimitService"
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(name, {"ShouldRateLimit": method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def at(port: int, **more: Any) -> dict[str, Any]:
    return {"rate_limit_service": {"address": "127.0.0.1", "port": port, "timeout": "1s", **more}}


def test_a_service_counts_for_both_proxies_together(api: Api) -> None:
    service = Counting()
    quota = {"requests": 5, "unit": "hour", "by": "client", "counted_by": "service"}
    with counting(service) as port:
        route = {"name": "both", "access": {"api_keys": "partners"}, "quotas": [quota]}
        api.serve(route, api_keys=[PARTNERS], **at(port, domain="shop"))
        assert let_through(api, 3, headers=key(ACME)) == 3
        assert let_through(api, 4, headers=key(ACME), proxy="EDGE_2") == 2
        assert let_through(api, 2, headers=key(ZETA)) == 2
        assert api.status() == 401
    assert len(service.asked) == 9
    (described,) = service.asked[0].descriptors
    assert service.asked[0].domain == "shop"
    assert [(entry.key, entry.value) for entry in described.entries] == [
        ("quota", "both/0"),
        ("value", "acme"),
    ]
    assert (described.limit.requests_per_unit, described.limit.unit) == (5, 3)
    count = api.world.metric
    told = {"route": "both", "code": "429", "reason": "rate_limited"}
    assert [count("envoy_sluice_rq", proxy=proxy, **told) for proxy in PROXIES] == [0, 2]


def test_a_service_that_is_gone_lets_through_unless_it_is_declared_to_deny(api: Api) -> None:
    route = {"quotas": [{"requests": 5, "counted_by": "service"}]}
    api.serve(route, **at(free_port()))
    assert api.status() == 200
    api.serve(route, **at(free_port(), failure_mode_deny=True))
    assert api.status() == 503
    with counting(Counting(wait=0.5)) as port:
        api.serve(route, **at(port, timeout="50ms", failure_mode_deny=True))
        assert api.status() == 503
