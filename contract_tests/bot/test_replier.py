"""How an answer goes out: retries, flood control, and what is never sent twice."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from telegram.error import (
    BadRequest,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from reference_bot.telegram_bot.inbox import InboxUnavailableError, Job, LeaseLostError, Progress
from reference_bot.telegram_bot.metrics import Metrics
from reference_bot.telegram_bot.outgoing import replier as module
from reference_bot.telegram_bot.outgoing.failures import Again, NoToken, Refused, Unknown, Wait
from reference_bot.telegram_bot.outgoing.failures import classify as classify_failure
from reference_bot.telegram_bot.outgoing.flood import FloodControl
from reference_bot.telegram_bot.outgoing.replier import (
    WORKING,
    Draft,
    Place,
    Replier,
    ReplyContext,
)
from reference_bot.telegram_bot.outgoing.sending import Sending
from reference_bot.telegram_bot.outgoing.slots import SendSlots
from reference_bot.telegram_bot.telegram_api import CallUnansweredError, CallUnsentError

pytestmark = pytest.mark.anyio


@dataclass
class Telegram:
    """Accepts messages, or fails as told, call by call."""

    failures: list[TelegramError | None] = field(default_factory=list)
    sent: list[tuple[int, str]] = field(default_factory=list)
    edits: list[tuple[int, str]] = field(default_factory=list)
    markups: list[str] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    holds: dict[int, asyncio.Event] = field(default_factory=dict)
    """Chats whose messages it holds, each until its event."""
    doubts: int = 0

    def doubt(self) -> None:
        self.doubts += 1

    async def send(self, place: Place, html: str, markup: str = "") -> int:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        if place.chat_id in self.holds:
            await self.holds[place.chat_id].wait()
        self.under_way -= 1
        self._fail()
        self.sent.append((place.chat_id, html))
        self.markups.append(markup)
        return 100 + len(self.sent)

    async def edit(self, _chat: int, message_id: int, html: str, _markup: str = "") -> None:
        self._fail()
        self.edits.append((message_id, html))

    def _fail(self) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure


@dataclass
class Records:
    """An inbox that remembers what it was told."""

    log: list[Any] = field(default_factory=list)
    failures: int = 0
    held: bool = True

    async def record(self, _: Job, progress: Progress) -> None:
        self._fail()
        self.log.append(progress)

    async def finish(self, _: Job, outcome: str) -> None:
        self._fail()
        self.log.append(outcome)

    def holds(self, _: Job) -> bool:
        return self.held

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise InboxUnavailableError("disk full")


class World:
    """A context of fakes. Sleeping takes no time but is counted."""

    def __init__(self, slots: int = 1, patience: float = 60.0) -> None:
        self.telegram = Telegram()
        self.records = Records()
        self.now = 1000.0
        self.wall = 0.0
        self.slept: list[float] = []
        self.red: str | None = None
        self.moves: list[tuple[int, int]] = []
        self.context = ReplyContext(
            inbox=self.records,  # type: ignore[arg-type]  # only what a replier uses
            messenger=self.telegram,
            slots=SendSlots(slots, patience=patience),
            flood=FloodControl(),
            metrics=Metrics(),
            bot_failed=self._note,
            moved=self._moved,
            clock=lambda: self.now,
            wall=lambda: self.wall,
            sleep=self._sleep,
        )

    async def _moved(self, old: int, new: int) -> None:
        self.moves.append((old, new))

    def _note(self, reason: str | None) -> None:
        self.red = reason

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def replier(self, chat: int = 5, progress: Progress | None = None) -> Replier:
        job = Job(1, chat, b"{}", 0, progress or Progress())
        return Replier(self.context, job, Place(chat))


async def text(*parts: str) -> Draft:
    return Draft(list(parts))


def unsent() -> TelegramError:
    return CallUnsentError("cannot connect")


def unanswered() -> TelegramError:
    return CallUnansweredError("no answer")


def server_error() -> TelegramError:
    return NetworkError("Internal Server Error")


async def test_an_answer_is_sent_once_and_recorded_before_anything_else() -> None:
    world = World()
    replier = world.replier()
    await replier.answer(text("hello"))
    assert world.telegram.sent == [(5, "hello")]
    assert world.records.log == ["answered"]
    assert replier.finished


@pytest.mark.parametrize("failure", [unsent, server_error])
async def test_what_telegram_did_not_take_goes_again_within_two_seconds(
    failure: Callable[[], TelegramError],
) -> None:
    world = World()
    world.telegram.failures = [failure(), failure(), failure()]
    await world.replier().answer(text("hello"))
    assert world.telegram.sent == [(5, "hello")]
    assert sum(world.slept) < 2.0


async def test_after_two_seconds_the_chat_is_given_back_with_the_rendered_answer() -> None:
    world = World()
    world.telegram.failures = [unsent() for _ in range(9)]
    replier = world.replier()
    await replier.answer(text("hello"))
    assert world.telegram.sent == []
    assert (replier.finished, replier.delay) == (False, 2.0)
    assert world.records.log == [Progress(parts=("hello",), tries=1)]
    again = world.replier(progress=Progress(parts=("hello",), tries=6))
    world.telegram.failures = [unsent() for _ in range(9)]
    await again.resume()
    assert again.delay == 8.0


async def test_what_telegram_may_have_taken_never_goes_again() -> None:
    world = World()
    world.telegram.failures = [unanswered()]
    replier = world.replier()
    await replier.answer(text("hello"))
    assert world.telegram.sent == []  # as far as we know
    assert replier.finished
    assert world.records.log == ["answered"]


async def test_an_edit_goes_again_even_when_its_answer_was_lost() -> None:
    world = World()
    world.telegram.failures = [unanswered(), unanswered()]
    replier = world.replier(progress=Progress(ack=77))
    await replier.answer(text("hello"))
    assert world.telegram.edits == [(77, "hello")]


async def test_an_edit_that_was_done_already_counts_as_done() -> None:
    world = World()
    world.telegram.failures = [BadRequest("Message is not modified: specified new ...")]
    replier = world.replier(progress=Progress(ack=77))
    await replier.answer(text("hello"))
    assert replier.finished
    assert world.records.log == ["answered"]


async def test_when_the_acknowledgement_was_deleted_the_answer_is_a_new_message() -> None:
    world = World()
    world.telegram.failures = [BadRequest("Message to edit not found")]
    await world.replier(progress=Progress(ack=77)).answer(text("hello"))
    assert world.telegram.sent == [(5, "hello")]


async def test_429_holds_the_chat_and_nobody_else() -> None:
    world = World()
    world.telegram.failures = [RetryAfter(7)]
    held = world.replier(chat=5)
    await held.answer(text("hello"))
    assert (held.finished, held.delay) == (False, 7.0)
    assert world.slept == []
    await world.replier(chat=6).answer(text("other"))
    assert world.telegram.sent == [(6, "other")]
    world.now += 3
    early = world.replier(chat=5, progress=Progress(parts=("hello",)))
    await early.resume()
    assert early.delay == 4.0
    world.now += 4
    late = world.replier(chat=5, progress=Progress(parts=("hello",)))
    await late.resume()
    assert world.telegram.sent == [(6, "other"), (5, "hello")]


def test_chats_that_were_flooded_hold_themselves_and_nobody_else() -> None:
    """Four groups of one attacker, each told to wait a minute: nobody else waits."""
    flood = FloodControl()
    for second in range(25):
        for group in (-1, -2, -3, -4):
            flood.accepted(group, second / 2)
    for group in (-1, -2, -3, -4):
        flood.refused(group, 44.6, 12.5)
    assert flood.wait(-1, 12.5) == 44.6
    assert flood.wait(9, 12.5) == 0.0


def test_one_chat_held_for_hours_holds_nobody_else() -> None:
    flood = FloodControl()
    flood.refused(1, 5827.0, 10.0)
    assert flood.wait(1, 10.0) == 5827.0
    assert flood.wait(2, 10.0) == 0.0


def test_the_bot_holds_back_shortly_when_it_is_too_fast_as_a_whole() -> None:
    """Chats that hardly got anything are refused while the bot sends as fast as it may."""
    flood = FloodControl()
    for chat in range(100, 130):
        flood.accepted(chat, 10.0 + chat / 1000)
    for chat in (1, 2, 3):
        flood.refused(chat, 30.0, 10.2)
    assert flood.wait(9, 10.2) == 0.0
    flood.refused(4, 30.0, 10.5)
    assert flood.wait(9, 10.5) == 2.0
    assert flood.wait(9, 12.6) == 0.0


async def test_a_refused_message_ends_the_answer() -> None:
    world = World()
    world.telegram.failures = [Forbidden("bot was blocked by the user")]
    replier = world.replier()
    await replier.answer(text("one", "two"))
    assert world.records.log[-1] == "refused"
    assert replier.finished
    assert world.telegram.sent == []


async def test_a_refused_token_turns_the_bot_red_until_something_is_accepted() -> None:
    world = World()
    world.telegram.failures = [InvalidToken()]
    replier = world.replier()
    await replier.answer(text("hello"))
    assert world.red == "Telegram refuses the bot token (401)"
    assert replier.delay == 8.0
    await world.replier(chat=6).answer(text("other"))
    assert world.red is None


async def test_long_answers_go_on_where_they_stopped() -> None:
    world = World()
    await world.replier().answer(text("one", "two", "three"))
    assert [part for _, part in world.telegram.sent] == ["one", "two", "three"]
    before, *_, last = world.records.log
    assert before == Progress(parts=("one", "two", "three"))
    assert last == "answered"
    world.telegram.sent.clear()
    await world.replier(progress=Progress(parts=("one", "two", "three"), sent=2)).resume()
    assert [part for _, part in world.telegram.sent] == ["three"]


@pytest.mark.parametrize(
    ("progress", "fresh"),
    [
        (Progress(parts=("one",), made=990.0), True),
        (Progress(parts=("one",), made=989.0), False),
        (Progress(parts=("one", "two"), sent=1, made=900.0), True),  # the first part is there
        (Progress(parts=("one",), made=1009.0), True),
        (Progress(parts=("one",), made=1100.0), False),  # the host's clock was put back
        (Progress(parts=("refusal",)), True),
    ],
)
def test_an_answer_of_which_nothing_arrived_is_too_old_after_ten_seconds(
    progress: Progress, fresh: bool
) -> None:
    world = World()
    world.wall = 1000.0
    assert world.replier(progress=progress).is_fresh() is fresh


async def test_several_answers_keep_their_buttons_when_one_of_them_is_cut() -> None:
    world = World()
    world.telegram.failures = [None, None, BadRequest("Message is too long")]
    long = "\n".join(f"line {number}" for number in range(100))

    async def answers() -> Draft:
        return Draft.of(
            [Draft(["a", "b"], "under b"), Draft([long], "under it"), Draft(["c"], "c")]
        )

    await world.replier().answer(answers())
    assert world.telegram.sent[0] == (5, "a")
    cut = len(world.telegram.markups) - 4
    assert cut >= 1
    assert world.telegram.markups == ["", "under b", *[""] * cut, "under it", "c"]


async def test_a_slow_answer_is_acknowledged_and_edited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACKNOWLEDGE_AFTER", 0.0)
    world = World()
    ready = asyncio.Event()

    async def slow() -> Draft:
        await ready.wait()
        return Draft(["hello"])

    replier = world.replier()
    answering = asyncio.create_task(replier.answer(slow()))
    while not world.records.log:  # noqa: ASYNC110 - a few turns of the loop, no time
        await asyncio.sleep(0)
    assert world.telegram.sent == [(5, WORKING)]
    assert world.records.log == [Progress(ack=101)]
    ready.set()
    await answering
    assert world.telegram.edits == [(101, "hello")]
    assert len(world.telegram.sent) == 1


async def test_an_acknowledgement_that_got_lost_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ACKNOWLEDGE_AFTER", 0.0)
    world = World()
    world.telegram.failures = [unanswered()]

    async def slow() -> Draft:
        for _ in range(20):
            await asyncio.sleep(0)
        return Draft(["hello"])

    await world.replier().answer(slow())
    assert world.telegram.sent == [(5, "hello")]


async def test_who_is_told_to_wait_gets_the_apology_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ACKNOWLEDGE_AFTER", 0.0)
    world = World()

    async def fails() -> Draft:
        while not world.telegram.under_way:  # noqa: ASYNC110 - a few turns of the loop, no time
            await asyncio.sleep(0)
        raise ZeroDivisionError

    replier = world.replier()
    with pytest.raises(ZeroDivisionError):
        await replier.answer(fails())
    await replier.say(["sorry"])
    assert world.telegram.sent == [(5, WORKING)]
    assert world.telegram.edits == [(101, "sorry")]


async def test_only_one_new_message_is_under_way_until_it_is_recorded() -> None:
    world = World()
    repliers = [world.replier(chat=chat) for chat in range(50)]
    await asyncio.gather(*(replier.answer(text("hello")) for replier in repliers))
    assert world.telegram.most_under_way == 1
    assert len(world.telegram.sent) == 50


async def test_while_the_record_cannot_be_written_nothing_else_is_sent() -> None:
    """Else a kill in a full disk would repeat all of them."""
    world = World()
    world.records.failures = 5
    await asyncio.gather(*(world.replier(chat=c).answer(text("hello")) for c in range(3)))
    assert len(world.slept) == 5
    assert [chat for chat, _ in world.telegram.sent] == [0, 1, 2]
    assert world.records.log == ["answered"] * 3


@pytest.mark.parametrize(
    ("end", "log"),
    [
        (None, ["answered"]),
        (unanswered(), ["answered"]),
        (BadRequest("CHAT_RESTRICTED"), [Progress(parts=("held",)), "refused"]),
        (RetryAfter(7), [Progress(parts=("held",)), Progress(parts=("held",), tries=1)]),
    ],
)
async def test_a_message_that_telegram_holds_is_counted_as_sent_and_others_go_on(
    end: TelegramError | None, log: list[Any]
) -> None:
    """A kill in that time repeats one message at most: the other one's."""
    world = World(patience=0.0)
    world.telegram.holds[5] = asyncio.Event()
    held = asyncio.create_task(world.replier(5).say(["held"]))
    await asyncio.sleep(0)  # it has the slot
    await world.replier(6).say(["other"])
    assert world.records.log == [Progress(parts=("held",), sent=1), "answered"]
    assert world.telegram.sent == [(6, "other")]
    assert (world.telegram.doubts, world.red) == (1, None)
    world.telegram.failures = [end]
    world.telegram.holds[5].set()
    await held
    assert world.records.log[2:] == log
    assert [text for _, text in world.telegram.sent] == ["other"] + ["held"] * (end is None)
    assert world.context.sending.trouble(world.now + 5) is None


