"""The dispatcher and the python-telegram-bot application, without a network."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from telegram import User

from reference_bot.telegram_bot.access import Access, AllowList
from reference_bot.telegram_bot.commands.model import Command, Request
from reference_bot.telegram_bot.dispatch import CONCURRENCY, Dispatcher
from reference_bot.telegram_bot.handlers import PRIVATE, TROUBLE, build_application
from reference_bot.telegram_bot.inbox import (
    InboxUnavailableError,
    Job,
    Rules,
    Update,
    UpdateRefusedError,
)
from reference_bot.telegram_bot.inbox.sqlite import SqliteInbox
from reference_bot.telegram_bot.market_data import MarketData
from reference_bot.telegram_bot.metrics import Metrics
from reference_bot.telegram_bot.outgoing.flood import FloodControl
from reference_bot.telegram_bot.outgoing.replier import Place, ReplyContext
from reference_bot.telegram_bot.outgoing.slots import SendSlots
from reference_bot.telegram_bot.telegram_api import build_bot

pytestmark = pytest.mark.anyio

TOKEN = "4242:AAExampleExampleExampleExampleExample"


async def nothing_moves(old: int, new: int) -> None:
    raise AssertionError(f"no group became another here: {old}, {new}")


class Messenger:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []
        self.news = asyncio.Event()

    def doubt(self) -> None:
        raise AssertionError("it holds no message")

    async def send(self, place: Place, html: str, _markup: str = "") -> int:
        self.sent.append((place.chat_id, html))
        self.news.set()
        return len(self.sent)

    async def edit(self, _chat: int, _message: int, html: str, _markup: str = "") -> None:
        self.sent.append((0, html))

    async def until(self, count: int) -> None:
        while len(self.sent) < count:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 60)


async def fail(_: Request) -> str:
    raise ZeroDivisionError(f"at https://api.telegram.org/bot{TOKEN}/x")


async def answer(_: Request) -> str:
    return "fine"


async def hang(_: Request) -> str:
    await asyncio.Event().wait()
    return "never"


TABLE = (
    Command("fail", "fails", fail),
    Command("fine", "works", answer),
    Command("hang", "hangs", hang),
)


class Room:
    """A dispatcher that runs on a real inbox and a real application."""

    def __init__(self, inbox: SqliteInbox, sender: Any = None, allowed: str = "*") -> None:
        self.inbox = inbox
        self.messenger = Messenger()
        self.metrics = Metrics()
        bot = build_bot(TOKEN, "http://127.0.0.1:9")
        # What getMe would have told; without it CommandHandler cannot know its own name.
        bot._bot_user = User(4242, "B", is_bot=True, username="b_bot")
        self.application = build_application(
            bot,
            table=TABLE,
            market_data=MarketData("http://127.0.0.1:9"),
            access=Access(AllowList.parse(allowed), inbox),
            moved=nothing_moves,
            inbox=inbox,
            metrics=self.metrics,
        )
        self.application._initialized = True
        context = ReplyContext(
            inbox=inbox,
            messenger=self.messenger,
            slots=SendSlots(1),
            flood=FloodControl(),
            metrics=self.metrics,
            bot_failed=lambda _: None,
            moved=nothing_moves,
        )
        self.dispatcher = Dispatcher(self.application, context, sender)

    async def say(self, update_id: int, text: str, chat: int = 1) -> None:
        user = {"id": chat, "is_bot": False, "first_name": "A"}
        message = {
            "message_id": update_id,
            "date": 1,
            "chat": {"id": chat, "type": "private", "first_name": "A"},
            "from": user,
            "text": text,
            "entities": [
                {"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}
            ],
        }
        payload = json.dumps({"update_id": update_id, "message": message}).encode()
        await self.inbox.put([Update(update_id, chat, payload)])


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    inbox = SqliteInbox(str(tmp_path / "i.db"), 4242)
    await inbox.open()
    room = Room(inbox)
    running = asyncio.create_task(room.dispatcher.run())
    yield room
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await room.dispatcher.drain(0.1)
    await inbox.close()


async def test_a_handler_that_raises_is_one_plain_sentence_and_a_record(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        await room.say(7, "/fail")
        await room.say(8, "/fine")
        await room.messenger.until(2)
    assert room.messenger.sent == [(1, TROUBLE), (1, "fine")]
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert vars(record)["update_id"] == 7
    assert room.metrics.failed._value.get() == 1
    assert await room.inbox.is_done(7)


async def test_a_dead_letter_that_cannot_be_kept_holds_nobody_up(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the inbox makes of the letter: the update ends, and the next of its chat goes on."""

    async def refuse(*_: Any) -> None:
        raise UpdateRefusedError("IntegrityError: what nobody has thought of")

    monkeypatch.setattr(room.inbox, "bury", refuse)
    await room.inbox.put([Update(1, 1, b"{")])
    await room.say(2, "/fine")
    await room.messenger.until(1)
    assert room.messenger.sent == [(1, "fine")]
    assert await room.inbox.is_done(1)


async def test_an_update_that_python_telegram_bot_cannot_read_is_done_with(room: Room) -> None:
    await room.inbox.put([Update(7, 1, b'{"update_id": 7, "message": {"date": "x"}}')])
    await room.say(8, "/fine")
    await room.messenger.until(1)
    assert room.messenger.sent == [(1, "fine")]
    assert await room.inbox.is_done(7)


