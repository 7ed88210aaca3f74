"""Slots, and the scheduler over them, with the clock in the test's hand: no process, no time."""

import asyncio
import itertools
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from telegram.error import BadRequest, ChatMigrated, Forbidden, TelegramError

from reference_bot.telegram_bot.access import Access, AllowList
from reference_bot.telegram_bot.inbox import InboxUnavailableError, Put, Update
from reference_bot.telegram_bot.inbox.sqlite import SqliteInbox
from reference_bot.telegram_bot.market_data import MarketDataError
from reference_bot.telegram_bot.metrics import Metrics
from reference_bot.telegram_bot.outgoing.flood import FloodControl
from reference_bot.telegram_bot.outgoing.replier import Place, ReplyContext
from reference_bot.telegram_bot.outgoing.slots import SendSlots
from reference_bot.telegram_bot.signals.metrics import SignalMetrics
from reference_bot.telegram_bot.signals.model import LANES, SignalMessage, Subscriber, Verdict
from reference_bot.telegram_bot.signals.scheduler import Scheduler, SchedulerContext
from reference_bot.telegram_bot.signals.sender import SignalSender
from reference_bot.telegram_bot.signals.slots import slot_at, until_next
from reference_bot.telegram_bot.signals.sqlite import SqliteBook
from reference_bot.telegram_bot.signals.subscriptions import Subscriptions
from reference_bot.telegram_bot.trading import Terms

moments = st.floats(0, 4e9)
intervals = st.integers(1, 86_400)


@given(moments, intervals)
def test_a_moment_lies_in_its_slot_and_in_no_other(now: float, interval: int) -> None:
    slot = slot_at(now, interval)
    assert slot <= now < slot + interval
    assert slot % interval == 0
    assert slot_at(float(slot), interval) == slot


@given(moments, intervals)
def test_the_next_slot_is_ahead_and_not_farther_than_an_interval(now: float, interval: int) -> None:
    ahead = until_next(now, interval)
    assert 0 < ahead <= interval
    # Adding floats may land a hair before the boundary; never beyond the next slot.
    reached = slot_at(now + ahead, interval)
    assert reached - slot_at(now, interval) in {0, interval}
    assert slot_at(now + ahead + 1e-3, interval) == slot_at(now, interval) + interval


@given(moments, moments, intervals)
def test_slots_are_in_the_order_of_time(one: float, other: float, interval: int) -> None:
    first, second = sorted((one, other))
    assert slot_at(first, interval) <= slot_at(second, interval)


@given(st.integers(0, 2**40), st.text(max_size=9), st.integers(-(2**52), 2**52))
def test_a_signal_is_the_same_whichever_process_makes_it(slot: int, pair: str, chat: int) -> None:
    first, again = (SignalMessage(pair, slot, chat, html, "") for html in ("one", "another"))
    assert first.to_inbox().update_id == again.to_inbox().update_id < 0
    assert (
        first.to_inbox().update_id
        != SignalMessage(pair, slot + 1, chat, "one", "").to_inbox().update_id
    )
    assert (
        first.to_inbox().update_id
        != SignalMessage(pair, slot, chat + 1, "one", "").to_inbox().update_id
    )
    assert -(2**60) - LANES < first.to_inbox().lane <= -(2**60)


class StoppedError(Exception):
    """The process ends here, as a kill would end it."""


