"""What of its secrets and late filters a proxy shows: serial numbers of certificates, and names.

Their content it shows to nobody, so that a key or a list of keys cannot be compared.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

FILTERS = "ecds_filters"
"""The section of the config dump with the filters that come by themselves."""


def serials(certs: Mapping[str, Any]) -> frozenset[int]:
    """Of the certificates that the proxy shows to clients and backends, from its answer to `/certs`."""
    chains = (each for entry in certs.get("certificates", ()) for each in entry.get("cert_chain", ()))
    return frozenset(int(each["serial_number"], 16) for each in chains if each.get("serial_number"))


def other_certificates(should: Mapping[str, int], shown: Collection[int]) -> Iterator[str]:
    """`should` has the serial number of each secret's certificate."""
    for name, serial in sorted(should.items()):
        if serial not in shown:
            yield f"secret {name}: the certificate with serial number {serial:x} is not shown"


def absent_filters(should: Collection[str], section: Mapping[str, Any]) -> Iterator[str]:
    """Of filters that come by themselves the names are compared."""
    found = (each.get("ecds_filter", {}).get("name") for each in section.get("configs", ()))
    yield from (f"filter {name} is not there" for name in sorted(set(should) - set(found)))
