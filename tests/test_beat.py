"""The beat table against the tasks that there are."""

from config.celery import app
from config.celery_settings import beat_schedule


def test_every_entry_of_the_beat_table_is_a_task() -> None:
    app.loader.import_default_modules()
    assert {str(entry["task"]) for entry in beat_schedule.values()} - set(app.tasks) == set()


def test_every_tick_expires_before_the_next_one() -> None:
    assert [
        name for name, entry in beat_schedule.items() if entry["options"] != {"expires": entry["schedule"]}
    ] == []


def test_every_task_is_named_by_its_app_and_verb() -> None:
    names = sorted(str(entry["task"]) for entry in beat_schedule.values())
    assert [name for name in names if name.count(".") != 1] == []
