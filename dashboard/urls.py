"""Addresses of the dashboard, the lab, the audit and the probes."""

from django.urls import path

from dashboard import probes
from dashboard.views import automation, draining, lab, observed, overview, record, revisions, routes, tiers

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("live/", overview.overview, {"fragment": "#live"}, name="overview-live"),
    path("tiers/<str:name>/", tiers.tier, name="tier"),
    path("tiers/<str:name>/live/", tiers.tier, {"fragment": "#live"}, name="tier-live"),
    path("tiers/<str:name>/parts/live/", tiers.tier, {"fragment": "#parts"}, name="tier-parts-live"),
    path("tiers/<str:name>/charts/<slug:slug>.json", tiers.tier_chart, name="tier-chart"),
    path("observed/<str:name>/", observed.tier, name="observed"),
    path("observed/<str:name>/live/", observed.tier, {"fragment": "#live"}, name="observed-live"),
    path("tiers/<str:name>/drain/", draining.drain, name="tier-drain"),
    path("tiers/<str:name>/revisions/", revisions.revisions, name="tier-revisions"),
    path("tiers/<str:name>/revisions/<int:number>/revert/", revisions.revert, name="tier-revert"),
    path("routes/", routes.routes, name="routes"),
    path("routes/live/", routes.routes, {"fragment": "#live"}, name="routes-live"),
    path("routes/<str:route_id>/", routes.route, name="route"),
    path("routes/<str:route_id>/live/", routes.route, {"fragment": "#live"}, name="route-live"),
    path("routes/<str:route_id>/charts/<slug:slug>.json", routes.route_chart, name="route-chart"),
    path("automation/", automation.automation, name="automation"),
    path("automation/live/", automation.automation, {"fragment": "#live"}, name="automation-live"),
    path("alivez", automation.alivez, name="alivez"),
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
    path("audit/", record.audit_page, name="audit"),
    path("audit/export.csv", record.audit_export, name="audit-export"),
    path("lab/", lab.lab_page, name="lab"),
    path("lab/live/", lab.lab_page, {"fragment": "#live"}, name="lab-live"),
    path("lab/faults/", lab.set_fault, name="lab-fault"),
]
