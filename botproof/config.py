"""botproof.toml: what the bot under test is, how to start it, what to send it, how to judge it.

Every problem of a file is reported with the path of its key, what is wrong and what would be right.
`docs/gate.md` describes each key; `botproof init` writes a commented file to start from.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from botproof import budgets as budget_rules
from botproof.budgets import CAP, Budgets, Override
from botproof.problems import UsageError
from botproof.shape import Shape, toml_of, unknown

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

PLAIN_PLACEHOLDERS = {
    "python": "the Python that runs botproof",
    "mode": "the mode that is started",
    "token": "the bot token that the Telegram double knows",
    "users": "ids of all users of the workload who are no strangers, with commas between",
    "groups": "ids of the groups that the check `security` takes as listed, with commas between",
    "scratch": "a directory of its own for this start, removed afterwards",
    "load": "the directory of botproof's own Locust scripts",
}
SECONDS = "seconds:"
"""`{seconds:1.5}` is a deadline of the target's own, on a clock that the harness may stretch."""
STRETCH = "stretch"
USER = "user:"
"""Begins a placeholder for who writes in a chat of the workload: `{user:owner}`, an id."""
VENV = "venv:"
"""Begins a placeholder for a virtual environment of the target, such as `{venv:.venv}`."""
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_TOKEN = re.compile(r"[1-9][0-9]{0,16}:[A-Za-z0-9_-]{24,70}\Z")
"""As the Telegram double takes it."""
_SELDOM_S = 5.0
_CASE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")

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
    that all of them use. `port` is one that the process insists on. Times are seconds.
    """

    command: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()
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
    """

    by_name: bool = False
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
    docs/telegram-double.md and docs/gate.md list the kinds.
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
        """What is programmed into one double ("telegram", "exchanges"), as that double takes it."""
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
    how many chats they come from. `env` is for all modes of such a run, `redis_env` names the
    variable by which the bot is given a Redis. `modes` adds modes, or replaces those of `[modes]`.
    """

    say: tuple[str, ...]
    chats: int = 50
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
    command. `nobody` are variables that make the bot's allow-list an empty one; with them the first
    mode is started once more so, and asked by a stranger."""

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
        """For how long the figures of an answer to `text` may be given without saying their age."""
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
        """`[bot]` with the changes of one mode."""
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
        """The ports that processes insist on, by name."""
        return {name: each.port for name, each in self._own_processes() if each.port}

    def alone_because(self) -> str:
        """Why two of this target cannot run beside each other; "" when they can."""
        shared = [f"{name} on port {port}" for name, port in self.insisted_ports().items()]
        shared += [f"{name} has a `reset`" for name, each in self._own_processes() if each.reset]
        return ", ".join(shared)

    def _own_processes(self) -> Iterator[tuple[str, Process]]:
        yield BOT, self.bot
        yield from self.services.items()

    def venvs(self) -> set[str]:
        """The virtual environments that placeholders name, as they name them."""
        found: set[str] = set()
        for _, text in _substituted_texts(self):
            names = (match.group(1) or "" for match in _PLACEHOLDER.finditer(text))
            found |= {name.removeprefix(VENV) for name in names if name.startswith(VENV)}
        return found

    def for_parity(self) -> Config:
        """The configuration of a parity run: the modes of delivery runs are doors too."""
        extra = self.delivery.modes if self.delivery is not None else {}
        doors: dict[str, Mode] = {**extra, **self.modes}
        chosen = self.parity.doors or tuple(dict.fromkeys((*self.modes, *extra)))
        return msgspec.structs.replace(self, modes={name: doors[name] for name in chosen})

    def for_delivery(self, env: Mapping[str, Scalar] | None = None) -> Config:
        """The configuration of a delivery run: its modes too, its environment in every mode.

        `env` comes on top of everything.
        """
        delivery = self.delivery or Delivery(say=())
        modes = {
            name: msgspec.structs.replace(mode, env={**mode.env, **delivery.env, **(env or {})})
            for name, mode in {**self.modes, **delivery.modes}.items()
        }
        return msgspec.structs.replace(self, modes=modes)

    def without_flood(self) -> Config:
        """The configuration for many questions at once: no flood control at the Telegram double,
        and memory, which is not what is asked about, sampled seldom."""
        replace = msgspec.structs.replace
        telegram = self.doubles.telegram
        telegram = replace(telegram, args=(*telegram.args, "--no-flood"))
        doubles = replace(self.doubles, telegram=telegram)
        return replace(self, doubles=doubles, memory=replace(self.memory, every_s=_SELDOM_S))

    def with_images(self, images: Mapping[str, str]) -> Config:
        """The same target with processes, by name, in containers of these images.

        Their commands stay as they are, with the image's own `python` for `{python}`. Modes of
        delivery runs that have a command of their own stay processes. Raises ConfigError where
        that cannot be.
        """
        replace = msgspec.structs.replace
        services = {
            name: _in_image(service, images.get(name)) for name, service in self.services.items()
        }
        modes = {name: replace(mode, image=None) for name, mode in self.modes.items()}
        changed = replace(self, services=services)
        if BOT in images:
            changed = replace(changed, bot=_in_image(self.bot, images[BOT]), modes=modes)
        if BOT in images and self.delivery is not None:
            extra = {
                name: replace(mode, image=None if mode.command is None else "")
                for name, mode in self.delivery.modes.items()
            }
            changed = replace(changed, delivery=replace(self.delivery, modes=extra))
        problems = list(_images(changed))
        if problems:
            raise ConfigError("\n".join(problems))
        return changed

    def images(self) -> dict[str, str]:
        """Where an image is named in the modes of the gate, and which."""
        processes = {f"services.{name}": each for name, each in self.services.items()}
        processes |= {f"bot (mode {mode})": self.bot_in(mode) for mode in self.modes}
        return {path: process.image for path, process in processes.items() if process.image}

    def resolved_budgets(self) -> Budgets:
        """The budgets that hold: the design's, with those of `[budgets]` in place."""
        return budget_rules.resolve(self.budgets)


