"""The events of what one check's own workload asked, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botproof.history.run import Event


class ConversationsCompared(Event, frozen=True, kw_only=True):
    """Generated conversations were played at several doors beside each other, and compared.

    `conversations` counts those of the search, `answers` the different messages that the first door
    sent in them, `playings` all that were played, `late` those whose difference went away with
    time; `unanswered` are conversations after which no door answered any more. A finding holds
    "conversation", "sides" (each with "door", "rooms": what was sent, by chat, and "refused": what
    Telegram refused) and "saved" (a file); "learning" is true in that of the first messages of
    all; a starved one differed only while the machine kept the doors from going on; a flaky one
    has also "again" (the sides of the second playing). `ended` says why it could not go on, and
    `ended_in` is the conversation of that moment.
    """

    doors: tuple[str, ...]
    seed: int = 0
    sentinel: str = ""
    replayed: bool = False
    conversations: int = 0
    steps: int = 0
    answers: int = 0
    playings: int = 0
    late: int = 0
    unanswered: tuple[Mapping[str, Any], ...] = ()
    differences: tuple[Mapping[str, Any], ...] = ()
    flaky: tuple[Mapping[str, Any], ...] = ()
    starved: tuple[Mapping[str, Any], ...] = ()
    stopped_by: str = ""
    search_s: float = 0.0
    shrink_s: float = 0.0
    ended: str = ""
    ended_in: Mapping[str, Any] = {}


REFUSED_ANSWER = "Telegram refused the answer:"
"""How `DoorAsked.error` tells that the bot answered what Telegram does not take."""


class DoorAsked(Event, frozen=True, kw_only=True):
    """Something came to the bot's door (see `workloads/door.py`), and this came of it.

    `what` is the kind of question and `sent` the same in words. `url` is the webhook ("" without
    one), `declared` whether a secret goes with it, `status` what HTTP answered, `error` what
    happened instead of an answer, `answers` the texts that the one who asked got, as they stand.
    `after_s` (where it matters) is how long that took, without what the machine withheld, `asked`
    when it was sent (None, where another start of the bot was asked than that of its mode).
    """

    what: str
    sent: str
    asked: float | None = None
    url: str = ""
    declared: bool = False
    status: int | None = None
    error: str = ""
    answers: tuple[str, ...] = ()
    after_s: float = 0.0


class AskedTogether(Event, frozen=True, kw_only=True):
    """A question was asked at the same moment as others (those with the same `burst`), each by a
    user of its own, and once more when nobody else asked: the `answers` then, and those `alone`."""

    text: str
    burst: int
    answers: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()


class CalledTooOften(Event, frozen=True, kw_only=True):
    """The bot made the same call of the Bot API `calls` times within a second: `what` says which.
    `when` says in a few words what went on in a stack of its own, "" for the mode itself."""

    what: str
    calls: int
    when: str = ""


class SecurityAsked(Event, frozen=True, kw_only=True):
    """Somebody asked the bot for something that is not theirs, and this came of it.

    `who` asked (such as "a stranger"), `path` is the way that the question took, `text` the
    question. `answers` is what came back, as it stands, `figures` the telling ones in it.
    `operator`: the operator himself asked, and the others are read against what he was told;
    `private`: nobody else may be told.
    """

    who: str
    path: str
    text: str
    answers: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    operator: bool = False
    private: bool = False
    error: str = ""


class SecretSeen(Event, frozen=True, kw_only=True):
    """A secret of this run stood where it does not belong. `secret` is its name, never itself;
    `place` is where, `line` what stood there, without the secret."""

    secret: str
    place: str
    line: str = ""


class KeySent(Event, frozen=True, kw_only=True):
    """A key or another credential reached an exchange, under the name of a header or parameter.

    `settings` are the names of the settings that hold its value, none where no setting does;
    `calls` is how often it came there so.
    """

    venue: str
    name: str
    settings: tuple[str, ...] = ()
    calls: int = 1


class PortsSeen(Event, frozen=True, kw_only=True):
    """Where the target's processes listen for TCP connections: "0.0.0.0:8080 (bot)".

    `beyond` are those of them that botproof.toml does not declare. `searched` are the places that
    were looked through for secrets. `failing` are pages of the target that answered HTTP 500,
    twice: "GET /metrics of bot". `naming` are those that tell who has written, with how many.
    """

    listening: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    naming: tuple[str, ...] = ()


class Degraded(Event, frozen=True, kw_only=True):
    """A question was asked while exchanges misbehaved, and this came of it.

    `fault` says in words what went wrong; `stage` is "gone" (no exchange answers), "part" (half of
    all answers are wrong), "venue" (one exchange is gone), "back" (all is well again), "idle" (the
    first question after a while), "ended"
    where the target ended, or "held" (Telegram had this chat wait, and `calls` came before that
    was over). `reply_s` is how long the answer took (None: it never came), `withheld_s` what the
    machine kept of that time. `clean` is what the same question is answered when nothing is wrong,
    and `clean_withheld_s` what the machine kept of the time in which that was learnt.
    `neighbour`: a simple question of somebody else meanwhile. `since_s`: seconds since an exchange
    last gave a right answer; of "back", since all is well, `since_withheld_s` of which the machine
    kept. `datum` is false where the answer is
    made of what exchanges say of one symbol, and none had said it yet. `others` are the exchanges
    that told of the symbol when this command was asked, at any time: of
    "venue" alone, and where no other one had failed before.
    `calls` is how often one exchange was called meanwhile, at the most, and `usual_calls` how often
    all of them together were when as much was asked with nothing wrong.
    """

    stage: str
    fault: str
    text: str
    answers: tuple[str, ...] = ()
    clean: tuple[str, ...] = ()
    reply_s: float | None = None
    withheld_s: float = 0.0
    clean_withheld_s: float = 0.0
    neighbour: bool = False
    since_s: float = 0.0
    since_withheld_s: float = 0.0
    datum: bool = True
    others: tuple[str, ...] = ()
    calls: int = 0
    usual_calls: int = 0


class SignalSeen(Event, frozen=True, kw_only=True):
    """A message that the bot sent by itself, `slot` seconds being the begin of its slot (epoch).

    `tags`: it was sent as plain text and holds markup, so that people read the tags. `params` are
    those of its call, but for the chat.
    """

    chat_id: int
    text: str
    slot: float
    after_s: float
    life: int
    tags: bool = False
    method: str = "sendMessage"
    params: Mapping[str, Any] = {}


class SignalsWatched(Event, frozen=True, kw_only=True):
    """For how many slots it was watched what the bot sends by itself, and what came of it.

    `slots` are the begins (epoch seconds) of those that were seen whole, `restarted` of those in
    which the bot was killed and started again. `chats` are those that had subscribed, `others`
    those that had not, or no longer, `strangers` those that are on no list and had asked for it,
    `gone` those that had and have blocked the bot since.
    `within_s` after the begin of a slot all has to be there; `steady`: the market is the same in
    every slot. `back_s`: how long after the begin of each slot of `restarted` the bot was ready
    again; empty in older records. `told_to_wait` are subscribers whom Telegram refused one message
    (429, for `wait_s`). `question` was asked by others in the first slot, and answered after
    `slowest_s` at the latest, without what the machine withheld meanwhile.
    """

    interval_s: float
    told_to_wait: tuple[int, ...] = ()
    wait_s: float = 0.0
    question: str = ""
    slowest_s: float = 0.0
    back_s: tuple[float, ...] = ()
    within_s: float = 5.0
    steady: bool = False
    slots: tuple[float, ...] = ()
    restarted: tuple[float, ...] = ()
    chats: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    strangers: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    withheld_s: float = 0.0
    error: str = ""
