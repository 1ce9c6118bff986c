"""A report as text that leaves Sluice: CSV for spreadsheets, Markdown for people."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_DOWN, Decimal

from slo.domain.report import Line, Report
from slo.domain.spans import Span
from slo.domain.wording import percent

NAMED = 5
MADE_BY = ("by the proxy", "by backends", "by neither")


@dataclass(frozen=True, slots=True)
class Row:
    """A line as CSV has it: shares are 0 to 1, what is empty is not known."""

    owner: str
    month: str
    tier: str
    objective: str
    kind: str
    route: str
    upstream: str
    target: str
    achieved: str
    achieved_uncorrected: str
    kept: str
    budget_spent: str
    spent_by_proxy: str
    spent_by_backends: str
    spent_by_neither: str
    events: str
    bad: str
    excluded_events: str
    excluded_bad: str
    measured: str
    incidents: str
    left_out: str


def as_csv(report: Report) -> str:
    """A line for each objective, under a header."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow([field.name for field in fields(Row)])
    for line in report.lines:
        row = _row(report, line)
        rows.writerow([_harmless(getattr(row, field.name)) for field in fields(Row)])
    return out.getvalue()


def _harmless(cell: str) -> str:
    """Text that a spreadsheet would run as a formula is told as text."""
    return f"'{cell}" if cell[:1] in tuple("=+-@\t\r") and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    return cell.lstrip("-").replace(".", "", 1).isdecimal()


def _row(report: Report, line: Line) -> Row:
    one = line.objective
    return Row(
        owner=report.owner,
        month=report.name,
        tier=one.tier,
        objective=one.name,
        kind=one.kind,
        route=one.route,
        upstream=one.upstream,
        target=_number(one.target),
        achieved=_number(line.achieved),
        achieved_uncorrected=_number(line.achieved_uncorrected),
        kept={True: "yes", False: "no", None: ""}[line.kept],
        budget_spent=_number(line.spent),
        spent_by_proxy=_number(line.spent_proxy),
        spent_by_backends=_number(line.spent_backend),
        spent_by_neither=_number(line.spent_other),
        events=_number(line.corrected.total),
        bad=_number(line.corrected.bad),
        excluded_events=_number(line.excluded.total),
        excluded_bad=_number(line.excluded.bad),
        measured=_number(report.coverage(line)),
        incidents=" ".join(f"#{each.incident_id}" for each in line.incidents),
        left_out=str(len(line.left_out)),
    )


def _number(value: Decimal | None) -> str:
    return "" if value is None else f"{value.quantize(Decimal('0.000001')).normalize():f}"


def as_markdown(report: Report) -> str:
    """A table of the objectives, and under it what spent their budgets and what was left out."""
    return "\n".join([*_heading(report), *_table(report), *_causes(report.lines), *_left_out(report), ""])


def _heading(report: Report) -> Iterator[str]:
    yield f"# {_cell(report.owner)}: objectives in {report.name}"
    yield ""
    if report.so_far:
        yield f"So far: until {report.until:%Y-%m-%d %H:%M} UTC."
        yield ""
    yield f"{report.kept} kept, {report.broken} not kept, of {len(report.lines)}."
    yield ""


def _table(report: Report) -> Iterator[str]:
    columns = ("Objective", "Target", "Achieved", "Budget spent", *MADE_BY, "Failed", "Measured")
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for line in report.lines:
        cells = [
            f"{_cell(line.objective.tier)} / {_cell(line.objective.name)}",
            percent(line.objective.target),
            _achieved(line),
            part(line.spent),
            part(line.spent_proxy),
            part(line.spent_backend),
            part(line.spent_other),
            f"{line.corrected.bad:,.0f} of {line.corrected.total:,.0f}",
            percent(report.coverage(line)),
        ]
        yield f"| {' | '.join(cells)} |"


def _achieved(line: Line) -> str:
    said = share(line.achieved)
    if line.excluded.total > 0:
        return f"{said} ({share(line.achieved_uncorrected)} with what was left out)"
    return said


def _causes(lines: Sequence[Line]) -> Iterator[str]:
    if any(line.incidents for line in lines):
        yield from ("", "## Incidents that spent it", "")
    for line in lines:
        for each in line.incidents:
            spent = "" if each.spent is None else f", {percent(each.spent)} of the month's budget"
            what = f"#{each.incident_id} {_cell(each.title)}"
            yield f"- {_cell(line.objective.name)}: {what} ({_span(each.span)}{spent})"


def _left_out(report: Report) -> Iterator[str]:
    if report.left_out:
        yield from ("", "## Left out", "")
    for each, lines in report.left_out.items():
        names = ", ".join(_cell(line.objective.name) for line in lines[:NAMED])
        more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
        what = f"{each.kind}, {_span(each.span)}{times(each.times)}"
        yield f"- {names}{more}: {what}, by {_cell(each.by)}: {_cell(each.reason)}"


def times(often: int) -> str:
    """`, 4 times`; once goes without saying."""
    return f", {often} times" if often > 1 else ""


def _span(span: Span) -> str:
    return f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M} UTC"


def part(spent: Decimal | None) -> str:
    """A part of the budget: `40 %`."""
    return "no data" if spent is None else percent(spent)


def share(value: Decimal | None) -> str:
    """What was achieved: `99.95 %`; never rounded up, for that would hide a promise that was broken."""
    if value is None:
        return "no data"
    digits = Decimal("0.001") if Decimal("0.999") <= value < 1 else Decimal("0.01")
    return f"{(value * 100).quantize(digits, ROUND_DOWN).normalize():f} %"


def _cell(text: str) -> str:
    """Text as one cell of a table, whatever somebody wrote."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
