"""The files below the secrets directory: read when they are served, and checked before they are declared.

Nothing of them is ever written elsewhere: not to the database, a log or a page.
"""

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from django.conf import settings

from proxy import pem
from proxy.domain import credentials, secret_files
from proxy.domain.errors import Problem, Unfit
from proxy.domain.secret_files import Named
from proxy.domain.tier import Tier
from proxy.domain.tier.tls import LOCAL, SYSTEM


def read(tier: Tier) -> tuple[dict[str, str], list[Problem]]:
    """The texts of all files that the tier names, by their names; and those that cannot be served, with why.

    Among the texts is `system` where a part of the tier trusts it. A file that has ended is still served: the
    proxies have nothing better.
    """
    texts, found = _texts(tier)
    unfit = _told(tier, _forms(tier, texts))
    for file in unfit:
        texts.pop(file, None)
    return texts, [*found, *unfit.values()]


def problems(tier: Tier, *, now: datetime) -> list[Problem]:
    """What is wrong with the files that a tier names, before it is published."""
    texts, found = read(tier)
    check = partial(pem.check_dates, now=now)
    ended = ((named, _why(check, texts.get(named[1]))) for named in secret_files.dated(tier))
    return [*found, *_told(tier, ended).values()]


def _texts(tier: Tier) -> tuple[dict[str, str], list[Problem]]:
    texts: dict[str, str] = {}
    found: list[Problem] = []
    for path, file in secret_files.files(tier):
        try:
            texts[file] = _trusted_by_the_machine() if file == SYSTEM else text(file)
        except OSError as error:
            found.append((f"{tier.name}.{path}", f"{_spoken(file)}: {error.strerror}"))
        except UnicodeDecodeError:
            found.append((f"{tier.name}.{path}", f"{_spoken(file)} is not text"))
    return texts, found


def _forms(tier: Tier, texts: Mapping[str, str]) -> Iterator[tuple[Named, str | None]]:
    """For each file, what keeps it from being what its place asks for."""
    for pair in secret_files.pairs(tier):
        chain, key = texts.get(pair.chain[1]), texts.get(pair.key[1])
        yield pair.chain, _why(pem.certificates, chain)
        yield pair.key, _why(pem.check_key, key, chain)
    for named in secret_files.authorities(tier):
        if named[1] not in (LOCAL, SYSTEM):
            yield named, _why(pem.certificates, texts.get(named[1]))
    for named in secret_files.revocations(tier):
        yield named, _why(pem.revocations, texts.get(named[1]))
    for named in secret_files.jwks(tier):
        yield named, _why(credentials.check_jwks, texts.get(named[1]))
    for named in secret_files.api_keys(tier):
        yield named, _why(credentials.api_keys, texts.get(named[1]))


def _why(check: Callable[..., object], *texts: str | None) -> str | None:
    """None where all is well, or where a text could not be read, which is told already."""
    if None in texts:
        return None
    try:
        check(*texts)
    except Unfit as error:
        return str(error)
    return None


def _told(tier: Tier, found: Iterable[tuple[Named, str | None]]) -> dict[str, Problem]:
    """One problem a file."""
    return {file: (f"{tier.name}.{path}", f"{_spoken(file)} {why}") for (path, file), why in found if why}


def text(file: str) -> str:
    """Raises OSError. A link that leads out of the secrets directory is followed: whoever may write there may
    read the rest.
    """
    return (Path(settings.SECRETS) / file).read_text(encoding="utf-8")


def _trusted_by_the_machine() -> str:
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None:
        raise FileNotFoundError(2, f"this machine has no trusted authorities at {paths.openssl_cafile}")
    return Path(paths.cafile).read_text(encoding="utf-8")


def _spoken(file: str) -> str:
    return "the machine's trusted authorities" if file == SYSTEM else f"{settings.SECRETS}/{file}"
