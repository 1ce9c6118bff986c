from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("slo", "0008_told"),
    ]

    operations = [
        migrations.AddField(
            model_name="countedhour",
            name="failed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
