"""How a burning objective is told to a person."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from slo.domain.alerting import Judged
from slo.domain.budget import originator
from slo.domain.burn import Counts
from slo.domain.faults import Fault, told
from slo.domain.objectives import Objective
from telemetry.domain.promql import duration

ACTION = "No automation acts on this: a person has to."


def promise(objective: Objective) -> str:
    """The objective in a few words: `99.95 % of requests to edge are not failed by the proxy`."""
    share = percent(objective.target)
    where = objective.tier
    if objective.route or objective.upstream:
        where = f"route {objective.route}" if objective.route else f"upstream {objective.upstream}"
    edge = f"{(objective.threshold_us or 0) / 1000:g} ms"
    bound = f"{'at least' if objective.at_most is None else 'at most'} {_bound(objective)}"
    return (
        f"{share} of "
        + {
            "proxy_availability": f"requests to {where} are not failed by the proxy",
            "route_availability": f"requests to {where} succeed",
            "backend_availability": f"the answers of backends behind {where} are good",
            "added_latency": f"requests to {where} get at most {edge} of added latency",
            "total_latency": f"requests to {where} take at most {edge} in all",
            "backend_latency": f"requests to {where} are answered by it in at most {edge}",
            "first_attempts": f"first attempts of {where} succeed",
            "saturation": f"the time {objective.resource} of {where} is used to {bound}",
            "tls_handshakes": f"TLS handshakes with {where} succeed",
            "tls_resumption": f"the time {bound} of the TLS handshakes with {where} are resumed",
            "tls_fresh": f"the time {where} makes {bound} fresh TLS handshakes a second",
            "retries": f"attempts of {where} are no retries",
            "retry_budget": f"the retries that {where} wanted are within its budget",
            "ratio": f"what {objective.name} counts of {where} is good",
            "gauge": f"the time {objective.name} of {where} is {bound}",
        }[objective.kind]
    )


def events(objective: Objective) -> str:
    """What the objective counts, in a word."""
    named = {
        "backend_availability": "answers of backends",
        "first_attempts": "attempts",
        "retries": "attempts",
        "retry_budget": "retries",
        "tls_handshakes": "handshakes",
        "tls_resumption": "handshakes",
        "ratio": "events",
    }
    if objective.kind in ("saturation", "tls_fresh", "gauge"):
        return "values"
    return named.get(objective.kind, "requests")


def still(objective: Objective, window: timedelta) -> str:
    """What it says while nothing that it counts happens, and of retries why that may be."""
    said = f"no {events(objective)} in {duration(window)}"
    unwanted = "nothing failed that is tried again, or no retries are configured"
    return f"{said}: {unwanted}" if objective.kind == "retry_budget" else said


def _bound(objective: Objective) -> str:
    limit = objective.at_least if objective.at_most is None else objective.at_most
    shares = objective.kind == "tls_resumption" or objective.resource not in (None, "buffers")
    if limit is None or not shares:
        unit = " bytes" if objective.resource == "buffers" else ""
        return f"{(limit or Decimal(0)).normalize():,f}{unit}"
    return percent(limit)


def summary(objective: Objective, judged: Judged, counts: Counts, found: Sequence[Fault] = ()) -> str:
    """One line for a page: what burns how fast, and what fails most; else whose failures they are."""
    long = duration(judged.tier.long)
    if found:
        # A tier's objective is about every route: the one that spends most is named.
        where = "" if objective.route else f"route {found[0].route}: "
        return f"{objective.name} burns {times(judged.long_burn)} over {long}: {where}{found[0]}"
    made = {"proxy": "made by the proxy", "backend": "made by backends", "both": "made by both"}
    whose = made.get(originator(counts), "of unknown origin")
    return f"{objective.name} burns {times(judged.long_burn)} over {long}: {_bad(objective)} {whose}"


def _bad(objective: Objective) -> str:
    """What spends the budget."""
    if objective.kind in ("added_latency", "total_latency", "backend_latency"):
        return "slow requests"
    return "bad values" if events(objective) == "values" else "failures"


def numbers(
    *,
    objective: Objective,
    judged: Judged,
    counts: Counts,
    left: Decimal | None,
    spent: Decimal | None,
    exhausted_in: timedelta | None,
    found: Sequence[Fault] = (),
) -> dict[str, str]:
    """What a message says beside its line, in the order of reading. `spent` is by this incident."""
    long, short = duration(judged.tier.long), duration(judged.tier.short)
    tells = "pages" if judged.tier.severity == "page" else "a ticket"
    said = {
        "objective": promise(objective),
        f"burn {long}": f"{times(judged.long_burn)} ({tells} at {times(judged.factor)})",
        f"burn {short}": times(judged.short_burn),
        _bad(objective): f"{counts.bad:,.0f} of {counts.total:,.0f} {events(objective)} in {long}",
        "made by": split(counts),
    }
    if found:
        said["what fails now"] = told(found)
    if left is not None:
        said["budget left" if left > 0 else "budget"] = remains(left)
    if spent is not None:
        said["budget spent by this incident"] = portion(max(spent, Decimal(0)))
    if left is None or left > 0:
        never = f"not within {objective.calendar or duration(objective.period)} at this burn"
        said["budget gone in"] = ago(exhausted_in) if exhausted_in is not None else never
    if objective.owner:
        said["owner"] = objective.owner
    return said


def remains(left: Decimal) -> str:
    """What is left of a budget: `12 %`; past its end how often it was spent: `spent 795 times over`."""
    if left > 0:
        return percent(left)
    often = round(1 - left, 0 if left <= -9 else 1).normalize()
    return "spent" if often == 1 else f"spent {often:,f} times over"


def portion(spent: Decimal) -> str:
    """A part of the budget: `40 %`; of more than all of it how often: `12 times the budget`."""
    return percent(spent) if spent <= 1 else f"{round(spent, 1).normalize():,f} times the budget"


def split(counts: Counts) -> str:
    """`proxy 3 %, backend 97 %`; what has no known maker is said where there is any."""
    if counts.bad <= 0:
        return "nobody"
    made = {"proxy": counts.bad_proxy, "backend": counts.bad_backend}
    made |= {"unknown": counts.bad_other} if counts.bad_other else {}
    return ", ".join(f"{who} {percent(bad / counts.bad)}" for who, bad in made.items())


def percent(share: Decimal) -> str:
    """`99.95 %`, with at most two decimals."""
    return f"{(share * 100).quantize(Decimal('0.01')).normalize():f} %"


def times(burning: Decimal | None) -> str:
    """`14.4x`."""
    if burning is None:
        return "unknown"
    return f"{burning.quantize(Decimal('0.1')).normalize():f}x"


def ago(span: timedelta) -> str:
    """The two largest units: `3 d 4 h`, `12 min`."""
    minutes = int(span.total_seconds() // 60)
    if not minutes:
        return "less than a minute"
    days, rest = divmod(minutes, 1440)
    hours, left = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {left} min" if hours else f"{left} min"
