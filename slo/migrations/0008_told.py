from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def page_what_fires(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Until now whatever fired was told by the page tiers."""
    apps.get_model("slo", "Budget").objects.filter(firing=True).update(told="page")


class Migration(migrations.Migration):
    dependencies = [
        ("slo", "0007_told_demand"),
    ]

    operations = [
        migrations.AddField(
            model_name="budget",
            name="told",
            field=models.CharField(blank=True, default="", max_length=6),
        ),
        migrations.AddField(
            model_name="budget",
            name="paged_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RenameField(
            model_name="budget",
            old_name="left_when_fired",
            new_name="left_before",
        ),
        migrations.RunPython(page_what_fires, migrations.RunPython.noop),
    ]
