"""Who is at the ends of an ADS connection: names in certificates, and what a proxy needs to prove its own."""

from dataclasses import dataclass
from urllib.parse import urlsplit

ADS_URI = "spiffe://sluice/_/ads"
"""The ADS server's own name. No tier is called `_`."""
ADS_HOST = "sluice-ads"
"""The same for gRPC libraries that know servers by host names only."""
SITE_URI = "spiffe://sluice/_/site"
"""Who asks the proxies' admin interfaces: Sluice's own processes, and the Prometheus that it reads."""
_PREFIX = "spiffe://sluice/"


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate, its private key and the authority that signed it, in PEM."""

    certificate: str
    key: str
    authority: str

    def __repr__(self) -> str:
        """Without the key: it must reach no log."""
        return "Identity(...)"


def proxy_uri(tier: str, proxy: str) -> str:
    """The name in a proxy's certificate."""
    return f"{_PREFIX}{tier}/{proxy}"


def admin_uri(tier: str, proxy: str) -> str:
    """The name in the certificate of a proxy's admin interface. It is no proxy's: ADS takes it for nobody."""
    return f"{proxy_uri(tier, proxy)}/admin"


def admin_host(tier: str, proxy: str) -> str:
    """The same for clients that know servers by host names only. No route's host bears an underscore, so that
    no other certificate of the local authority is good for it.
    """
    return f"{proxy}.{tier}._sluice"


def tier_uri(tier: str) -> str:
    """The name in the certificate that a tier's proxies show to backends."""
    return f"{_PREFIX}{tier}"


def proxy_of(uri: str) -> tuple[str, str] | None:
    """The tier and the proxy that a certificate names; None where it is no proxy's."""
    parts = urlsplit(uri).path.split("/")
    if not uri.startswith(_PREFIX) or len(parts) != 3 or not all(parts[1:]) or parts[1] == "_":
        return None
    return parts[1], parts[2]


def is_own(uri: str) -> bool:
    """Whether the name is one that a part of Sluice is known by."""
    return uri.startswith(_PREFIX)
