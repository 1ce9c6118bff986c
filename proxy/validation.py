"""Whether a tier may be served: by the binary's schema, by its references, and by Envoy itself."""

import json
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proxy import pki, schema, vault
from proxy.domain import credentials, secret_files
from proxy.domain.errors import Invalid, Problem
from proxy.domain.tier import Tier
from proxy.domain.tier.tls import LOCAL
from proxy.domain.translate import Resources, at_once, joined, of_proxy, of_tier, references, resources
from proxy.domain.translate.secrets import TICKET_KEY_BYTES, Material
from proxy.domain.translate.standalone import standalone

ENVOY_TIMEOUT = timedelta(seconds=20)
BLANK = Material("", "", ())
"""Where no secret matters: two renderings that are compared, or checked against the schema."""


def check(tier: Tier) -> list[Problem]:
    """What the files that it names, the schema and the references say against the tier; empty when it is
    well.
    """
    found = [*vault.problems(tier, now=datetime.now(UTC)), *check_resources(made(tier))]
    return list(dict.fromkeys(found))


def made(tier: Tier) -> Resources:
    """What the tier's proxies would be given, without secrets."""
    own = {proxy.name: of_proxy(tier, proxy.name, BLANK) for proxy in tier.proxies}
    return {**joined(of_tier(tier, tier, BLANK), own), **at_once(tier, tier)}


def check_resources(given: Resources) -> list[Problem]:
    """What the schema and the references say against these."""
    found = references.problems(given)
    for named in given.values():
        for resource in named.values():
            try:
                schema.bundled().parse(resource)
            except Invalid as error:
                found += error.errors
    return found


def check_with_envoy(tier: Tier) -> list[Problem]:
    """`check`, and then Envoy's own word on the whole, in some 0.1 s a proxy of the tier's first."""
    found = check(tier)
    return found or _envoy_refuses(tier)


def _envoy_refuses(tier: Tier) -> list[Problem]:
    """One proxy stands for all: they differ in ports only."""
    now = datetime.now(UTC)
    material = _placeholders(tier, now)
    alone = standalone(resources(base=tier, live=tier, proxy=tier.proxies[0].name, material=material))
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "tier.json"
        file.write_text(json.dumps(alone))
        ran = subprocess.run(
            [str(schema.binary()), "--mode", "validate", "-c", str(file), "--log-level", "critical"],
            capture_output=True,
            text=True,
            timeout=ENVOY_TIMEOUT.total_seconds(),
            check=False,
        )
    # Not the exit code: with the statistics loggers configured, 1.40 says OK and then crashes while it shuts
    # down.
    if f"configuration '{file}' OK" in ran.stdout:
        return []
    return [(tier.name, f"Envoy refuses it: {words(ran.stderr, file)}")]


def _placeholders(tier: Tier, now: datetime) -> Material:
    """Of the right form, so that no secret is written to the file that Envoy checks."""
    issued, private = pki.issue(["localhost"], now=now)
    certificate, key = issued.decode(), private.decode()
    files = dict.fromkeys([file for _, file in secret_files.authorities(tier)], certificate)
    for pair in secret_files.pairs(tier):
        files |= {pair.chain[1]: certificate, pair.key[1]: key}
    files |= {file: vault.text(file) for _, file in secret_files.revocations(tier)}
    files |= dict.fromkeys([file for _, file in secret_files.jwks(tier)], credentials.PLACEHOLDER_JWKS)
    files |= dict.fromkeys([file for _, file in secret_files.api_keys(tier)], credentials.PLACEHOLDER_KEYS)
    files[LOCAL] = certificate
    admin = {proxy.name: (certificate, key) for proxy in tier.proxies}
    return Material(certificate, key, (bytes(TICKET_KEY_BYTES),), certificate, key, admin, files)


def words(stderr: str, file: Path) -> str:
    """Envoy's last message without the log's own prefix and the temporary file's name.

    It may crash once it has refused, just as after OK: where in its code says nothing about the tier.
    """
    lines = [line for line in stderr.splitlines() if line.strip() and "][backtrace]" not in line]
    last = lines[-1] if lines else "no reason given"
    return last.rpartition("] ")[2].replace(f"error initializing configuration '{file}': ", "")
