"""Whether a bootstrap in use is the declared one."""

from typing import Any

from proxy.domain import restarting
from proxy.domain.tier import Tier
from proxy.domain.translate import overload
from tests.proxy.factories import tier


def dump(given: Tier, *, injected: str | None = None) -> dict[str, Any]:
    """What an Envoy with this tier's bootstrap says of itself."""
    made = overload.manager(given, injected=injected)
    return {
        "configs": [
            {
                "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
                "bootstrap": {"overload_manager": made},
            }
        ]
    }


def test_a_proxy_that_runs_what_is_declared_needs_no_restart() -> None:
    assert restarting.needed(tier(), dump(tier(), injected="/tmp/pressure")) == ()


def test_another_heap_and_another_cap_need_a_restart() -> None:
    changed = tier(protection={"max_heap": "512MiB"}, limits={"max_connections": 50})
    assert restarting.needed(changed, dump(tier())) == (
        "protection.max_heap is 1073741824 in the bootstrap, not 536870912: it needs a restart",
        "protection.max_connections is 20000 in the bootstrap, not 100: it needs a restart",
    )


def test_a_proxy_that_was_started_without_protection_needs_a_restart() -> None:
    bare: dict[str, Any] = {
        "configs": [{"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {}}]
    }
    assert "protection.max_heap is not set in the bootstrap" in restarting.needed(tier(), bare)[0]


def test_of_a_dump_without_a_bootstrap_nothing_is_told() -> None:
    assert restarting.needed(tier(), {"configs": []}) == ()


def listening_on(address: str) -> dict[str, Any]:
    found = dump(tier())
    socket_address = {"address": address, "port_value": 19001}
    found["configs"][0]["bootstrap"]["admin"] = {"address": {"socket_address": socket_address}}
    return found


def test_a_plain_admin_port_that_is_still_open_to_others_needs_a_restart() -> None:
    proxy = {"name": "edge-1", "http_port": 1, "https_port": 2, "admin_port": 19001, "address": "10.0.0.1"}
    plain, over_tls = tier(proxies=[proxy]), tier(proxies=[{**proxy, "admin_tls_port": 3}])
    assert restarting.open_admin(plain, "edge-1", listening_on("10.0.0.1")) == ()
    assert restarting.open_admin(over_tls, "edge-1", listening_on("127.0.0.1")) == ()
    assert restarting.open_admin(over_tls, "edge-1", listening_on("10.0.0.1")) == (
        "admin_port's address is 10.0.0.1 in the bootstrap, not 127.0.0.1: it needs a restart",
    )
