"""A route of three lines is safe; what is less safe says why, or is refused."""

from pathlib import Path
from typing import Any

import pytest

from proxy.domain import document, safety
from proxy.domain.errors import Invalid
from proxy.domain.safety import Risk
from proxy.domain.tier import Tier
from tests.proxy.factories import declaration

THREE = [{"port": 11001}, {"port": 11002}, {"port": 11003}]
PROVIDER = {"name": "idp", "issuer": "https://idp.test", "audiences": ["shop"], "jwks": {"file": "jwks.json"}}

LESS_SAFE: dict[str, dict[str, Any]] = {
    "limits.request_headers_timeout": {"limits": {"request_headers_timeout": "45s"}},
    "limits.request_timeout": {"limits": {"request_timeout": "10m"}},
    "limits.handshake_timeout": {"limits": {"handshake_timeout": "20s"}},
    "limits.stream_idle_timeout": {"limits": {"stream_idle_timeout": "10m"}},
    "limits.per_connection_buffer_high_watermark_timeout": {
        "limits": {"per_connection_buffer_high_watermark_timeout": "2m"}
    },
    "limits.stream_flush_timeout": {"limits": {"stream_flush_timeout": "2m"}},
    "limits.idle_timeout": {"limits": {"idle_timeout": "2h"}},
    "limits.buffer_bytes": {"limits": {"buffer_bytes": 2 << 20}},
    "limits.max_concurrent_streams": {"limits": {"max_concurrent_streams": 2000}},
    "identity_headers": {"identity_headers": ["x-tenant"]},
    "circuit_breaker.max_pending_requests": {"circuit_breaker": {"max_pending_requests": 5000}},
    "retry_budget.percent": {"retry_budget": {"percent": 50}},
    "retry_budget.min_concurrency": {"retry_budget": {"min_concurrency": 50}},
    "retry_budget.budget_interval": {"retry_budget": {"budget_interval": "1s"}},
    "outlier_detection.enabled": {"endpoints": THREE, "outlier_detection": {"enabled": False}},
    "outlier_detection.max_ejection_percent": {"outlier_detection": {"max_ejection_percent": 100}},
    "outlier_detection.split_external_local_origin_errors": {
        "outlier_detection": {"split_external_local_origin_errors": True}
    },
    "idempotency": {"idempotency": "always"},
    "retry.attempts": {"retry": {"attempts": 5}},
    "retry.retry_on": {"retry": {"retry_on": ["5xx"]}},
    "timeout": {"timeout": "5m"},
    "access.jwt.allow_missing": {"access": {"jwt": {"any_of": ["idp"], "allow_missing": True}}},
    "access": {"access": {"jwt": "idp"}},
}
TIER = [name for name in LESS_SAFE if name.startswith(("limits.", "identity_headers"))]
UPSTREAM = [name for name in LESS_SAFE if name.startswith(("circuit_breaker", "retry_budget", "outlier"))]
AUTHENTICATED = {"sni": "pay.test", "ca": "local", "client_certificate": "tier"}


def declared(name: str, accepted: dict[str, str]) -> dict[str, Any]:
    """The small tier with one setting less safe, in the part that it belongs to."""
    change = {**LESS_SAFE[name], "accepted": accepted}
    if name in TIER:
        return declaration(**change)
    base = declaration(jwt_providers=[PROVIDER])
    upstream, route = base["upstreams"][2], base["routes"][1]
    if name in UPSTREAM:
        upstream.update(change)
    else:
        route.update(change)
        if name != "access":
            upstream["tls"] = AUTHENTICATED
    return base


def path_of(name: str) -> str:
    return name if name in TIER else f"upstreams[2].{name}" if name in UPSTREAM else f"routes[1].{name}"


