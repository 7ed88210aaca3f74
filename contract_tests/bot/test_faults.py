"""Telegram in trouble, the inbox in trouble: /ready says so, nothing crashes, nothing is lost."""

import contextlib
import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest


def test_a_refused_token_is_red_and_the_process_lives(start_bot: Any, telegram: Any) -> None:
    telegram.fault(method="getMe", kind="error", error_code=401, description="Unauthorized")
    bot = start_bot("polling")
    bot.until_not_ready_for("telegram", "Telegram refuses the bot token (401)")
    telegram.clear_faults()
    bot.until_ready()
    assert bot.end() == 0


def test_a_token_that_is_refused_later_turns_it_red(start_bot: Any, telegram: Any) -> None:
    bot = start_bot("polling").until_ready()
    telegram.fault(method="getUpdates", kind="error", error_code=401, description="Unauthorized")
    telegram.say("/help")  # ends the poll that is waiting
    assert bot.until_not_ready("polling") == "Telegram refuses the bot token (401)"
    telegram.clear_faults()
    bot.until_ready()


def test_no_telegram_at_start_is_red_until_it_is_there(start_bot: Any) -> None:
    bot = start_bot("webhook", TELEGRAM_API_BASE_URL="http://127.0.0.1:9")
    assert bot.until_not_ready("telegram")
    status, answer = bot.ready()
    assert (status, answer["status"]) == (503, "not ready")
    assert bot.end() == 0


RESOLVER = """
import pathlib, runpy, socket, threading
real = socket.getaddrinfo
def look_up(host, *rest, **more):
    if host == "silent.test":
        threading.Event().wait()
    if host == "telegram.test" and not pathlib.Path("known").exists():
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return real("127.0.0.1" if host == "telegram.test" else host, *rest, **more)
socket.getaddrinfo = look_up
runpy.run_module("reference_bot.telegram_bot", run_name="__main__", alter_sys=True)
"""


def test_a_resolver_that_never_answers_holds_up_no_end(start_bot: Any) -> None:
    bot = start_bot(command=("-c", RESOLVER), TELEGRAM_API_BASE_URL="http://silent.test")
    reason = bot.until_not_ready_for("telegram", "getMe failed")
    assert "not connected in 3 s" in reason
    assert bot.end() == 0


def test_a_name_that_nobody_knows_for_a_while_is_asked_for_again(
    start_bot: Any, telegram: Any, tmp_path: Path
) -> None:
    telegram.say("/help", chat=1)
    known = telegram.url.replace("127.0.0.1", "telegram.test")
    bot = start_bot(command=("-c", RESOLVER), TELEGRAM_API_BASE_URL=known)
    assert "cannot connect" in bot.until_not_ready_for("telegram", "getMe failed")
    (tmp_path / "known").touch()
    bot.until_ready()
    telegram.replies(1)


def test_the_webhook_door_takes_updates_in_before_telegram_is_greeted(
    start_bot: Any, telegram: Any
) -> None:
    telegram.say("hello", chat=1)
    telegram.fault(method="getMe", kind="error", error_code=500)
    bot = start_bot("webhook")
    bot.until_inbox_open()
    user = {"id": 1, "is_bot": False, "first_name": "A"}
    chat = {"id": 1, "type": "private", "first_name": "A"}
    entity = {"type": "bot_command", "offset": 0, "length": 5}
    message = {"message_id": 5, "date": 1, "chat": chat, "from": user, "text": "/help"}
    update = {"update_id": 7, "message": {**message, "entities": [entity]}}
    assert bot.post(update)[0] == 200
    assert "telegram" in bot.reasons()
    telegram.clear_faults()
    telegram.replies(1)


def test_a_second_poller_makes_it_red_not_dead(start_bot: Any, telegram: Any) -> None:
    bot = start_bot("polling").until_ready()
    conflict = "Conflict: terminated by other getUpdates request"
    telegram.fault(method="getUpdates", kind="error", error_code=409, description=conflict, count=1)
    telegram.say("/help")
    telegram.replies(1)
    bot.until_ready()
    assert bot.end() == 0


