"""A tool of the lab in a process of its own: what it does takes nothing from the loop that measures beside
it.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from lab.programs import REPOSITORY
from lab.supervisor import with_parent


class ToolFailed(Exception):
    """A tool ended without an answer; the message is its own."""


async def told(module: str, *argv: str, under: Sequence[str] = ()) -> Any:
    """Runs `python -m MODULE ARGV` to its end, below the command `under`; what it printed, read as JSON.

    Raises ToolFailed. It is ended where the caller is cancelled, or dies.
    """
    process = await asyncio.create_subprocess_exec(
        *with_parent([*under, sys.executable, "-m", module, *argv]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        start_new_session=True,
    )
    try:
        out, errors = await process.communicate()
    except BaseException:
        process.terminate()
        await process.wait()
        raise
    if process.returncode != 0:
        raise ToolFailed(f"{module}: {errors.decode(errors='replace').strip()[-2000:]}")
    return json.loads(out)
