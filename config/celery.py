"""The Celery application and the beat table. A task is a hint to look at the database."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("sluice")
app.config_from_object("config.celery_settings")
app.autodiscover_tasks()
