from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("canary", "0002_bake_observe_retry"),
    ]

    operations = [
        migrations.AddField("observation", "tick", models.JSONField(default=dict)),
        migrations.AddField("observation", "earns", models.BooleanField(default=True)),
        migrations.AddField("observation", "lap", models.PositiveIntegerField(default=0)),
        migrations.AddField("observation", "verdict", models.CharField(default="", max_length=20)),
        migrations.AddField("observation", "before", models.JSONField(null=True)),
    ]
