"""Every address of the service."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

import alerts.api
import canary.api
import canary.api_pipelines
import canary.api_releases
import canary.api_replay
import dashboard.api
import proxy.api_fleet
import proxy.api_revisions
import runbooks.api
import runbooks.api_by_hand
import runbooks.api_runbooks
import runbooks.api_steps
import slo.api_exclusions
import slo.api_openslo
import slo.api_reports
from config.api import api

api.add_router("", alerts.api.router)
api.add_router("", proxy.api_revisions.router)
api.add_router("", proxy.api_fleet.router)
api.add_router("", slo.api_openslo.router)
api.add_router("", slo.api_exclusions.router)
api.add_router("", slo.api_reports.router)
api.add_router("", canary.api.router)
api.add_router("", canary.api_replay.router)
api.add_router("", canary.api_pipelines.router)
api.add_router("", canary.api_releases.router)
api.add_router("", runbooks.api.router)
api.add_router("", runbooks.api_runbooks.router)
api.add_router("", runbooks.api_by_hand.router)
api.add_router("", runbooks.api_steps.router)
api.add_router("", dashboard.api.router)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("dashboard.urls")),
    path("", include("access.urls")),
    path("", include("alerts.urls")),
    path("", include("slo.urls")),
    path("", include("planning.urls")),
    path("", include("canary.urls")),
    path("", include("runbooks.urls")),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
]