def test_a_webhook_that_somebody_sets_is_cleared_again(start_bot: Any, telegram: Any) -> None:
    bot = start_bot("polling").until_ready()
    telegram.call("setWebhook", url="http://127.0.0.1:9/elsewhere")
    telegram.say("/help")
    telegram.replies(1)
    assert telegram.call("getWebhookInfo")["url"] == ""
    assert bot.end() == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error", "error_code": 500, "count": 2},
        {"kind": "error", "error_code": 502, "count": 2},
        {"kind": "error", "error_code": 429, "retry_after": 1, "count": 1},
    ],
)
def test_what_telegram_did_not_accept_is_sent_again(
    start_bot: Any, telegram: Any, mode: str, fault: dict[str, Any]
) -> None:
    telegram.fault(method="sendMessage", chat_id=1, **fault)
    # Both wait before the bot is there: said one after the other, the second could come too late.
    telegram.say("/help", chat=1)
    telegram.say("/help", chat=2)
    bot = start_bot(mode)
    first, second = telegram.replies(2)
    if "retry_after" in fault:
        assert (first["params"]["chat_id"], second["params"]["chat_id"]) == (2, 1)
    assert len(telegram.texts(1)) == 1
    assert bot.end() == 0


@pytest.mark.parametrize("kind", ["lost_answer", "half_body"])
def test_what_telegram_may_have_accepted_is_never_sent_again(
    start_bot: Any, telegram: Any, kind: str
) -> None:
    bot = start_bot("polling").until_ready()
    telegram.fault(method="sendMessage", chat_id=1, kind=kind, count=1)
    telegram.say("/help", chat=1)
    telegram.say("/frobnicate", chat=1)
    telegram.until(lambda event: "frobnicate" in json.dumps(event.get("params", {})))
    bot.until_metric("bot_inbox_updates", 0)
    sent = [text for text in telegram.texts(1) if "What I can do" in text]
    assert len(sent) == 1
    assert bot.metric('bot_telegram_errors_total{code="unknown"}') == 1
    assert bot.end() == 0


def test_a_user_who_blocked_the_bot_costs_nothing_but_a_line(start_bot: Any, telegram: Any) -> None:
    bot = start_bot("polling").until_ready()
    telegram.fault(method="sendMessage", chat_id=1, kind="error", error_code=403, count=5)
    telegram.say("/help", chat=1)
    telegram.say("/help", chat=2)
    telegram.replies(1)
    bot.until_metric('bot_updates_handled_total{outcome="refused"}', 1)
    bot.until_metric("bot_inbox_updates", 0)


@pytest.mark.slow
def test_a_full_disk_is_red_and_the_door_confirms_nothing(
    start_bot: Any, telegram: Any, full_disk: Path
) -> None:
    telegram.say("hello", chat=1)
    bot = start_bot("webhook", INBOX_PATH=str(full_disk / "inbox.sqlite3")).until_ready()
    filler = full_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    bot.until_not_ready_for("inbox", "inbox cannot be written")
    for chat in range(1, 21):
        telegram.say("/help " + "x" * 4000, chat=chat)
    telegram.until(lambda event: event["type"] == "deliver" and event["status"] == 503)
    filler.unlink()
    bot.until_ready()
    # Telegram waits longer with every try, up to two minutes; how many there were is the machine's.
    telegram("clock", {"advance": 130})
    telegram.replies(20, 60.0)
    assert all(len(telegram.texts(chat)) == 1 for chat in range(1, 21))


def test_a_second_process_on_the_inbox_waits_for_the_first(start_bot: Any, telegram: Any) -> None:
    first = start_bot("polling").until_ready()
    second = start_bot("polling")
    assert "in use by another process" in second.until_not_ready_for("inbox", "in use")
    second.until_standing_by()
    telegram.say("/help", chat=1)
    telegram.replies(1)
    first.end(signal.SIGKILL)
    second.until_ready()
    telegram.say("/help", chat=2)
    telegram.replies(1)
    assert second.end() == 0


