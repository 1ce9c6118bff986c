from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("canary", "0004_hooks"),
    ]

    operations = [
        migrations.AddField(
            model_name="rollout",
            name="reserve",
            field=models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
        migrations.CreateModel(
            name="Load",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("tier", models.CharField(max_length=63)),
                ("upstream", models.CharField(max_length=63)),
                ("at", models.DateTimeField()),
                ("healthy", models.PositiveIntegerField(null=True)),
                ("attempts", models.JSONField(default=dict)),
                ("firsts", models.JSONField(default=dict)),
                ("shown_rps", models.FloatField(null=True)),
                ("shown_at", models.FloatField(null=True)),
                ("shown_by_latency", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ("tier", "upstream"),
                "constraints": [
                    models.UniqueConstraint(fields=("tier", "upstream"), name="one_load_per_upstream")
                ],
            },
        ),
    ]