class World:
    """A scheduler in a world whose clock moves when it sleeps, and that ends it when told to."""

    def __init__(self, interval: int, pairs: tuple[str, ...] = ("BTC/USDT",)) -> None:
        self.now = 1_000_000.25
        self.interval = interval
        self.ends_at = 0.0
        self.down = False
        self.full = False
        self.broken = ""
        self.handed_out: Counter[tuple[str, int]] = Counter()
        self.judged: list[tuple[str, int]] = []
        self.reports: list[str | None] = []
        self.terms = Terms(pairs, interval, 60)
        self.book = SqliteBook(Path(":memory:"), 1, clock=lambda: self.now)

    async def put(self, updates: list[Update]) -> Put:
        if self.full:
            raise InboxUnavailableError("the disk is full")
        for update in updates:
            message = SignalMessage(**json.loads(update.payload))
            self.handed_out[message.pair, message.slot] += 1
        return Put(new=len(updates), known=0)

    async def judge(self, pair: str, slot: int) -> Verdict:
        if self.down:
            raise MarketDataError("there are no figures")
        if pair == self.broken:
            raise ZeroDivisionError("a fault of ours")
        self.judged.append((pair, slot))
        return Verdict(pair, slot, "signal", int(self.now * 1000), 80, html="a signal")

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        if self.now >= self.ends_at:
            raise StoppedError

    async def live(self, seconds: float) -> None:
        """Runs one process for so long."""
        self.ends_at = self.now + seconds
        self.metrics = metrics = SignalMetrics(CollectorRegistry())
        inbox: Any = self
        access = Access(AllowList.parse("*"), inbox)
        context = SchedulerContext(
            self.judge, lambda _: "", self.reports.append, clock=lambda: self.now, sleep=self.sleep
        )
        subscriptions = Subscriptions(self.terms, self.book, access, metrics)
        await self.book.open()
        await self.book.subscribe(Subscriber(7, 7))
        with pytest.raises(StoppedError):
            await Scheduler(subscriptions, self.book, inbox, metrics, context).run()


eighths = st.integers(0, 20).map(lambda number: number / 8)  # exact in floats, and so is 0.25


@settings(deadline=None, max_examples=40)
@given(
    interval=st.sampled_from([1, 60, 900, 3600]),
    lives=st.lists(st.tuples(eighths, eighths, st.booleans()), min_size=1, max_size=5),
)
def test_restarts_neither_skip_a_slot_nor_double_one(
    interval: int, lives: list[tuple[float, float, bool]]
) -> None:
    """Lives and pauses in intervals: every slot that was lived in is judged once, no other is."""

    async def play() -> None:
        world = World(interval)
        lived: set[int] = set()
        for life, pause, world.down in lives:
            began = world.now
            await world.live(life * interval)
            if not world.down:
                last = slot_at(max(began, world.ends_at - 0.0625), interval)
                lived.update(range(slot_at(began, interval), last + 1, interval))
            world.now += pause * interval
        assert set(world.handed_out) == {("BTC/USDT", slot) for slot in lived}
        assert set(world.handed_out.values()) <= {1}
        assert len(world.judged) == len(set(world.judged))
        await world.book.close()

    logging.disable(logging.WARNING)
    asyncio.run(play())
    logging.disable(logging.NOTSET)


@pytest.mark.anyio
async def test_what_the_inbox_could_not_take_is_handed_out_later_in_the_slot() -> None:
    world = World(3600)
    world.full = True
    await world.live(10)
    assert world.reports[-1] == "signals cannot be kept: the disk is full"
    assert list(world.handed_out.values()) == []
    world.full = False
    await world.live(10)
    told = [world.reports[-1], *world.handed_out.values()]
    assert told == [None, 1]
    assert len(world.judged) == 1
    await world.book.close()


@pytest.mark.anyio
async def test_a_fault_with_one_pair_keeps_no_other_back(caplog: pytest.LogCaptureFixture) -> None:
    world = World(3600, ("BTC/USDT", "ETH/USDT"))
    world.broken = "BTC/USDT"
    with caplog.at_level(logging.ERROR):
        await world.live(60)
    assert list(world.handed_out) == [("ETH/USDT", 997_200)]
    assert caplog.records[0].getMessage() == "no verdict on BTC/USDT"
    assert world.metrics.round._value.get() == 0
    await world.book.close()


@pytest.mark.anyio
async def test_after_a_long_stop_only_the_slot_of_now_is_judged() -> None:
    world = World(3600)
    await world.live(1)
    world.now += 50 * 3600
    await world.live(1)
    assert [slot for _, slot in world.judged] == [997_200, 997_200 + 50 * 3600]
    await world.book.close()