def _in_image(process: Process, image: str | None) -> Process:
    if image is None:
        return process
    inside = process.cwd.startswith(("/", "{scratch}"))
    return msgspec.structs.replace(process, image=image, cwd=process.cwd if inside else ".")


def load_config(path: Path) -> Config:
    """Read and check a botproof.toml. Raises ConfigError with all that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}: line {line} is not UTF-8 text; save the file as UTF-8"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}; `botproof init` writes one to start from"
        ) from error
    return parse_config(text, str(path))


def parse_config(text: str, name: str = "botproof.toml") -> Config:
    """Parse and check the text of a botproof.toml; `name` is what errors call it."""
    try:
        raw = toml_of(text, name)
    except UsageError as error:
        raise ConfigError(str(error)) from error
    return config_of(raw, name)


def config_of(raw: Mapping[str, Any], name: str = "botproof.toml") -> Config:
    """Check a botproof.toml that was read already. Raises ConfigError with all that is wrong."""
    shape = Shape(_TABLES)
    right = shape.read(raw)
    problems = list(shape.problems)
    if shape.whole:
        config = _with_checks(msgspec.convert(right, Config), right)
        problems += [each for each in _problems_of(config) if not shape.concerns(each)]
        if not problems:
            return config
    raise ConfigError("\n".join(f"{name}: {problem}" for problem in dict.fromkeys(problems)))


def _with_checks(config: Config, raw: Mapping[str, Any]) -> Config:
    """Without the checks that there is nothing for, unless the file names its checks."""
    if "checks" in raw.get("gate", {}):
        return config
    missing = set() if config.signals is not None else {"signals"}
    missing |= set() if config.doubles.exchanges is not None else {"degradation"}
    missing |= set() if len(config.modes) > 1 or config.parity.against else {"parity"}
    missing |= {"conversations"} if len(config.modes) < 2 or config.alone_because() else set()
    checks = tuple(check for check in ALL_CHECKS if check not in missing)
    return msgspec.structs.replace(config, gate=msgspec.structs.replace(config.gate, checks=checks))


# Which keys each table may have, by the path of the table; `*` stands for a name of the user's.
_TABLES: Mapping[str, type[msgspec.Struct]] = {
    "": Config,
    "bot": Process,
    "modes.*": Mode,
    "services.*": Process,
    "doubles": Doubles,
    "doubles.telegram": TelegramDouble,
    "doubles.exchanges": ExchangeDouble,
    "doubles.http": RecordedHosts,
    "workload": Workload,
    "workload.cases[]": Case,
    "replies": Replies,
    "replies.normalise[]": Normaliser,
    "load": Load,
    "memory": Memory,
    "gate": Gate,
    "parity": Parity,
    "door": Door,
    "security": Security,
    "degradation": Degradation,
    "signals": Signals,
    "delivery": Delivery,
    "delivery.modes.*": DeliveryMode,
}


def _explain(message: str) -> str:
    """msgspec's "Expected `int`, got `str` - at `$.load.rate`", with the path in front."""
    text, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    text = text[0].lower() + text[1:]
    return f"{path}: {text}" if path else text


