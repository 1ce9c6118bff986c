"""Handshake storm: a herd of clients is sent from one proxy to another, as by a deploy.

Where the proxies do not share the keys of session tickets, each client makes a full handshake; where they do,
it resumes (2: handshake rate is the first TLS ceiling; 9, runbook 3).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.conf import settings

from lab.drills.apart import told
from lab.drills.herd import Arrival, clients, come
from lab.drills.sampling import sampled
from proxy.domain.translate.secrets import TICKET_KEY_BYTES, Material
from runbooks.domain.drills import Check, Measured, Plot, Row
from runbooks.drills.drill import Drill, Live, Side
from runbooks.drills.lab import Lab
from runbooks.drills.world import World

HOST = "drill.test"
CLIENTS, AT_ONCE = 400, 24
STRANGERS_A_SECOND = 350.0
SAMPLED_SECONDS = 0.05
STORM_SECONDS = 300.0
"""At the longest: it ends with the drill."""
BUSY = 0.12
BEYOND = 0.5
KEY_BITS = 2048
"""RSA, which many tiers still have: its private operation is what a full handshake costs."""


def _tier() -> dict[str, object]:
    """The proxies answer by themselves: what they spend is spent on TLS."""
    route = {"name": "hello", "hosts": [HOST], "direct_response": {"status": 200, "body": "hello"}}
    return {"routes": [route], "access_log": "off", "tls": {"http3": False}}


async def undefended(world: World) -> Measured:
    """Each proxy has ticket keys of its own."""
    return await _play(world, [_ticket_key(), _ticket_key()])


async def defended(world: World) -> Measured:
    """The proxies of the tier share their ticket keys."""
    return await _play(world, [_ticket_key()] * 2)


async def _play(world: World, ticket_keys: Sequence[bytes]) -> Measured:
    certificate, key = _certificate()
    authority = world.folder / "ca.pem"
    authority.write_text(certificate)
    first, second = [
        await world.envoy(_tier(), material=Material(certificate, key, (ticket_key,)))
        for ticket_key in ticket_keys
    ]
    herd = clients(world.count(CLIENTS), str(authority))
    await come(herd, first.https_port, HOST, at_once=AT_ONCE)
    before = second.cpu_seconds()
    async with sampled(lambda: 1000 * (second.cpu_seconds() - before), every=SAMPLED_SECONDS) as spent_ms:
        arrivals = await come(herd, second.https_port, HOST, at_once=AT_ONCE)
    spent = second.cpu_seconds() - before
    return Measured(values=_values(arrivals, spent), curves={"spent": spent_ms})


def _values(arrivals: Sequence[Arrival], spent: float) -> dict[str, float | None]:
    came = [each for each in arrivals if each.resumed is not None]
    return {
        "clients": len(arrivals),
        "full": sum(each.resumed is False for each in arrivals),
        "resumed": 100 * sum(bool(each.resumed) for each in came) / len(came) if came else None,
        "cpu": 1000 * spent / len(came) if came else None,
        "core": len(came) / spent if spent else None,
        "failed": len(arrivals) - len(came),
    }


def _ticket_key() -> bytes:
    return os.urandom(TICKET_KEY_BYTES)


def _certificate() -> tuple[str, str]:
    """A self-signed certificate of the host on RSA, and its key, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def judge(sides: Sequence[Measured]) -> list[Check]:
    own, shared = sides
    return [
        Check(
            f"without it {100 - own.value('resumed'):.0f} % of the herd made full handshakes, which took"
            f" {own.value('cpu'):.2f} ms of CPU each",
            own.value("resumed") < 5,
        ),
        Check(f"with it {shared.value('resumed'):.0f} % resumed", shared.value("resumed") > 95),
        Check(
            f"with it a connection took {shared.value('cpu'):.2f} ms of CPU, less than two thirds",
            shared.value("cpu") < own.value("cpu") * 2 / 3,
        ),
        Check("every client came through", own.value("failed") == shared.value("failed") == 0),
    ]


@asynccontextmanager
async def herd(lab: Lab) -> AsyncIterator[None]:
    """New clients come to the first proxy, none of whom has a session."""
    authority = Path(settings.VAR) / "pki" / "ca.pem"
    first = lab.tier.proxies[0].https_port
    told_to = (first, "shop.test", authority, STRANGERS_A_SECOND, STORM_SECONDS)
    coming = asyncio.create_task(told("lab.drills.herd", *map(str, told_to)))
    try:
        yield
    finally:
        coming.cancel()
        # Where it could not come at all, that is what the drill has to say.
        await asyncio.wait([coming])
        if not coming.cancelled():
            coming.result()


DRILL = Drill(
    name="handshake-storm",
    title="Handshake storm",
    purpose="A herd that reconnects after a deploy resumes its sessions at any proxy, for a part of the CPU.",
    source="2 The Cost of L7: TLS termination",
    sides=(
        Side("own ticket keys", "each proxy encrypts tickets with a key of its own", undefended),
        Side("shared ticket keys", "all proxies of the tier have the same keys", defended),
    ),
    rows=(
        Row(
            "clients",
            "clients that reconnect",
            "",
            "each has a session of the first proxy, and comes to the second",
        ),
        Row("full", "full handshakes", "", "connections that were not resumed, as the clients saw it"),
        Row("resumed", "resumed", "%", "resumed connections / connections"),
        Row(
            "cpu", "CPU of the proxy a connection", "ms", "its worker's run time (schedstat) / connections", 2
        ),
        Row("core", "connections that a core takes", "/s", "connections / CPU seconds of the worker"),
        Row("failed", "clients that did not get through", "", "no connection or no answer within 15 s"),
    ),
    plots=(Plot("spent", "CPU that the proxy has spent on the herd so far", "ms"),),
    judge=judge,
    live=Live(
        runbook="handshake-storm",
        target="edge",
        says=f"up to {STRANGERS_A_SECOND:g} clients a second without a session come to the first proxy",
        inject=herd,
        # The lab's clients cannot fill a processor of a proxy; without them it is some 7 % busy.
        # A lab that was just started has no usual rates: its requests seem to surge as its handshakes do.
        policy={"busy": BUSY, "beyond": BEYOND},
    ),
)
