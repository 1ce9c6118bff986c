"""Addresses of objectives."""

from django.urls import path

from slo import views

LIVE = {"fragment": "#live"}

urlpatterns = [
    path("objectives/", views.objectives, name="objectives"),
    path("objectives/live/", views.objectives, LIVE, name="objectives-live"),
    path("objectives/find/", views.told_of, name="objective-told-of"),
    path("objectives/<int:objective_id>/", views.objective, name="objective"),
    path(
        "objectives/<int:objective_id>/live/", views.objective, {"fragment": "#live"}, name="objective-live"
    ),
]