def _problems_of(config: Config) -> Iterator[str]:
    for rule in _RULES:
        yield from rule(config)


def _names(config: Config) -> Iterator[str]:
    if not config.modes:
        yield "modes: is empty; describe at least one, such as [modes.polling]"
    for table, names in (("modes", config.modes), ("services", config.services)):
        for name in names:
            if not _NAME.match(name):
                yield f"{table}.{name}: a name is lower-case letters, digits and _, such as my_api"
    for name in config.services:
        if name in (BOT, TELEGRAM, EXCHANGES, HTTP):
            yield f"services.{name}: this name is taken by botproof itself; choose another"


def _processes(config: Config) -> Iterator[tuple[str, Process]]:
    for name, service in config.services.items():
        yield f"services.{name}", service
    whole = config.for_delivery()
    for mode in whole.modes:
        yield f"bot (mode {mode})", whole.bot_in(mode)


def _commands(config: Config) -> Iterator[str]:
    for path, process in _processes(config):
        if not process.command and not process.image:
            yield f'{path}.command: is missing; give a list such as ["{{python}}", "-m", "my_bot"]'
        if not process.ready:
            yield (
                f"{path}.ready: is missing; give a URL that answers 200 when it is ready, "
                f'"port" when its port takes connections, "log:" and a pattern of the line that it '
                f'writes then, or "telegram" for a bot that is ready when it first asks for updates'
            )
        if process.ready.startswith(LOG):
            yield from _pattern(
                f"{path}.ready", process.ready.removeprefix(LOG), "log:ready to work"
            )
        for key in ("ready_timeout_s", "stop_timeout_s"):
            if not getattr(process, key) > 0:
                yield f"{path}.{key}: is {getattr(process, key):g}; it must be above 0 seconds"
    for name, service in config.services.items():
        if service.ready == "telegram":
            yield f'services.{name}.ready: "telegram" is for the bot; give a URL, or "port"'


def _bounds(config: Config) -> Iterator[str]:
    if not _TOKEN.match(config.doubles.telegram.token):
        yield (
            "doubles.telegram.token: has not the form of a token, which is digits, a colon, and 24 "
            "to 70 of A-Z a-z 0-9 _ -; leave it out, and a made-up one is taken"
        )
    for path, process in _processes(config):
        if not 0 <= process.port <= 65_535:
            yield f"{path}.port: is {process.port}; a port lies in 1 to 65535"
    for name, mode in config.modes.items():
        if mode.secret and not mode.webhook:
            yield f"modes.{name}.secret: is for a `webhook` beside it, which botproof registers"
    if config.workload.at_once < 1:
        yield f"workload.at_once: is {config.workload.at_once}; at least one chat has to write"


