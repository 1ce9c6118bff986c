"""What the database is asked for over its URL."""

import environ

from config.database import configured


def test_a_host_that_swallows_packets_holds_no_thread_for_ever() -> None:
    options = configured(environ.Env.db_url_config("postgres://sluice@db/sluice"))["OPTIONS"]

    assert options["connect_timeout"] == 3
    assert options["tcp_user_timeout"] == 10_000
    assert "statement_timeout=20s" in options["options"]


def test_the_url_has_the_last_word() -> None:
    url = "postgres://sluice@db/sluice?connect_timeout=10&sslmode=require&options=-c%20statement_timeout%3D0"
    options = configured(environ.Env.db_url_config(url))["OPTIONS"]

    assert (options["connect_timeout"], options["sslmode"]) == (10, "require")
    assert options["options"] == "-c statement_timeout=0"
    assert options["keepalives_count"] == 3


def test_sqlite_queues_its_writers() -> None:
    assert (
        configured(environ.Env.db_url_config("sqlite:///x.db"))["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    )
