"""What a botproof.toml may hold: its tables, and the values that stand where it says nothing.

`docs/botproof-toml.md` describes each key; `botproof init` writes a commented file to start from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from botproof import budgets as budget_rules
from botproof.budgets import CAP, Budgets, Override
from botproof.problems import UsageError

ALL_CHECKS = (
    "boot",
    "door",
    "security",
    "golden",
    "parity",
    "conversations",
    "degradation",
    "delivery",
    "signals",
    "latency",
    "errors",
    "rollback",
    "memory",
)
TELEGRAM = "telegram_double"
EXCHANGES = "exchange_double"
HTTP = "http_double"
BOT = "bot"
SYMBOLS = (
    *("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "LINK", "LTC", "TRX", "DOT"),
    *("BNB", "SUI", "NEAR", "UNI", "ATOM", "BCH", "ETC", "FIL", "AAVE", "APT", "OP"),
)
"""Symbols that the exchange double and every exchange knows."""
USER = "user:"
"""Begins a placeholder for who writes in a chat of the workload: `{user:owner}`, an id."""
_SELDOM_S = 5.0
Scalar = str | int | float | bool


class ConfigError(UsageError):
    """botproof.toml cannot be used. The message lists every problem found, one a line."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table that refuses keys it does not know: a misspelt key must not be ignored."""


class Process(_Table, frozen=True, kw_only=True):
    """How to start one process and how to tell that it is ready.

    With `image` it runs in a container of that image: `command` replaces the image's own, `cwd` is
    a directory inside, `container_args` are more options of `docker create`.

    `ready` is a URL that answers 200 when the process can work; without one, "log:" and a pattern
    of the line that it writes then, "port" for a port that takes connections, and "telegram", for a
    bot, for its first `getUpdates` or `setWebhook`. `reset` is a command that ends: it is run
    before the process is first started in a stack, and clears what earlier runs left in a database
    that all of them use. `keeps` are files and directories below `cwd` that are, before the process
    is first started in a stack and after its end, as they were before. `port` is one that the
    process insists on. Times are seconds.
    """

    command: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    image: str = ""
    container_args: tuple[str, ...] = ()
    env: dict[str, Scalar] = {}
    inherit_env: tuple[str, ...] = ()
    cwd: str = "."
    ready: str = ""
    port: int = 0
    ready_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0


LOG = "log:"
"""Begins a `ready` that is a pattern of a line in the process's output."""


class Mode(_Table, frozen=True, kw_only=True):
    """What a mode changes of `[bot]`; `env` is merged, everything else replaces.

    `webhook` is a URL that botproof registers at Telegram once the bot is ready, with `secret`, for
    a bot whose operator does that by hand.
    """

    command: tuple[str, ...] | None = None
    image: str | None = None
    env: dict[str, Scalar] = {}
    cwd: str | None = None
    ready: str | None = None
    webhook: str = ""
    secret: str = ""


class TelegramDouble(_Table, frozen=True, kw_only=True):
    """The stand-in for the Bot API. `args` go to `botproof double telegram` as they are.

    `by_name`: the bot insists on https://api.telegram.org; see `botproof/targets/world.py`.
    `any_token`: the bot may call itself by a token of its own, whatever that is.
    """

    by_name: bool = False
    any_token: bool = False
    token: str = "4242424242:AAGateTokenOfTheTelegramDouble00000"  # noqa: S105 - made up, of the right form
    seed: int = 0
    args: tuple[str, ...] = ()


class ExchangeDouble(_Table, frozen=True, kw_only=True):
    """The stand-in for the exchanges. `now` (epoch ms) stops its clock, so that replies repeat.

    `by_name`: the target insists on https://api.binance.com and the like; see
    `botproof/doubles/exchanges/hosts.py`.
    """

    by_name: bool = False
    seed: int = 0
    now: int | None = None
    args: tuple[str, ...] = ()


class RecordedHosts(_Table, frozen=True, kw_only=True):
    """The stand-in for hosts that no other double knows: it plays `recordings` (HAR 1.2 files).

    With `by_name` it stands for the hosts that are in them; without, at `{url:http_double}/HOST`.
    """

    recordings: tuple[str, ...] = ()
    by_name: bool = True