def test_a_handler_that_fails_says_so_and_the_next_one_works(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    market.answer = {"success": True, "data": {"symbol": 5}}
    bot = start_bot("polling").until_ready()
    telegram.say("/price btc")
    telegram.say("/help")
    telegram.replies(2)
    assert telegram.texts(1)[0].startswith("⚠️ Market data gave an answer I cannot read")
    assert bot.metric("bot_updates_failed_total") == 0


@pytest.mark.slow
def test_sigterm_ends_it_in_time_even_when_redis_has_gone_with_an_answer_unrecorded(
    start_bot: Any, telegram: Any, market: Any, redis_server: Any
) -> None:
    bot = start_bot("webhook", REDIS_URL=redis_server.url).until_ready()
    telegram.fault(method="sendMessage", kind="delay", seconds=1.0, count=1)
    telegram.say("/price btc", chat=1)
    tick = threading.Event()
    while not market.asked:  # confirmed is not yet being answered; the test's own limit ends this
        tick.wait(0.02)
    redis_server.kill()
    telegram.replies(1)
    bot.until_not_ready("inbox")
    assert bot.end(seconds=20.0) == 0  # what the unit gives it


REFUSALS = {
    "Bad Request: message thread not found": "as it is",
    "Bad Request: TOPIC_DELETED": "as it is",
    "Bad Request: message to be replied not found": "as it is",
    "Bad Request: replied message not found": "as it is",
    "Bad Request: MESSAGE_ID_INVALID": "as it is",
    "Bad Request: can't parse entities: Can't find end tag corresponding to start tag b": "plain",
    "Bad Request: ENTITY_BOUNDS_INVALID": "plain",
    "Bad Request: ENTITY_TEXT_INVALID": "plain",
    "Bad Request: ENTITY_MENTION_USER_INVALID": "plain",
    "Bad Request: message is too long": "in parts",
    "Bad Request: BUTTON_DATA_INVALID": "no buttons",
    "Forbidden: bot was blocked by the user": "",
    "Forbidden: bot was kicked from the supergroup chat": "",
    "Bad Request: not enough rights to send text messages to the chat": "",
    "Bad Request: CHAT_WRITE_FORBIDDEN": "",
    "Bad Request: TOPIC_CLOSED": "",
    "Bad Request: chat not found": "",
    "Bad Request: PEER_ID_INVALID": "",
    "Forbidden: user is deactivated": "",
    "Forbidden: bot can't initiate conversation with a user": "",
    "Bad Request: something that Telegram never said before": "",
}


def test_a_refused_message_goes_another_way_or_is_given_up(start_bot: Any, telegram: Any) -> None:
    """Each refusal in a topic of its own forum; afterwards every lane is free."""
    chats = [-1_001_000_000_000 - number for number in range(len(REFUSALS))]
    ids = ",".join(map(str, [1, *chats]))
    bot = start_bot("polling", TELEGRAM_ALLOWED_USERS=ids).until_ready()
    for chat, (description, outcome) in zip(chats, REFUSALS.items(), strict=True):
        code = 403 if description.startswith("Forbidden") else 400
        count = 1 if outcome else 9
        telegram.fault(
            method="sendMessage",
            chat_id=chat,
            kind="error",
            error_code=code,
            description=description,
            count=count,
        )
        topic = telegram.act(chat_id=chat, user_id=1, is_forum=True, topic="Prices")
        telegram.say(
            "/price btc",
            chat=chat,
            user=1,
            chat_type="supergroup",
            is_forum=True,
            message_thread_id=topic["message_thread_id"],
        )
    given_up = sum(not outcome for outcome in REFUSALS.values())
    bot.until_metric('bot_updates_handled_total{outcome="refused"}', given_up)
    bot.until_metric("bot_inbox_updates", 0)
    for chat, (description, outcome) in zip(chats, REFUSALS.items(), strict=True):
        messages = telegram(f"bots/{telegram.token}/chats/{chat}/messages")["messages"]
        sent = [one for one in messages if one["from"]["is_bot"]]
        assert bool(sent) == bool(outcome), description
        if not outcome:
            continue
        assert sent[0]["text"].startswith("📊 BTC/USDT"), description
        assert bool(sent[0].get("entities")) == (outcome != "plain"), description
        assert (len(sent) > 1) == (outcome == "in parts"), description
        assert ("reply_markup" in sent[-1]) == (outcome != "no buttons"), description