def _images(config: Config) -> Iterator[str]:
    for path, process in _processes(config):
        if process.container_args and not process.image:
            yield f"{path}.container_args: are for a container; there is no `image` beside them"
        if process.image and process.cwd != "." and not process.cwd.startswith(("/", "{scratch}")):
            yield (
                f"{path}.cwd: is {process.cwd!r}; with `image` it is a directory inside the "
                "container, such as /app, or {scratch}"
            )


def placeholder_names(config: Config) -> set[str]:
    """Every placeholder that a value of this configuration may hold."""
    urls = {TELEGRAM, BOT, *config.services}
    if config.doubles.exchanges is not None:
        urls.add(EXCHANGES)
    if config.doubles.http is not None:
        urls.add(HTTP)
    ports = {BOT, *config.services}
    return (
        set(PLAIN_PLACEHOLDERS)
        | {f"url:{name}" for name in urls}
        | {f"port:{name}" for name in ports}
        | {f"{USER}{case.chat}" for case in config.workload.cases if case.chat}
    )


def _placeholders(config: Config) -> Iterator[str]:
    known = placeholder_names(config)
    for path, text in _substituted_texts(config):
        for match in _PLACEHOLDER.finditer(text):
            name = match.group(1)
            if name is not None and name.startswith(SECONDS):
                if not _is_duration(name.removeprefix(SECONDS)):
                    yield f"{path}: {{{name}}} must hold a number of seconds, as {{seconds:1.5}}"
            elif name is not None and name.startswith(VENV) and name != VENV:
                continue
            elif name is not None and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {{{near[0]}}}? " if near else ""
                listed = ", ".join(f"{{{each}}}" for each in [*sorted(known), "venv:PATH"])
                yield (
                    f"{path}: {{{name}}} stands for nothing; {hint}Known are {listed}; "
                    "write {{ and }} for braces"
                )


