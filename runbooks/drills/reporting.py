"""A drill's report as files: JSON, and one page that needs nothing else to be looked at.

They lie in `settings.VAR/drills`, named by the report's number and the drill. The newest 100 are kept.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from runbooks.domain.answering import STAGES

PLOTLY = Path(settings.BASE_DIR) / "static" / "vendor" / "plotly" / "plotly-basic.min.js"
KINDS = {"html": "text/html; charset=utf-8", "json": "application/json"}
KEPT = 100


def folder() -> Path:
    return Path(settings.VAR) / "drills"


def file(number: int, name: str, kind: str) -> Path:
    """Where a report is, or would be; `kind` is `html` or `json`."""
    return folder() / f"{number:06}-{name}.{kind}"


def write(found: Mapping[str, Any]) -> Path:
    """Writes both files of what a drill found; returns the page's path."""
    folder().mkdir(parents=True, exist_ok=True)
    number, name = int(found["report"]), str(found["drill"])
    file(number, name, "json").write_text(json.dumps(found, indent=1))
    page = file(number, name, "html")
    page.write_text(render_to_string("runbooks/drill_file.html", context(found)))
    for kind in KINDS:
        for old in sorted(folder().glob(f"*.{kind}"))[:-KEPT]:
            old.unlink(missing_ok=True)
    return page


def context(found: Mapping[str, Any]) -> dict[str, Any]:
    """What both templates of a report draw, the file and the page."""
    defence = found["defence"]
    return {
        "found": found,
        "defence": defence,
        "answering": found["runbook"],
        "stages": stages(found["runbook"]),
        "charts": [chart(plot) for plot in defence["plots"] if plot["curves"]],
        "plotly": PLOTLY.read_text,
    }


def stages(answering: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Each stage that was reached: its words, its seconds since the onset, and since the stage before."""
    seconds, before, rows = answering.get("seconds") or {}, 0.0, []
    for stage, words in STAGES.items():
        if stage in seconds:
            rows.append((words, seconds[stage], seconds[stage] - before))
            before = seconds[stage]
    return rows


def chart(plot: Mapping[str, Any]) -> dict[str, Any]:
    """A plot as the charts' script takes it: seconds since the side's load began, a curve a side."""
    inks = ("bad", "trace-1", "good", "trace-2")
    series = [
        {
            "name": curve["name"],
            "points": curve["points"],
            "ink": inks[number % len(inks)],
            "dash": "dot" if number == 0 else "solid",
        }
        for number, curve in enumerate(plot["curves"])
    ]
    payload = {
        "axis": "elapsed",
        "unit": plot["unit"],
        "series": series,
        "lines": [],
        "marks": [],
        "scale": "linear",
    }
    return {"key": plot["key"], "title": plot["title"], "payload": payload, "data_id": f"data-{plot['key']}"}
