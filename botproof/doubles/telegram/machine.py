"""The Bot API as a machine without sockets, clocks or threads.

Calls, injected updates, the outcomes of posts and the passing of time go in; replies and effects
come out. Time (`now`, seconds since the epoch) is passed in, randomness comes from the seed, so the
same inputs give the same outputs.

    machine = Machine(Settings(seed=1))
    reply = machine.call("1:token", "getMe", {}, now=0.0)
    effects = machine.take_effects()   # answers to waiting calls, posts to webhooks, notes
    due = machine.next_wakeup()        # call machine.wake(now) then, or earlier
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from botproof.bot_token import is_token
from botproof.doubles.telegram import agenda, doors, people, world_given
from botproof.doubles.telegram.context import Core, Effect, Method, Settings, Turn
from botproof.doubles.telegram.faults import Faults
from botproof.doubles.telegram.flood import Flood, FloodLimits
from botproof.doubles.telegram.methods import IN_CONNECTION, METHODS, rest
from botproof.doubles.telegram.methods.business import in_connection
from botproof.doubles.telegram.replies import Later, Refusal, Reply, ok
from botproof.doubles.telegram.spec import SpecError, methods, parse_params
from botproof.doubles.telegram.updates import UpdateQueue
from botproof.doubles.telegram.world import Bot, File, Files, Json

NOT_FOUND = Reply(404, description="Not Found")
LOGGED_OUT = Reply(400, description="Logged out")
# Older names that the server still answers to; the specification knows the current ones.
_ALIASES = {"getchatmemberscount": "getchatmembercount", "kickchatmember": "banchatmember"}
_NOT_FROM_A_WEBHOOK = frozenset({"setwebhook", "deletewebhook", "close", "logout"})


class Machine:
    """All bots of one double."""

    __slots__ = ("_core", "bots")

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        rng = Random(f"{settings.seed}:double")  # noqa: S311 - repeatable on purpose
        fault_rng = Random(f"{settings.seed}:faults")  # noqa: S311 - repeatable on purpose
        self._core = Core(settings, rng, Faults(fault_rng))
        self.bots: dict[str, Bot] = {}

    # -- calls -----------------------------------------------------------------------------------

    def call(self, token: str, method: str, raw: Mapping[str, object], now: float) -> Reply | Later:
        """Answer a call of a bot. `raw` are the parameters as they came (see
        `spec.parse_params`)."""
        try:
            bot = self.bot(token, now)
        except Refusal as refusal:
            return Reply.refused(refusal)
        if now < bot.logged_out_until:
            return LOGGED_OUT
        self._catch_up(bot, now)
        name = method.lower()
        name = _ALIASES.get(name, name)
        if name not in methods():
            return NOT_FOUND
        try:
            result = self._run(bot, name, parse_params(name, raw), now)
        except SpecError as error:
            return Reply(400, description=error.description)
        except Refusal as refusal:
            return Reply.refused(refusal)
        return result if isinstance(result, (Reply, Later)) else ok(result)

    def _run(self, bot: Bot, name: str, params: Mapping[str, object], now: float) -> object:
        method: Method | None = METHODS.get(name)
        turn = Turn(self._core, bot, now, methods()[name].name)
        if "business_connection_id" in params and name in IN_CONNECTION:
            turn = in_connection(turn, params)
        if method is None:
            return rest.answer(turn, methods()[name], params)
        return method(turn, params)

    def token_of(self, given: str) -> str:
        """Return the token that a call is meant for: the only one there is, where any
        is taken for it."""
        settings = self._core.settings
        if settings.any_token and settings.tokens and given not in settings.tokens:
            return min(settings.tokens)
        return given

    def bot(self, token: str, now: float) -> Bot:
        """Return the bot of a token, made on first use. Refusal (401) for a token that is none."""
        bot = self.bots.get(token)
        if bot is not None:
            return bot
        if ":" not in token:
            raise Refusal(401, "Unauthorized: invalid token specified")
        tokens = self._core.settings.tokens
        if not is_token(token) or (tokens is not None and token not in tokens):
            raise Refusal(401, "Unauthorized")
        bot = self.bots[token] = self._new_bot(token, now)
        return bot

    def _new_bot(self, token: str, now: float) -> Bot:
        settings = self._core.settings
        number = int(token.partition(":")[0])
        sender: Json = {
            "id": number,
            "is_bot": True,
            "first_name": f"Bot {number}",
            "username": f"double_{number}_bot",
        }
        rng = Random(f"{settings.seed}:{token}")  # noqa: S311 - repeatable on purpose
        return Bot(
            token=token,
            id=number,
            user={**sender, **_CAN},
            sender=sender,
            queue=UpdateQueue(
                rng.randint(10**8, 9 * 10**8),
                settings.limits.updates,
                settings.limits.update_bytes,
            ),
            flood=Flood(settings.flood or FloodLimits()),
            files=Files(number, settings.limits.file_bytes),
            limits=settings.limits,
            users={number: sender},
            started_at=now,
        )

    def hang_up(self, token: str, ticket: int) -> None:
        """Note that the client of a waiting call has gone."""
        if token in self.bots:
            doors.hang_up(self._core, self.bots[token], ticket)

    def file(self, token: str, path: str) -> File | None:
        """Return what lies under `/file/bot<token>/<path>`."""
        bot = self.bots.get(token)
        return None if bot is None else bot.files.at(path)

    # -- people and webhooks ---------------------------------------------------------------------

    def person(self, token: str, action: Mapping[str, object], now: float) -> Json:
        """Return what a person does (see `people.act`). Refusal for a bad token, else
        ControlError."""
        bot = self.bot(token, now)
        self._catch_up(bot, now)
        return people.act(Turn(self._core, bot, now), action)

    def chat(self, token: str, described: Mapping[str, object], now: float) -> Json:
        """Make a chat with its members (see `people.describe_chat`)."""
        return people.describe_chat(Turn(self._core, self.bot(token, now), now), described)

    def set_strict(self, *, strict_unknowns: bool) -> None:
        """Set whether what would be made up fails with 501 (see `methods.stand_ins`)."""
        changed = replace(self._core.settings, strict_unknowns=strict_unknowns)
        self._core.settings = changed

    def give(self, token: str, given: Mapping[str, object], now: float) -> Json:
        """Put something into a bot's world (see `world_given`)."""
        return world_given.give(Turn(self._core, self.bot(token, now), now), given)

    def settle(
        self,
        token: str,
        number: int,
        outcome: doors.Outcome,
        answer: Mapping[str, object],
        now: float,
    ) -> tuple[str, Reply | Later] | None:
        """Return what came of post `number`. `answer` are the parameters in the webhook's own
        answer.

        With a `method` among them, that method is called, and its name and reply come back.
        """
        bot = self.bots.get(token)
        if bot is None or not doors.settle(self._core, bot, number, outcome, now):
            return None
        method = str(answer.get("method", ""))
        name = method.lower()
        if not name or name in _NOT_FROM_A_WEBHOOK or name.startswith("get"):
            return None
        params = {name: value for name, value in answer.items() if name != "method"}
        return method, self.call(token, method, params, now)

    # -- time and effects ------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        """The programmed faults."""
        return self._core.faults

    def take_effects(self) -> list[Effect]:
        """Return what must happen outside, in order; each is given once."""
        effects = self._core.effects
        if effects:
            self._core.effects = []
        return effects

    def timers_moved(self) -> bool:
        """Tell whether `next_wakeup` may have changed since this was asked last."""
        moved, self._core.timers_moved = self._core.timers_moved, False
        return moved

    def next_wakeup(self) -> float | None:
        """Return when `wake` has something to do; None when only calls or updates can
        change anything."""
        times = [due for bot in self.bots.values() if (due := _wakeup(bot)) is not None]
        return min(times, default=None)

    def wake(self, now: float) -> None:
        """Do what has become due by `now`."""
        for bot in self.bots.values():
            self._catch_up(bot, now)
            due = doors.wakeup(bot)
            if due is not None and due <= now:
                doors.wake(self._core, bot, now)

    def _catch_up(self, bot: Bot, now: float) -> None:
        """Let happen what was due before this moment, so that nobody sees it undone."""
        if bot.agenda and bot.agenda[0][0] <= now:
            agenda.run(self._core, bot, now)


def _wakeup(bot: Bot) -> float | None:
    times = [due for due in (doors.wakeup(bot), agenda.due(bot)) if due is not None]
    return min(times, default=None)


_CAN: Json = {
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": True,
    "can_connect_to_business": False,
    "has_main_web_app": False,
}
