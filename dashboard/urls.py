"""Addresses of the dashboard, the lab, the audit and the probes."""

from django.urls import path

from dashboard import probes
from dashboard.views import lab, overview, record

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
    path("audit/", record.audit_page, name="audit"),
    path("audit/export.csv", record.audit_export, name="audit-export"),
    path("lab/", lab.lab_page, name="lab"),
    path("lab/live/", lab.lab_page, {"fragment": "#live"}, name="lab-live"),
    path("lab/faults/", lab.set_fault, name="lab-fault"),
    path("routes/", overview.overview, name="routes"),
    path("rollouts/", overview.overview, name="rollouts"),
    path("runs/", overview.overview, name="runs"),
    path("objectives/", overview.overview, name="objectives"),
    path("routes/<str:route_id>/", overview.overview, name="route"),
    path("runbooks/<slug:slug>/", overview.overview, name="runbook"),
]
