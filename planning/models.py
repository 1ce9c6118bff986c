"""The declared call graph, as it was after each declaration that changed it."""

from django.db import models


class Graph(models.Model):
    """One version of the call graph. The newest one holds; one without calls is none."""

    declared = models.JSONField()
    by = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"call graph {self.pk}"
