"""Addresses of incidents, and of what Slack sends."""

from django.urls import path

from alerts import views, views_slack

urlpatterns = [
    path("incidents/", views.incidents, name="incidents"),
    path("incidents/live/", views.incidents, {"fragment": "#live"}, name="incidents-live"),
    path("incidents/<int:incident_id>/", views.incident, name="incident"),
    path("incidents/<int:incident_id>/live/", views.incident, {"fragment": "#live"}, name="incident-live"),
    path("incidents/<int:incident_id>/export.md", views.export, name="incident-export"),
    path("incidents/<int:incident_id>/acknowledge/", views.acknowledge, name="incident-acknowledge"),
    path("incidents/<int:incident_id>/silence/", views.silence, name="incident-silence"),
    path("incidents/<int:incident_id>/resolve/", views.resolve, name="incident-resolve"),
    path(
        "incidents/<int:incident_id>/silences/<int:silence_id>/end/",
        views.unsilence,
        name="incident-unsilence",
    ),
    path(
        "incidents/<int:incident_id>/messages/<int:message_id>/resend/",
        views.resend,
        name="incident-resend",
    ),
    # Without a slash at its end: as Slack is told, it posts there and follows no redirect.
    path("slack/interactions", views_slack.receive, name="slack-interactions"),
]
