"""How the database is spoken to, over what its URL says."""

from typing import Any

SQLITE = {
    # Writers queue for the lock at BEGIN instead of failing at their first write.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
# A host that swallows packets must not hold the ADS server's or a worker's thread: without these a connection
# to it waits for minutes, and a query for ever. In seconds, `tcp_user_timeout` in milliseconds.
POSTGRESQL = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": "-c statement_timeout=20s -c idle_in_transaction_session_timeout=60s",
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "django.db.backends.sqlite3": SQLITE,
    "django.db.backends.postgresql": POSTGRESQL,
}


def configured(database: dict[str, Any]) -> dict[str, Any]:
    """Django's entry for a database with the defaults of its kind; what its URL's query says goes before."""
    options = {**DEFAULTS.get(database["ENGINE"], {}), **database.get("OPTIONS", {})}
    return {**database, "OPTIONS": options}