async def test_while_it_cannot_be_counted_as_sent_nobody_goes_on() -> None:
    world = World(patience=0.0)
    world.telegram.holds[5] = asyncio.Event()
    world.records.failures = 3
    held = asyncio.create_task(world.replier(5).say(["held"]))
    await asyncio.sleep(0)  # it has the slot
    await world.replier(6).say(["other"])
    assert world.records.log == [Progress(parts=("held",), sent=1), "answered"]
    world.telegram.holds[5].set()
    await held


async def test_a_cancelled_answer_still_records_what_was_sent() -> None:
    world = World()
    replier = world.replier()
    task = asyncio.create_task(replier.answer(text("hello")))
    while not world.telegram.under_way:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.telegram.sent == [(5, "hello")]
    assert world.records.log == ["answered"]


async def test_without_the_lease_nothing_is_sent() -> None:
    world = World()
    world.records.held = False
    with pytest.raises(LeaseLostError):
        await world.replier().answer(text("hello"))
    assert world.telegram.sent == []


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (RetryAfter(3), Wait(3.0)),
        (unsent(), Again("unsent")),
        (unanswered(), Unknown()),
        (server_error(), Again("5xx")),
        (NetworkError("Bad Gateway"), Again("5xx")),
        (NetworkError("httpx.ReadError: no"), Unknown()),
        (InvalidToken(), NoToken()),
        (BadRequest("chat not found"), Refused("400", "Chat not found")),
        (Forbidden("blocked"), Refused("403", "Blocked")),
    ],
)
def test_what_an_error_means(error: TelegramError, meaning: Any) -> None:
    found = classify_failure(error)
    if isinstance(meaning, Refused) and isinstance(found, Refused):
        assert found.code == meaning.code
        assert found.reason.casefold() == meaning.reason.casefold()
    else:
        assert found == meaning


def test_what_three_chats_are_not_answered_is_trouble_since_the_first_of_them() -> None:
    sending = Sending()
    for chat, now in enumerate((3.0, 4.0, 5.0)):
        sending.held(chat, "no answer came", now)
    assert sending.trouble(5.9) is None
    assert sending.trouble(6.0) == "Telegram has taken no message for 3 s (no answer came)"
    sending.reached()
    for chat in (1, 2, 2):
        sending.held(chat, "no answer came", 7.0)
    assert sending.trouble(20.0) is None
