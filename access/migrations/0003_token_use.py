from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0002_slack_users'),
    ]

    operations = [
        migrations.AddField(
            model_name='apitoken',
            name='only',
            field=models.CharField(blank=True, choices=[('', 'everything that my role may'), ('alerts', 'sending alerts, and nothing else')], default='', max_length=16),
        ),
    ]
