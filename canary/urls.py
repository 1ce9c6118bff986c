"""Addresses of rollouts."""

from django.urls import path

from canary import views

LIVE = {"fragment": "#live"}

urlpatterns = [
    path("rollouts/", views.rollouts, name="rollouts"),
    path("rollouts/live/", views.rollouts, LIVE, name="rollouts-live"),
    path("rollouts/start/", views.start, name="rollout-start"),
    path("rollouts/<int:rollout_id>/", views.rollout, name="rollout"),
    path("rollouts/<int:rollout_id>/live/", views.rollout, LIVE, name="rollout-live"),
    path("rollouts/<int:rollout_id>/charts/<slug:slug>.json", views.chart, name="rollout-chart"),
    path("rollouts/<int:rollout_id>/<slug:action>/", views.act, name="rollout-act"),
]
