"""Several failures at once in the running lab, each watched as its drill watches it: a process of its own, on the
system's database.

    python -m tests.drills.together grpc-hotspot handshake-storm brownout

Prints what each runbook did as JSON. Drills go one at a time, since they measure: here nothing is measured.
"""

import asyncio
import json
import os
import sys
from dataclasses import replace
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402  (Django is set up first)
from django.utils import timezone  # noqa: E402

from audit.domain.actor import Actor  # noqa: E402
from runbooks import services  # noqa: E402
from runbooks.domain.answering import Answering  # noqa: E402
from runbooks.drills.catalogue import DRILLS  # noqa: E402
from runbooks.drills.drill import Live  # noqa: E402
from runbooks.drills.lab import TIER, Lab, lab  # noqa: E402
from runbooks.drills.watching import Watch  # noqa: E402
from runbooks.services import drilling  # noqa: E402

BY = Actor("tests", "cli")


def lives(names: list[str]) -> list[Live]:
    """What each makes of the lab. Some are felt on the whole tier: the others need not wait for them here."""
    found = [live for live in (DRILLS[name].live for name in names) if live is not None]
    return [replace(live, policy={**live.policy, "routes_touched": 1.0}) for live in found]


async def answers(names: list[str], here: Lab, report: int) -> list[Answering]:
    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    return await asyncio.gather(*(Watch(live, here, report, BY, say).answer() for live in lives(names)))


def put_back(runbook: str) -> None:
    """A report puts back what one runbook had; here there are several."""
    about: dict[str, Any] = {
        "runbook": runbook,
        "tier": TIER,
        "by": BY,
        "reason": "tests",
        "now": timezone.now(),
    }
    services.set_mode(mode="approve", **about)
    services.set_policy(policy={}, **about)


def main(names: list[str]) -> None:
    here = lab(settings.LAB_URL)
    report = drilling.begin(name="together", runbook="", by=BY, now=timezone.now())
    try:
        found = asyncio.run(answers(names, here, report))
    finally:
        drilling.break_off(report, trouble="a test", by=BY, now=timezone.now())
        for runbook in {live.runbook for live in lives(names)}:
            put_back(runbook)
    sys.stdout.write(json.dumps({each.runbook: each.as_data() for each in found}))


if __name__ == "__main__":
    main(sys.argv[1:])
