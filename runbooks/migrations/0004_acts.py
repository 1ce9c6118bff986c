"""The INTENT and OUTCOME rows of steps that are no overlays."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0003_any_target_by_definition")]

    operations = [
        migrations.CreateModel(
            name="Act",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("place", models.PositiveSmallIntegerField()),
                ("phase", models.CharField(default="do", max_length=4)),
                ("kind", models.CharField(max_length=32)),
                ("key", models.CharField(max_length=100, unique=True)),
                ("said", models.JSONField()),
                ("state", models.CharField(db_index=True, default="due", max_length=8)),
                ("answer", models.TextField(blank=True)),
                ("evidence", models.JSONField(default=dict)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_at", models.DateTimeField(null=True)),
                ("claim_token", models.CharField(blank=True, max_length=32)),
                ("claimed_until", models.DateTimeField(null=True)),
                ("intended_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="acts", to="runbooks.run"
                    ),
                ),
            ],
            options={"ordering": ("id",)},
        ),
        migrations.AddConstraint(
            model_name="act",
            constraint=models.UniqueConstraint(
                fields=("run", "place", "phase"), name="one_act_per_step_and_phase"
            ),
        ),
    ]
