"""Every setting, read from the environment. docs/settings.md describes each; a test compares the two."""

from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF

from config.database import configured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
if (BASE_DIR / ".env").is_file():
    env.read_env(str(BASE_DIR / ".env"))

VAR = Path(env.str("SLUICE_VAR", default=str(BASE_DIR / "var")))
SECRETS = Path(env.str("SLUICE_SECRETS", default=str(VAR / "secrets")))
DEBUG = env.bool("SLUICE_DEBUG", default=False)
SECRET_KEY = env.str("SLUICE_SECRET_KEY", default="")
if not SECRET_KEY:
    key_file = VAR / "secret-key"
    if key_file.is_file():
        SECRET_KEY = key_file.read_text().strip()
    else:
        # A process-local key: sessions end with the process, nothing is signed with a published one.
        from django.core.management.utils import get_random_secret_key

        SECRET_KEY = get_random_secret_key()
ALLOWED_HOSTS = env.list("SLUICE_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("SLUICE_TRUSTED_ORIGINS", default=[])
BASE_URL = env.str("SLUICE_BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
SECURE_COOKIES = BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE_COOKIES else None
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "django_htmx",
    "template_partials",
    "dashboard",
    "runbooks",
    "canary",
    "slo",
    "planning",
    "proxy",
    "alerts",
    "telemetry",
    "access",
    "audit",
]
MIDDLEWARE = [
    "access.middleware.Problems",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "access.middleware.LoginRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "access.context.person",
                "runbooks.context.kill_switch",
            ],
            "builtins": ["dashboard.templatetags.figures", "template_partials.templatetags.partials"],
        },
    }
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

DATABASES: dict[str, Any] = {
    "default": configured(env.db_url("DATABASE_URL", default=f"sqlite:///{VAR / 'sluice.sqlite3'}"))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served from where they lie, so that nothing must be collected before the first start.
WHITENOISE_USE_FINDERS = True

# What the apps above `proxy` check in a declaration: it imports none of them.
DECLARATION_CHECKS = ["slo.checks.declaration", "planning.declaring.revision"]
# What a declaration may hold beside its tiers, and whose it is.
DECLARATION_SECTIONS = ["runbooks.declaring.RUNBOOKS", "planning.declaring.CALL_GRAPH"]
# Which upstreams a route's requests go to, asked for alerts that come from outside: `alerts` knows no routes.
ROUTE_UPSTREAMS = "proxy.selectors.through"
# What the buttons of messages do, by app: `alerts` takes the presses and imports none of the apps above it.
MESSAGE_ACTIONS = ["alerts.pressed.ACTIONS", "canary.pressed.ACTIONS", "runbooks.pressed.ACTIONS"]

PROMETHEUS_URL = env.str("SLUICE_PROMETHEUS_URL", default="http://127.0.0.1:19090")
PROMETHEUS_TIMEOUT_SECONDS = env.float("SLUICE_PROMETHEUS_TIMEOUT_SECONDS", default=5.0)
PROMETHEUS_RULES_DIR = env.str("SLUICE_PROMETHEUS_RULES_DIR", default="")
ADS_BIND = env.str("SLUICE_ADS_BIND", default="127.0.0.1:18000")
ADS_ADDRESSES = env.list("SLUICE_ADS_ADDRESSES", default=[ADS_BIND])
ADMIN_MOST_MB = env.int("SLUICE_ADMIN_MOST_MB", default=64)
ADS_PLAINTEXT = env.bool("SLUICE_ADS_PLAINTEXT", default=False)

SLACK_BOT_TOKEN = env.str("SLUICE_SLACK_BOT_TOKEN", default="")
SLACK_WEBHOOK_URL = env.str("SLUICE_SLACK_WEBHOOK_URL", default="")
SLACK_CHANNEL = env.str("SLUICE_SLACK_CHANNEL", default="#sluice")
SLACK_SIGNING_SECRET = env.str("SLUICE_SLACK_SIGNING_SECRET", default="")
SLACK_APP_TOKEN = env.str("SLUICE_SLACK_APP_TOKEN", default="")
SLACK_API_URL = env.str("SLUICE_SLACK_API_URL", default="https://slack.com/api/")
NOTIFY_FILE = env.str("SLUICE_NOTIFY_FILE", default="")
PING_URL = env.str("SLUICE_PING_URL", default="")
HOOK_HOSTS = env.list("SLUICE_HOOK_HOSTS", default=[])
LAB_URL = env.str("SLUICE_LAB_URL", default="")
LAB_RECEIVER_URL = env.str("SLUICE_LAB_RECEIVER_URL", default="")

CELERY_BROKER_URL = env.str("SLUICE_BROKER_URL", default="redis://127.0.0.1:16379/0")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("SLUICE_LOG_LEVEL", default="INFO")},
}