class Second(World):
    """The same where another replica is always the first to judge, and has subscribers come."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        slot = slot_at(self.now, self.interval)
        await self.book.keep(Verdict("BTC/USDT", slot, "signal", int(self.now * 1000), 80))
        await self.book.subscribe(Subscriber(slot, 7))


@pytest.mark.anyio
async def test_a_replica_tells_of_the_signals_that_another_one_judged() -> None:
    """Or else "no signal in 24 h" is red on the one whose clock is a little late."""
    world = Second(3600)
    await world.live(2.5 * 3600)
    assert len(world.judged) == 1
    assert world.metrics.last._value.get() >= slot_at(world.now, 3600)
    assert world.metrics.subscribers._value.get() == 5  # one a slot, and the first
    await world.book.close()


class Messenger:
    """Keeps what is sent, or fails as told."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.failure: TelegramError | None = None

    def doubt(self) -> None:
        raise AssertionError("it holds no message")

    async def send(self, place: Place, _html: str, _markup: str = "") -> int:
        if self.failure is not None:
            raise self.failure
        self.sent.append(place.chat_id)
        return len(self.sent)

    async def edit(self, *_: Any) -> None:
        raise AssertionError("a signal is not edited")


class Office:
    """A sender with a real inbox and a real book, at a time that the test says."""

    def __init__(self, inbox: SqliteInbox, book: SqliteBook) -> None:
        self.now = 7200.0
        self.inbox = inbox
        self.book = book
        self.messenger = Messenger()
        self.metrics = SignalMetrics(CollectorRegistry())
        self.slots = SendSlots(1, last_pause=0)
        context = ReplyContext(
            inbox=inbox,
            messenger=self.messenger,
            slots=self.slots,
            flood=FloodControl(),
            metrics=Metrics(),
            bot_failed=lambda _: None,
            moved=self.moved,
        )
        terms = Terms(("BTC/USDT",), 3600, 60)
        self.access = Access(AllowList.parse("1"), inbox)
        self.subscriptions = Subscriptions(terms, book, self.access, self.metrics)
        self.sender = SignalSender(
            self.subscriptions, book, self.access, context, self.metrics, clock=lambda: self.now
        )

    async def moved(self, old: int, new: int) -> None:
        await self.subscriptions.follow(old, new)

    async def deliver(self, chat: int) -> int:
        """Puts a signal into the inbox and delivers it; its id."""
        message = SignalMessage("BTC/USDT", 7200, chat, "a signal", "").to_inbox()
        await self.inbox.put([message])
        job = await self.inbox.claim()
        assert await self.sender.deliver(job) == 0
        await self.inbox.release(job)
        return job.update_id


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    inbox = SqliteInbox(str(tmp_path / "inbox"), 1)
    book = SqliteBook(tmp_path / "book", 1)
    await inbox.open()
    await book.open()
    await book.subscribe(Subscriber(1, 1))
    await book.subscribe(Subscriber(2, 2))
    yield Office(inbox, book)
    await inbox.close()
    await book.close()


@pytest.mark.anyio
async def test_a_signal_is_delivered_once_and_recorded(office: Office) -> None:
    number = await office.deliver(1)
    assert office.messenger.sent == [1]
    assert await office.inbox.is_done(number)
    again = SignalMessage("BTC/USDT", 7200, 1, "from another process", "").to_inbox()
    assert await office.inbox.put([again]) == Put(new=0, known=1)


@pytest.mark.anyio
@pytest.mark.parametrize("why", ["late", "unasked", "not allowed"])
async def test_what_nobody_wants_any_more_is_not_sent(office: Office, why: str) -> None:
    if why == "late":
        office.now = 10_800.0
    if why == "unasked":
        await office.book.unsubscribe(1)
    number = await office.deliver(2 if why == "not allowed" else 1)
    assert office.messenger.sent == []
    assert await office.inbox.is_done(number)
    label = "late" if why == "late" else "unasked"
    assert office.metrics.dropped.labels(label)._value.get() == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    "failure",
    [
        Forbidden("Forbidden: bot was kicked from the group chat"),
        BadRequest("Chat not found"),
    ],
)
async def test_a_chat_that_is_gone_is_a_subscriber_no_more(
    office: Office, failure: TelegramError
) -> None:
    office.messenger.failure = failure
    await office.deliver(1)
    assert await office.book.subscribers() == [Subscriber(2, 2)]


