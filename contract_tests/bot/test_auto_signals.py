"""Auto-signals, by the bot's process: who gets them, what they say, what a kill does to them."""

import asyncio
import json
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reference_bot.market_data
from reference_bot.telegram_bot.signals.model import Subscriber, Verdict
from reference_bot.telegram_bot.signals.slots import slot_at, until_next
from reference_bot.telegram_bot.signals.sqlite import SqliteBook

DAY = 86_400  # one round in a test: none runs over midnight
EXAMPLES = json.loads(
    Path(reference_bot.market_data.__file__).with_name("examples.json").read_text("utf-8")
)
CLOSES = [100 - 0.1 * n for n in range(60)] + [94 + 0.6 * n for n in range(10)]
GOLDEN = """\
🔔 AUTO-SIGNAL · every day

🎯 BTC/USDT · signal 15m · perpetuals · Binance

🟢 LONG · confidence 72 of 100
EMA 9 crossed above EMA 21 (6 candles ago)
Entry $91,230.70
Stop $91,057.60 (1.5 ATR) · target $91,576.90 (3 ATR)
Not financial advice: a rule over closed candles.

RSI 14: 57.9
ATR 14: $115.40

🕒 2026-01-01 09:07:12 UTC · 17:07:12 SGT"""

StartBot = Callable[..., Any]


def trade_long(market: Any) -> None:
    """Lets market-data tell of a fresh crossing upwards, in whatever pair it is asked for."""
    found = EXAMPLES["/comprehensive_analysis"]
    technical = {**found["technical"], "rsi_14": 60.0, "atr_14": 0.5, "close": CLOSES[-1]}
    points = [
        {"end": n, "close": close, "delta": 1.0, "cvd": 1.0} for n, close in enumerate(CLOSES)
    ]
    market.by_path = {
        "/comprehensive_analysis": {**found, "technical": technical},
        "/cvd": {**EXAMPLES["/cvd"], "points": points},
    }


def no_answer(market: Any) -> None:
    market.status = 502
    market.answer = {"success": False, "error": {"code": "venue_failed", "message": "why"}}


@pytest.fixture
def start(start_bot: StartBot) -> StartBot:
    """Starts a bot with auto-signals, one pair, a round a day."""
    if (left := until_next(time.time(), DAY)) < 60:
        time.sleep(left)

    def started(mode: str = "polling", **settings: str) -> Any:
        wanted = {
            "ENABLE_AUTO_SIGNALS": "true",
            "AUTO_SIGNAL_PAIRS": "btc",
            "AUTO_SIGNAL_INTERVAL": str(DAY),
            "INBOX_PATH": "inbox.sqlite3",
        }
        return start_bot(mode, **{**wanted, **settings})

    return started


def in_book(folder: Path, bot: str, *work: Any) -> None:
    """Does ``work`` (method and argument) in the book that the next bot will find."""

    async def do() -> None:
        book = SqliteBook(folder / "signals.sqlite3", int(bot.partition(":")[0]))
        await book.open()
        for method, argument in work:
            await getattr(book, method)(argument)
        await book.close()

    asyncio.run(do())


@pytest.fixture
def keep(telegram: Any, tmp_path: Path) -> Callable[[Verdict], None]:
    """Puts a verdict into the book of the next bot."""
    return lambda verdict: in_book(tmp_path, telegram.token, ("keep", verdict))


@pytest.fixture
def subscribed(telegram: Any, tmp_path: Path) -> Callable[..., None]:
    """Makes chats known to Telegram, and subscribers of the next bot."""

    def subscribe(*chats: int) -> None:
        for chat in chats:
            telegram.say("hello", chat=chat)
        work = [("subscribe", Subscriber(chat, abs(chat))) for chat in chats]
        in_book(tmp_path, telegram.token, *work)

    return subscribe


def auto_signals(telegram: Any, chat: int) -> list[str]:
    return [text for text in telegram.texts(chat) if text.startswith("🔔 AUTO-SIGNAL")]


def is_signal(event: dict[str, Any]) -> bool:
    sent: bool = event["type"] == "call" and event["method"] == "sendMessage"
    return sent and "AUTO-SIGNAL" in event["params"]["text"]


def is_accepted(event: dict[str, Any]) -> bool:
    return is_signal(event) and bool(event["status"] == 200)


def tap(message: dict[str, Any], data: str, user: int = 1) -> dict[str, Any]:
    person = {"id": user, "is_bot": False, "first_name": "A"}
    query = {"id": f"{abs(hash(data)) % 10**8}", "from": person, "message": message}
    return {"callback_query": {**query, "chat_instance": "1", "data": data}}


