"""From the queries that OpenSLO files hold to events a second, which Sluice counts by.

Most files name counters, whose growth over a window is for the tool to count. Only shapes whose rate is
certain are rewritten; anything else is for its author to say.
"""

import re
from dataclasses import dataclass

from slo.domain.rates import RANGE

_STRING = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`'
_SELECTOR = rf"[a-zA-Z_:][a-zA-Z0-9_:]*(?:\s*\{{(?:[^{{}}\"'`]|{_STRING})*\}})?"
_GROUPING = r"(?:(?:by|without)\s*\([^()]*\)\s*)"
_BARE = re.compile(rf"\s*(?P<selector>{_SELECTOR})\s*")
_SUMMED = re.compile(rf"\s*sum\s*{_GROUPING}?\(\s*(?P<selector>{_SELECTOR})\s*\)\s*{_GROUPING}?")
_GROWN = re.compile(rf"\s*sum\s*{_GROUPING}?\(\s*increase\s*\(.*\)\s*\)\s*{_GROUPING}?", re.DOTALL)
_RATE = re.compile(r"\bi?rate\s*\(")
_INCREASE = re.compile(r"\bincrease\s*\(")
_WINDOW = re.compile(r"\{\{-?\s*\.\s*[wW]indow\s*-?\}\}")
_PER_RANGE = "taken as it is, though it is no rate: its events count as if they were of one second"
_COUNTER = re.compile(r"(_total|_count|_bucket|_sum)\s*(\{.*\})?\s*\)?\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rate:
    """`promql` in events a second; `why` where it is not as it was written."""

    promql: str
    why: str = ""


class Unclear(ValueError):
    """A query of which nobody can tell how many events a second it stands for: what to write instead."""


def rate(query: str, *, counter: bool | None) -> Rate:
    """The query in events a second. `counter` is what the file says of it. Raises Unclear."""
    promql, replaced = _WINDOW.subn(RANGE, query)
    why = f"its window is {RANGE}: longer ones are added up of these" if replaced else ""
    grown = _INCREASE.search(promql) is not None
    if counter is False:
        return Rate(promql, _PER_RANGE if grown else why)
    if grown:
        return _of_increase(promql)
    if _RATE.search(promql):
        return Rate(promql, why)
    found = _BARE.fullmatch(promql) or _SUMMED.fullmatch(promql)
    if found is None:
        raise Unclear(f"Sluice needs events a second: write sum(rate(...[{RANGE}]))")
    if counter is None and not _COUNTER.search(promql):
        raise Unclear("say with counter: true or false whether it only rises")
    whole = f"sum(rate({found['selector']}[{RANGE}]))"
    return Rate(whole, f"a counter: taken as {whole}")


def _of_increase(promql: str) -> Rate:
    """Rates differ from increases by their range alone, and a sum of them does too."""
    if _GROWN.fullmatch(promql) is None or len(_INCREASE.findall(promql)) > 1:
        raise Unclear("increase() counts the events of its range, and Sluice events a second: write rate()")
    whole = _INCREASE.sub("rate(", promql)
    return Rate(whole, f"an increase over its range: taken as {whole.strip()}, in events a second")
