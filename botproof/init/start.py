"""How a bot is started so that it talks to the doubles: found by trying."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from botproof.config import substitute
from botproof.doubles.exchanges.hosts import HOSTS
from botproof.init.settings import Role, of_role, role_of, trial_value
from botproof.init.source import Source
from botproof.init.trial import MODE, Look, Trial, Trials
from botproof.start_trouble import (
    MTPROTO,
    Trouble,
    missing_settings,
    trouble_in,
    trouble_of_end,
    with_own_module,
)
from botproof.targets.world import TELEGRAM_HOSTS, problem

_UNAUTHORIZED = "401"
NOW = 1_767_258_432_000
"""2026-01-01 09:07:12 UTC: where the exchanges' clock stands still, so that prices repeat."""
_MOST_TRIES = 7
_USUAL_TOKENS = ("TELEGRAM_BOT_TOKEN", "BOT_TOKEN", "TELEGRAM_TOKEN", "TOKEN")
_URL_FORMS = ("{url:telegram_double}", "{url:telegram_double}/bot")
_HAND_SET = (
    *("/webhook", "/{token}", "/", "/telegram", "/bot", "/api/webhook", "/telegram/webhook"),
    *("/webhook/{token}", "/bot{token}"),
)
_MOST_PATHS = 10
_TOKEN_IN_PATH = re.compile(r"\$?\{[^{}]*token[^{}]*\}|<[^<>]*token[^<>]*>", re.IGNORECASE)
_PATIENCE_S = 90.0
_MTPROTO_S = 30.0  # it will hardly ask the Bot API


@dataclass(slots=True)
class Description:
    """A botproof.toml that comes to be: `raw` are its tables, `base_env` the bot's environment.

    `given` are settings that stood before the command, `guessed` are settings that the bot insists
    on and whose value was made up; `answers_to` says how the bot was brought to speak to the
    double; `own_token` is one that stands in its source, `called` the command as it was given.
    """

    raw: dict[str, Any]
    source: Source
    base_env: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    modes: dict[str, dict[str, Any]] = field(default_factory=dict)
    guessed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    answers_to: str = ""
    own_token: str = ""
    called: str = ""
    look: Look = field(default_factory=Look)
    trouble: Trouble | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all settings that are known of."""
        return self.source.env

    @property
    def by_name(self) -> bool:
        """Whether the bot reaches Telegram under its real name."""
        return bool(self.raw["doubles"]["telegram"].get("by_name"))

    def home(self, base: Path) -> Path | None:
        """Return the directory that it is started in; None for a container's own."""
        bot = self.raw["bot"]
        return None if bot.get("image") else base / bot.get("cwd", ".")

    def start(self, trials: Trials, mode: str = "") -> AbstractAsyncContextManager[Trial]:
        """Start it once more, in a mode that has been found."""
        described = self.modes.get(mode, {})
        extra = {k: v for k, v in described.items() if k != "env"}
        raw = {**self.raw, "modes": {MODE: extra}}
        env = {**self.base_env, **described.get("env", {})}
        return trials.start(raw, env, patience_s=_PATIENCE_S)

    def take_exchanges(self, look: Look) -> bool:
        """Let the exchange double stand for venues that the bot looked for; whether that is new."""
        return bool(set(look.hosts) & set(HOSTS)) and self._add_exchanges()

    def expect_exchanges(self) -> bool:
        """Let the exchange double stand for venues that the source names, before the bot asks for
        one: what it does without them is not worth a start. Whether that is new."""
        return self.source.exchange and self._add_exchanges()

    def _add_exchanges(self) -> bool:
        if "exchanges" in self.raw["doubles"] or problem():
            return False
        self.raw["doubles"]["exchanges"] = {"by_name": True, "now": NOW}
        return True


_TELEGRAMS = re.compile(r"TELEGRAM|TG|BOT(?![A-Z])|BOT_?(?:TOKEN|API|KEY)")
"""Who names a token that is Telegram's; `BOTAN_TOKEN` is another one's."""
_BARE = frozenset(("TOKEN", "API_TOKEN"))


