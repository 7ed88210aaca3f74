"""When a webhook gets which update: one at a time in a queue, queues beside each other, retries.

Nothing here talks to a socket. `next` says what to post now, `succeeded` and `failed` what came of
it; time and randomness are passed in.

Source: WebhookActor.cpp of the open-source Bot API server (`on_update_error` for the delays,
`send_update` for the order, `handle` for 410, `start_up` for how far it looks ahead).
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from random import Random

from botproof.doubles.telegram.updates import Update, UpdateQueue

MAX_RETRY_AFTER = 3600
MAX_DELAY = 60  # the longest pause is random between this and twice this
ANSWER_WITHIN = 60.0
GONE_FOR = 23 * 3600.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a bot wants its updates: what `setWebhook` took."""

    url: str
    secret: str = ""
    max_connections: int = 40
    ip_address: str = ""
    has_certificate: bool = False


@dataclass(slots=True)
class Delivery:
    """One update on its way; `number` is set while a request is under way."""

    update: Update
    delay: int = 1
    wakeup_at: float = 0.0
    fails: int = 0
    attempt: int = 0
    number: int | None = None
    deadline: float = 0.0
    again: bool = False  # a duplicate on purpose: it was confirmed before


@dataclass(slots=True)
class Webhook:
    """The schedule of one bot's webhook. It looks at the first 2 × max_connections updates only."""

    target: Target
    loaded: dict[int, Delivery] = field(default_factory=dict)
    queues: dict[int, deque[Delivery]] = field(default_factory=dict)
    under_way: dict[int, Delivery] = field(default_factory=dict)
    gone_since: float | None = None
    last_error: str = ""
    last_error_at: float = 0.0
    _ready: list[tuple[float, int, int]] = field(default_factory=list)
    _order: int = 0
    _offset: int = 0

    def load(self, queue: UpdateQueue, now: float) -> None:
        """Take up further updates, as far as the server looks ahead."""
        room = 2 * self.target.max_connections - len(self.loaded)
        if room <= 0 or self._offset >= queue.next_id:
            return
        for update in queue.after(self._offset, room, now):
            self._offset = update.id + 1
            delivery = Delivery(update, wakeup_at=now)
            self.loaded[update.id] = delivery
            waiting = self.queues.setdefault(update.queue, deque())
            waiting.append(delivery)
            if len(waiting) == 1:
                self._schedule(delivery)

    def _schedule(self, delivery: Delivery) -> None:
        self._order += 1
        heapq.heappush(self._ready, (delivery.wakeup_at, self._order, delivery.update.queue))

    def wakeup(self) -> float | None:
        """Return when something is due next: a delivery, or the end of patience with
        one under way."""
        times = [d.deadline for d in self.under_way.values()][:1]
        if self._ready and len(self.under_way) < self.target.max_connections:
            times.append(self._ready[0][0])
        return min(times, default=None)

    def next(self, now: float, number: int, shuffle: Random | None = None) -> Delivery | None:
        """Return the delivery to start now, if one is due and a connection is free.

        `number` becomes its number. `shuffle` picks any of the due queues instead of the oldest:
        the order between chats, which Telegram does not promise.
        """
        if len(self.under_way) >= self.target.max_connections:
            return None
        if not self._ready or self._ready[0][0] > now:
            return None
        entry = heapq.heappop(self._ready) if shuffle is None else self._pick(now, shuffle)
        delivery = self.queues[entry[2]][0]
        delivery.number = number
        delivery.attempt += 1
        delivery.deadline = now + ANSWER_WITHIN
        self.under_way[number] = delivery
        return delivery

    def _pick(self, now: float, shuffle: Random) -> tuple[float, int, int]:
        chosen = shuffle.choice([entry for entry in self._ready if entry[0] <= now])
        self._ready.remove(chosen)
        heapq.heapify(self._ready)
        return chosen

    def overdue(self, now: float) -> list[int]:
        """Return numbers of deliveries that got no answer in time."""
        return [n for n, delivery in self.under_way.items() if delivery.deadline <= now]

    def settle(self, number: int) -> Delivery | None:
        """Settle the delivery `number`, which came to an end; None when it is not known
        any more."""
        delivery = self.under_way.pop(number, None)
        if delivery is not None:
            delivery.number = None
        return delivery

    def drop(self, delivery: Delivery) -> None:
        """Done with an update, for good or bad: its queue goes on."""
        del self.loaded[delivery.update.id]
        waiting = self.queues[delivery.update.queue]
        waiting.popleft()
        if waiting:
            self._schedule(waiting[0])
        else:
            del self.queues[delivery.update.queue]

    def repeat(self, delivery: Delivery, now: float) -> None:
        """Deliver the same update once more though it was confirmed."""
        delivery.again = True
        delivery.wakeup_at = now
        self._schedule(delivery)

    def retry(self, delivery: Delivery, retry_after: int, now: float, rng: Random) -> bool:
        """Plan the next attempt; False when the update would be dead by then.

        At once after the first failure, then 2, 4, 8 … seconds, up to a random 60 to 120;
        a Retry-After of the webhook comes before that, up to an hour.
        """
        pause = min(max(retry_after, 0), MAX_RETRY_AFTER)
        delay = delivery.delay
        if pause == 0 and delivery.fails > 0:
            delay = pause = min(rng.randint(MAX_DELAY, 2 * MAX_DELAY), delivery.delay * 2)
        if now + pause > delivery.update.expires_at:
            return False
        delivery.delay = delay
        delivery.wakeup_at = now + pause
        delivery.fails += 1
        self._schedule(delivery)
        return True

    def gone(self, status: int, now: float) -> bool:
        """Tell whether the webhook has said 410 for 23 hours, counting this answer."""
        if status != 410:
            self.gone_since = None
            return False
        if self.gone_since is None:
            self.gone_since = now
        return now > self.gone_since + GONE_FOR