class Doubles(_Table, frozen=True, kw_only=True):
    """Which stand-ins a run needs; without an `exchanges` or `http` table those are not started.

    `offline`: the target finds no host but those that doubles stand for and `allow_hosts`.
    """

    telegram: TelegramDouble = TelegramDouble()
    exchanges: ExchangeDouble | None = None
    http: RecordedHosts | None = None
    offline: bool = True
    allow_hosts: tuple[str, ...] = ()


UpdateKind = Literal[
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "callback_query",
    "photo",
    "sticker",
    "location",
    "member_joined",
]


class Case(_Table, frozen=True, kw_only=True):
    """One update of the workload and what is expected of it.

    Cases that name the same `chat` are played one after the other in that chat; a case without
    one has a chat of its own. With `topic` it is written in that topic of a forum. `update` sends
    a raw update (its first key the kind of update) instead of `say`. A `stranger` is not among
    `{users}`. `after_s` is how long the user waits before.

    `fault` is one fault or several, programmed just before. One of the Telegram double holds for
    this chat, once unless it says otherwise. One with `double = "exchanges"` is taken back when the
    answer is there; it meets whoever asks the exchanges meanwhile, and so its chat is played alone.
    docs/telegram-double.md and docs/botproof-toml.md list the kinds.
    """

    name: str
    say: str = ""
    kind: UpdateKind = "message"
    update: dict[str, Any] | None = None
    chat: str = ""
    chat_type: Literal["private", "group", "supergroup", "channel"] = "private"
    topic: int | None = None
    stranger: bool = False
    fault: dict[str, Any] | tuple[dict[str, Any], ...] = ()
    expect: Literal["reply", "silence"] = "reply"
    replies: int | None = None
    golden: bool = True
    after_s: float = 0.0
    deadline_s: float = 10.0

    def faults(self, double: str) -> tuple[dict[str, Any], ...]:
        """Return what is programmed into one double ("telegram", "exchanges"), as that
        double takes it."""
        every = (self.fault,) if isinstance(self.fault, dict) else self.fault
        return tuple(
            {key: value for key, value in fault.items() if key != "double"}
            for fault in every
            if fault.get("double", "telegram") == double
        )


class Workload(_Table, frozen=True, kw_only=True):
    """The scripted conversation. `at_once` chats write beside each other; 1 is for a bot that does
    one thing at a time. `private` are questions that only the operator may be answered."""

    at_once: int = 4
    private: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()


class Normaliser(_Table, frozen=True, kw_only=True):
    """Replaces what legitimately differs from run to run before replies are compared."""

    pattern: str
    replace: str
    why: str


class Replies(_Table, frozen=True, kw_only=True):
    """How replies are read, by every check.

    `acknowledgement` is a pattern of messages that are no answer yet. The bot edits such a message
    into the answer, or deletes it; with `acknowledgement_stays` it may be left beside the answer.
    `messages` is how many messages an answer has, where a case does not say it by `replies`.
    """

    acknowledgement: str = ""
    acknowledgement_stays: bool = False
    messages: int = 1
    ignore_methods: tuple[str, ...] = ("sendChatAction",)
    normalise: tuple[Normaliser, ...] = ()


class Load(_Table, frozen=True, kw_only=True):
    """The load phase: a Locust script against one host, `rate` requests a second.

    Goes on until the error rate is decided or `max_requests` were sent over all modes. `expect`
    are fields that every good answer has, such as "data.price", or "/price:data.price" for one
    path only; an answer that lacks one has failed.
    """

    script: str
    host: str
    rate: float = 150.0
    max_requests: int = CAP
    timeout_s: float = 180.0
    expect: tuple[str, ...] = ()
    args: tuple[str, ...] = ()


class Memory(_Table, frozen=True, kw_only=True):
    """How often memory is sampled, and how large a machine the fleet is given.

    With `fence_mb`, the bot and the services run in a memory cgroup of that size with
    `fence_cpus` CPUs, where the machine allows one to be made.
    """

    every_s: float = 0.5
    fence_mb: float | None = None
    fence_cpus: float = 2.0


class Gate(_Table, frozen=True, kw_only=True):
    """What the gate judges and where its papers lie, relative to botproof.toml.

    Without `checks` it judges by all but those that there is nothing for: `signals` without
    `[signals]`, `degradation` without exchanges, `parity` and `conversations` with one mode.
    """

    checks: tuple[str, ...] = ALL_CHECKS
    report_dir: str = "reports/gate"
    golden_dir: str = "golden"