def is_edit(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "call" and event["method"] == "editMessageText")


def button(message: dict[str, Any]) -> tuple[str, str]:
    last = message["reply_markup"]["inline_keyboard"][-1][0]
    return last["text"], last["callback_data"]


# --- what people see ---------------------------------------------------------------------------


def test_who_subscribed_gets_the_signal_of_the_seeded_market(
    start: StartBot, telegram: Any, mode: str, market_data_url: str
) -> None:
    """The approved message: both doubles, market-data and the bot, as they run in production."""
    telegram.say("/signal on")
    start(mode, AUTO_SIGNAL_INTERVAL="1", MARKET_DATA_URL=market_data_url).until_ready()
    [sent] = telegram.until(is_accepted)
    assert sent["result"]["text"].replace("every second", "every day") == GOLDEN
    assert button(sent["result"]) == ("🔕 Auto-signals off", "signal BTC/USDT off")


def test_on_and_off_hold_over_a_restart(
    start: StartBot, telegram: Any, market: Any, mode: str
) -> None:
    no_answer(market)
    bot = start(
        mode, MIN_CONFIDENCE_THRESHOLD="55", AUTO_SIGNAL_PAIRS="btc, eth-usdt"
    ).until_ready()
    telegram.say("/signal on", chat=1)
    telegram.say("/signal ON", chat=2)
    telegram.replies(2)
    assert telegram.texts(1)[0].splitlines() == [
        "🔔 Auto-signals are on for this chat",
        "Pairs: BTC/USDT, ETH/USDT",
        "Checked every day, sent from confidence 55 of 100",
        "/signal off stops them",
    ]
    telegram.say("/signal off", chat=2)
    telegram.replies(1)
    assert telegram.texts(2)[1] == ("🔕 Auto-signals are off for this chat\n/signal on starts them")
    assert bot.metric("bot_signal_subscribers") == 1
    assert bot.end() == 0
    trade_long(market)
    market.status = 200
    bot = start(mode, AUTO_SIGNAL_PAIRS="btc,eth").until_ready()
    telegram.until(is_accepted, 2)
    bot.until_idle(lambda: True)
    assert (len(auto_signals(telegram, 1)), len(auto_signals(telegram, 2))) == (2, 0)
    assert bot.metric("bot_signal_subscribers") == 1


def test_the_button_under_a_signal_switches_and_keeps_the_signal(
    start: StartBot, telegram: Any, market: Any, mode: str
) -> None:
    trade_long(market)
    bot = start(mode).until_ready()
    telegram.say("/signal btc")
    sent = telegram.replies()[0]["result"]
    assert button(sent) == ("🔔 Auto-signals on", "signal BTC on")
    telegram.inject(tap(sent, "signal BTC on"))
    [edited] = telegram.until(is_edit)
    assert edited["result"]["message_id"] == sent["message_id"]
    assert edited["result"]["text"] == (sent["text"] + "\n\n🔔 Auto-signals are on for this chat")
    assert button(edited["result"]) == ("🔕 Auto-signals off", "signal BTC off")
    bot.until_metric("bot_signal_subscribers", 1)
    telegram.inject(tap(sent, "signal BTC off"))
    [edited] = telegram.until(is_edit)
    assert button(edited["result"]) == ("🔔 Auto-signals on", "signal BTC on")
    bot.until_metric("bot_signal_subscribers", 0)


def test_a_switch_is_told_of_when_there_is_no_signal_to_show(
    start: StartBot, telegram: Any, market: Any
) -> None:
    trade_long(market)
    bot = start().until_ready()
    telegram.say("/signal btc")
    sent = telegram.replies()[0]["result"]
    no_answer(market)
    telegram.inject(tap(sent, "signal BTC on"))
    [edited] = telegram.until(is_edit)
    first, *_, last = edited["result"]["text"].splitlines()
    assert first.startswith("⚠️ No exchange")
    assert last == "🔔 Auto-signals are on for this chat"
    assert bot.metric("bot_signal_subscribers") == 1


def test_a_pair_too_long_for_a_button_is_answered_all_the_same(
    start: StartBot, telegram: Any, market: Any
) -> None:
    """Telegram takes 64 bytes of a button, and refuses the whole message when there are more."""
    no_answer(market)
    start().until_ready()
    long = "/".join("A" * 20 for _ in range(3))
    telegram.say(f"/signal {long}")
    sent = telegram.replies()[0]["result"]
    assert sent["text"].startswith("⚠️ No exchange could answer")
    assert button(sent) == ("🔔 Auto-signals on", "signal on")


