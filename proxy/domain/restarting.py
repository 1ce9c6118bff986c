"""What a proxy obeys only after a restart, since it stands in its bootstrap: is it what is declared?"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.domain.tier import LOOPBACK, Tier
from proxy.domain.translate import overload

_BOOTSTRAP = "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"


def open_admin(tier: Tier, name: str, dump: Mapping[str, Any]) -> tuple[str, ...]:
    """In words, whether a proxy with an admin interface over TLS still has the plain one open to others."""
    proxy = tier.proxy(name)
    if proxy is None or proxy.admin_tls_port is None:
        return ()
    addresses = [each.get("admin", {}).get("address", {}).get("socket_address", {}) for each in _found(dump)]
    runs = [str(each["address"]) for each in addresses if "address" in each]
    return tuple(
        _spoken("admin_port's address", listens_on, LOOPBACK) for listens_on in runs if listens_on != LOOPBACK
    )


def needed(tier: Tier, dump: Mapping[str, Any]) -> tuple[str, ...]:
    """In words, each way in which the overload manager in use is not the declared one, from `/config_dump`.

    Empty where the dump holds no bootstrap: then nothing is known. A monitor for drills is no difference.
    """
    found = _found(dump)
    if not found:
        return ()
    runs = dict(_facts(found[0].get("overload_manager", {})))
    wants = dict(_facts(overload.manager(tier)))
    differ = [fact for fact in dict.fromkeys([*wants, *runs]) if runs.get(fact) != wants.get(fact)]
    return tuple(_spoken(fact, runs.get(fact, "not set"), wants.get(fact, "set")) for fact in differ)


def _found(dump: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [part["bootstrap"] for part in dump.get("configs", ()) if part.get("@type") == _BOOTSTRAP]


def _spoken(fact: str, runs: str, wants: str) -> str:
    return f"{fact} is {runs} in the bootstrap, not {wants}: it needs a restart"


def _facts(manager: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of what a person could tell apart, written alike whether Envoy or Sluice wrote it:
    Envoy's dump gives large numbers as text.
    """
    sizes = {
        overload.HEAP: ("max_heap", "max_heap_size_bytes"),
        overload.CONNECTIONS: ("max_connections", "max_active_downstream_connections"),
    }
    for monitor in manager.get("resource_monitors", ()):
        if monitor["name"] in sizes:
            fact, key = sizes[monitor["name"]]
            yield f"protection.{fact}", str(monitor["typed_config"].get(key, 0))
    for section in ("actions", "loadshed_points"):
        for item in manager.get(section, ()):
            triggers = [_trigger(each) for each in item["triggers"] if each["name"] != overload.INJECTED]
            yield item["name"].removeprefix("envoy."), ", ".join(triggers)


def _trigger(trigger: Mapping[str, Any]) -> str:
    if "threshold" in trigger:
        return f"at {trigger['threshold'].get('value', 0):g}"
    scaled = trigger.get("scaled", {})
    return f"from {scaled.get('scaling_threshold', 0):g} to {scaled.get('saturation_threshold', 0):g}"
