"""What the real proxies run beside what they should: nothing differs, and what somebody changed is told."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import timezone

from lab import greeter
from proxy import models, selectors, services
from proxy.domain import document, likeness
from proxy.domain.meeting import elsewhere
from proxy.domain.patches import apply_patches
from proxy.domain.tier import Tier
from proxy.domain.translate import resources
from proxy.envoy_admin import EnvoyAdmin
from proxy.schema import bundled
from proxy.validation import BLANK
from tests.proxy.factories import weights
from tests.proxy.world import World
from tests.support.tokens import Issuer

pytestmark = pytest.mark.real
GOLDEN = Path(__file__).parent / "golden"
ALL = (*likeness.SECTIONS, likeness.ENDPOINTS, likeness.SECRETS)


def rows(world: World, wanted: Tier, base: Tier | None = None) -> tuple[str, ...]:
    """Where edge-1 differs from these."""
    admin = EnvoyAdmin()
    made = resources(base=base or wanted, live=wanted, proxy="edge-1", material=BLANK)
    return likeness.unlike(
        made, admin.sections(world.admin(), ALL), admin.runtime(world.admin()), bundled().plain
    )


def changed(which: str, **fields: Any) -> Tier:
    """The tier with another upstream than is served."""
    base = selectors.base("edge")
    upstreams = [each.model_copy(update=fields) if each.name == which else each for each in base.upstreams]
    return base.model_copy(update={"upstreams": tuple(upstreams)})


def test_a_proxy_that_runs_what_it_should_shows_no_drift(world: World) -> None:
    assert rows(world, selectors.base("edge")) == ()
    services.readback(admin=EnvoyAdmin(), now=timezone.now())
    assert [row.drift for row in selectors.tier("edge").proxies] == [(), ()]


FILES = {
    "staff.json": Issuer().jwks,
    "idp.json": Issuer().jwks,
    "partners.keys": "acme: abcdefghij0123456789",
}


@pytest.mark.parametrize("case", ["access", "routing", "resilience", "fleet"])
def test_what_a_tier_declares_is_no_drift_whatever_it_is(world: World, secrets: Path, case: str) -> None:
    """Envoy shows things in its own way: durations, defaults, and some not at all."""
    for name, text in FILES.items():
        (secrets / name).write_text(text)
    (secrets / "clients.pem").write_bytes((world.var / "pki" / "ca.pem").read_bytes())
    text = (GOLDEN / f"{case}.yaml").read_text().replace("YWJj", b64encode(greeter.descriptor_set()).decode())
    declared = document.load(text, environment={})["tiers"][0]
    given = {key: value for key, value in declared.items() if key not in ("name", "proxies")}
    world.wait_acked(world.apply({"objectives": [], "runbooks": {}, **given}))
    assert rows(world, selectors.base("edge")) == ()


def test_a_field_of_a_cluster_that_differs_is_told_with_its_path(world: World) -> None:
    first = selectors.base("edge").upstreams[0]
    breaker = first.circuit_breaker.model_copy(update={"max_requests": 7})
    found = rows(world, changed("shop-v1", circuit_breaker=breaker))
    assert found == (
        "cluster shop-v1: circuit_breakers.thresholds[0].max_requests is"
        f" {first.circuit_breaker.max_requests}, not 7",
    )


def test_what_is_missing_and_what_is_too_much_is_told(world: World) -> None:
    base = selectors.base("edge")
    renamed = changed("shop-v2", name="shop-v9")
    found = rows(world, renamed, base=renamed)
    assert "cluster shop-v9 is not there" in found
    assert "cluster shop-v2 runs and is not declared" in found
    fewer = base.upstreams[0].endpoints[:1]
    ends = rows(world, changed("shop-v1", endpoints=fewer))
    assert any(row.startswith("endpoints shop-v1 are 127.0.0.1:") for row in ends)


def test_a_weight_that_is_not_the_served_one_is_told_by_its_runtime_key(world: World) -> None:
    base = selectors.base("edge")
    found = rows(world, apply_patches(base, [weights(500)]), base=base)
    assert "runtime split.shop.shop-v2 is 0, not 500" in found


def test_what_is_set_by_hand_is_drift_and_gone_when_it_is_cleared(world: World) -> None:
    url = f"http://{world.admin()}/runtime_modify"
    try:
        requests.post(url, params={"split.shop.shop-v2": "10000"}, timeout=5)
        services.readback(admin=EnvoyAdmin(), now=timezone.now())
        drift = models.Proxy.objects.get(name="edge-1").drift
        assert "split.shop.shop-v2 = 10000 is set by hand in the admin layer" in drift
    finally:
        requests.post(url, params={"split.shop.shop-v2": ""}, timeout=5)
    services.readback(admin=EnvoyAdmin(), now=timezone.now())
    assert models.Proxy.objects.get(name="edge-1").drift == []


def test_a_bootstrap_that_knows_other_ads_servers_is_told(world: World) -> None:
    started = EnvoyAdmin().started_with(world.admin())
    here = [("127.0.0.1", port) for port in world.ads_ports]
    assert elsewhere(started, here, plaintext=False) == ()
    assert elsewhere(started, [*here, ("ads-2", 18000)], plaintext=True) == (
        f"the bootstrap knows the ADS servers 127.0.0.1:{world.ads_ports[0]},"
        f" not 127.0.0.1:{world.ads_ports[0]}, ads-2:18000",
        "the bootstrap has ADS over TLS",
    )
    assert "BEGIN" not in str(started).replace("BEGIN CERTIFICATE", "")