class DeliveryMode(Mode, frozen=True, kw_only=True):
    """A mode of delivery runs only. A POST to `kill_url` kills what does the work, for targets
    whose working process is not the one that `command` starts (a Lambda front)."""

    kill_url: str = ""


class Delivery(_Table, frozen=True, kw_only=True):
    """The delivery run: many updates while the bot is killed again and again.

    `say` are the messages, in turn; `{marker}` in one becomes a word of its own for each update,
    such as `q17z`, and a reply that repeats the word is known to belong to that update. `chats` is
    how many chats they come from; `chat` names one of the workload from which all of them come, for
    a bot that only its owner may use. `env` is for all modes of such a run, `redis_env` names the
    variable by which the bot is given a Redis. `modes` adds modes, or replaces those of `[modes]`.
    """

    say: tuple[str, ...]
    chats: int = 50
    chat: str = ""
    env: dict[str, Scalar] = {}
    redis_env: str = ""
    modes: dict[str, DeliveryMode] = {}


class Parity(_Table, frozen=True, kw_only=True):
    """Generated conversations, compared between modes: the gate's check "conversations", and
    `botproof parity`, whose options take precedence.

    `doors` are the modes to compare: all of `[modes]` and of `[delivery.modes]` unless it names
    some. `sentinel` is a command that is certainly answered in a private chat; without it, the
    first such case of the workload. `ordered = false` is for a bot that promises no order in a
    chat. `examples` and `seconds` bound the search, whichever is reached first; `shrink_seconds`
    is the time to make a difference shorter. The same `seed` generates the same conversations.

    `against` is the history.jsonl of an earlier run, for a bot with one mode: the check "parity"
    compares it with that.
    """

    against: str = ""
    doors: tuple[str, ...] = ()
    sentinel: str = ""
    ordered: bool = True
    examples: int = 200
    seconds: float = 15.0
    shrink_seconds: float = 20.0
    seed: int = 0


class Door(_Table, frozen=True, kw_only=True):
    """What comes to the bot's door. `question` is asked; without it, the conversation's simplest
    command. `nobody` are variables that make the bot's allow-list an empty one; with them,
    and once more without those that are empty, the first mode is started and asked by a
    stranger."""

    question: str = ""
    nobody: dict[str, Scalar] = {}


class Security(_Table, frozen=True, kw_only=True):
    """Who may be told what. `question` is one that is answered with figures; without it, the
    conversation's own. `guests` are ways to let people in who are not the operator, each with the
    variables that do it: `{users}` are operators, `{groups}` groups that they may list. `ports`
    are ports besides `{port:…}` at which the target may listen for the world."""

    question: str = ""
    guests: dict[str, dict[str, Scalar]] = {}
    ports: tuple[int, ...] = ()


class Degradation(_Table, frozen=True, kw_only=True):
    """What is asked while exchanges misbehave. `ask` are questions; without it, one for each
    command of the conversation. A symbol of `symbols` in one is replaced by the others, so that no
    cache knows the answer. Figures that are older than `fresh_s` have to say so, of a command in
    `fresh` those older than it says there; `recover_s` after the exchanges are well again every
    answer is whole. `depends` names, by venue, words of the lines that need it: they hold no figure
    while that venue is gone."""

    ask: tuple[str, ...] = ()
    symbols: tuple[str, ...] = SYMBOLS
    fresh_s: float = 60.0
    fresh: dict[str, float] = {}
    recover_s: float = 60.0
    depends: dict[str, tuple[str, ...]] = {}

    def fresh_of(self, text: str) -> float:
        """Return for how long the figures of an answer to `text` may be given without their age."""
        command = text.split(maxsplit=1)[0] if text.strip() else ""
        return self.fresh.get(command, self.fresh_s)


class Signals(_Table, frozen=True, kw_only=True):
    """What the bot sends by itself. `env` switches it on, `subscribe` is what a user writes to get
    it, every `interval_s` seconds of the clock (UTC), and `unsubscribe` to get it no more;
    `within_s` after the begin of a slot it has come. `message` is a pattern of such messages, where
    the bot sends others by itself, too."""

    env: dict[str, Scalar] = {}
    subscribe: str = ""
    unsubscribe: str = ""
    interval_s: float
    within_s: float = 5.0
    message: str = ""