def test_where_they_are_not_running_the_answer_says_so(
    start_bot: StartBot, telegram: Any, market: Any
) -> None:
    trade_long(market)
    bot = start_bot().until_ready()
    for text in ("/signal on", "/signal off"):
        telegram.say(text)
        assert telegram.replies()[0]["result"]["text"] == (
            "🔕 Auto-signals are not running: whoever runs this bot can switch them on "
            "(ENABLE_AUTO_SIGNALS)\n/signal PAIR still works"
        )
    telegram.say("/signal btc")
    assert button(telegram.replies()[0]["result"])[0] == "🔄 Refresh"
    assert "bot_signal" not in bot.metrics_text()


def test_a_switch_that_was_forwarded_changes_nothing_and_says_so(
    start: StartBot, telegram: Any, market: Any
) -> None:
    """Who passes on how to switch it does not switch it: link-assistant/hive-mind issue 1922."""
    no_answer(market)
    bot = start().until_ready()
    telegram.say("/signal on", chat=1)
    telegram.replies(1)
    whose = {"type": "hidden_user", "sender_user_name": "Somebody", "date": 1_700_000_000}
    passed_on = {
        "message_id": 900,
        "date": 1_700_000_000,
        "chat": {"id": 1, "type": "private", "first_name": "U"},
        "from": {"id": 1, "is_bot": False, "first_name": "U"},
        "forward_origin": whose,
    }
    for text in ("/signal off", "/help", "/signal btc off"):
        telegram.inject({"message": {**passed_on, "text": text}})
        telegram.replies(1)
    changed, helped, beside = telegram.texts(1)[1:]
    assert changed == (
        "↪️ That was forwarded, so I changed nothing\n"
        "Send /signal off yourself to switch auto-signals off"
    )
    assert "/price" in helped  # what changes nothing is answered as ever
    assert beside.endswith("↪️ That was forwarded, so I changed nothing")
    assert bot.metric("bot_signal_subscribers") == 1
    telegram.say("/signal выкл", chat=1)
    telegram.replies(1)
    assert bot.metric("bot_signal_subscribers") == 0


def test_the_direct_messages_of_a_channel_are_told_that_no_signals_come_there(
    start: StartBot, telegram: Any, market: Any
) -> None:
    """Each message there has to name whose topic it is for (Bot API 9.2), and a signal has none."""
    no_answer(market)
    bot = start().until_ready()
    chat = {"id": -1_000_000_000_021, "type": "supergroup", "is_direct_messages": True}
    asked = {"message_id": 900, "date": 1_700_000_000, "chat": chat, "text": "/signal on"}
    sender = {"id": 1, "is_bot": False, "first_name": "U"}
    telegram.inject(
        {"message": {**asked, "from": sender, "direct_messages_topic": {"topic_id": 1}}}
    )
    [answer] = telegram.replies()
    assert answer["result"]["text"] == (
        "🔕 Auto-signals do not come into the direct messages of a channel\n"
        "Write /signal on in a chat with me alone"
    )
    assert "reply_markup" not in answer["result"]
    assert bot.metric("bot_signal_subscribers") == 0


def test_bad_arguments(start: StartBot, telegram: Any) -> None:
    answers = {
        "/signal on soon": (
            "🤔 “soon” does not belong there: write /signal PAIR, /signal on or /signal off"
        ),
        "/signal on off": "🤔 “off” does not belong there: write /signal on",
        "/signal": "🤔 Which pair? For example /signal BTC/USDT",
    }
    bot = start().until_ready()
    for typed in answers:
        telegram.say(typed)
        telegram.replies(1)
    assert telegram.texts(1) == list(answers.values())
    assert bot.metric("bot_signal_subscribers") == 0


# --- who gets them -----------------------------------------------------------------------------


def test_who_is_not_on_the_list_any_more_gets_none(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None]
) -> None:
    trade_long(market)
    subscribed(1, 2, -1005)
    bot = start(TELEGRAM_ALLOWED_USERS="1,-1005").until_ready()
    telegram.until(is_accepted, 2)
    bot.until_idle(lambda: True)
    assert [len(auto_signals(telegram, chat)) for chat in (1, 2, -1005)] == [1, 0, 1]
    assert bot.metric("bot_signal_subscribers") == 2


def test_who_blocked_the_bot_is_a_subscriber_no_more(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None]
) -> None:
    trade_long(market)
    subscribed(1, 2, 3)
    blocked = "Forbidden: bot was blocked by the user"
    telegram.fault(
        method="sendMessage", kind="error", error_code=403, description=blocked, chat_id=2
    )
    bot = start().until_ready()
    said = bot.event("no auto-signals any more for a chat that cannot be written to: " + blocked)
    assert said["chat"] == 2
    bot.until_metric("bot_signals_sent_total", 2)
    bot.until_metric("bot_signals_failed_total", 1)
    assert bot.end() == 0
    bot = start().until_ready()
    bot.until_rounds_done()
    assert bot.metric("bot_signal_subscribers") == 2


