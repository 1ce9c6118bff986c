"""Runs are about any target, and keep the definition that they began with."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import migrations, models
from django.db.models import Q

OPEN = (
    "PROPOSED",
    "CONFIRMING",
    "AWAITING_APPROVAL",
    "MITIGATING",
    "VERIFYING",
    "HOLDING",
    "REVERTING",
    "NEEDS_HUMAN",
)
# The one runbook that there was, as data: what a run that began before goes on by.
RETRY_STORM: dict[str, Any] = {
    "title": "Retry storm",
    "severity": "page",
    "cause": "retry_storm",
    "scope": "route",
    "thresholds": {
        "min_rate": 0.5,
        "retry_share": 0.2,
        "wasted_share": 0.5,
        "exhausted_share": 0.05,
        "healthy_share": 0.05,
        "worse_by": 0.15,
        "budget_percent": 2.0,
    },
    "signals": {
        "first": {"title": "First attempts", "unit": "per_second", "indicator": "first_attempts"},
        "retries": {
            "title": "Retries",
            "unit": "per_second",
            "indicator": "retries",
            "names": "arm",
            "most": "Most retries to",
        },
        "wasted": {"title": "Retries that failed", "unit": "per_second", "indicator": "failed_retries"},
        "failed": {
            "title": "First attempts that failed",
            "unit": "per_second",
            "indicator": "first_attempt_errors",
        },
        "exhausted": {
            "title": "Retries refused by the budget",
            "unit": "per_second",
            "indicator": "retry_budget_exhaustion",
            "by": "upstream",
            "absent": 0,
        },
        "share": {"title": "Retries per first attempt", "ratio": "retries", "over": "first"},
        "wasted_share": {"title": "Retries that fail too", "ratio": "wasted", "over": "retries", "absent": 0},
        "exhausted_share": {"title": "Refused per first attempt", "ratio": "exhausted", "over": "first"},
        "failed_share": {"title": "Failed first attempts", "ratio": "failed", "over": "first"},
        "wanted": {
            "title": "Retries wanted per first attempt",
            "unit": "ratio",
            "total": ["share", "exhausted_share"],
        },
        "amplification": {"title": "Amplification", "unit": "times", "total": ["share"], "plus": 1},
    },
    "shows": ["share", "amplification", "wasted_share", "exhausted", "failed_share", "first"],
    "originator": "backend",
    "blamed": {"signal": "failed_share", "above": 0},
    "culprit": "retries",
    "enough": {"all": [{"signal": "first", "at_least": "min_rate"}, {"signal": "share", "at_least": 0}]},
    "symptom": {
        "any": [
            {
                "all": [
                    {"signal": "share", "at_least": "retry_share"},
                    {"signal": "wasted_share", "at_least": "wasted_share"},
                ]
            },
            {
                "all": [
                    {"signal": "failed_share", "at_least": "exhausted_share"},
                    {"signal": "wanted", "at_least": "retry_share"},
                    {
                        "any": [
                            {"signal": "wasted_share", "at_least": "wasted_share"},
                            {"signal": "exhausted_share", "at_least": "exhausted_share"},
                        ]
                    },
                ]
            },
        ]
    },
    "worse": {"signal": "failed_share", "above_before_by": "worse_by"},
    "over": {"signal": "failed_share", "at_most": "healthy_share"},
    "remedy": "retry_off",
    "remedies": {
        "retry_off": {
            "did": "retries are off",
            "steps": [{"do": "overlay", "patch": {"kind": "retry_off", "route": "$route"}}],
        },
        "retry_budget": {
            "did": "the retry budget is tight",
            "felt": "first attempts",
            "steps": [
                {
                    "do": "overlay",
                    "each": "upstream",
                    "patch": {
                        "kind": "retry_budget",
                        "upstream": "$upstream",
                        "percent": "$budget_percent",
                        "min_concurrency": 0,
                    },
                }
            ],
        },
    },
    "says": {
        "present": "{share} retries per first attempt, {wasted_share} of them fail, {exhausted} refused",
        "calm": "{share} retries per first attempt",
        "too_little": "{first} first attempts: too few to judge by",
        "healthy": "first attempts are healthy: {failed_share} fail",
        "unhealthy": "first attempts still fail {about.failed_share}",
        "worse": "first attempts fail more: {failed_share}",
        "relief": "load is no longer multiplied",
        "felt": "{about.failed_share} of {felt} still fail",
    },
}
PLAIN = ("first", "retries", "wasted", "exhausted", "failed")


def convert(apps: Any, schema_editor: Any) -> None:
    run, detection, measurement = (
        apps.get_model("runbooks", name) for name in ("Run", "Detection", "Measurement")
    )
    run.objects.update(definition=json.dumps(RETRY_STORM))
    for row in run.objects.exclude(before=None).iterator():
        run.objects.filter(pk=row.pk).update(before=measured(row.before))
    detection.objects.filter(said="storm").update(said="present")
    for model in (detection, measurement):
        for rows in batches(model):
            for row in rows:
                row.values = measured(row.values)
            model.objects.bulk_update(rows, ["values"])


def batches(model: Any) -> Iterator[list[Any]]:
    last = 0
    while rows := list(model.objects.filter(pk__gt=last).order_by("pk")[:500]):
        yield rows
        last = rows[-1].pk


def measured(old: dict[str, Any]) -> dict[str, Any]:
    """One of the old measures in the words of the new."""
    if "values" in old:
        return old
    values = {name: old.get(name) for name in PLAIN}
    first, retries = values["first"], values["retries"]
    share = over(retries, first)
    refused = over(values["exhausted"], first)
    values |= {
        "share": share,
        "wasted_share": over(values["wasted"], retries) or 0.0,
        "exhausted_share": refused,
        "failed_share": over(values["failed"], first),
        "wanted": None if share is None or refused is None else share + refused,
        "amplification": None if share is None else share + 1,
    }
    busiest = old.get("busiest")
    return {
        "at": old["at"],
        "values": values,
        "names": {"retries": [busiest] if busiest else []},
        "why_no_data": old.get("why_no_data", ""),
    }


def over(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0002_drill_reports")]

    operations = [
        migrations.RemoveConstraint(model_name="run", name="one_open_run_per_runbook_and_target"),
        migrations.RemoveConstraint(model_name="detection", name="one_detection_per_target"),
        migrations.RenameField(model_name="run", old_name="route", new_name="subject"),
        migrations.RenameField(model_name="detection", old_name="route", new_name="subject"),
        migrations.AlterModelOptions(name="detection", options={"ordering": ("runbook", "tier", "subject")}),
        migrations.AlterField(
            model_name="run", name="subject", field=models.CharField(blank=True, max_length=63)
        ),
        migrations.AlterField(
            model_name="detection", name="subject", field=models.CharField(blank=True, max_length=63)
        ),
        migrations.AddField(
            model_name="run", name="scope", field=models.CharField(default="route", max_length=8)
        ),
        migrations.AddField(
            model_name="detection", name="scope", field=models.CharField(default="route", max_length=8)
        ),
        migrations.AddField(model_name="run", name="definition", field=models.TextField(default="")),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(
                fields=("runbook", "tier", "scope", "subject"),
                condition=Q(state__in=OPEN),
                name="one_open_run_per_runbook_and_target",
            ),
        ),
        migrations.AddConstraint(
            model_name="detection",
            constraint=models.UniqueConstraint(
                fields=("runbook", "tier", "scope", "subject"), name="one_detection_per_target"
            ),
        ),
        migrations.RunPython(convert, migrations.RunPython.noop),
    ]