def _is_duration(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def stretches(config: Config) -> bool:
    """Whether any value gives the target a deadline that the harness may stretch."""
    return any(
        (match.group(1) or "").startswith(SECONDS)
        for _, text in _substituted_texts(config)
        for match in _PLACEHOLDER.finditer(text)
    )


def _substituted_texts(config: Config) -> Iterator[tuple[str, str]]:
    for path, process in _processes(config):
        for number, argument in enumerate(process.command):
            yield f"{path}.command[{number}]", argument
        for key in ("reset", "container_args"):
            for number, argument in enumerate(getattr(process, key)):
                yield f"{path}.{key}[{number}]", argument
        for key, value in process.env.items():
            yield f"{path}.env.{key}", str(value)
        yield f"{path}.ready", process.ready
        yield f"{path}.cwd", process.cwd
    for name, mode in config.modes.items():
        yield f"modes.{name}.webhook", mode.webhook
    envs = {f"security.guests.{name}": env for name, env in config.security.guests.items()}
    envs["door.nobody"] = config.door.nobody
    envs["signals.env"] = config.signals.env if config.signals is not None else {}
    for path, env in envs.items():
        for key, value in env.items():
            yield f"{path}.{key}", str(value)
    if config.load is not None:
        yield "load.host", config.load.host
        yield "load.script", config.load.script


def _cases(config: Config) -> Iterator[str]:
    seen: set[str] = set()
    for number, case in enumerate(config.workload.cases):
        path = f"workload.cases[{number}]"
        if not _CASE_NAME.match(case.name):
            yield f"{path}.name: is {case.name!r}; use lower-case letters, digits and -"
        if case.name in seen:
            yield f"{path}.name: {case.name!r} is used twice; each case needs a name of its own"
        seen.add(case.name)
        yield from _case_contents(path, case)


def _case_contents(path: str, case: Case) -> Iterator[str]:
    needs_text = case.kind in ("message", "edited_message", "callback_query")
    if case.update is not None and (case.say or case.kind != "message"):
        yield f"{path}: has `update` beside `say` or `kind`; a raw update stands alone"
    if case.update is None and needs_text and not case.say:
        yield f"{path}.say: is missing; it is what the user writes, such as /price BTC"
    if case.update is not None and not case.update:
        yield f"{path}.update: is empty; give the update without update_id, such as {{ poll = … }}"
    if case.replies is not None and case.replies < 1:
        yield f"{path}.replies: is {case.replies}; for no reply at all set expect = 'silence'"
    if case.topic is not None and case.topic < 2:
        yield f"{path}.topic: is {case.topic}; the number of a topic is 2 or more"
    if case.topic is not None and case.chat_type != "supergroup":
        yield f'{path}.topic: topics are in forums; write chat_type = "supergroup" beside it'
    if not case.deadline_s > 0:
        yield f"{path}.deadline_s: is {case.deadline_s:g}; it must be above 0 seconds"
    if not case.after_s >= 0:
        yield f"{path}.after_s: is {case.after_s:g}; it cannot be below 0 seconds"


def _faults(config: Config) -> Iterator[str]:
    for number, case in enumerate(config.workload.cases):
        single = isinstance(case.fault, dict)
        faults = (case.fault,) if isinstance(case.fault, dict) else case.fault
        for place, fault in enumerate(faults):
            path = f"workload.cases[{number}].fault{'' if single else f'[{place}]'}"
            yield from _fault(path, fault, config)
        if case.faults("exchanges") and case.expect == "silence":
            yield (
                f"workload.cases[{number}].expect: is 'silence' beside a fault of the exchanges; "
                "such a fault ends with the answer, so there has to be one"
            )


def _fault(path: str, fault: Mapping[str, Any], config: Config) -> Iterator[str]:
    double = fault.get("double", "telegram")
    if double not in ("telegram", "exchanges"):
        yield f'{path}.double: is {double!r}; it must be "telegram" or "exchanges"'
    elif double == "exchanges" and config.doubles.exchanges is None:
        yield f"{path}.double: there is no [doubles.exchanges] to go wrong; add that table"
    elif "kind" not in fault:
        yield f"{path}.kind: is missing; it is what goes wrong, such as error or duplicate"
    elif double == "exchanges":
        yield from _exchange_fault(path, {k: v for k, v in fault.items() if k != "double"})


def _exchange_fault(path: str, fault: Mapping[str, Any]) -> Iterator[str]:
    # Only whoever programs such faults pays for importing the double's side of them.
    from botproof.doubles.exchanges.faults import KINDS, ExchangeFault  # noqa: PLC0415

    if fault["kind"] not in KINDS:
        yield f"{path}.kind: {unknown(str(fault['kind']), str(fault['kind']), KINDS)}"
    for key in fault:
        if key not in ExchangeFault.__struct_fields__:
            yield unknown(f"{path}.{key}", key, ExchangeFault.__struct_fields__)
            return
    try:
        msgspec.convert(fault, ExchangeFault)
    except msgspec.ValidationError as error:
        yield f"{path}.{_explain(str(error))}"


def _patterns(config: Config) -> Iterator[str]:
    patterns = [("replies.acknowledgement", config.replies.acknowledgement)]
    patterns += [
        (f"replies.normalise[{number}].pattern", normaliser.pattern)
        for number, normaliser in enumerate(config.replies.normalise)
    ]
    for path, pattern in patterns:
        yield from _pattern(path, pattern)


def _pattern(path: str, pattern: str, example: str = "") -> Iterator[str]:
    """What is wrong with a pattern; with an `example` it may not be empty."""
    if example and not pattern:
        yield f'{path}: has no pattern; give one, such as "{example}"'
    try:
        re.compile(pattern)
    except re.error as error:
        yield f"{path}: is no regular expression: {error}"


def _recordings(config: Config) -> Iterator[str]:
    http = config.doubles.http
    if http is not None and not http.recordings:
        yield (
            "doubles.http.recordings: is empty; name HAR files, such as "
            '["recordings/http.har"], which `botproof record` writes'
        )


def _delivery(config: Config) -> Iterator[str]:
    delivery = config.delivery
    if delivery is None:
        return
    if not delivery.say:
        yield 'delivery.say: is empty; give messages such as "/price {marker}"'
    if delivery.chats < 1:
        yield f"delivery.chats: is {delivery.chats}; it must be at least 1"
    for name in delivery.modes:
        if not _NAME.match(name):
            yield f"delivery.modes.{name}: a name is lower-case letters, digits and _"


def _parity(config: Config) -> Iterator[str]:
    parity = config.parity
    extra = config.delivery.modes if config.delivery is not None else {}
    known = dict.fromkeys((*config.modes, *extra))
    for door in parity.doors:
        if door not in known:
            yield f"parity.doors: {unknown(door, door, known)}"
    if parity.against and len(config.modes) > 1:
        yield (
            "parity.against: is for a bot with one mode; "
            f"{' and '.join(config.modes)} are compared with each other"
        )
    if len(parity.doors) == 1:
        yield f"parity.doors: {parity.doors[0]!r} alone has nothing to be compared with"
    for key in ("examples", "seconds", "shrink_seconds"):
        if not getattr(parity, key) > 0:
            yield f"parity.{key}: is {getattr(parity, key):g}; it must be above 0"


def _trials(config: Config) -> Iterator[str]:
    for text in config.workload.private:
        if not text.strip():
            yield "workload.private: holds an empty text; each is a question such as /balance"
    times = {key: getattr(config.degradation, key) for key in ("fresh_s", "recover_s")}
    times |= {f"fresh.{command}": value for command, value in config.degradation.fresh.items()}
    for key, value in times.items():
        if not value > 0:
            yield f"degradation.{key}: is {value:g}; it must be above 0 seconds"
    for port in config.security.ports:
        if not 1 <= port <= 65_535:
            yield f"security.ports: holds {port}; a port lies in 1 to 65535"


def _signals(config: Config) -> Iterator[str]:
    signals = config.signals
    if signals is None:
        return
    for key in ("interval_s", "within_s"):
        if not getattr(signals, key) > 0:
            yield f"signals.{key}: is {getattr(signals, key):g}; it must be above 0"
    yield from _pattern("signals.message", signals.message)


def _limits(config: Config) -> Iterator[str]:
    for check in config.gate.checks:
        if check not in ALL_CHECKS:
            yield f"gate.checks: {unknown(check, check, ALL_CHECKS, 'check')}"
    if config.load is not None:
        for key in ("rate", "max_requests", "timeout_s"):
            if not getattr(config.load, key) > 0:
                yield f"load.{key}: is {getattr(config.load, key):g}; it must be above 0"
    for name, value in config.budgets.items():
        try:
            budget_rules.resolve({name: value})
        except budget_rules.BudgetError as error:
            yield str(error)


def _memory(config: Config) -> Iterator[str]:
    if not config.memory.every_s > 0:
        yield f"memory.every_s: is {config.memory.every_s:g}; it must be above 0 seconds"
    if config.memory.fence_mb is not None and not config.memory.fence_mb > 0:
        yield f"memory.fence_mb: is {config.memory.fence_mb:g}; it must be above 0 MB"
    if not config.memory.fence_cpus > 0:
        yield f"memory.fence_cpus: is {config.memory.fence_cpus:g}; it must be above 0"


_RULES: tuple[Callable[[Config], Iterator[str]], ...] = (
    _names,
    _commands,
    _bounds,
    _images,
    _placeholders,
    _cases,
    _faults,
    _patterns,
    _recordings,
    _parity,
    _delivery,
    _trials,
    _signals,
    _limits,
    _memory,
)


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Fill the placeholders of one value. Raises KeyError for one without a value."""

    def fill(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group(0)[0]
        if match.group(1).startswith(SECONDS):
            seconds = float(match.group(1).removeprefix(SECONDS))
            return f"{seconds * float(values.get(STRETCH, 1)):g}"
        return values[match.group(1)]

    return _PLACEHOLDER.sub(fill, text)
