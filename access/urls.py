"""Addresses of login, account and theme."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from access import views, views_slack
from access.forms import LoginForm

urlpatterns = [
    path(
        "login/",
        LoginView.as_view(
            template_name="access/login.html",
            authentication_form=LoginForm,
            redirect_authenticated_user=True,
        ),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/", views.account, name="account"),
    path("account/tokens/<int:token_id>/revoke/", views.revoke, name="token-revoke"),
    path("account/slack/", views_slack.links, name="slack-links"),
    path("account/slack/<str:slack_id>/unlink/", views_slack.unlink, name="slack-unlink"),
    path("theme/", views.theme, name="theme"),
]
