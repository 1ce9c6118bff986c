"""Where a hook's question may go, what is signed, and what counts as an answer."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.domain import hooks
from canary.domain.hooks import Hook
from canary.domain.plan import BadPlan, read
from canary.webhooks import WebHooks
from lab.hooks import genuine
from lab.http import Request, Response
from outbound import signing
from outbound.addresses import Resolve
from outbound.errors import NoSecret
from outbound.posting import Outbound
from outbound.secrets import Secrets
from tests.support.processes import wait_until
from tests.support.serving import serving

SECRET = "a secret of the tests"
NOW = 1_767_225_600


def webhooks(
    *hosts: str, addresses: list[str] | None = None, resolve: Resolve | None = None, timeout: float = 3.0
) -> WebHooks:
    secrets = Secrets(environment={"SLUICE_HOOK_SECRET_CI": SECRET}, folder=Path("/nonexistent"))
    found = ["127.0.0.1"] if addresses is None else addresses
    taken = resolve or (lambda host, port: found)
    return WebHooks(Outbound(secrets, frozenset(hosts), resolve=taken, timeout=timeout))


def hook(url: str = "https://hooks.test/x", **more: Any) -> Hook:
    return Hook(name="smoke", url=url, secret="ci", **more)


def said(asked: WebHooks, of: Hook) -> hooks.Answer:
    return asked.ask(of, {"event": "before_step"}, event="before_step", delivery=7, timestamp=NOW)


@contextlib.contextmanager
def dripping() -> Iterator[int]:
    """A server that sends a byte of its head each tenth of a second, for ever."""
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        taken, _ = listener.accept()
        with taken, contextlib.suppress(OSError):
            taken.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                taken.sendall(b"x")
                time.sleep(0.1)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(5)


def test_a_signature_is_the_hmac_of_timestamp_and_body() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    given = signing.signature(b"key", 1_700_000_000, b"{}")
    assert given == "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert signing.signature(b"key", 1_700_000_001, b"{}") != given


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, b'{"answer": "go"}', "go"),
        (202, b'{"answer": "wait", "reason": "tests run"}', "wait"),
        (200, b'{"answer": "refuse"}', "refuse"),
        (200, b"OK", None),
        (204, b"", None),
        (200, b'{"answer": true}', None),
        (200, b'["go"]', None),
        (302, b'{"answer": "go"}', None),
        (500, b'{"answer": "go"}', None),
    ],
)
def test_only_a_plain_word_is_an_answer(status: int, body: bytes, answer: str | None) -> None:
    assert hooks.answer_of(status, body).said == answer


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "ftp://hooks.test"}, "hooks.0.url"),
        ({"url": "https://user:word@hooks.test/"}, "hooks.0.url"),
        ({"url": "https://hooks.test/a b"}, "hooks.0.url"),
        ({"secret": "../../etc/passwd"}, "hooks.0.secret"),
        ({"deadline": 0}, "hooks.0.deadline"),
        ({"when": []}, "hooks.0.when"),
        ({"when": ["during"]}, "hooks.0.when.0"),
        ({"retries": 3}, "hooks.0.retries"),
    ],
)
def test_a_hook_that_makes_no_sense_names_its_place(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadPlan) as caught:
        read({"hooks": [{"name": "smoke", "url": "https://hooks.test/", "secret": "ci", **change}]})
    assert caught.value.field == field


def test_two_hooks_of_one_name_are_refused() -> None:
    one = {"name": "smoke", "url": "https://hooks.test/", "secret": "ci"}
    with pytest.raises(BadPlan) as caught:
        read({"hooks": [one, one]})
    assert (caught.value.field, "twice: smoke" in caught.value.why) == ("hooks", True)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.test/",
        "https://127.0.0.1/",
        "https://10.0.0.8/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://2130706433/",
        "https://0x7f.1/",
    ],
)
def test_an_address_that_no_hook_may_have_is_told_at_the_start(url: str) -> None:
    refused = webhooks().refused(hook(url))
    assert refused is not None
    assert refused[0] == "url"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "100.64.0.1"]
)
def test_a_public_name_with_a_private_address_is_sent_nothing(address: str) -> None:
    answer = said(webhooks(addresses=["93.184.216.34", address]), hook())
    assert answer.said is None
    assert "no public address" in answer.reason


def test_a_secret_that_is_not_there_is_told_at_the_start_without_any_other() -> None:
    refused = webhooks().refused(hook().model_copy(update={"secret": "other"}))
    assert refused is not None
    assert refused[0] == "secret"
    assert "SLUICE_HOOK_SECRET_OTHER" in refused[1]
    assert SECRET not in refused[1]


def test_a_secret_comes_from_a_file_where_no_variable_holds_it(tmp_path: Path) -> None:
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "ci").write_text(f"{SECRET}\n")
    (tmp_path / "hooks" / "weak").write_text("short")
    secrets = Secrets(environment={}, folder=tmp_path)
    assert secrets.read("ci") == SECRET.encode()
    with pytest.raises(NoSecret, match="fewer than 16"):
        secrets.read("weak")


def test_a_question_arrives_signed_at_a_listed_host() -> None:
    seen: list[Request] = []

    async def answer(request: Request) -> Response:
        seen.append(request)
        return Response.of({"answer": "go", "reason": "all\nwell"})

    with serving(answer) as port:
        given = said(webhooks(f"hooks.test:{port}"), hook(f"http://hooks.test:{port}/a?b=c"))
    assert (given.said, given.reason) == ("go", "all well")
    assert genuine(SECRET, seen[0], now=NOW + 10)
    assert not genuine(SECRET, seen[0], now=NOW + 3600)
    assert not genuine("another secret", seen[0], now=NOW)
    assert seen[0].headers["sluice-delivery"] == "7"
    assert seen[0].headers["host"] == f"hooks.test:{port}"
    assert (seen[0].path, seen[0].query) == ("/a", {"b": "c"})


def test_a_redirect_is_not_followed() -> None:
    seen: list[str] = []

    async def answer(request: Request) -> Response:
        seen.append(request.path)
        return Response(307, b"", {"location": "/inside"})

    with serving(answer) as port:
        given = said(webhooks("hooks.test"), hook(f"http://hooks.test:{port}/outside"))
    assert (given.said, given.reason, seen) == (None, "HTTP 307", ["/outside"])


def test_an_answer_that_drips_is_cut_when_the_time_is_over() -> None:
    began = time.monotonic()
    with dripping() as port:
        given = said(webhooks("hooks.test", timeout=0.5), hook(f"http://hooks.test:{port}/"))
    assert given.said is None
    assert time.monotonic() - began < 2


def test_a_hook_that_nobody_serves_is_no_answer() -> None:
    given = said(webhooks("hooks.test"), hook("http://hooks.test:1/"))
    assert (given.said, given.reason) == (None, "no answer: ConnectionRefusedError")


def test_a_name_server_that_never_answers_costs_no_more_than_the_time_of_a_question() -> None:
    answers = threading.Event()

    def hangs(host: str, port: int) -> list[str]:
        answers.wait(30)
        return ["127.0.0.1"]

    asked = webhooks("hooks.test", resolve=hangs, timeout=0.3)
    began = time.monotonic()
    answer = said(asked, hook())
    took = time.monotonic() - began
    answers.set()
    assert (answer.said, answer.reason) == (None, "no address of hooks.test within 0.3 s")
    assert took < 2


def test_look_ups_that_hang_are_bounded_and_free_their_place_when_they_end() -> None:
    answers = threading.Event()

    def hangs(host: str, port: int) -> list[str]:
        answers.wait(30)
        return []

    asked = webhooks("hooks.test", resolve=hangs, timeout=0.01)
    reasons = [said(asked, hook()).reason for _ in range(65)]
    assert reasons[-1] == "too many look-ups hang"
    answers.set()
    free = webhooks("hooks.test", timeout=3.0)
    hung = "too many look-ups hang"
    wait_until(lambda: said(free, hook()).reason != hung, timeout=10, what="a look-up is free")


def test_a_host_without_an_address_is_no_answer() -> None:
    def fails(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    asked = webhooks("hooks.test", resolve=fails)
    assert said(asked, hook()).reason == "no answer: gaierror"
