"""What a roll-out asks Telegram, with the bot's own token: only questions that change nothing."""

from __future__ import annotations

import datetime
import email.utils
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from botproof.fleet.webhook import settings_of
from botproof.rollout.engine import StepFailedError

_SECONDS = 5.0
_PROXIES = frozenset({"all_proxy", "http_proxy", "https_proxy"})
_OUT_OF_TIME = re.compile(r"certificate (has expired|is not yet valid)")
"""What OpenSSL says of a good certificate where the clock is far off."""
_REFUSED = frozenset({401, 404})
"""What Telegram says of a token that it does not know, and of one that has not the form of one."""


class Telegram:
    """The Bot API as the bot's settings name it. `url` is the webhook that the bot should have."""

    def __init__(self, environment: Mapping[str, str], addresses: Mapping[str, str]) -> None:
        """``addresses``: of services that the API's URL may name, as this machine reaches them."""
        settings = settings_of(environment)
        if settings is None:
            raise StepFailedError(_without_token(environment))
        self.url = settings["url"]
        parts = urlsplit(settings["api"])
        host = addresses.get(parts.hostname or "", parts.hostname or "")
        # A service of this machine is behind no proxy; what leads outside may be behind the
        # operator's, which the environment names.
        self._by_proxy = host == parts.hostname
        netloc = f"{host}:{parts.port}" if parts.port else host
        self.api = urlunsplit(parts._replace(netloc=netloc)).rstrip("/")
        self.token = settings["token"]
        self.bot_id = self.token.partition(":")[0]

    def ask(self, method: str) -> tuple[Any, datetime.datetime | None]:
        """Return the result of a method without parameters, and the time that Telegram's server
        has.

        Raises StepFailedError; the token stands in no message.
        """
        try:
            answer = httpx.get(
                f"{self.api}/bot{self.token}/{method}",
                timeout=_SECONDS,
                trust_env=self._by_proxy,
            )
            document = answer.json()
        # httpx knows SOCKS by another package, and finds a proxy's URL wrong when it is asked.
        except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
            told = f"Telegram ({self.api}) cannot be asked: {type(error).__name__}"
            raise StepFailedError(f"{told}; {self._help(error)}") from error
        if not document.get("ok"):
            help_ = (
                "; is TELEGRAM_BOT_TOKEN the right one?" if answer.status_code in _REFUSED else ""
            )
            raise StepFailedError(
                f"Telegram said {answer.status_code} to {method}: "
                f"{document.get('description')}{help_}"
            )
        return document["result"], _date(answer.headers.get("date"))

    def _help(self, error: Exception) -> str:
        if _OUT_OF_TIME.search(str(error)):
            return f"{error}. Is this machine's clock right (`date`, `timedatectl`)?"
        proxies = sorted(name for name in os.environ if name.lower() in _PROXIES)
        if self._by_proxy and proxies:
            return (
                f"the environment names a proxy ({', '.join(proxies)}): does it work, and lead to "
                "Telegram? `env -u NAME` before the command goes without one"
            )
        return "look at this machine's way out (DNS, firewall) and at TELEGRAM_API_BASE_URL"


def _without_token(environment: Mapping[str, str]) -> str:
    """Say why there is no token: often something stands beside it that cannot be seen."""
    for name, value in environment.items():
        bare = value.strip().strip("'\"").strip()
        if value != bare and settings_of({name: bare}) is not None:
            return f"{name} has spaces, quotes or a line's end beside its token; take them away"
    return "the bot's settings hold no token of a Telegram bot"


def _date(text: str | None) -> datetime.datetime | None:
    try:
        return email.utils.parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
