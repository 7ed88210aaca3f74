"""The two doors through which updates reach a bot: a waiting getUpdates, and the webhook.

Pure: what must happen outside is appended to `Core.effects`, and `wakeup` says when to come back.

Source: Client.cpp (`do_get_updates`, `abort_long_poll`, `fail_query_conflict`) and WebhookActor.cpp
(`handle`, `on_update_ok`, `on_update_error`) of the open-source Bot API server.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Raw

from botproof.doubles.telegram.context import Abort, Core, LateReply, Note, Post
from botproof.doubles.telegram.faults import FaultKind
from botproof.doubles.telegram.replies import Later, Reply, ok
from botproof.doubles.telegram.updates import DEFAULT_ALLOWED, KINDS, Update
from botproof.doubles.telegram.webhook import ANSWER_WITHIN, Delivery, Target, Webhook
from botproof.doubles.telegram.world import Bot, Json, Poll

POLL_TERMINATED = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
POLL_ENDED_BY_WEBHOOK = "Conflict: terminated by setWebhook request"
TOO_LATE = "Read timeout expired"
CONFLICT_PAUSE = 3.0
_DUPLICATE = frozenset({FaultKind.DUPLICATE})
_REORDER = frozenset({FaultKind.REORDER})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a post: an HTTP answer, or `error` (a text) when none came."""

    status: int | None = None
    reason: str = ""
    error: str = ""
    retry_after: int = 0


# -- in ------------------------------------------------------------------------------------------


def push(core: Core, bot: Bot, kind: str, payload: Json, now: float) -> Update | None:
    """Put an update into a bot's queue and get it moving; None when it is not `allowed_updates`."""
    if kind not in bot.allowed and (kind in KINDS or bot.allowed != DEFAULT_ALLOWED):
        # A kind that Telegram invents tomorrow comes to every bot that has not chosen its kinds.
        return None
    update = bot.queue.push(kind, payload, now)
    if update is not None:
        fields = {"update_id": update.id, "update": Raw(update.body)}
        core.effects.append(Note(bot.token, "inject", fields))
        pump(core, bot, now)
    return update


def pump(core: Core, bot: Bot, now: float) -> None:
    """Let through what can go."""
    if bot.webhook is not None:
        _pump_webhook(core, bot, bot.webhook, now)
    elif bot.poll is not None:
        _pump_poll(core, bot, bot.poll, now)


# -- polling -------------------------------------------------------------------------------------


def take_batch(core: Core, bot: Bot, offset: int, limit: int, now: float) -> list[Raw]:
    """Confirm what lies below `offset` and give the next updates, encoded."""
    confirmed = bot.queue.confirm(offset)
    if confirmed:
        core.effects.append(
            Note(bot.token, "confirm", {"update_ids": confirmed, "door": "polling"})
        )
    batch = bot.queue.after(0, limit, now)
    if core.faults:
        batch = _disturb(core, bot, batch)
    given = [(n, bot.repeats.pop(n)) for n in confirmed if n in bot.repeats]
    given += [(update.id, update.body) for update in batch]
    for number, _ in given:
        _note_offer(core, bot, number)
    for number in confirmed:
        bot.offered.pop(number, None)
    return [Raw(body) for _, body in given]


def _note_offer(core: Core, bot: Bot, number: int) -> None:
    attempt = bot.offered[number] = bot.offered.get(number, 0) + 1
    fields = {"update_id": number, "attempt": attempt, "door": "polling"}
    core.effects.append(Note(bot.token, "deliver", {**fields, "status": 200, "duration_s": 0.0}))


def _disturb(core: Core, bot: Bot, batch: list[Update]) -> list[Update]:
    for update in batch:
        if core.faults.hit(_DUPLICATE, chat_id=update.chat_id, door="polling"):
            bot.repeats[update.id] = update.body
    if batch and core.faults.hit(_REORDER):
        batch = _between_chats(core, batch)
    return batch


def _between_chats(core: Core, batch: list[Update]) -> list[Update]:
    """Return the same updates in another order, those of one queue still in order."""
    lanes: dict[int, list[Update]] = {}
    for update in reversed(batch):
        lanes.setdefault(update.queue, []).append(update)
    slots = [update.queue for update in batch]
    core.rng.shuffle(slots)
    return [lanes[lane].pop() for lane in slots]


def start_poll(core: Core, bot: Bot, poll: Poll, now: float) -> Later:
    """Let a getUpdates call wait; one that waits already is ended."""
    end_poll(core, bot, POLL_TERMINATED, now)
    bot.poll = poll
    core.timers_moved = True
    # The call itself is in the transcript only when it has ended, perhaps 50 seconds later.
    core.effects.append(Note(bot.token, "poll", {"offset": poll.offset}))
    return Later(poll.ticket)


def end_poll(core: Core, bot: Bot, why: str, now: float) -> None:
    """End a waiting getUpdates with 409."""
    if bot.poll is not None:
        ticket, bot.poll = bot.poll.ticket, None
        answer = conflict(core, bot, why, now, ticket)
        if isinstance(answer, Reply):
            core.effects.append(LateReply(ticket, answer))


def conflict(
    core: Core, bot: Bot, why: str, now: float, ticket: int | None = None
) -> Reply | Later:
    """409, at once; within three seconds of the last one, only after three seconds."""
    if now >= bot.next_conflict_at:
        bot.next_conflict_at = now + CONFLICT_PAUSE
        return Reply(409, description=why)
    number = core.number() if ticket is None else ticket
    bot.refusals_due.append((now + CONFLICT_PAUSE, number, why))
    core.timers_moved = True
    return Later(number)


