"""Addresses of objectives."""

from django.urls import path

from slo import views, views_exclusions, views_reports

LIVE = {"fragment": "#live"}

urlpatterns = [
    path("objectives/", views.objectives, name="objectives"),
    path("objectives/live/", views.objectives, LIVE, name="objectives-live"),
    path("objectives/find/", views.told_of, name="objective-told-of"),
    path("objectives/<int:objective_id>/", views.objective, name="objective"),
    path("objectives/<int:objective_id>/live/", views.objective, LIVE, name="objective-live"),
    path(
        "objectives/<int:objective_id>/alerts/live/",
        views.objective,
        {"fragment": "#alerts"},
        name="objective-alerts-live",
    ),
    path(
        "objectives/<int:objective_id>/charts/<slug:slug>.json", views.objective_chart, name="objective-chart"
    ),
    path("corrections/", views_exclusions.corrections, name="corrections"),
    path("corrections/add/", views_exclusions.correct, name="correction-add"),
    path("corrections/<int:number>/remove/", views_exclusions.uncorrect, name="correction-remove"),
    path("maintenance/", views_exclusions.maintenance, name="maintenance"),
    path("maintenance/add/", views_exclusions.maintain, name="maintenance-add"),
    path("maintenance/<int:number>/remove/", views_exclusions.end_maintenance, name="maintenance-remove"),
    path("reports/", views_reports.owners, name="reports"),
    path("reports/<path:owner>/<str:month>/", views_reports.report, name="report"),
    path("reports/<path:owner>/<str:month>.csv", views_reports.export, {"ending": "csv"}, name="report-csv"),
    path("reports/<path:owner>/<str:month>.md", views_reports.export, {"ending": "md"}, name="report-md"),
]
