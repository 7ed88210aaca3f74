"""The bot as a process, in both modes, between the Telegram double and a market-data."""

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contract_tests.bot.conftest import AFRESH, HTTP, wait_for


def message(update_id: int, text: str = "/help", chat: int = 1) -> dict[str, Any]:
    entities = [{"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}]
    user = {"id": chat, "is_bot": False, "first_name": "A"}
    return {
        "update_id": update_id,
        "message": {
            "message_id": update_id,
            "date": 1,
            "chat": {"id": chat, "type": "private", "first_name": "A"},
            "from": user,
            "text": text,
            "entities": entities,
        },
    }


def test_each_mode_answers_and_ends_cleanly(start_bot: Any, telegram: Any, mode: str) -> None:
    bot = start_bot(mode, command=AFRESH).until_ready()
    telegram.say("/start", chat=1)
    telegram.say("/help", chat=2)
    telegram.say("/price btc", chat=3)
    telegram.say("/frobnicate", chat=4)
    telegram.replies(4)
    assert telegram.texts(1)[0].startswith("👋 Welcome.")
    assert "/price SYM – price" in telegram.texts(2)[0]
    assert "MARKET INTELLIGENCE" in telegram.texts(3)[0]
    assert telegram.texts(4) == ["I do not know /frobnicate. /help lists what I can do."]
    telegram.say("/Pirce btc", chat=4)
    assert telegram.replies()[0]["params"]["text"].startswith(
        "I do not know /Pirce. Did you mean /price?"
    )
    assert bot.end() == 0


def test_a_clean_stop_finishes_what_runs(
    start_bot: Any, telegram: Any, market: Any, mode: str
) -> None:
    market.delay = 1.0
    bot = start_bot(mode).until_ready()
    telegram.say("/price btc")
    telegram.announcement()  # the handler is at work
    bot.process.send_signal(signal.SIGTERM)
    assert bot.wait() == 0
    [text] = telegram.texts(1)
    assert "MARKET SUMMARY" in text


def test_sigterm_ends_the_process_cleanly_from_its_first_moment_on(start_bot: Any) -> None:
    bot = start_bot("polling", command=AFRESH, TELEGRAM_API_BASE_URL="http://127.0.0.1:9")
    assert bot.end() == 0


@pytest.fixture
def hang_up() -> Iterator[Callable[[Any], None]]:
    """Set what SIGHUP does in processes that are started next."""
    before = signal.getsignal(signal.SIGHUP)

    def set_to(what: Any) -> None:
        signal.signal(signal.SIGHUP, what)

    yield set_to
    signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_closes_ends_it_cleanly_and_not_under_nohup(
    start_bot: Any, telegram: Any, hang_up: Callable[[Any], None]
) -> None:
    hang_up(signal.SIG_DFL)
    assert start_bot("polling", command=AFRESH).until_ready().end(signal.SIGHUP) == 0
    hang_up(signal.SIG_IGN)
    bot = start_bot("polling", command=AFRESH).until_ready()
    bot.process.send_signal(signal.SIGHUP)
    telegram.say("/help")
    telegram.replies()
    assert bot.end() == 0


def test_updates_that_came_before_the_bot_are_answered(
    start_bot: Any, telegram: Any, mode: str
) -> None:
    for chat in (1, 2, 3):
        telegram.say("/help", chat=chat)
    start_bot(mode)
    telegram.replies(3)


def test_changing_the_mode_keeps_the_backlog(start_bot: Any, telegram: Any) -> None:
    first = start_bot("webhook").until_ready()
    assert first.end() == 0
    telegram.say("/help", chat=1)  # waits at Telegram: nobody listens on the webhook
    second = start_bot("polling").until_ready()
    telegram.replies(1)
    assert second.end() == 0
    telegram.say("/help", chat=2)
    start_bot("webhook")
    telegram.replies(1)
    assert telegram.texts(2) != []


def test_a_slow_answer_is_announced_and_edited_into_place(
    start_bot: Any, telegram: Any, market: Any, mode: str
) -> None:
    market.delay = 0.9
    start_bot(mode).until_ready()
    telegram.say("/price btc")
    telegram.until(lambda event: event.get("method") == "editMessageText")
    [text] = telegram.texts(1)
    assert "MARKET INTELLIGENCE" in text


def test_without_market_data_the_bot_still_answers(start_bot: Any, telegram: Any) -> None:
    start_bot("polling", MARKET_DATA_URL="http://127.0.0.1:9")
    telegram.say("/price btc")
    telegram.replies(1)
    [text] = telegram.texts(1)
    assert text.startswith("⚠️ Market data is not reachable, so there are no figures for BTC")


def test_a_market_data_that_is_too_slow_is_said_so_within_two_seconds(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    market.delay = 30.0
    start_bot("polling", MARKET_DATA_TIMEOUT_SECONDS="").until_ready()
    telegram.say("/price btc")
    telegram.until(lambda event: event.get("method") == "editMessageText")
    assert telegram.texts(1)[0].startswith("⚠️ Market data did not answer in time")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            {"code": "unknown_symbol", "message": "?", "near": ["BTC/USDT", "BTC/USDC"]},
            "⚠️ I do not know the symbol BTTC. Did you mean BTC/USDT, BTC/USDC?",
        ),
        (
            {"code": "venue_failed", "message": "?"},
            "⚠️ No exchange could answer, so there are no figures for BTTC just now.",
        ),
        ("nonsense", "⚠️ Market data gave an answer I cannot read"),
    ],
)
def test_every_failure_of_market_data_is_a_sentence(
    start_bot: Any, telegram: Any, market: Any, error: Any, sentence: str
) -> None:
    market.status, market.answer = 502, {"success": False, "error": error}
    start_bot("polling").until_ready()
    telegram.say("/price bttc")
    telegram.replies(1)
    assert telegram.texts(1)[0].startswith(sentence)


