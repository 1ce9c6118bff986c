"""Addresses of planning."""

from django.urls import path

from planning import views

urlpatterns = [path("planning/", views.planning, name="planning")]