def first_env(source: Source, declared: Sequence[str] = ()) -> dict[str, str]:
    """Return what a bot is given at its first start: its token, its users, what its
    example file says."""
    examples = dict(source.examples)
    tokens = of_role(source.env, Role.TOKEN)
    ours = [name for name in tokens if name in _BARE or _TELEGRAMS.search(name)]
    env = dict.fromkeys(ours or tokens, "{token}")
    if not env:
        env = dict.fromkeys(of_role(declared, Role.TOKEN) or _USUAL_TOKENS, "{token}")
    for name in (*source.env, *declared):
        role = role_of(name)
        if role in {Role.USERS, Role.USER} or (role is Role.STORE and name in source.env):
            value = trial_value(name, {})
            if value is not None:
                env[name] = value
        elif role is Role.OTHER and name in examples:
            value = trial_value(name, examples)
            if value is not None:
                env[name] = value
    return env


async def find_start(
    trials: Trials, described: Description, play: Callable[[Trial], Awaitable[None]]
) -> bool:
    """Try until the bot takes updates from the double, and `play` in that start. Whether it does;
    `look` is the last try. A bot whose webhook its operator sets is not played with: updates have
    been sent to it already, to find where it takes them."""
    described.base_env = {**first_env(described.source), **described.given}
    if described.source.token and not of_role(described.names, Role.TOKEN):
        described.own_token = described.source.token
        described.base_env = {k: v for k, v in described.base_env.items() if v != "{token}"}
        trials.say(f"{_own(described)}: the double knows it by that")
    ways = list(_ways(described))
    if not ways:
        described.look = Look(
            failure="it cannot be given api.telegram.org by name here (that takes root), and no "
            "setting was found that says where the Bot API is"
        )
        return False
    if described.source.mtproto:
        trials.say(f"its source uses {described.source.mtproto}, which speaks MTProto")
    if described.expect_exchanges():
        trials.say("its source names an exchange: the exchange double stands for it")
    for setting, form in ways:
        if await _try(trials, described, setting, form, play):
            return True
    described.trouble = _trouble(described, described.home(trials.base))
    return False


def _trouble(described: Description, home: Path | None) -> Trouble | None:
    """Return what stands in the way, as far as it is known."""
    if described.look.mtproto:
        return MTPROTO
    known, library = trouble_in(described.look.log), described.source.mtproto
    if known is None and library:
        return replace(MTPROTO, seen=f"its source uses {library}, and it never asked the Bot API")
    known = known or trouble_of_end(described.look.own_end)
    return with_own_module(known, home) if known and home else known


def _ways(described: Description) -> Iterator[tuple[str, str]]:
    """Yield how the bot may learn where the double is: by each setting, then by name."""
    for setting in of_role(described.names, Role.TELEGRAM_URL)[:2]:
        for form in _URL_FORMS:
            yield setting, form
    if not problem():
        yield "", ""


async def _try(
    trials: Trials,
    described: Description,
    setting: str,
    form: str,
    play: Callable[[Trial], Awaitable[None]],
) -> bool:
    """Start it this way, again with what it says that it lacks; `play` where it takes updates."""
    known = {"token": described.own_token} if described.own_token else {}
    described.raw["doubles"]["telegram"] = known if setting else {"by_name": True, **known}
    how = f"by the setting {setting}" if setting else "by the name api.telegram.org"
    described.answers_to = f"{setting} = {form!r}" if setting else ""
    for _ in range(_MOST_TRIES):
        trials.say(f"trial {trials.count + 1}: is Telegram reached {how}?")
        env = {**described.base_env, **({setting: form} if setting else {})}
        patience_s = _MTPROTO_S if described.source.mtproto else _PATIENCE_S
        async with trials.start(described.raw, env, patience_s=patience_s) as trial:
            described.look = look = trial.look
            half = _give_webhook(trials, described)
            if trial.started and not look.failure and not _wrong_path(look) and not half:
                described.base_env = env
                described.modes = {look.door: {}}
                trials.say(f"  yes, by {_DOORS[look.door]}, after {look.ready_s:.1f} s")
                await play(trial)
                return True
        if half:
            continue
        if look.webhook and not look.door and not look.failure:
            look.failure = (
                f"Telegram refused the webhook {look.webhook!r} that it registered "
                f"({look.refused}). Which setting tells it its own address? Give that before the "
                'command: --bot "NAME={url:bot} …"'
            )
            return False
        if described.take_exchanges(look):
            trials.say("  it asks exchanges: the exchange double stands for them from here on")
            continue
        if _use_own_token(trials, described) or _half_ended(trials, described):
            continue
        if _listens_alone(look):
            return await _set_by_hand(trials, described)
        if set(look.hosts) & set(TELEGRAM_HOSTS) or _wrong_path(look):
            trials.say("  no: it asks elsewhere")
            return False
        if not _give_missing(trials, described):
            return False
    return False