def test_what_no_handler_is_for_reaches_none(start_bot: Any, telegram: Any, mode: str) -> None:
    bot = start_bot(mode).until_ready()
    base = message(1)["message"]
    edited = {**base, "edit_date": 2}
    telegram.inject({"edited_message": edited})
    telegram.inject({"message": {k: v for k, v in base.items() if k not in ("text", "entities")}})
    channel = {"id": -100500, "type": "channel", "title": "C"}
    telegram.inject({"channel_post": {**base, "chat": channel, "from": None} | {"text": "/help"}})
    telegram.inject({"telepathy": {"thought": "buy"}})
    telegram.say("hello there", chat=1)
    telegram.say("/help", chat=1)
    telegram.replies(1)
    assert len(telegram.texts(1)) == 1
    assert bot.metric("bot_updates_failed_total") == 0


def test_a_group_gets_its_answer_as_a_reply(start_bot: Any, telegram: Any) -> None:
    start_bot("polling").until_ready()
    group = {"id": -1005, "type": "supergroup", "title": "G"}
    asked = {**message(1)["message"], "chat": group}
    telegram.inject({"message": asked})
    [call] = telegram.replies(1)
    assert call["params"]["reply_parameters"]["message_id"] == asked["message_id"]


def test_the_webhook_refuses_a_wrong_secret_and_what_is_no_update(start_bot: Any) -> None:
    bot = start_bot("webhook")
    assert bot.post(message(1), secret="wrong")[0] == 403
    assert bot.post(message(1), secret=None)[0] == 401
    for body, field in [
        ({}, "the field update_id is missing"),
        ({"update_id": "1"}, "update_id should be a whole number"),
        ({"update_id": True}, "update_id should be a whole number"),
        ([], "it should be a JSON object with the field update_id"),
        ({"update_id": 1, "message": {"message_id": 1, "date": 1}}, "message.chat.id is missing"),
        ({"update_id": 1, "callback_query": {"id": "1"}}, "callback_query.from.id is missing"),
        (b"{", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
    ]:
        status, answer = bot.post(body)
        assert (status, field in answer["error"]) == (400, True), answer
    status, answer = bot.post(b"x" * (1024 * 1024 + 1))
    assert status == 413
    assert HTTP.get(f"{bot.url}/webhook").status_code == 405


def test_what_is_brought_to_a_bot_that_stands_by_is_confirmed_when_its_turn_has_come(
    start_bot: Any, telegram: Any
) -> None:
    first = start_bot("webhook").until_ready()
    telegram.say("hello", chat=1)  # Telegram lets a bot write only to whom it knows
    second = start_bot("webhook")
    second.until_standing_by()
    with ThreadPoolExecutor(1) as aside:
        brought = aside.submit(second.post, message(1, "/help", chat=1))
        second.until_standing_by()  # asked behind it
        assert not brought.done()
        assert first.end() == 0
        assert brought.result()[0] == 200
    telegram.replies(1)
    second.until_ready()


def test_a_bot_that_stops_keeps_what_is_brought_meanwhile_for_the_next_one(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    first = start_bot("webhook").until_ready()
    telegram.say("hello", chat=2)  # Telegram lets a bot write only to whom it knows
    market.delay = 2.0  # the answer that it finishes before it ends
    telegram.say("/price btc", chat=1)
    wait_for("a question to market-data", lambda: market.asked)
    first.process.send_signal(signal.SIGTERM)
    first.until_not_ready("process")
    status, answer = first.post(message(1, "/help", chat=2))
    assert (status, answer) == (200, {})
    assert first.end() == 0
    assert telegram.texts(2) == []
    start_bot("webhook").until_ready()
    telegram.replies(2)
    assert (len(telegram.texts(1)), len(telegram.texts(2))) == (1, 1)


def test_a_bot_that_is_ended_while_it_stands_by_refuses_what_it_holds(start_bot: Any) -> None:
    start_bot("webhook").until_ready()
    second = start_bot("webhook")
    second.until_standing_by()
    with ThreadPoolExecutor(1) as aside:
        brought = aside.submit(second.post, message(1, "/help", chat=1))
        second.until_standing_by()  # asked behind it
        assert second.end() == 0
        assert brought.result()[0] == 503


def test_the_webhook_answers_200_once_and_handles_once(start_bot: Any, telegram: Any) -> None:
    bot = start_bot("webhook").until_ready()
    for chat in (1, 2):
        telegram.say("hello", chat=chat)  # Telegram lets a bot write only to whom it knows
    for _ in range(3):
        assert bot.post(message(900))[0] == 200
    assert bot.post(message(901, chat=2))[0] == 200
    telegram.replies(2)
    assert len(telegram.texts(1)) == 1
    assert bot.metric('bot_updates_duplicate_total{door="webhook"}') == 2


def test_one_chat_is_answered_in_order_and_chats_beside_each_other(
    start_bot: Any, telegram: Any, market: Any, mode: str
) -> None:
    market.delay = 0.3
    start_bot(mode).until_ready()
    for number in range(4):
        telegram.say("/price btc" if number % 2 == 0 else f"/nr{number}", chat=7)
    for chat in range(100, 120):
        telegram.say("/price eth", chat=chat)
    telegram.replies(24)
    kinds = ["figures" if "SPOT" in text else text.split()[4] for text in telegram.texts(7)]
    assert kinds == ["figures", "/nr1.", "figures", "/nr3."]


def test_strangers_hear_no_once_a_day(start_bot: Any, telegram: Any, mode: str) -> None:
    bot = start_bot(mode, TELEGRAM_ALLOWED_USERS="1,-1005").until_ready()
    for _ in range(3):
        telegram.say("/price btc", chat=2)
    telegram.say("/help", chat=1)
    [refusal, answer] = telegram.replies(2)
    texts = [refusal["params"]["text"], answer["params"]["text"]]
    assert sum(text.startswith("🔒 This bot is private.") for text in texts) == 1
    group = {"id": -1005, "type": "supergroup", "title": "G"}
    telegram.inject({"message": {**message(1, chat=3)["message"], "chat": group}})
    telegram.replies(1)
    assert len(telegram.texts(2)) == 1
    bot.until_metric("bot_strangers_total", 3)
    assert len(telegram.texts(2)) == 1


@pytest.mark.parametrize("allowed", ["*", "-1005"])
def test_the_account_is_for_people_listed_by_their_own_id(
    start_bot: Any, telegram: Any, allowed: str
) -> None:
    """Neither a public bot nor a listed group shows everybody what its operator owns."""
    start_bot("polling", TELEGRAM_ALLOWED_USERS=allowed).until_ready()
    telegram.say("/balance", chat=-1005, user=7)
    telegram.replies(1)
    [text] = telegram.texts(-1005)
    assert text.startswith("🔒 /balance shows the account of whoever runs this bot")


def test_nobody_is_let_in_by_an_empty_list(start_bot: Any, telegram: Any, market: Any) -> None:
    start_bot("polling", TELEGRAM_ALLOWED_USERS="").until_ready()
    telegram.say("/price btc", chat=1)
    telegram.replies(1)
    assert telegram.texts(1)[0].startswith("🔒")
    assert market.asked == []


def test_no_token_in_the_log_whatever_happens(start_bot: Any, telegram: Any) -> None:
    telegram.fault(
        method="getMe", kind="error", error_code=401, description="Unauthorized", count=1
    )
    telegram.fault(method="sendMessage", kind="error", error_code=500, count=2)
    telegram.fault(method="sendMessage", kind="error", error_code=403, count=1, chat_id=2)
    bot = start_bot("polling", LOG_LEVEL="DEBUG").until_ready()
    telegram.say("/help", chat=1)
    telegram.say("/help", chat=2)
    telegram.replies(1)
    assert bot.end() == 0
    text = "".join(bot.lines)
    assert "getMe" in text, "the log level shows the calls"
    assert "[redacted]" in text, "the library itself puts the token into a message"
    assert telegram.token not in text
    assert telegram.token.partition(":")[2] not in text
    for line in bot.lines:
        json.loads(line)


def test_a_command_under_a_picture_or_file_is_answered(attached: Any, telegram: Any) -> None:
    for number, kind in enumerate(("photo", "document", "video", "animation"), 1):
        telegram.inject(attached(kind, "/price btc"))
        assert telegram.answers(1, 1 + number)[-1].startswith("📊 BTC/USDT"), kind


@pytest.fixture
def attached(start_bot: Any, telegram: Any) -> Callable[[str, str], dict[str, Any]]:
    """Makes updates with a file and a caption, for a bot that runs."""
    start_bot("polling").until_ready()
    telegram.say("/help", chat=1)
    telegram.replies(1)

    def make(kind: str, caption: str) -> dict[str, Any]:
        file = {"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9, "duration": 1}
        mark = {"type": "bot_command", "offset": 0, "length": 6}
        message = {
            "message_id": 77,
            "date": 1,
            "chat": {"id": 1, "type": "private", "first_name": "A"},
            "from": {"id": 1, "is_bot": False, "first_name": "A"},
            "caption": caption,
            "caption_entities": [mark],
            kind: [file] if kind == "photo" else file,
        }
        return {"message": message}

    return make


def test_several_symbols_get_a_few_lines_each(start_bot: Any, telegram: Any, market: Any) -> None:
    start_bot("polling").until_ready()
    telegram.say("/price btc, eth sol", chat=1)
    [text] = telegram.answers(1)
    assert sorted(one["symbol"] for one in market.asked) == ["BTC", "ETH", "SOL"]
    assert "📊 BTC/USDT · Binance\nPrice: $111,230.50 · 24h: 🟢 +4.62%" in text
    assert "All figures of BTC: /price BTC" in text


def test_what_people_type_is_asked_as_it_was_meant(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    typed = {
        "/PRICE\nDOGE": ["DOGE"],  # each another one: the same at the same moment is asked once
        "/price btc 15m": ["BTC"],
        "/price BINANCE:ETHUSDT": ["BINANCE:ETHUSDT"],
        "/price $SOL? 🚀": ["SOL"],
        "/price ada vs xrp": ["ADA", "XRP"],
        "/price ltcusd perp": ["LTCUSD-PERP"],
        "/volume ٤ hours dot": ["DOT"],
    }
    start_bot("polling").until_ready()
    telegram.say_each(typed)
    wanted = sorted(symbol for symbols in typed.values() for symbol in symbols)
    assert sorted(one["symbol"] for one in market.asked) == sorted(wanted)
    [volume] = [one for one in market.asked if one["path"] == "/volume_spike"]
    assert volume["timeframe"] == "4h"


def test_the_same_question_at_the_same_moment_goes_to_market_data_once(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    market.delay = 0.3
    for chat in range(1, 21):
        telegram.say("/price btc" if chat < 20 else "/price eth", chat=chat)
    start_bot("polling")  # it finds all of them waiting
    assert {len(telegram.answers(chat)) for chat in range(1, 21)} == {1}
    asked = [one["symbol"] for one in market.asked]
    assert asked.count("ETH") == 1
    assert 1 <= asked.count("BTC") < 19


def test_the_port_is_taken(start_bot: Any, market: Any) -> None:
    taken = int(market.url.rpartition(":")[2])
    with pytest.raises(AssertionError, match=r"cannot listen on 127\.0\.0\.1"):
        start_bot("polling", port=taken)
