"""What each command says when market-data has no answer: one sentence, and a way to ask again."""

from collections.abc import Callable
from typing import Any

import pytest

from reference_bot.telegram_bot.commands.table import COMMANDS

ASKING = tuple(command for command in COMMANDS if command.live or command.name == "pairs")
LISTED = ",".join(str(user) for user in range(1, 30))  # the account is for listed people


def failure(code: str, **more: Any) -> dict[str, Any]:
    return {"success": False, "error": {"code": code, "message": "why", **more}}


@pytest.mark.parametrize(
    "case",
    [
        (502, "venue_failed", "⚠️ No exchange could answer"),
        (504, "too_late", "⚠️ The exchanges took too long"),
        (503, "busy", "⚠️ Market data has more questions than it has time for"),
        (500, "internal", "⚠️ Market data gave an answer I cannot read"),
    ],
)
def test_every_command_says_in_one_sentence_that_there_are_no_figures(
    telegram: Any, market: Any, start_bot: Callable[..., Any], case: tuple[int, str, str]
) -> None:
    start_bot(TELEGRAM_ALLOWED_USERS=LISTED).until_ready()
    status, code, sentence = case
    market.status, market.answer = status, failure(code)
    for chat, command in enumerate(ASKING, 1):
        telegram.say(command.example, chat=chat)
    for sent in telegram.replies(len(ASKING)):
        assert sent["params"]["text"].startswith(sentence)
        assert "reply_markup" in sent["result"]


@pytest.mark.parametrize("name", ["balance", "positions", "pnl"])
def test_without_keys_the_account_commands_say_what_is_not_set(
    telegram: Any, market: Any, start_bot: Callable[..., Any], name: str
) -> None:
    start_bot(TELEGRAM_ALLOWED_USERS=LISTED).until_ready()
    market.status, market.answer = 503, failure("not_ready")
    telegram.say(f"/{name}")
    sent = telegram.replies()[0]
    assert (
        "BINANCE_API_KEY and BINANCE_API_SECRET of market-data are not set"
        in sent["params"]["text"]
    )
    assert "reply_markup" not in sent["result"]


def test_a_pair_that_no_venue_has_figures_for_is_not_called_a_failure(
    telegram: Any, market: Any, start_bot: Callable[..., Any]
) -> None:
    start_bot().until_ready()
    gap = {"section": "perp.candles", "venue": "okx", "reason": "unavailable", "message": ""}
    market.status, market.answer = 502, failure("venue_failed", missing=[gap])
    telegram.say("/cvd ARB")
    assert "No exchange here has this for ARB" in telegram.replies()[0]["params"]["text"]
    gap |= {"reason": "new", "message": "it has traded on okx only since 22 Nov 00:00 UTC"}
    market.answer = failure("venue_failed", missing=[gap])
    telegram.say("/cvd ARB")
    assert (
        "ARB is too new for this: no exchange has traded it"
        in telegram.replies()[0]["params"]["text"]
    )
    gap |= {
        "reason": "gap",
        "message": "12 of the last 96 candles of 15 m are missing: okx has none "
        "from 22 Nov 09:00 UTC to 22 Nov 12:00 UTC",
    }
    market.answer = failure("venue_failed", missing=[gap])
    telegram.say("/cvd ARB")
    assert (
        "There is a gap in the candles of ARB: OKX has none from 22 Nov 09:00 UTC to 22 Nov 12:00"
        in telegram.replies()[0]["params"]["text"]
    )
    gap["reason"] = "outage"
    market.answer = failure("venue_failed", missing=[gap])
    telegram.say("/cvd ARB")
    assert "No exchange could answer" in telegram.replies()[0]["params"]["text"]