def hang_up(core: Core, bot: Bot, ticket: int) -> None:
    """Note that the caller that waits under `ticket` has gone."""
    if bot.poll is not None and bot.poll.ticket == ticket:
        bot.poll = None
    bot.refusals_due = [due for due in bot.refusals_due if due[1] != ticket]
    core.timers_moved = True


def _pump_poll(core: Core, bot: Bot, poll: Poll, now: float) -> None:
    batch = take_batch(core, bot, poll.offset, poll.limit, now)
    if batch or now >= poll.until:
        bot.poll = None
        core.timers_moved = True
        core.effects.append(LateReply(poll.ticket, ok(batch)))


# -- webhook -------------------------------------------------------------------------------------


def open_webhook(core: Core, bot: Bot, target: Target, now: float) -> None:
    """Point the bot's updates at a webhook."""
    bot.webhook = Webhook(target)
    pump(core, bot, now)


def close_webhook(core: Core, bot: Bot, now: float) -> None:
    """Stop delivering; what was under way counts as not delivered."""
    webhook, bot.webhook = bot.webhook, None
    if webhook is not None:
        for delivery in webhook.under_way.values():
            _give_up(core, bot.token, delivery, "Webhook was closed", now)
        core.timers_moved = True


def _give_up(core: Core, token: str, delivery: Delivery, why: str, now: float) -> None:
    """Wait no longer for the answer to a post, which then never reports."""
    if delivery.number is not None:
        core.effects.append(Abort(delivery.number))
    fields = {
        "update_id": delivery.update.id,
        "attempt": delivery.attempt,
        "door": "webhook",
        "status": None,
        "error": why,
        "duration_s": now - (delivery.deadline - ANSWER_WITHIN),
    }
    core.effects.append(Note(token, "deliver", fields))


def _pump_webhook(core: Core, bot: Bot, webhook: Webhook, now: float) -> None:
    webhook.load(bot.queue, now)
    shuffle = core.rng if core.faults and core.faults.hit(_REORDER) else None
    while True:
        delivery = webhook.next(now, core.last_number + 1, shuffle)
        if delivery is None:
            break
        update, target = delivery.update, webhook.target
        core.effects.append(
            Post(
                number=core.number(),
                token=bot.token,
                update_id=update.id,
                attempt=delivery.attempt,
                url=target.url,
                secret=target.secret,
                body=update.body,
            )
        )
    core.timers_moved = True


def settle(core: Core, bot: Bot, number: int, outcome: Outcome, now: float) -> bool:
    """Return what came of post `number`; whether the update was taken and its answer
    may hold a call."""
    webhook = bot.webhook
    delivery = webhook.settle(number) if webhook is not None else None
    if webhook is None or delivery is None:
        return False
    accepted = outcome.status is not None and 200 <= outcome.status < 300
    if outcome.status is not None and webhook.gone(outcome.status, now):
        close_webhook(core, bot, now)
        core.effects.append(Note(bot.token, "webhook_deleted", {"why": "410 for 23 hours"}))
        return False
    if accepted:
        _delivered(core, bot, webhook, delivery, now)
    else:
        _failed(core, bot, delivery, outcome, now)
    _pump_webhook(core, bot, webhook, now)
    return accepted


def _delivered(core: Core, bot: Bot, webhook: Webhook, delivery: Delivery, now: float) -> None:
    update = delivery.update
    if bot.queue.forget(update.id) is not None:
        fields = {"update_ids": [update.id], "door": "webhook"}
        core.effects.append(Note(bot.token, "confirm", fields))
    if core.faults and core.faults.hit(_DUPLICATE, chat_id=update.chat_id, door="webhook"):
        webhook.repeat(delivery, now)
    else:
        webhook.drop(delivery)


def _failed(core: Core, bot: Bot, delivery: Delivery, outcome: Outcome, now: float) -> None:
    webhook = bot.webhook
    if webhook is None:
        return
    said = f"Wrong response from the webhook: {outcome.status} {outcome.reason}"
    webhook.last_error = outcome.error or said.rstrip()
    webhook.last_error_at = now
    if not webhook.retry(delivery, outcome.retry_after, now, core.rng):
        bot.queue.forget(delivery.update.id)
        webhook.drop(delivery)
        core.effects.append(Note(bot.token, "expire", {"update_ids": [delivery.update.id]}))


# -- time ----------------------------------------------------------------------------------------


def wakeup(bot: Bot) -> float | None:
    """Return when `wake` has something to do."""
    times = [due[0] for due in bot.refusals_due]
    if bot.poll is not None:
        times.append(bot.poll.until)
    if bot.webhook is not None and (due := bot.webhook.wakeup()) is not None:
        times.append(due)
    return min(times, default=None)


def wake(core: Core, bot: Bot, now: float) -> None:
    """Do what has become due."""
    for due in [due for due in bot.refusals_due if due[0] <= now]:
        bot.refusals_due.remove(due)
        core.effects.append(LateReply(due[1], Reply(409, description=due[2])))
    if bot.webhook is not None:
        for number in bot.webhook.overdue(now):
            _give_up(core, bot.token, bot.webhook.under_way[number], TOO_LATE, now)
            settle(core, bot, number, Outcome(error=TOO_LATE), now)
    pump(core, bot, now)
    core.timers_moved = True
