"""The administrators' view of tokens: who has one, and when it was last used."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from access.forms import AdminLoginForm
from access.models import ApiToken

if TYPE_CHECKING:
    TokenAdmin = admin.ModelAdmin[ApiToken]
else:
    TokenAdmin = admin.ModelAdmin  # generic for the type checker only


admin.site.login_form = AdminLoginForm


@admin.register(ApiToken)
class ApiTokenAdmin(TokenAdmin):
    """Read only: tokens are made on the account page, where the audit sees it."""

    list_display = ("name", "user", "prefix", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    exclude = ("digest",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False