def _use_own_token(trials: Trials, described: Description) -> bool:
    """Let the double know the bot by the token in its source; whether that is new and needed."""
    own, telegram = described.source.token, described.raw["doubles"]["telegram"]
    if _UNAUTHORIZED not in described.look.refused:
        return False
    if not own or "token" in telegram:
        return _take_any_token(trials, described)
    described.own_token = own
    telegram["token"] = own
    _take_back_guesses(described)
    trials.say(f"  no: {_own(described)}: the double knows it by that from here on")
    return True


def _take_back_guesses(described: Description) -> None:
    """Take the usual names of a token back, where the source names none of them: the bot asks by
    another token, so it reads it elsewhere."""
    known = (*described.source.env, *described.given)
    env = described.base_env
    described.base_env = {
        name: value for name, value in env.items() if name in known or name not in _USUAL_TOKENS
    }


def _own(described: Description) -> str:
    number = described.own_token.partition(":")[0]
    return f"it brings a token of its own, in its source ({number}:…)"


def _take_any_token(trials: Trials, described: Description) -> bool:
    """Let the double know the bot by whatever token it brings; whether that is new."""
    telegram = described.raw["doubles"]["telegram"]
    if telegram.get("any_token"):
        return False
    telegram["any_token"] = True
    _take_back_guesses(described)
    trials.say("  no: it brings a token of its own: the double takes any from here on")
    return True


_NOTHING_THERE = (None, 404, 405)
_DOORS = {"polling": "getUpdates", "webhook": "setWebhook"}


_NO_ADDRESS = re.compile(
    r"(?!https?://)|https?://(?:undefined|null|none|nan)?(?:[:/]|\Z)", re.IGNORECASE
)
"""How a webhook begins whose own address was in a setting that the bot did not get."""


def _wrong_path(look: Look) -> bool:
    """Tell whether it reached the double, but by a path that is none of the Bot API's."""
    return "404" in look.refused


def _give_webhook(trials: Trials, described: Description) -> bool:
    """Give it the settings of its webhook, where it registered one that is no address, such as
    `undefined/bot`; whether there were any."""
    hook = described.look.webhook
    if not hook or not _NO_ADDRESS.match(hook):
        return False
    likely = ((Role.WEBHOOK_URL, "{url:bot}"), (Role.PORT, "{port:bot}"))
    names = {name: value for role, value in likely for name in of_role(described.names, role)[:1]}
    made_up = {name: described.base_env.get(name, "") for name in described.unknown}
    names |= {n: "{url:bot}" for n, value in made_up.items() if value and hook.startswith(value)}
    new = {
        name: value
        for name, value in names.items()
        if name not in described.base_env or name in made_up
    }
    described.base_env |= new
    described.unknown = [name for name in described.unknown if name not in new]
    described.guessed = [name for name in described.guessed if name not in new]
    if new:
        trials.say(f"  no: it registered the webhook {hook!r}; it is given {' and '.join(new)}")
    return bool(new)


def _give_missing(trials: Trials, described: Description) -> bool:
    """Give it the settings that its log complains about; whether there were any."""
    look = described.look
    trials.say(f"  no: {look.failure or 'it listens, but asks for nothing'}")
    examples = dict(described.source.examples)
    new = False
    for name in missing_settings(look.log, described.names):
        if name in described.base_env:
            continue
        value = trial_value(name, examples)
        if value is None:
            if name in described.unknown:
                continue
            described.unknown.append(name)
            value = "1"
        if role_of(name) is Role.OTHER:
            described.guessed.append(name)
        described.base_env[name] = value
        trials.say(f"  its log names {name}: it is given {value!r}")
        if role_of(name) is Role.WEBHOOK_URL:  # it has to listen there, too
            ports = of_role(described.names, Role.PORT)[:1]
            described.base_env |= dict.fromkeys(ports, "{port:bot}")
        new = True
    return new


