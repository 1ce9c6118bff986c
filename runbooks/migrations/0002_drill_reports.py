from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runbooks", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="DrillReport",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("name", models.CharField(db_index=True, max_length=63)),
                ("runbook", models.CharField(blank=True, db_index=True, max_length=63)),
                ("tier", models.CharField(blank=True, max_length=63)),
                ("by", models.CharField(max_length=150)),
                ("lock", models.CharField(max_length=8, null=True, unique=True)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("doing", models.TextField(blank=True)),
                ("defence_held", models.BooleanField(null=True)),
                ("runbook_held", models.CharField(blank=True, max_length=4)),
                ("trouble", models.TextField(blank=True)),
                ("found", models.JSONField(null=True)),
                ("settings", models.TextField(blank=True)),
            ],
            options={"ordering": ("-id",)},
        ),
    ]