@pytest.mark.parametrize("told", ["by messages", "by the refusal alone"])
def test_a_group_that_becomes_a_supergroup_goes_on_hearing_them(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None], told: str
) -> None:
    trade_long(market)
    subscribed(-5)
    new = telegram.act(upgrade=True, chat_id=-5, user_id=5)["migrate_to_chat_id"]
    if told == "by the refusal alone":
        telegram.call("deleteWebhook", drop_pending_updates=True)
    bot = start(TELEGRAM_ALLOWED_USERS="-5").until_ready()
    telegram.until(is_accepted, 1)
    bot.until_idle(lambda: True)
    assert len(auto_signals(telegram, new)) == 1
    bot.until_metric("bot_signal_subscribers", 1)


def test_a_signal_below_the_threshold_is_kept_and_not_sent(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None], tmp_path: Path
) -> None:
    trade_long(market)
    subscribed(1)
    bot = start(MIN_CONFIDENCE_THRESHOLD="100").until_ready()
    bot.until_rounds_done()
    bot.until_idle(lambda: True)
    assert bot.metric('bot_signals_evaluated_total{verdict="weak"}') == 1
    assert auto_signals(telegram, 1) == []
    with sqlite3.connect(tmp_path / "signals.sqlite3") as book:
        assert book.execute("SELECT pair, kind FROM verdicts").fetchall() == [("BTC/USDT", "weak")]
    book.close()


# --- what can go wrong -------------------------------------------------------------------------


def test_without_figures_there_is_no_verdict_until_there_are(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None], tmp_path: Path
) -> None:
    no_answer(market)
    trade_long(market)
    subscribed(1)
    bot = start().until_ready()
    bot.until_counted("bot_signals_unanswered_total")
    with sqlite3.connect(tmp_path / "signals.sqlite3") as book:
        assert book.execute("SELECT * FROM verdicts").fetchall() == []
    book.close()
    assert bot.metric("bot_signal_last_round_timestamp_seconds") == 0
    market.status = 200
    telegram.until(is_accepted)
    bot.until_idle(lambda: True)
    assert len(auto_signals(telegram, 1)) == 1
    assert bot.metric("bot_signals_unanswered_total") >= 1


def test_figures_from_memory_are_shown_to_who_asks_and_not_sent_round(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None]
) -> None:
    trade_long(market)
    candles = market.by_path["/cvd"]
    old = {"section": "perp.candles", "venue": "binance", "age": 42.0}
    market.by_path["/cvd"] = {**candles, "stale": [old]}
    subscribed(1)
    bot = start().until_ready()
    said = "no verdict on BTC/USDT: the figures are from memory"
    bot.event(said)
    telegram.say("/signal btc")
    telegram.replies(1)
    assert "LONG" in telegram.texts(1)[0]
    market.by_path["/cvd"] = candles
    telegram.until(is_accepted)
    bot.until_idle(lambda: True)
    assert len(auto_signals(telegram, 1)) == 1


def test_flood_control_holds_one_chat_and_repeats_nothing(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None]
) -> None:
    trade_long(market)
    subscribed(1, 2, 3)
    telegram.fault(
        method="sendMessage", kind="error", error_code=429, retry_after=4, chat_id=1, count=1
    )
    bot = start().until_ready()
    sent = telegram.until(is_accepted, 3)
    assert sent[-1]["params"]["chat_id"] in {1, "1"}
    bot.until_idle(lambda: True)
    assert [len(auto_signals(telegram, chat)) for chat in (1, 2, 3)] == [1, 1, 1]
    refused = telegram("transcript?after=0&timeout=0")["events"]
    [at] = [e["t"] for e in refused if is_signal(e) and e["status"] == 429]
    assert sent[-1]["t"] - at >= 4


def test_a_pair_that_nobody_lists_is_asked_for_once_a_slot(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None]
) -> None:
    subscribed(1)
    market.status = 404
    market.answer = {"success": False, "error": {"code": "unknown_symbol", "message": "why"}}
    bot = start().until_ready()
    bot.until_rounds_done()
    assert bot.metric('bot_signals_evaluated_total{verdict="refused"}') == 1
    assert auto_signals(telegram, 1) == []


def stored(text: str = "🔔 AUTO-SIGNAL that was stored") -> Verdict:
    now = time.time()
    return Verdict("BTC/USDT", slot_at(now, DAY), "signal", int(now * 1000), 80, html=text)