def _listens_alone(look: Look) -> bool:
    """Tell whether it listens, and has asked nobody for anything."""
    return not look.failure and bool(look.ports) and not look.hosts


def _half_ended(trials: Trials, described: Description) -> bool:
    """Give a bot that listens alone what its log says is missing: the part of it that asks may have
    ended for want of that. Whether there was anything new."""
    missing = missing_settings(described.look.log, ())
    new = any(name not in described.base_env for name in missing)
    return new and _listens_alone(described.look) and _give_missing(trials, described)


def port_in_command(described: Description) -> bool:
    """Let the gate choose the port that the command names; whether it names the one on which it
    listens. A setting that a framework reads beside it would then change nothing."""
    bot = described.raw["bot"]
    named = {
        word: re.sub(rf"(?<!\d){port}\Z", "{port:bot}", word)
        for word in bot.get("command", ())
        for port in described.look.ports
    }
    words = [named.get(word, word) for word in bot.get("command", ())]
    changed = words != list(bot.get("command", ()))
    if changed:
        bot["command"] = words
    return changed


def webhook_paths(source: Source) -> list[str]:
    """Return where a webhook may be that an operator sets: what the source says, then what is
    usual. The bot's token in a path is `{token}`."""
    named = [_TOKEN_IN_PATH.sub("{token}", path) for path in source.paths]
    likely = [path for path in named if re.search(r"hook|telegram|update|\{token\}", path)]
    paths = dict.fromkeys((*likely, *_HAND_SET))
    return [p for p in paths if not re.search(r"[{}$<>]", p.replace("{token}", ""))][:_MOST_PATHS]


def _takes_at(trials: Trials, described: Description, path: str) -> bool:
    trials.say(f"  yes, at {path}")
    described.modes = {"webhook": {"webhook": "{url:bot}" + path}}
    described.look.door = "webhook"
    described.answers_to = "a webhook that its operator sets"
    return True


async def _set_by_hand(trials: Trials, described: Description) -> bool:
    """Find where a bot listens that never speaks to Telegram: its operator sets the webhook."""
    ports = of_role(described.names, Role.PORT)
    if port_in_command(described):
        trials.say("  its command names the port: the gate chooses another one each time")
    elif ports:
        described.base_env |= dict.fromkeys(ports[:1], "{port:bot}")
    else:
        described.raw["bot"]["port"] = described.look.ports[0]
    described.raw["bot"]["ready"] = "port"
    paths = webhook_paths(described.source)
    trials.say(
        f"  it listens and asks for nothing: is a webhook set by hand at {', '.join(paths)}?"
    )
    async with trials.start(described.raw, described.base_env) as trial:
        described.look = trial.look
        if trial.look.failure:
            return False
        taken: dict[str, int] = {}
        for path in paths:
            url = trial.stack.values["url:bot"] + substitute(path, trial.stack.values)
            answered, status = await trial.answers_at(url)
            if answered:
                return _takes_at(trials, described, path)
            if status not in _NOTHING_THERE:
                taken[path] = status
        only = [*taken.items()]
        if len(only) == 1 and only[0][1] // 100 == 2:  # what it answers to /start is nothing
            return _takes_at(trials, described, only[0][0])
    described.look.failure = (
        "it listens and asks for nothing, and answered no update at any of these paths. Where its "
        'operator registers the webhook is `webhook = "{url:bot}/PATH"` in a mode'
    )
    for path, status in [*taken.items()][:1]:
        described.modes = {"webhook": {"webhook": "{url:bot}" + path}}
        described.look.failure = (
            f"it listens and asks for nothing; an update that was sent to {path} was answered with "
            f"HTTP {status}, and nothing was asked of Telegram"
        )
    return False
