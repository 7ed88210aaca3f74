"""What a roll-out asks Telegram, with the bot's own token: only questions that change nothing."""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from botproof.fleet.webhook import settings_of
from botproof.rollout.engine import StepFailedError

__all__ = ["Telegram"]

_SECONDS = 5.0


class Telegram:
    """The Bot API as the bot's settings name it. `url` is the webhook that the bot should have."""

    def __init__(self, environment: Mapping[str, str], addresses: Mapping[str, str]) -> None:
        """``addresses``: of services that the API's URL may name, as this machine reaches them."""
        settings = settings_of(environment)
        if settings is None:
            raise StepFailedError("the bot's settings hold no token of a Telegram bot")
        self.url = settings["url"]
        parts = urlsplit(settings["api"])
        host = addresses.get(parts.hostname or "", parts.hostname or "")
        netloc = f"{host}:{parts.port}" if parts.port else host
        self.api = urlunsplit(parts._replace(netloc=netloc)).rstrip("/")
        self.token = settings["token"]

    def ask(self, method: str) -> tuple[Any, datetime.datetime | None]:
        """The result of a method without parameters, and the time that Telegram's server has.

        Raises StepFailedError; the token stands in no message.
        """
        try:
            answer = httpx.get(f"{self.api}/bot{self.token}/{method}", timeout=_SECONDS)
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise StepFailedError(f"Telegram ({self.api}): {type(error).__name__}") from error
        if not document.get("ok"):
            raise StepFailedError(
                f"Telegram said {answer.status_code} to {method}: {document.get('description')}"
            )
        return document["result"], _date(answer.headers.get("date"))


def _date(text: str | None) -> datetime.datetime | None:
    try:
        return email.utils.parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