class Config(_Table, frozen=True, kw_only=True):
    """A whole botproof.toml, checked."""

    bot: Process
    modes: dict[str, Mode]
    name: str = "bot"
    services: dict[str, Process] = {}
    doubles: Doubles = Doubles()
    workload: Workload = Workload()
    replies: Replies = Replies()
    load: Load | None = None
    memory: Memory = Memory()
    gate: Gate = Gate()
    parity: Parity = Parity()
    door: Door = Door()
    security: Security = Security()
    degradation: Degradation = Degradation()
    signals: Signals | None = None
    delivery: Delivery | None = None
    budgets: dict[str, float | Override] = {}

    def bot_in(self, mode: str) -> Process:
        """Return `[bot]` with the changes of one mode."""
        change = self.modes[mode]
        ready = self.bot.ready if change.ready is None else change.ready
        if change.webhook and ready == "telegram":
            ready = "port"  # it will not set the webhook: we do, once it listens
        return msgspec.structs.replace(
            self.bot,
            command=self.bot.command if change.command is None else change.command,
            image=self.bot.image if change.image is None else change.image,
            env={**self.bot.env, **change.env},
            cwd=self.bot.cwd if change.cwd is None else change.cwd,
            ready=ready,
        )

    def insisted_ports(self) -> dict[str, int]:
        """Return the ports that processes insist on, by name."""
        return {name: each.port for name, each in self._own_processes() if each.port}

    def alone_because(self) -> str:
        """Say why two of this target cannot run beside each other; "" when they can."""
        shared = [f"{name} on port {port}" for name, port in self.insisted_ports().items()]
        shared += [
            f"{name} has a `{key}`"
            for name, each in self._own_processes()
            for key, value in (("reset", each.reset), ("keeps", each.keeps))
            if value
        ]
        return ", ".join(shared)

    def _own_processes(self) -> Iterator[tuple[str, Process]]:
        yield BOT, self.bot
        yield from self.services.items()

    def every_process(self) -> Iterator[tuple[str, Process]]:
        """Yield each service, and the bot in each mode of gate and delivery, by its
        path in the file."""
        for name, service in self.services.items():
            yield f"services.{name}", service
        whole = self.for_delivery()
        for mode in whole.modes:
            yield f"bot (mode {mode})", whole.bot_in(mode)

    def for_parity(self) -> Config:
        """Return the configuration of a parity run: the modes of delivery runs are doors too."""
        extra = self.delivery.modes if self.delivery is not None else {}
        doors: dict[str, Mode] = {**extra, **self.modes}
        chosen = self.parity.doors or tuple(dict.fromkeys((*self.modes, *extra)))
        return msgspec.structs.replace(self, modes={name: doors[name] for name in chosen})

    def for_delivery(self, env: Mapping[str, Scalar] | None = None) -> Config:
        """Return the configuration of a delivery run: its modes too, its environment in every mode.

        `env` comes on top of everything.
        """
        delivery = self.delivery or Delivery(say=())
        modes = {
            name: msgspec.structs.replace(mode, env={**mode.env, **delivery.env, **(env or {})})
            for name, mode in {**self.modes, **delivery.modes}.items()
        }
        return msgspec.structs.replace(self, modes=modes)

    def without_flood(self) -> Config:
        """Return the configuration for many questions at once: no flood control at the Telegram
        double, and memory, which is not what is asked about, sampled seldom."""
        replace = msgspec.structs.replace
        telegram = self.doubles.telegram
        telegram = replace(telegram, args=(*telegram.args, "--no-flood"))
        doubles = replace(self.doubles, telegram=telegram)
        return replace(self, doubles=doubles, memory=replace(self.memory, every_s=_SELDOM_S))

    def images(self) -> dict[str, str]:
        """Return where an image is named in the modes of the gate, and which."""
        processes = {f"services.{name}": each for name, each in self.services.items()}
        processes |= {f"bot (mode {mode})": self.bot_in(mode) for mode in self.modes}
        return {path: process.image for path, process in processes.items() if process.image}

    def resolved_budgets(self) -> Budgets:
        """Return the budgets that hold: the design's, with those of `[budgets]` in place."""
        return budget_rules.resolve(self.budgets)