@pytest.mark.anyio
async def test_a_group_that_became_a_supergroup_stays_a_subscriber(office: Office) -> None:
    """Also when the process is killed between the steps: the old message comes again."""
    office.messenger.failure = ChatMigrated(-1001)
    number = await office.deliver(1)
    assert await office.book.subscribers() == [Subscriber(2, 2), Subscriber(-1001, 1)]
    assert await office.inbox.is_done(number)
    assert office.metrics.dropped.labels("moved")._value.get() == 1
    office.messenger.failure = None
    job = await office.inbox.claim()
    assert await office.sender.deliver(job) == 0
    assert office.messenger.sent == [-1001]
    again = SignalMessage("BTC/USDT", 7200, -1001, "a signal", "").to_inbox()
    assert await office.inbox.put([again]) == Put(new=0, known=1)


@pytest.mark.anyio
@pytest.mark.parametrize("moment", range(4))
async def test_a_group_that_moves_while_its_signal_is_sent_hears_the_signal(
    office: Office, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """What tells of the move may be handled between any two questions of the sender."""
    ask, asked = office.book.subscriber, itertools.count()

    async def subscriber(chat: int) -> Subscriber | None:
        found = await ask(chat)
        if next(asked) == moment:
            await office.access.learn(1, -1001)
            await office.book.subscribe(Subscriber(-1001, 1))
            await office.book.unsubscribe(1)
            office.messenger.failure = ChatMigrated(-1001)
        return found

    monkeypatch.setattr(office.book, "subscriber", subscriber)
    await office.deliver(1)
    if office.messenger.sent != [1]:  # it had moved before it was written to
        office.messenger.failure = None
        async with asyncio.timeout(60):
            await office.sender.deliver(await office.inbox.claim())
        assert office.messenger.sent == [-1001]


@pytest.mark.anyio
async def test_a_message_that_telegram_refuses_ends_no_subscription(office: Office) -> None:
    office.messenger.failure = BadRequest("Message is too long")
    await office.deliver(1)
    assert await office.book.subscriber(1) == Subscriber(1, 1)


@pytest.mark.anyio
async def test_answers_to_people_go_before_signals(office: Office) -> None:
    """Also before a signal that came earlier: it goes when no answer waits any more."""
    order: list[str] = []
    gate = asyncio.Event()

    async def answer(name: str) -> None:
        order.append(name)
        await gate.wait()

    async def turns() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(office.slots.run(partial(answer, n))) for n in "ab"]
    await turns()
    assert order == ["a"]
    delivery = asyncio.create_task(office.deliver(1))
    async with asyncio.timeout(60):
        while not office.slots._last.locked():  # noqa: ASYNC110 - the sender is on its way there
            await asyncio.sleep(0)
    await turns()
    tasks.append(asyncio.create_task(office.slots.run(lambda: answer("c"))))
    await turns()
    assert office.messenger.sent == []
    office.messenger.sent = order  # type: ignore[assignment]  # so that one list tells the order
    gate.set()
    await asyncio.gather(*tasks, delivery)
    assert order == ["a", "b", "c", 1]


@pytest.mark.anyio
async def test_one_signal_after_the_other_with_a_pause_between() -> None:
    """However many slots there are, the rest of them is for answers."""
    slots = SendSlots(3, last_pause=0)
    running: list[int] = []
    most = 0

    async def send(number: int) -> None:
        nonlocal most
        running.append(number)
        most = max(most, len(running))
        await asyncio.sleep(0)
        running.remove(number)

    await asyncio.gather(*(slots.run_last(partial(send, n)) for n in range(5)))
    assert most == 1
