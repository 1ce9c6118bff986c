"""What is refused in retries, hedges, pools and transformations before any proxy sees it."""

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.domain.patches import apply_patches
from proxy.domain.tier import Route, Upstream
from proxy.domain.tier.retries import SAFE, Retry
from proxy.domain.tier.transformation import Body, Headers
from proxy.domain.tier.upstreams import SuccessRate
from proxy.domain.translate import hedging, retries
from tests.proxy.factories import declaration, tier


def route(**fields: Any) -> Route:
    return Route.model_validate({"name": "r", "hosts": ["r.test"], "upstream": "u", **fields})


def upstream(**fields: Any) -> Upstream:
    return Upstream.model_validate({"name": "u", "endpoints": [{"port": 1}], **fields})


def test_what_is_retried_by_default_is_safe() -> None:
    assert Retry().retry_on == SAFE
    assert Retry().less_safe == ()
    assert Retry(retry_on=("connect-failure", "5xx")).less_safe == ("5xx",)


def test_an_answer_by_its_code_needs_its_condition() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        Retry(retriable_status_codes=(502,))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hedge": "1900ms"}, r"hedge.after must be shorter than 1\.9s"),
        ({"hedge": "100ms", "retry": {"attempts": 0}}, "hedge needs retry.attempts"),
        ({"hedge": "100ms", "idempotency": "never"}, "hedge needs retry.attempts"),
        ({"hedge": "100ms", "retry": {"per_try_timeout": "1s"}}, "does not go with hedge"),
    ],
)
def test_a_hedge_that_could_never_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        route(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hedge": "100ms"}, "hedge does not go with upgrade"),
        ({"max_request_bytes": 1000}, "max_request_bytes does not go with upgrade"),
        ({"response_body": {"merge": {"a": 1}}}, "response_body does not go with upgrade"),
    ],
)
def test_what_needs_a_body_is_refused_where_connections_are_upgraded(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        route(upgrade=["websocket"], **fields)


@pytest.mark.parametrize(
    ("cors", "message"),
    [
        ({"allow_origins": ["*"], "allow_credentials": True}, "every page acts as the visitor"),
        ({"allow_origins": ["app.example.org"]}, "not an origin"),
        ({"allow_origins": ["https://app.example.org/"]}, "not an origin"),
    ],
)
def test_an_origin_is_written_as_a_browser_does_and_credentials_are_for_named_ones(
    cors: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        route(cors=cors)


def test_a_route_whose_retries_are_off_asks_for_no_hedge() -> None:
    shop = {"name": "shop", "hosts": ["shop.test"], "upstream": "shop-v1", "hedge": "100ms"}
    base = tier(routes=[shop, declaration()["routes"][1]])
    live = apply_patches(base, [{"kind": "retry_off", "route": "shop"}])
    hedged, calm = base.route("shop"), live.route("shop")
    assert hedged is not None
    assert calm is not None
    assert set(hedging.per_route(hedged)) == {hedging.FILTER}
    assert hedging.per_route(calm) == {}
    assert retries.policy(calm)["num_retries"] == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lb_policy": "maglev"}, "hash_on belongs to"),
        ({"hash_on": {"header": "x-user"}}, "hash_on belongs to"),
        ({"lb_policy": "maglev", "hash_on": {"header": "x-a", "cookie": "b"}}, "exactly one of"),
        ({"protocol": "auto"}, "needs tls"),
        ({"health_check": {"type": "grpc"}}, "grpc needs protocol http2"),
        ({"outlier_detection": {"max_ejection_time": "1s"}}, "must not be shorter than base_ejection_time"),
    ],
)
def test_settings_of_an_upstream_that_contradict_each_other_are_refused(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        upstream(**fields)


def test_a_success_rate_that_could_never_eject_is_refused() -> None:
    """Of three values (1, 1, 0) the last is sqrt(2) standard deviations below their mean, and never more."""
    SuccessRate(minimum_hosts=3, stdev_factor=1.4)
    with pytest.raises(ValidationError, match="raise minimum_hosts or lower stdev_factor"):
        SuccessRate(minimum_hosts=3, stdev_factor=1.9)


@pytest.mark.parametrize(
    "name", ["host", ":path", "x-envoy-max-retries", "x-sluice-client", "Connection", "a b"]
)
def test_a_header_that_is_the_proxys_own_is_not_changed(name: str) -> None:
    with pytest.raises(ValidationError):
        Headers(set={name: "x"})


@pytest.mark.parametrize(
    "value", ["%ENVIRONMENT(HOME)%", "%FILE_CONTENT(/etc/passwd)%", "100%", "%REQ(x-a", "a\nb", "%req(x-a)%"]
)
def test_a_value_that_reads_what_is_no_requests_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        Headers(set={"x-a": value})


def test_a_value_may_hold_operators_and_percent_signs() -> None:
    value = "%REQ(x-b):10% of 100%% by %PROTOCOL%"
    assert Headers(set={"X-A": value}).set == {"x-a": value}


def test_a_header_is_changed_in_one_way() -> None:
    with pytest.raises(ValidationError, match="stands in two of"):
        Headers(set={"x-a": "1"}, remove=("X-A",))


def test_a_body_reads_bodies_but_no_files() -> None:
    Body(merge={"user": {"name": "%REQUEST_BODY(name)%"}})
    with pytest.raises(ValidationError, match="%ENVIRONMENT% is not taken here"):
        Body(merge={"user": ["%ENVIRONMENT(HOME)%"]})
    with pytest.raises(ValidationError, match="exactly one of merge and replace"):
        Body()
