"""`manage.py setup_admin`: the first administrator, with password and API token in private files."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from django.utils import timezone

from access import services
from access.domain.roles import Role
from audit.domain.actor import Actor

NAME = "admin"


def write_private(path: Path, text: str) -> None:
    """Write a secret that only this user may read, from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


class Command(BaseCommand):
    help = "Make the first administrator (once) and print the login."

    def handle(self, *args: Any, **options: Any) -> None:
        by, now = Actor("setup_admin", "cli"), timezone.now()
        password_file, token_file = settings.VAR / "admin-password", settings.VAR / "admin-token"
        user, created = User.objects.get_or_create(
            username=NAME, defaults={"is_staff": True, "is_superuser": True}
        )
        if created:
            services.grant(user=user, role=Role.ADMINISTRATOR, by=by, reason="first start", now=now)
            password = secrets.token_urlsafe(12)
            user.set_password(password)
            user.save(update_fields=["password"])
            write_private(password_file, password)
        if not self._token_works(token_file):
            token = services.issue_token(user=user, name="first administrator", by=by, now=now)
            write_private(token_file, token)
        self.stdout.write(f"login: {NAME} / {self._known_password(user, password_file)}")

    def _known_password(self, user: User, password_file: Path) -> str:
        password = password_file.read_text().strip() if password_file.is_file() else ""
        # Somebody may have chosen another password since: then nothing is reset behind their back.
        if password and user.check_password(password):
            return password
        return "(the password you chose; `manage.py changepassword admin` sets another)"

    def _token_works(self, token_file: Path) -> bool:
        if not token_file.is_file():
            return False
        return services.authenticate(token=token_file.read_text().strip(), now=timezone.now()) is not None
