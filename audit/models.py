"""The append-only record: who did what, to what, why, when and through which door."""

from typing import Any, NoReturn

from django.db import models


class AppendOnly(Exception):
    """Somebody tried to change or delete an audit entry."""


class Entry(models.Model):
    """One thing that was done. Rows are only ever added."""

    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150)
    source = models.CharField(max_length=16)
    action = models.CharField(max_length=64, db_index=True)
    target = models.CharField(max_length=200, db_index=True)
    reason = models.TextField()
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ("-at", "-id")
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("an audit entry is never changed")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("an audit entry is never deleted")