def refused(raw: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        document.parse({"tiers": [raw]})
    except Invalid as error:
        return list(error.errors)
    return []


def test_a_route_of_three_lines_is_safe() -> None:
    assert safety.risks(Tier.model_validate(declaration())) == ()


def test_the_sample_tier_says_why_where_it_is_less_safe() -> None:
    text = (Path(__file__).parents[2] / "lab/edge.yaml").read_text()
    (sample,) = document.parse(document.load(text, environment={}))
    assert [(risk.path, bool(risk.reason)) for risk in safety.risks(sample)] == [
        ("routes[2].idempotency", True)
    ]


@pytest.mark.parametrize("name", [name for name in LESS_SAFE if name != "access"])
def test_what_is_less_safe_is_refused_until_it_is_written_down(name: str) -> None:
    ((path, message),) = refused(declared(name, {}))
    assert path == f"tiers[0].{path_of(name)}"
    assert message.startswith("is less safe: ")
    assert message.endswith(
        f"write why: tiers[0].{path_of(name).removesuffix(name)}accepted: {{{name}: ...}}"
    )


@pytest.mark.parametrize("name", LESS_SAFE)
def test_what_is_written_down_is_taken_and_shown_with_its_reason(name: str) -> None:
    raw = declared(name, {name: "the backend is a batch job"})
    assert refused(raw) == []
    (risk,) = safety.risks(Tier.model_validate(raw))
    assert isinstance(risk, Risk)
    assert (risk.path, risk.reason) == (path_of(name), "the backend is a batch job")


def test_a_backend_that_believes_whoever_reaches_it_is_shown_until_it_is_mended() -> None:
    raw = declared("access", {})
    assert refused(raw) == []
    (risk,) = safety.risks(Tier.model_validate(raw))
    assert str(risk).startswith(
        "routes[1].access of route payments is less safe: payments cannot tell the proxy from anybody"
    )
    raw["upstreams"][2]["tls"] = AUTHENTICATED
    assert safety.risks(Tier.model_validate(raw)) == ()


def beside(wider: dict[str, Any], **guarded: Any) -> list[str]:
    """What is told of a guarded route beside a wider one of its host."""
    raw = declaration(jwt_providers=[PROVIDER], api_keys=[{"name": "partners", "file": "partners.keys"}])
    raw["upstreams"][2]["tls"] = AUTHENTICATED
    base = {"hosts": ["pay.test"], "upstream": "payments"}
    raw["routes"] = [
        {**base, "name": "guarded", "access": {"jwt": "idp"}, **guarded},
        {**base, "name": "wider", **wider},
    ]
    return [str(risk) for risk in safety.risks(Tier.model_validate(raw)) if risk.name == "match"]


@pytest.mark.parametrize(
    "match",
    [{"prefix": "/admin"}, {"path": "/admin"}, {"path_template": "/a/{b}"}, {"safe_regex": "/a[0-9]"}],
)
def test_a_demand_that_another_spelling_goes_around_is_shown(match: dict[str, str]) -> None:
    (shown,) = beside({}, match=match)
    assert shown.startswith("routes[0].match of route guarded is less safe: ")
    assert "goes by route wider, which demands less" in shown


def test_a_spelling_that_leads_to_no_less_of_a_demand_is_no_way_around() -> None:
    guarded = {"prefix": "/admin"}
    assert beside({}, prefix="/admin/secret")
    assert beside({"access": {"jwt": "idp"}}, **guarded) == []
    assert beside({"access": {"api_keys": "partners"}}, **guarded) != []
    optional = {"access": {"jwt": {"any_of": ["idp"], "allow_missing": True}}}
    assert beside(optional, **guarded) != []
    assert beside({}, **guarded, **optional) == []
    assert beside({"prefix": "/other"}, **guarded) == []
    assert beside({"hosts": ["other.test"]}, **guarded) == []
    assert beside({"upstream": "shop-v1"}, **guarded) == []
    assert beside({"match": {"prefix": "/", "methods": ["GET"]}}, **guarded) != []


def test_a_reason_for_nothing_is_refused() -> None:
    raw = declaration(accepted={"limits.idle_tiemout": "typing"})
    raw["routes"][0]["accepted"] = {"timeout": "it was long once"}
    assert [path for path, _ in refused(raw)] == [
        "tiers[0].accepted.limits.idle_tiemout",
        "tiers[0].routes[0].accepted.timeout",
    ]