@pytest.mark.parametrize("error", [InboxUnavailableError("disk full"), ZeroDivisionError()])
async def test_a_refusal_that_fails_lets_nobody_in(tmp_path: Path, error: Exception) -> None:
    """And comes again when it was the inbox that failed."""

    class Failing(SqliteInbox):
        broken = True

        async def once(self, key: str, update_id: int, seconds: float) -> bool:
            if self.broken:
                self.broken = False
                raise error
            return await super().once(key, update_id, seconds)

    inbox = Failing(str(tmp_path / "i.db"), 4242)
    await inbox.open()
    room = Room(inbox, allowed="1")
    running = asyncio.create_task(room.dispatcher.run())
    await room.say(7, "/fine", chat=2)
    await room.say(8, "/fine", chat=1)
    comes_again = isinstance(error, InboxUnavailableError)
    await room.messenger.until(2 if comes_again else 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await room.dispatcher.drain(30)
    sent = dict(room.messenger.sent)
    assert sent.pop(1) == "fine"
    assert list(sent.values()) == ([PRIVATE.format(user=2)] if comes_again else [])
    assert await inbox.is_done(7)
    await inbox.close()


async def test_a_handler_that_hangs_ends_and_says_so(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("reference_bot.telegram_bot.dispatch._HANDLER_SECONDS", 0.1)
        await room.say(7, "/hang")
        await room.messenger.until(1)
    await room.say(8, "/fine")
    await room.messenger.until(2)
    assert room.messenger.sent == [(1, TROUBLE), (1, "fine")]


async def test_a_stop_leaves_what_is_not_done_in_the_inbox(room: Room) -> None:
    await room.say(7, "/hang")
    await room.say(8, "/hang", chat=2)
    while len(room.dispatcher._running) < 2:  # noqa: ASYNC110 - a few turns of the loop, no time
        await asyncio.sleep(0)
    await room.dispatcher.drain(0.05)
    assert room.inbox.backlog()[0] == 2
    assert not await room.inbox.is_done(7)


async def test_the_operator_is_never_behind_strangers(tmp_path: Path) -> None:
    """More strangers than there are places, and none of their commands ends."""
    inbox = SqliteInbox(str(tmp_path / "i.db"), 4242, Rules(first=frozenset({77})))
    await inbox.open()
    room = Room(inbox)
    running = asyncio.create_task(room.dispatcher.run())
    for chat in range(1000, 1000 + CONCURRENCY + 20):
        await room.say(chat, "/hang", chat=chat)
    while len(room.dispatcher._running) < CONCURRENCY:  # noqa: ASYNC110 - a few turns of the loop
        await asyncio.sleep(0)
    await room.say(7, "/fine", chat=77)
    while (77, "fine") not in room.messenger.sent:
        room.messenger.news.clear()
        await asyncio.wait_for(room.messenger.news.wait(), 60)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await room.dispatcher.drain(0.0)
    await inbox.close()


async def test_readiness_sees_updates_that_nobody_takes(tmp_path: Path) -> None:
    now = 1_000_000.0
    inbox = SqliteInbox(str(tmp_path / "i.db"), 4242, monotonic=lambda: now)
    await inbox.open()
    room = Room(inbox)
    await room.say(7, "/fine")
    assert room.dispatcher.stalled() is None
    now += 11.0
    assert room.dispatcher.stalled() == "updates wait for 11 s while nothing takes them"
    await inbox.close()


async def test_readiness_sees_a_loop_that_is_held_up(room: Room) -> None:
    assert room.dispatcher.stalled() is None
    room.dispatcher._beat_at -= 5.0
    assert room.dispatcher.stalled() == "the event loop is held up"


async def test_readiness_sees_a_handler_that_never_ends(room: Room) -> None:
    await room.say(7, "/hang")
    while not room.dispatcher._running:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    task: asyncio.Task[Any] = next(iter(room.dispatcher._running))
    room.dispatcher._running[task] -= 60.0
    assert "an update has been handled for 60 s" in str(room.dispatcher.stalled())


class SignalSender:
    """Fails at the first message, delivers the others."""

    def __init__(self, inbox: SqliteInbox) -> None:
        self.inbox = inbox
        self.delivered = asyncio.Event()

    async def deliver(self, job: Job) -> float:
        if job.payload == b"broken":
            raise ZeroDivisionError("a fault of ours")
        await self.inbox.finish(job, "answered")
        self.delivered.set()
        return 0.0


async def test_a_signal_that_cannot_be_delivered_does_not_block_its_lane(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = SqliteInbox(str(tmp_path / "i.db"), 4242)
    await inbox.open()
    sender = SignalSender(inbox)
    room = Room(inbox, sender)
    running = asyncio.create_task(room.dispatcher.run())
    with caplog.at_level(logging.ERROR):
        await inbox.put([Update(-1, -9, b"broken"), Update(-2, -9, b"whole")])
        await asyncio.wait_for(sender.delivered.wait(), 60)
    assert await inbox.is_done(-1)
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert vars(record)["update_id"] == -1
    assert room.metrics.failed._value.get() == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await room.dispatcher.drain(30)
    await inbox.close()
