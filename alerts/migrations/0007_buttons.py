from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alerts', '0006_figures_in_order'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChannelHold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(max_length=80, unique=True)),
                ('until', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='SeenRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=200, unique=True)),
                ('at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='Offer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('nonce', models.CharField(max_length=43, unique=True)),
                ('action', models.CharField(max_length=63)),
                ('subject', models.PositiveBigIntegerField()),
                ('bound', models.CharField(blank=True, max_length=100)),
                ('made_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(null=True)),
                ('pressed_at', models.DateTimeField(null=True)),
                ('pressed_by', models.CharField(blank=True, max_length=150)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('action', 'subject', 'bound'), name='one_offer_per_action_and_binding')],
            },
        ),
        migrations.AddField(
            model_name='outbox',
            name='of',
            field=models.CharField(blank=True, default='', max_length=200),
        ),
        migrations.AddField(
            model_name='outbox',
            name='offers',
            field=models.BooleanField(db_index=True, default=False),
        ),
        migrations.AddField(
            model_name='outbox',
            name='to',
            field=models.CharField(blank=True, default='', max_length=80),
        ),
    ]
