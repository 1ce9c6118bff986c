"""Addresses of incidents."""

from django.urls import path

from alerts import views

urlpatterns = [
    path("incidents/", views.incidents, name="incidents"),
    path("incidents/live/", views.incidents, {"fragment": "#live"}, name="incidents-live"),
    path("incidents/<int:incident_id>/", views.incident, name="incident"),
    path("incidents/<int:incident_id>/live/", views.incident, {"fragment": "#live"}, name="incident-live"),
    path("incidents/<int:incident_id>/export.md", views.export, name="incident-export"),
    path("incidents/<int:incident_id>/acknowledge/", views.acknowledge, name="incident-acknowledge"),
    path("incidents/<int:incident_id>/silence/", views.silence, name="incident-silence"),
    path("incidents/<int:incident_id>/resolve/", views.resolve, name="incident-resolve"),
]
