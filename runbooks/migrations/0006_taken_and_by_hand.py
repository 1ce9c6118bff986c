"""People start runs, and take them over."""

from django.db import migrations, models
from django.db.models import Q

OPEN = (
    "PROPOSED",
    "CONFIRMING",
    "AWAITING_APPROVAL",
    "MITIGATING",
    "VERIFYING",
    "HOLDING",
    "TAKEN",
    "REVERTING",
    "NEEDS_HUMAN",
)


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0005_own_runbooks")]

    operations = [
        migrations.AddField(
            model_name="run", name="by_hand", field=models.CharField(blank=True, default="", max_length=150)
        ),
        migrations.AddField(
            model_name="run", name="taken_by", field=models.CharField(blank=True, default="", max_length=150)
        ),
        migrations.RemoveConstraint(model_name="run", name="one_open_run_per_runbook_and_target"),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(
                fields=("runbook", "tier", "scope", "subject"),
                condition=Q(state__in=OPEN),
                name="one_open_run_per_runbook_and_target",
            ),
        ),
    ]
