"""The real chat: Slack's Web API, or an incoming webhook, through slack-sdk.

Measured and relied on: the SDK's own retry handler posts twice after a dropped connection, so there is none;
`urlopen` wraps what fails before the answer in URLError and raises what fails while reading it bare.
"""

import socket
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http.client import HTTPException
from ssl import SSLCertVerificationError
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.parse import urlsplit

from django.conf import settings
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse, WebClient
from slack_sdk.webhook import WebhookClient

from alerts.domain.chat import (
    Blocks,
    CannotTell,
    ChatError,
    MaybeSent,
    NotSent,
    Posted,
    Refused,
    Throttled,
)
from alerts.ports import Chat

TIMEOUT_SECONDS = 5
HISTORY_PAGE = 200
NOT_CONFIGURED_RETRY = timedelta(seconds=30)
# Errors of Slack after which "some aspect of the operation" may have succeeded, in its documents' words.
AMBIGUOUS = {"internal_error", "fatal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
THROTTLED = {"ratelimited", "rate_limited", "message_limit_exceeded"}
T = TypeVar("T")

EVENT_TYPE = "sluice_message"


class SlackChat:
    """Slack's Web API. Messages bear their key as metadata, so that they can be found again."""

    edits = True

    def __init__(
        self, *, token: str, base_url: str, channel: str, buttons: bool, timeout: int = TIMEOUT_SECONDS
    ) -> None:
        """`buttons`: whether a press would reach this installation, by a signed request or Socket Mode."""
        self.buttons = buttons
        self._channel = channel
        self._timeout = timeout
        self._client = web_client(base_url, token=token, timeout=timeout)

    def post(
        self,
        *,
        key: str,
        text: str,
        blocks: Blocks,
        thread_ts: str = "",
        broadcast: bool = False,
        channel: str = "",
    ) -> Posted:
        answer = _attempt(
            lambda: self._client.chat_postMessage(
                channel=channel or self._channel,
                text=text,
                blocks=blocks,
                thread_ts=thread_ts or None,
                reply_broadcast=True if thread_ts and broadcast else None,
                metadata={"event_type": EVENT_TYPE, "event_payload": {"key": key}},
                unfurl_links=False,
            )
        )
        return Posted(str(answer.get("channel") or channel or self._channel), str(answer.get("ts") or ""))

    def update(self, *, at: Posted, text: str, blocks: Blocks) -> None:
        _attempt(lambda: self._client.chat_update(channel=at.channel, ts=at.ts, text=text, blocks=blocks))

    def whisper(self, *, answer_to: str, text: str) -> None:
        whisper(answer_to, text, timeout=self._timeout)

    def find(self, *, key: str, since: datetime, channel: str = "", thread_ts: str = "") -> Posted | None:
        """Looks through one page of the channel, or of the thread, from `since` on."""
        where = channel or self._channel
        oldest = f"{since.timestamp():.6f}"
        try:
            if thread_ts:
                answer = _attempt(
                    lambda: self._client.conversations_replies(
                        channel=where,
                        ts=thread_ts,
                        oldest=oldest,
                        limit=HISTORY_PAGE,
                        include_all_metadata=True,
                    )
                )
            else:
                answer = _attempt(
                    lambda: self._client.conversations_history(
                        channel=where, oldest=oldest, limit=HISTORY_PAGE, include_all_metadata=True
                    )
                )
        except Refused as error:
            raise CannotTell(str(error)) from None
        return _search(answer, key, where)


class WebhookChat:
    """An incoming webhook: posts to its own channel; no threads, edits, buttons or history."""

    edits = False
    buttons = False

    def __init__(self, *, url: str, timeout: int = TIMEOUT_SECONDS) -> None:
        self._client = _webhook_client(url, timeout)

    def post(
        self,
        *,
        key: str,
        text: str,
        blocks: Blocks,
        thread_ts: str = "",
        broadcast: bool = False,
        channel: str = "",
    ) -> Posted:
        answer = _connected(lambda: self._client.send(text=text, blocks=blocks))
        # WebhookClient raises nothing for 429 or 500.
        _check(answer.status_code, str(answer.body), answer.headers)
        return Posted("webhook", "")

    def update(self, *, at: Posted, text: str, blocks: Blocks) -> None:
        raise Refused("an incoming webhook cannot change a message")

    def whisper(self, *, answer_to: str, text: str) -> None:
        raise Refused("an incoming webhook has no buttons to answer")

    def find(self, *, key: str, since: datetime, channel: str = "", thread_ts: str = "") -> Posted | None:
        raise CannotTell("an incoming webhook cannot read its channel")


class NoChat:
    """No chat is configured: messages wait where people see them."""

    edits = False
    buttons = False

    def post(
        self,
        *,
        key: str,
        text: str,
        blocks: Blocks,
        thread_ts: str = "",
        broadcast: bool = False,
        channel: str = "",
    ) -> Posted:
        raise NotSent("Slack is not configured", NOT_CONFIGURED_RETRY)

    def update(self, *, at: Posted, text: str, blocks: Blocks) -> None:
        raise NotSent("Slack is not configured", NOT_CONFIGURED_RETRY)

    def whisper(self, *, answer_to: str, text: str) -> None:
        raise NotSent("Slack is not configured", NOT_CONFIGURED_RETRY)

    def find(self, *, key: str, since: datetime, channel: str = "", thread_ts: str = "") -> Posted | None:
        raise CannotTell("Slack is not configured")


def from_settings() -> Chat:
    """The chat that the settings name: a bot's token, else a webhook, else the lab's receiver, else none."""
    if settings.SLACK_WEBHOOK_URL and not settings.SLACK_BOT_TOKEN:
        return WebhookChat(url=settings.SLACK_WEBHOOK_URL)
    if settings.SLACK_BOT_TOKEN or settings.LAB_RECEIVER_URL:
        return SlackChat(
            token=settings.SLACK_BOT_TOKEN or "lab",
            base_url=api_url(),
            channel=settings.SLACK_CHANNEL,
            buttons=bool(settings.SLACK_SIGNING_SECRET or settings.SLACK_APP_TOKEN),
        )
    return NoChat()


def api_url() -> str:
    """Where the Web API is: Slack's or a relay's, or the lab's receiver where there is no bot token."""
    if settings.LAB_RECEIVER_URL and not settings.SLACK_BOT_TOKEN:
        return f"{settings.LAB_RECEIVER_URL.rstrip('/')}/api/"
    return str(settings.SLACK_API_URL)


def web_client(base_url: str, *, token: str = "", timeout: int = TIMEOUT_SECONDS) -> WebClient:
    """slack-sdk's client, which tries each call once."""
    client = WebClient(token=token or None, base_url=base_url, timeout=timeout, retry_handlers=[])
    if is_loopback(base_url):
        client.proxy = None
    return client


def whisper(answer_to: str, text: str, *, timeout: int = TIMEOUT_SECONDS) -> None:
    """Say something to whoever pressed a button. Raises what the chat port raises."""
    client = _webhook_client(answer_to, timeout)
    answer = _connected(
        lambda: client.send(
            text=text, response_type="ephemeral", replace_original=False, delete_original=False
        )
    )
    _check(answer.status_code, str(answer.body), answer.headers)


def _webhook_client(url: str, timeout: int) -> WebhookClient:
    client = WebhookClient(url, timeout=timeout, retry_handlers=[])
    if is_loopback(url):
        client.proxy = None
    return client


def _search(answer: Mapping[str, Any], key: str, channel: str) -> Posted | None:
    messages = answer.get("messages")
    if not isinstance(messages, list):
        raise CannotTell("the history came without messages")
    for found in messages:
        if found.get("metadata", {}).get("event_payload", {}).get("key") == key:
            return Posted(str(answer.get("channel") or channel), str(found["ts"]))
    if answer.get("has_more"):
        raise CannotTell("the history is longer than one page")
    return None


def _attempt(call: Callable[[], SlackResponse]) -> dict[str, Any]:
    """One call of the Web API; what is not `ok: true` becomes the error that says what may have happened."""
    try:
        answer = _connected(call)
    except SlackApiError as error:
        response = error.response
        status = getattr(response, "status_code", 200)
        reason = response.get("error", "") if hasattr(response, "get") else ""
        _check(int(status), str(reason), getattr(response, "headers", {}))
        raise _ok_false(str(reason)) from None
    except SlackClientError as error:
        raise MaybeSent(f"Slack's answer could not be read: {type(error).__name__}") from None
    data = answer.data
    if not isinstance(data, dict):
        raise MaybeSent("Slack's answer was not JSON")
    return data


def _connected(call: Callable[[], T]) -> T:
    """Tell a connection that never carried the request from one that may have."""
    try:
        return call()
    except URLError as error:
        if isinstance(error.reason, ConnectionRefusedError | socket.gaierror | SSLCertVerificationError):
            raise NotSent(f"no connection: {error.reason}") from None
        raise MaybeSent(f"connection broke while sending: {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise MaybeSent(f"no answer: {type(error).__name__}") from None


def _check(status: int, reason: str, headers: Mapping[str, Any]) -> None:
    if status == 429:
        raise Throttled("rate limited", _retry_after(headers))
    if status >= 500:
        raise MaybeSent(f"HTTP {status}")
    if status >= 400:
        raise Refused(f"HTTP {status} {reason}".strip()[:200])


def _ok_false(reason: str) -> ChatError:
    if reason in THROTTLED:
        return Throttled(reason)
    return MaybeSent(reason) if reason in AMBIGUOUS else Refused(reason or "refused without a reason")


def _retry_after(headers: Mapping[str, Any]) -> timedelta | None:
    """Seconds from Retry-After; None when it is missing or not a number."""
    found = next((v for k, v in headers.items() if k.lower() == "retry-after"), None)
    text = str(found[0] if isinstance(found, list) else found)
    return timedelta(seconds=int(text)) if text.isdigit() else None


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine: no proxy is asked for it."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
