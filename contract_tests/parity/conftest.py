"""A toy bot behind toy modes, in memory: what the player and the search are tested against."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from botproof.chats import ReplyRules
from botproof.checks.playing import Playing
from botproof.config import Replies
from botproof.conversations import Conversation
from botproof.history import BotApiCall
from botproof.parity.player import Patience, Player
from botproof.workloads.stage import BotIdentity

Call = tuple[str, dict[str, Any]]
Bot = Callable[[str, Mapping[str, Any]], Iterable[Call]]
SENTINEL = "/help"
NEVER_COMES_S = 0.05
"""The deadline of a test in which something never comes; in all others it is never reached."""


def echo(kind: str, body: Mapping[str, Any]) -> Iterator[Call]:
    """Answers every command, in private chats and groups, and presses of its one button."""
    text = str(body.get("text", ""))
    if kind == "callback_query":
        yield "answerCallbackQuery", {"callback_query_id": body["id"], "text": body["data"]}
    elif kind == "message" and text.startswith("/") and body["chat"]["type"] != "channel":
        words = text.split()
        chat_id = body["chat"]["id"]
        if words[0] == "/menu":
            keys = {"inline_keyboard": [[{"text": "1h", "callback_data": "1h"}]]}
            yield "sendMessage", {"chat_id": chat_id, "text": "menu", "reply_markup": keys}
        else:
            yield "sendMessage", {"chat_id": chat_id, "text": f"you said {' '.join(words)}"}


@dataclass
class ToyMode:
    """A mode whose bot answers at once. `late_s` holds calls back; `wanted` filters kinds.

    What is `overtaken` comes when the next conversation begins, unless one waits patiently.
    """

    name: str
    handle: Bot = echo
    late_s: Callable[[Call], float] = lambda _: 0.0
    overtaken: Callable[[Call], bool] = lambda _: False
    wanted: Callable[[str], bool] = lambda _: True
    confirms: bool = True
    repeats: bool = False
    bot: BotIdentity = field(default_factory=lambda: BotIdentity(42, "ToyBot"))
    ticks: int = 0
    sent: list[Mapping[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._calls: list[BotApiCall] = []
        self._ids = itertools.count(1)
        self._last = 0
        self._confirmed: set[int] = set()
        self._moved = asyncio.Event()
        self._held: list[Call] = []
        self._patient = False

    def begin(self, *, patient: bool) -> None:
        """A conversation begins."""
        self._patient = patient
        held, self._held = self._held, []
        for call in held:
            self._take(call)

    async def send(self, update: Mapping[str, Any], *, twice: bool) -> Mapping[str, Any]:
        self.sent.append(update)
        kind, payload = next(iter(update.items()))
        if not self.wanted(kind):
            return {"update_id": None, "message_id": None}
        number = next(self._ids)
        made: dict[str, Any] = {"update_id": number, "message_id": None}
        body = dict(payload)
        if kind.endswith("query"):
            made[f"{kind}_id"] = body["id"] = str(10_000 + number)
        elif "message" in kind or "post" in kind:
            made["message_id"] = body.setdefault("message_id", next(self._ids))
        for _ in range(2 if twice and self.repeats else 1):
            for call in self.handle(kind, body):
                self._later(call)
        if self.confirms:
            self._confirmed.add(number)
        return made

    def _later(self, call: Call) -> None:
        delay = self.late_s(call)
        if self.overtaken(call) and not self._patient:
            self._held.append(call)
        elif delay:
            asyncio.get_running_loop().call_later(delay, self._take, call)
        else:
            self._take(call)

    def _take(self, call: Call) -> None:
        method, params = call
        if method.startswith("send"):
            self._last = next(self._ids)
        elif params.get("message_id") == "last":
            params = {**params, "message_id": self._last}
        result = {"message_id": self._last} if method.startswith("send") else True
        self._calls.append(BotApiCall(t=0.0, method=method, params=params, result=result))
        self.ticks += 1
        self._moved.set()

    def calls(self) -> Sequence[BotApiCall]:
        return self._calls

    def confirmed(self, update_ids: Iterable[int]) -> bool:
        return self._confirmed.issuperset(update_ids)

    async def event(self, seen: int, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while self.ticks <= seen:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True


class ToyStage:
    """A `search.Stage` over toy modes, on a loop of its own."""

    def __init__(
        self,
        modes: Sequence[ToyMode],
        rules: ReplyRules,
        loop: Any,
        *,
        ordered: bool,
        deadline_s: float,
    ) -> None:
        quick = Patience(quiet_s=0.0, unsure_s=0.001, differing_s=0.002, deadline_s=deadline_s)
        self.player = Player(modes, rules, SENTINEL, quick, ordered=ordered)
        self._modes = modes
        self.played: list[Conversation] = []
        self._loop = loop
        self.learnt: Playing = loop.run_until_complete(self.player.learn(quiet_s=0.002))

    def play(self, conversation: Conversation, quiet_s: float = 0.0) -> Playing:
        self.played.append(conversation)
        for mode in self._modes:
            mode.begin(patient=quiet_s > 0)
        playing: Playing = self._loop.run_until_complete(
            self.player.play(conversation, min(quiet_s, 0.02))
        )
        return playing

    def reread(self, number: int) -> Playing:
        return self.player.reread(number)


@pytest.fixture
def rules() -> ReplyRules:
    return ReplyRules.of(Replies(acknowledgement="^wait$"))


@pytest.fixture
def toys(rules: ReplyRules) -> Iterator[Any]:
    """`toys.mode(name, ...)` and `toys.stage(mode, mode, ...)`."""

    class Toys:
        def __init__(self) -> None:
            self.loop = asyncio.new_event_loop()

        def mode(self, name: str, handle: Bot = echo, **options: Any) -> ToyMode:
            return ToyMode(name, handle, **options)

        def stage(
            self, *modes: ToyMode, ordered: bool = True, deadline_s: float = 60.0
        ) -> ToyStage:
            return ToyStage(modes, rules, self.loop, ordered=ordered, deadline_s=deadline_s)

        echo = staticmethod(echo)

    made = Toys()
    yield made
    made.loop.close()
