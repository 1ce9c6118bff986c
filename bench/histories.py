"""Past that rules read: written as text, made into Prometheus' blocks by `promtool`."""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from bench import sloth
from slo.domain import rules

SCRAPE, SLOTH = 15, sloth.EVERY_SECONDS
RATES, BLOCK = int(rules.BASE.total_seconds()), int(rules.BLOCK.total_seconds())
"""Seconds between two samples: of counters, of Sloth's rules, and of Sluice's rates and blocks."""
DAY = 86_400
# As large as Prometheus' own compaction makes them of a history of 40 days.
LARGEST_BLOCK = timedelta(hours=64)
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
COUNTER = 'envoy_sluice_rq{{tier="edge",proxy="p{}",route="{}",arm="v1",code="{}",reason="backend"}} '
_MADE_BY = ("proxy", "backend")


def backfill(folder: Path, lines: Iterable[str]) -> None:
    """Make blocks in `folder / "data"`; each line is a sample, those of one time together and in order."""
    text = folder / "history.om"
    with text.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.write("# EOF\n")
    largest = f"--max-block-duration={LARGEST_BLOCK.total_seconds() / 3600:g}h"
    made = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
    subprocess.run([*made, "--quiet", largest], check=True, stdout=subprocess.DEVNULL)
    text.unlink()


def counters(routes: Sequence[str], proxies: int, *, end: int) -> Iterator[str]:
    """The exporter's counters over three days and a little more."""
    series = [
        (COUNTER.format(proxy, route, code), step)
        for route in routes
        for proxy in range(proxies)
        for code, step in (("200", 1500), ("503", 15))
    ]
    begin = end - 3 * DAY - 600
    for at in range(begin, end, SCRAPE):
        passed = (at - begin) // SCRAPE + 1
        yield from (f"{head}{step * passed} {at}" for head, step in series)


def sloths(routes: Sequence[str], *, end: int) -> Iterator[str]:
    """What Sloth's rules recorded: 30 days of the ratio over 5 minutes, and the newest of the others."""
    for at in range(end - 30 * DAY, end, SLOTH):
        for route in routes:
            yield f'{sloth.recorded("5m")}{{{sloth.labels(route)},sloth_window="5m"}} 0.01 {at}'
    for route in routes:
        where, at = sloth.labels(route), end - SLOTH
        for window in (*sloth.WINDOWS[1:], "30d"):
            yield f'{sloth.recorded(window)}{{{where},sloth_window="{window}"}} 0.01 {at}'
        for name in ("error_budget", "period_burn_rate"):
            yield f"slo:{name}:ratio{{{where}}} 0.001 {at}"


def sluices(routes: Sequence[str], *, end: int) -> Iterator[str]:
    """What Sluice's rules recorded: 6 hours of rates, 30 days of blocks, and the newest of the windows."""
    places = [f'sli="route_availability",place="route",tier="edge",route="{route}"' for route in routes]
    for at in range((end - 30 * DAY) // BLOCK * BLOCK, end, BLOCK):
        yield from _family("block", places, at)
    for at in range(end - 7 * 3600, end, RATES):
        yield from _family("rate1m", places, at)
        yield f'sluice:scrape:timestamp{{tier="edge"}} {at} {at}'
    at = end - SCRAPE
    for window in WINDOWS:
        yield from _family("count", [f'{place},window="{window}"' for place in places], at)
        yield f'sluice:coverage:ratio{{tier="edge",window="{window}"}} 1 {at}'
    for place in places:
        yield f'sluice:sli_allowed{{{place},target="0.999",period="30d",severity="page"}} 0.001 {at}'


def _family(kind: str, places: Sequence[str], at: int) -> Iterator[str]:
    for place in places:
        yield f"sluice:sli_events:{kind}{{{place}}} 1500 {at}"
        yield from (f'sluice:sli_bad:{kind}{{{place},originator="{made}"}} 7 {at}' for made in _MADE_BY)
