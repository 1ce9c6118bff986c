"""Presses by Socket Mode: this process opens the connection, so that Slack needs no way in.

slack-sdk keeps the connection, renews it when Slack asks, and calls `_Door` from threads of its own. An
envelope is acknowledged once its transaction is over, which `interactions` bounds; Slack waits 3 s.
"""

import logging
import threading
from datetime import timedelta
from http.client import HTTPException

from django.db import OperationalError, close_old_connections
from django.utils import timezone
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from alerts import interactions, services, slack
from alerts.domain.chat import ChatError
from alerts.domain.interaction import Interaction, NotUnderstood, read

BUSY = "Nothing was done: Sluice is busy. Press again in a moment."
NAME, EVERY = "slack", timedelta(seconds=5)
LONGEST_WAIT_SECONDS = 30.0
# A connection that is cut without a word is known to be gone after four of these.
PING_SECONDS = 1.0

log = logging.getLogger(__name__)


def listen(*, app_token: str, base_url: str, ended: threading.Event) -> None:
    """Take presses until `ended` is set. Tries for ever to be connected."""
    client = SocketModeClient(
        app_token=app_token, web_client=slack.web_client(base_url), ping_interval=PING_SECONDS
    )
    if slack.is_loopback(base_url):
        client.proxy = None
    client.socket_mode_request_listeners.append(_Door(base_url))
    wait = 0.0
    try:
        while not ended.wait(wait):
            wait = EVERY.total_seconds() if _connected(client) else min(2 * wait + 0.5, LONGEST_WAIT_SECONDS)
    finally:
        client.close()
        _rest()


def _connected(client: SocketModeClient) -> bool:
    """Whether presses arrive, after an attempt where they do not. Pages hear of it as of every other part."""
    try:
        if not client.is_connected():
            client.connect_to_new_endpoint()
    except (OSError, HTTPException, SlackClientError) as error:
        # Not the text: one of the SDK's may hold the address, which bears a ticket.
        log.warning("not connected to Slack's Socket Mode: %s", type(error).__name__)
    if client.is_connected():
        _beat()
    return client.is_connected()


def _beat() -> None:
    close_old_connections()
    try:
        services.beat(name=NAME, now=timezone.now(), every=EVERY)
    except OperationalError:
        log.warning("the database does not answer")


def _rest() -> None:
    """Ended in order: nobody waits for this part any more."""
    try:
        services.rest(name=NAME)
    except OperationalError:
        log.warning("the database does not answer")


class _Door:
    """Takes one envelope. Called in a thread of the SDK's, which has a database connection of its own."""

    def __init__(self, api_url: str) -> None:
        self._api_url = api_url

    def __call__(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        close_old_connections()
        try:
            missed = self._taken(request)
            client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        finally:
            close_old_connections()
        if missed is not None and missed.answer_to:
            self._apologise(missed)

    def _taken(self, request: SocketModeRequest) -> Interaction | None:
        """Do what the envelope says. Returns the press for which the database did not answer in time."""
        if request.type != "interactive":
            return None
        interaction = None
        try:
            interaction = read(request.payload, api_url=self._api_url)
            if interaction is not None:
                seen = f"envelope/{request.envelope_id}"
                interactions.receive(interaction, seen=seen, now=timezone.now())
        except NotUnderstood as error:
            log.warning("Slack sent an interaction that is none: %s", error)
        except interactions.Replayed:
            log.info("Slack sent an envelope again: it was taken before")
        except OperationalError:
            return interaction
        return None

    def _apologise(self, interaction: Interaction) -> None:
        """Past the outbox, whose database is what failed."""
        try:
            slack.whisper(interaction.answer_to, BUSY)
        except ChatError as error:
            log.warning("nobody could be told that a press was not taken: %s", error)
