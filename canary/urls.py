"""Addresses of rollouts."""

from django.urls import path

from canary import views, views_releases, views_replay

LIVE = {"fragment": "#live"}

urlpatterns = [
    path("rollouts/", views.rollouts, name="rollouts"),
    path("rollouts/live/", views.rollouts, LIVE, name="rollouts-live"),
    path("rollouts/start/", views.start, name="rollout-start"),
    path("rollouts/<int:rollout_id>/", views.rollout, name="rollout"),
    path("rollouts/<int:rollout_id>/live/", views.rollout, LIVE, name="rollout-live"),
    path("rollouts/<int:rollout_id>/charts/<slug:slug>.json", views.chart, name="rollout-chart"),
    path("rollouts/<int:rollout_id>/replay/", views_replay.replay, name="rollout-replay"),
    path("rollouts/<int:rollout_id>/export.json", views_replay.export, name="rollout-export"),
    path("rollouts/<int:rollout_id>/<slug:action>/", views.act, name="rollout-act"),
    path("releases/", views_releases.releases, name="releases"),
    path("releases/<int:release_id>/", views_releases.release, name="release"),
    path("releases/<int:release_id>/live/", views_releases.release, LIVE, name="release-live"),
    path("releases/<int:release_id>/<slug:action>/", views_releases.act, name="release-act"),
]
