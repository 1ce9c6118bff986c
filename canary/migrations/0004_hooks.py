import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("canary", "0003_replay"),
    ]

    operations = [
        migrations.CreateModel(
            name="HookCall",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hook", models.CharField(max_length=63)),
                ("moment", models.CharField(choices=[("before", "before"), ("after", "after")], max_length=6)),
                ("round", models.PositiveIntegerField()),
                ("step", models.PositiveSmallIntegerField()),
                ("weight", models.PositiveIntegerField()),
                ("state", models.CharField(choices=[("asking", "asking"), ("allowed", "allowed"), ("refused", "refused"), ("silent", "silent")], default="asking", max_length=8)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("said", models.TextField(blank=True)),
                ("asked_at", models.DateTimeField()),
                ("next_at", models.DateTimeField(db_index=True)),
                ("deadline_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                ("rollout", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="hook_calls", to="canary.rollout")),
            ],
            options={
                "ordering": ("id",),
                "constraints": [models.UniqueConstraint(fields=("rollout", "hook", "moment", "round"), name="one_question_per_hook_and_step")],
            },
        ),
    ]
