"""Objectives, and the latest state of each one's budget. Tiers and routes are named as in the metrics."""

from datetime import timedelta
from decimal import Decimal
from typing import cast

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from proxy.domain.tier import Calendar, Resource
from slo.domain import objectives, policy, windows
from slo.domain.burn import Counts


class ObjectiveQuerySet(models.QuerySet["Objective"]):
    """Named questions about objectives."""

    def live(self) -> "ObjectiveQuerySet":
        """Those that are declared now."""
        return self.filter(retired_at=None)


class Objective(models.Model):
    """A target that a tier, or one route of it, is held to. One that is no longer declared is retired."""

    class Kind(models.TextChoices):
        PROXY_AVAILABILITY = "proxy_availability", "proxy availability"
        ROUTE_AVAILABILITY = "route_availability", "route availability"
        BACKEND_AVAILABILITY = "backend_availability", "backend availability"
        ADDED_LATENCY = "added_latency", "added latency"
        TOTAL_LATENCY = "total_latency", "total latency"
        BACKEND_LATENCY = "backend_latency", "backend latency"
        FIRST_ATTEMPTS = "first_attempts", "first attempts"
        SATURATION = "saturation", "saturation"
        TLS_HANDSHAKES = "tls_handshakes", "TLS handshakes"
        TLS_RESUMPTION = "tls_resumption", "TLS resumption"
        TLS_FRESH = "tls_fresh", "fresh TLS handshakes"
        RETRIES = "retries", "retries"
        RETRY_BUDGET = "retry_budget", "retry budget"
        RATIO = "ratio", "good of total"
        GAUGE = "gauge", "gauge"

    class Severity(models.TextChoices):
        PAGE = "page"
        TICKET = "ticket"

    tier = models.CharField(max_length=63)
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=500, blank=True)
    route = models.CharField(max_length=120, blank=True)
    upstream = models.CharField(max_length=120, blank=True)
    kind = models.CharField(max_length=32, choices=Kind.choices)
    # What it counts, as the label `sli` of the recorded series says it.
    sli = models.CharField(max_length=160, blank=True, default="", db_index=True)
    target = models.DecimalField(max_digits=10, decimal_places=9)
    threshold_us = models.PositiveIntegerField(null=True, blank=True)
    resource = models.CharField(max_length=20, blank=True)
    bad = models.TextField(blank=True)
    good = models.TextField(blank=True)
    total = models.TextField(blank=True)
    gauge = models.TextField(blank=True)
    at_most = models.FloatField(null=True, blank=True)
    at_least = models.FloatField(null=True, blank=True)
    window_days = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1), MaxValueValidator(90)]
    )
    calendar = models.CharField(max_length=10, blank=True)
    owner = models.CharField(max_length=120, blank=True)
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.PAGE)
    runbook = models.CharField(max_length=80, blank=True)
    problem = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = ObjectiveQuerySet.as_manager()

    class Meta:
        ordering = ("tier", "route", "name")
        constraints = [models.UniqueConstraint("tier", "name", name="objective_name_in_tier")]

    def __str__(self) -> str:
        return f"{self.tier}/{self.name}"

    def plain(self) -> objectives.Objective:
        """The objective as the domain knows it."""
        return objectives.Objective(
            tier=self.tier,
            name=self.name,
            kind=cast(objectives.Kind, self.kind),
            target=self.target,
            route=self.route,
            upstream=self.upstream,
            threshold_us=self.threshold_us,
            resource=cast(Resource | None, self.resource or None),
            bad=self.bad,
            good=self.good,
            total=self.total,
            gauge=self.gauge,
            at_most=objectives.exact(self.at_most),
            at_least=objectives.exact(self.at_least),
            period=timedelta(days=self.window_days),
            calendar=cast(Calendar | None, self.calendar or None),
            owner=self.owner,
            severity=cast(windows.Severity, self.severity),
            runbook=self.runbook,
            description=self.description,
        )


class Budget(models.Model):
    """What the last tick saw. With no data the figures stay as they were and `state` says so."""

    class State(models.TextChoices):
        OK = "ok"
        BURNING = "burning"
        SPENT = "spent"
        NO_DATA = "no_data", "no data"

    objective = models.OneToOneField(Objective, on_delete=models.CASCADE, related_name="budget")
    state = models.CharField(max_length=10, choices=State.choices, default=State.NO_DATA)
    since = models.DateTimeField()
    why = models.CharField(max_length=200, blank=True)
    looked_at = models.DateTimeField()
    data_at = models.DateTimeField(null=True, blank=True)
    counted = models.CharField(max_length=10, blank=True)
    total = models.FloatField(null=True, blank=True)
    bad_proxy = models.FloatField(null=True, blank=True)
    bad_backend = models.FloatField(null=True, blank=True)
    bad_other = models.FloatField(null=True, blank=True)
    left = models.FloatField(null=True, blank=True)
    # What corrections and maintenance took out of the figures above, and what would be left with it.
    excluded_total = models.FloatField(null=True, blank=True)
    excluded_bad = models.FloatField(null=True, blank=True)
    left_uncorrected = models.FloatField(null=True, blank=True)
    # The end of the maintenance that is on: what fires by then is not told before.
    maintained_until = models.DateTimeField(null=True, blank=True)
    coverage = models.FloatField(null=True, blank=True)
    # Of the last hour; beside `windows` because lists are sorted by it.
    burn_1h = models.FloatField(null=True, blank=True)
    exhausted_in = models.DurationField(null=True, blank=True)
    windows = models.JSONField(default=list)
    tiers = models.JSONField(default=list)
    demand = models.CharField(max_length=10, default="nothing")  # of the tier's policy, as it was told
    firing = models.BooleanField(default=False)
    # What people are told while it fires: a page or a ticket. A page inhibits its tickets, for a while after
    # its end too.
    told = models.CharField(max_length=6, blank=True, default="")
    paged_at = models.DateTimeField(null=True, blank=True)
    fired_at = models.DateTimeField(null=True, blank=True)
    # What was left before the failures that it fired for.
    left_before = models.FloatField(null=True, blank=True)
    incident_id = models.PositiveBigIntegerField(null=True, blank=True)
    version = models.PositiveIntegerField(default=0)

    @property
    def standing(self) -> policy.Standing:
        """What the budget policy looks at, of a budget that was measured (`left` and `coverage` are set)."""
        left, coverage = (Decimal(str(value or 0)) for value in (self.left, self.coverage))
        return policy.Standing(self.objective.name, left, coverage)

    @property
    def counts(self) -> Counts:
        """The period's events that count, by who made the bad ones; nothing where none were measured."""
        made = (self.total, self.bad_proxy, self.bad_backend, self.bad_other)
        return Counts(*(Decimal(str(value or 0)) for value in made))

    def __str__(self) -> str:
        return f"{self.objective}: {self.state}"
