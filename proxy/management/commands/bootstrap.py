"""`manage.py bootstrap PROXY`: the file that an Envoy is started with."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from proxy import identities, pki, selectors
from proxy.ads.addresses import NotAnAddress, parse
from proxy.domain.tier import Proxy, Tier
from proxy.domain.translate.bootstrap import bootstrap
from proxy.domain.translate.proof import Proof


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = (
        "Prints the bootstrap of a proxy as JSON, for `envoy -c`. It holds the proxy's private key: whoever "
        "reads it may pose as the proxy."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("proxy", metavar="PROXY", help="a proxy's name, or tier/name")
        parser.add_argument(
            "--ads", default=",".join(settings.ADS_ADDRESSES), help="host:port of each ADS server, by commas"
        )
        parser.add_argument("--output", type=Path, help="write to this file, readable by its owner only")
        parser.add_argument(
            "--folder",
            type=Path,
            help="write the identity as files into this folder, which has this path on the proxy's machine: "
            "replaced there, they are taken without a restart",
        )
        parser.add_argument(
            "--injected-resource",
            help="a file on the proxy's machine whose text, from 0 to 1, counts as pressure: for drills only",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tier, proxy = _find(options["proxy"])
        try:
            ads = parse(options["ads"])
        except NotAnAddress as error:
            raise CommandError(str(error)) from error
        proof = _proof(tier.name, proxy.name, options["folder"])
        made = bootstrap(tier, proxy, ads=ads, proof=proof, injected=options["injected_resource"])
        text = json.dumps(made, indent=2)
        if options["output"]:
            pki.write(options["output"], f"{text}\n".encode())
            places = ", ".join(f"{host}:{port}" for host, port in ads)
            self.stdout.write(f"{options['output']}: {tier.name}/{proxy.name} looks for ADS at {places}")
        else:
            self.stdout.write(text)


def _proof(tier: str, proxy: str, folder: Path | None) -> Proof | None:
    if settings.ADS_PLAINTEXT:
        return None
    made = identities.of_proxy(Path(settings.VAR) / "pki", tier, proxy, now=timezone.now())
    return identities.write_folder(folder, made) if folder else made


def _find(which: str) -> tuple[Tier, Proxy]:
    tier_name, _, name = which.rpartition("/")
    bases = [selectors.base(row.name) for row in selectors.tiers() if tier_name in ("", row.name)]
    found = [(tier, proxy) for tier in bases for proxy in tier.proxies if proxy.name == name]
    if len(found) != 1:
        raise CommandError(f"there is no proxy {which}" if not found else f"{which} stands in several tiers")
    return found[0]
