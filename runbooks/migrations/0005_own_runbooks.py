"""The versions of teams' own runbooks."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runbooks', '0004_acts'),
    ]

    operations = [
        migrations.CreateModel(
            name='RunbookVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.CharField(max_length=63)),
                ('number', models.PositiveIntegerField()),
                ('source', models.TextField(blank=True)),
                ('gone', models.BooleanField(default=False)),
                ('by', models.CharField(max_length=150)),
                ('reason', models.TextField(blank=True)),
                ('at', models.DateTimeField()),
            ],
            options={
                'ordering': ('slug', '-id'),
                'constraints': [models.UniqueConstraint(fields=('slug', 'number'), name='one_runbook_version_per_number')],
            },
        ),
    ]
