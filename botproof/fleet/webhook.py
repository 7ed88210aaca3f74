"""The webhook that Telegram has, against the settings of the bot that runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botproof.bot_token import is_token
from botproof.fleet.differences import Difference
from botproof.watch import web

_TIMEOUT_S = 2.0


class BotSettings(dict[str, str]):
    """`token`, `api` and `url` (empty where the bot polls), as the environment has them."""


def settings_of(environment: Mapping[str, str]) -> BotSettings | None:
    """Return the settings of a Telegram bot among variables; None where there is no token among
    them.

    The token is known by its form; the API's address by a variable with TELEGRAM and URL in its
    name, the webhook's by one with WEBHOOK and URL.
    """
    tokens = [value for value in environment.values() if is_token(value)]
    if not tokens:
        return None

    def named(*parts: str) -> str:
        found = (v for n, v in environment.items() if v and all(p in n.upper() for p in parts))
        return next(found, "")

    polling = "polling" in {value.lower() for name, value in environment.items() if "MODE" in name}
    return BotSettings(
        token=tokens[0],
        api=named("TELEGRAM", "URL") or "https://api.telegram.org",
        url="" if polling else named("WEBHOOK", "URL"),
    )


def ask(settings: BotSettings) -> Mapping[str, Any] | str:
    """Return `getWebhookInfo`'s result, or why there is none."""
    url = f"{settings['api'].rstrip('/')}/bot{settings['token']}/getWebhookInfo"
    try:
        answer = web.ask(url, _TIMEOUT_S)
        document = answer.json()
    except web.Unanswered as error:
        return str(error)
    if not document.get("ok"):
        return str(document.get("description", answer.status))
    result: Mapping[str, Any] = document["result"]
    return result


def differences(
    service: str, settings: BotSettings, told: Mapping[str, Any] | str, repair: str
) -> list[Difference]:
    """Return what Telegram has otherwise than the bot's settings say."""
    if isinstance(told, str):
        return [Difference(service, "webhook at Telegram", "an answer", told, "boot")]
    found = []
    if told.get("url", "") != settings["url"]:
        found.append(
            Difference(
                service,
                "webhook at Telegram",
                settings["url"] or "none, because the bot polls",
                told.get("url") or "none",
                "boot: no update reaches the bot",
                repair,
            )
        )
    if error := told.get("last_error_message"):
        waiting = told.get("pending_update_count", 0)
        found.append(
            Difference(
                service,
                "webhook deliveries",
                "no error",
                f"{error}; {waiting} updates wait",
                "boot, latency",
            )
        )
    return found
