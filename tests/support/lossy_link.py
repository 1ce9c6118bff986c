"""Whether this machine can lose real packets: a network of one's own, which not every kernel gives."""

import shutil

import pytest

from lab.drills import lossy
from lab.drills.lossy import NotPermitted


def own_network() -> list[str]:
    """The command that runs what follows it in a network of its own, as root there.

    Only the kernel's no skips a test. A program that is missing fails it: `make test` installs both.
    """
    missing = [program for program in ("unshare", "ip") if shutil.which(program) is None]
    assert not missing, f"missing: {', '.join(missing)} (packages util-linux, iproute2)"
    try:
        return lossy.namespace()
    except NotPermitted as error:
        pytest.skip(f"the kernel gives no network of one's own, and no other loses real packets: {error}")
