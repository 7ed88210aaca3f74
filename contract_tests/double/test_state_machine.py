"""Random sequences of sends, polls, webhook switches, failures and clock moves, against a model.

The model is as simple as the promise: every update is pending until it is confirmed or dead; no
update is lost, none comes out of order in its chat, none comes after it was confirmed. It drives
the pure machine, so thousands of steps take seconds.
"""

import heapq
import json
from dataclasses import dataclass

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from botproof.doubles.telegram import doors, webhook
from botproof.doubles.telegram.context import Abort, LateReply, Post, Settings
from botproof.doubles.telegram.doors import Outcome
from botproof.doubles.telegram.machine import Machine
from botproof.doubles.telegram.replies import Later, Reply
from botproof.doubles.telegram.world import Bot

TOKEN = "5:" + "M" * 35
CHATS = st.integers(1, 4)
DAY = 86_400.0


@dataclass
class Sent:
    """What the model knows of an update."""

    chat: int
    at: float


class Delivery(RuleBasedStateMachine):
    """The model: `pending` by id, in order; `posts` are the webhook requests under way."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(Settings(seed=7, flood=None))
        self.now = 1_000_000.0
        self.pending: dict[int, Sent] = {}
        self.confirmed: set[int] = set()
        self.posts: dict[int, Post] = {}
        self.url = ""
        self.waiting: int | None = None
        self.offset = 0
        self.last_batch: list[int] = []

    # -- what people and time do -------------------------------------------------------------------

    @rule(chat=CHATS)
    def send(self, chat: int) -> None:
        made = self.machine.person(TOKEN, {"text": "x", "chat_id": chat}, self.now)
        number = made["update_id"]
        assert number not in self.pending
        assert number not in self.confirmed
        if self.pending:
            assert number > max(self.pending)
        self.pending[number] = Sent(chat, self.now)
        self.collect()

    @rule(seconds=st.sampled_from([0.5, 2.0, 3.0, 10.0, 61.0, 130.0, 3600.0]))
    def move_clock(self, seconds: float) -> None:
        self.pass_time(seconds)

    @precondition(lambda self: not self.url or not self.pending)
    @rule()
    def a_day_passes(self) -> None:
        """Not with a webhook that fails: a day of retries tells no more than an hour of them."""
        self.pass_time(DAY)

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.machine.next_wakeup()) is not None and due <= end:
            self.now = max(due, self.now)
            self.machine.wake(self.now)
            self.collect()
            self.forget_dead()
        self.now = end
        self.forget_dead()

    def forget_dead(self) -> None:
        """Updates die after a day, or in their last hour if the next attempt would be too late."""
        bot = self.machine.bots.get(TOKEN)
        alive = {update.id for update in bot.queue} if bot is not None else set()
        for number, sent in list(self.pending.items()):
            left = sent.at + DAY - self.now
            if left < 0 or (left < 3600 and number not in alive):
                del self.pending[number]

    # -- what the bot does -------------------------------------------------------------------------

    @rule(limit=st.integers(1, 5), timeout=st.sampled_from([0, 10]), confirm=st.booleans())
    def poll(self, limit: int, timeout: int, confirm: bool) -> None:
        if confirm and self.last_batch:
            self.offset = self.last_batch[-1] + 1
        params = {"offset": self.offset, "limit": limit, "timeout": timeout}
        reply = self.machine.call(TOKEN, "getUpdates", params, self.now)
        if self.url:
            assert isinstance(reply, Later) or reply.status == 409
            self.collect()
            return
        self.confirm_below(self.offset)
        if isinstance(reply, Later):
            self.collect()
            self.waiting = reply.ticket
        else:
            self.collect()
            self.take(reply)

    def confirm_below(self, offset: int) -> None:
        for number in [n for n in self.pending if n < offset]:
            self.confirmed.add(number)
            del self.pending[number]

    def take(self, reply: Reply) -> None:
        """A batch: the oldest pending updates, without a gap."""
        assert reply.status == 200, reply
        assert isinstance(reply.result, list)
        got = [json.loads(bytes(raw))["update_id"] for raw in reply.result]
        self.forget_dead()
        assert got == sorted(self.pending)[: len(got)]
        if self.pending:
            assert got, "something is pending, and the batch is empty"
        self.last_batch = got

    @precondition(lambda self: not self.url)
    @rule(connections=st.integers(1, 3), drop=st.booleans())
    def set_webhook(self, connections: int, drop: bool) -> None:
        self.url = "http://127.0.0.1:9/"
        params = {"url": self.url, "max_connections": connections, "drop_pending_updates": drop}
        if drop:
            self.pending.clear()
        reply = self.machine.call(TOKEN, "setWebhook", params, self.now)
        assert isinstance(reply, Reply)
        assert reply.status == 200
        self.collect()
        assert self.waiting is None or self.machine.bots[TOKEN].refusals_due

    @precondition(lambda self: self.url)
    @rule(drop=st.booleans())
    def delete_webhook(self, drop: bool) -> None:
        if drop:
            self.pending.clear()
        self.machine.call(TOKEN, "deleteWebhook", {"drop_pending_updates": drop}, self.now)
        self.url = ""
        self.collect()
        assert not self.posts

    @precondition(lambda self: self.posts)
    @rule(
        which=st.integers(0, 10),
        status=st.sampled_from([200, 200, 204, 404, 500, 503, None]),
        retry_after=st.sampled_from([0, 0, 5]),
    )
    def answer_post(self, which: int, status: int | None, retry_after: int) -> None:
        number = list(self.posts)[which % len(self.posts)]
        post = self.posts.pop(number)
        outcome = Outcome(status=status, error="" if status else "reset", retry_after=retry_after)
        if status is not None and 200 <= status < 300:
            assert self.pending.pop(post.update_id, None) is not None or self.is_dead(post)
            self.confirmed.add(post.update_id)
        self.machine.settle(TOKEN, number, outcome, {}, self.now)
        self.collect()

    def is_dead(self, post: Post) -> bool:
        return post.update_id not in self.confirmed

    @precondition(lambda self: self.waiting is not None)
    @rule()
    def leave(self) -> None:
        assert self.waiting is not None
        self.machine.hang_up(TOKEN, self.waiting)
        self.waiting = None

    # -- what comes out ----------------------------------------------------------------------------

    def collect(self) -> None:
        self.forget_dead()
        for effect in self.machine.take_effects():
            if isinstance(effect, Post):
                self.see_post(effect)
            elif isinstance(effect, Abort):
                self.posts.pop(effect.number, None)
            elif isinstance(effect, LateReply) and effect.ticket == self.waiting:
                self.waiting = None
                if effect.reply.status == 200:
                    self.take(effect.reply)

    def see_post(self, post: Post) -> None:
        assert self.url, "posted without a webhook"
        assert post.update_id not in self.confirmed, "delivered after it was confirmed"
        self.forget_dead()
        sent = self.pending.get(post.update_id)
        if sent is None:
            return  # it died while it waited for its next attempt
        earlier = [
            number
            for number, other in self.pending.items()
            if other.chat == sent.chat and number < post.update_id
        ]
        assert not earlier, f"{post.update_id} came before {earlier} of the same chat"
        self.posts[post.number] = post

    @invariant()
    def nothing_is_lost(self) -> None:
        bot = self.machine.bots.get(TOKEN)
        if bot is not None:
            assert self.pending.keys() <= {update.id for update in bot.queue}

    @invariant()
    def one_at_a_time_in_a_chat(self) -> None:
        chats = [
            self.pending[p.update_id].chat
            for p in self.posts.values()
            if p.update_id in self.pending
        ]
        assert len(chats) == len(set(chats))

    def teardown(self) -> None:
        """In the end a patient bot gets everything that is still alive."""
        if self.url:
            self.delete_webhook(drop=False)
        self.offset, self.last_batch = 0, []
        self.now += 5
        self.forget_dead()
        reply = self.machine.call(TOKEN, "getUpdates", {"offset": 0, "limit": 100}, self.now)
        self.machine.take_effects()
        if isinstance(reply, Reply):
            assert isinstance(reply.result, list)
            got = [json.loads(bytes(raw))["update_id"] for raw in reply.result]
            assert got == sorted(self.pending)[:100]


Delivery.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestDelivery = Delivery.TestCase


# -- the test itself, tried on broken machines -----------------------------------------------------


def broken_order(self: webhook.Webhook, delivery: webhook.Delivery) -> None:
    """Every update becomes due as soon as it is loaded, whatever waits before it."""
    self._order += 1
    entry = (delivery.wakeup_at, self._order, delivery.update.queue)
    heapq.heappush(self._ready, entry)
    waiting = self.queues[delivery.update.queue]
    waiting.rotate(1)


def forgetful(_core: object, bot: Bot, _now: float) -> None:
    """A webhook that is closed takes along what was under way."""
    if bot.webhook is not None:
        for delivery in bot.webhook.under_way.values():
            bot.queue.forget(delivery.update.id)
    bot.webhook = None


def deaf(_core: object, bot: Bot, _hook: object, delivery: webhook.Delivery, _now: float) -> None:
    """A delivered update stays in the queue."""
    assert bot.webhook is not None
    bot.webhook.drop(delivery)


@pytest.mark.parametrize(
    ("where", "name", "broken"),
    [
        (webhook.Webhook, "_schedule", broken_order),
        (doors, "close_webhook", forgetful),
        (doors, "_delivered", deaf),
    ],
)
def test_a_broken_machine_is_found_out(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, broken: object
) -> None:
    monkeypatch.setattr(where, name, broken)

    class Broken(Delivery):
        pass

    case = Broken.TestCase
    case.settings = settings(
        max_examples=300,
        stateful_step_count=40,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError):
        case().runTest()