def test_a_kill_between_storing_and_sending_loses_nothing(
    start: StartBot,
    telegram: Any,
    market: Any,
    subscribed: Callable[..., None],
    keep: Callable[[Verdict], None],
) -> None:
    """The next process sends what was stored; it does not judge the slot again."""
    no_answer(market)
    subscribed(1, 2)
    keep(stored())
    bot = start().until_ready()
    telegram.until(is_accepted, 2)
    bot.until_idle(lambda: True)
    assert [auto_signals(telegram, chat) for chat in (1, 2)] == [[stored().html]] * 2
    assert market.asked == []
    assert bot.metric("bot_signal_last_timestamp_seconds") > time.time() - DAY


def test_a_slot_that_was_over_before_the_start_is_left_alone(
    start: StartBot,
    telegram: Any,
    market: Any,
    subscribed: Callable[..., None],
    keep: Callable[[Verdict], None],
) -> None:
    trade_long(market)
    subscribed(1)
    now = stored()
    old = Verdict(now.pair, now.slot - DAY, "signal", now.judged_ms, 80, html=now.html)
    keep(old)
    bot = start().until_ready()
    telegram.until(is_accepted)
    bot.until_idle(lambda: True)
    [text] = auto_signals(telegram, 1)
    assert text != old.html


def test_a_kill_while_sending_repeats_at_most_one_and_leaves_nobody_out(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None], mode: str
) -> None:
    trade_long(market)
    chats = range(1, 9)
    subscribed(*chats)
    bot = start(mode)
    telegram.until(is_accepted, 3)
    assert bot.end(signal.SIGKILL) == -signal.SIGKILL
    bot = start(mode, port=int(bot.url.rpartition(":")[2]))
    bot.until_idle(lambda: all(auto_signals(telegram, chat) for chat in chats))
    bot.until_rounds_done()
    counts = [len(auto_signals(telegram, chat)) for chat in chats]
    assert sum(counts) <= len(chats) + 1
    assert min(counts) == 1


def test_a_kill_while_telegram_refuses_sends_once_in_the_end(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None]
) -> None:
    trade_long(market)
    subscribed(1)
    telegram.fault(method="sendMessage", kind="error", error_code=502, description="Bad Gateway")
    bot = start()
    telegram.until(is_signal, 2)
    bot.end(signal.SIGKILL)
    telegram.clear_faults()
    bot = start()
    telegram.until(is_accepted)
    bot.until_idle(lambda: True)
    assert len(auto_signals(telegram, 1)) == 1


def test_a_signal_that_telegram_may_have_is_not_sent_again(
    start: StartBot, telegram: Any, market: Any, subscribed: Callable[..., None]
) -> None:
    trade_long(market)
    subscribed(1)
    telegram.fault(method="sendMessage", kind="lost_answer", count=1)
    bot = start().until_ready()
    bot.until_metric("bot_signals_sent_total", 1)
    bot.until_idle(lambda: True)
    assert len(auto_signals(telegram, 1)) == 1


# --- replicas ----------------------------------------------------------------------------------


def test_two_replicas_send_one_signal(
    start: StartBot, telegram: Any, market: Any, redis_url: str
) -> None:
    trade_long(market)
    no_answer(market)
    bots = [start("webhook", REDIS_URL=redis_url).until_ready() for _ in range(2)]
    for chat in (1, 2, 3):
        telegram.say("/signal on", chat=chat)
    telegram.replies(3)
    market.delay = 0.3  # so that both judge before one of them has stored
    market.status = 200
    for bot in bots:
        bot.until_rounds_done()
    counted = "bot_signals_sent_total"
    bots[0].until_idle(lambda: sum(bot.metric(counted) for bot in bots) == 3)
    assert [len(auto_signals(telegram, chat)) for chat in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.slow
def test_a_replica_that_dies_leaves_nobody_out(
    start: StartBot, telegram: Any, market: Any, redis_url: str
) -> None:
    trade_long(market)
    no_answer(market)
    chats = range(1, 9)
    bots = [start("webhook", REDIS_URL=redis_url).until_ready() for _ in range(2)]
    for chat in chats:
        telegram.say("/signal on", chat=chat)
    telegram.replies(len(chats))
    market.status = 200
    telegram.until(is_accepted, 2)
    assert bots[0].end(signal.SIGKILL) == -signal.SIGKILL
    bots[1].until_idle(lambda: all(auto_signals(telegram, chat) for chat in chats))
    counts = [len(auto_signals(telegram, chat)) for chat in chats]
    assert sum(counts) <= len(chats) + 1
