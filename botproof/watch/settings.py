"""watch.toml: what to watch, how often, and whom to tell. Every key: docs/watch.md.

Every mistake of the file is told at once. A text may name variables as `${NAME}`: secrets stand in
the environment or in an env file, not in watch.toml.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from botproof.bot_token import TOKEN
from botproof.problems import UsageError
from botproof.watch.rules import RULES, Rule

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SERVICE = re.compile(r"\{([^{}]*)\}")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
_ADDRESS = re.compile(r"[^\s:/]+:\d{1,5}")
_HOST = re.compile(r"[^\s:/]+(:\d{1,5})?")


class Service(NamedTuple):
    """One program of the fleet. Empty texts: not to be asked."""

    name: str
    container: str = ""
    unit: str = ""
    pid_file: str = ""
    log: str = ""
    health: str = ""
    ready: str = ""
    memory_limit: float = 0.0
    """Bytes; 0: the limit that its container or unit has."""


class Ask(NamedTuple):
    """A real question over HTTP; the answer must hold each of `expect`."""

    url: str
    body: str = ""
    expect: Sequence[str] = ()
    headers: Mapping[str, str] = {}


class Canary(NamedTuple):
    """A real question in a group: one bot of the operator asks, the bot under watch answers."""

    token: str
    chat_id: int
    text: str
    expect: Sequence[str] = ()


class Telegram(NamedTuple):
    """Where the bot's token is asked about its webhook; `webhook` "" when it polls."""

    token: str
    webhook: str = ""


class Settings(NamedTuple):
    """All of watch.toml."""

    state: Path
    every_s: float
    ask_every_s: float
    timeout_s: float
    answer_timeout_s: float
    services: Sequence[Service]
    ask: Ask | None
    canary: Canary | None
    telegram: Telegram | None
    telegram_api: str
    certificate: str
    signals_url: str
    signals_metric: str
    venues_url: str
    venues_path: Sequence[str]
    venues: Mapping[str, str]
    disks: Sequence[str]
    docker_socket: str
    operator_token: str
    operator_chat: int
    command: Sequence[str]
    heartbeat: str
    textfile: str
    statsd: str
    statsd_figures: Sequence[str]
    """Only these; all where there are none: a metric of its own costs money in some places."""
    rules: Sequence[Rule]


class _Table:
    """One table of the file: hands out its keys and notes what is wrong with them."""

    def __init__(self, data: object, path: str, problems: list[str], names: Mapping[str, str]):
        self.path, self.problems, self._names = path, problems, names
        self._data: dict[str, Any] = {}
        self._known: set[str] = set()
        if isinstance(data, dict):
            self._data = dict(data)
        else:
            self.wrong("", f"must be a table, not {_kind(data)}")

    def wrong(self, key: str, problem: str) -> None:
        where = ".".join(part for part in (self.path, key) if part) or "watch.toml"
        self.problems.append(f"{where}: {problem}")

    def has(self, key: str) -> bool:
        return key in self._data

    def keys(self) -> list[str]:
        return list(self._data)

    def raw(self, key: str) -> Any:
        self._known.add(key)
        return self._data.get(key)

    def table(self, key: str) -> _Table:
        path = ".".join(part for part in (self.path, key) if part)
        return _Table(self.raw(key), path, self.problems, self._names)

    def text(
        self,
        key: str,
        default: str = "",
        *,
        needed: bool = False,
        form: re.Pattern[str] | None = None,
        like: str = "",
    ) -> str:
        value = self.raw(key)
        if value is None:
            if needed:
                self.wrong(key, f"is missing: {like}")
            return default
        if not isinstance(value, str):
            self.wrong(key, f"must be a text, not {_kind(value)}")
            return default
        text = self._filled(key, value)
        if text is None:
            return default
        if (form is not None and not form.fullmatch(text)) or (needed and not text):
            secret = form is TOKEN
            self.wrong(key, f"{'the value' if secret else repr(text)} is not {like}")
            return default
        return text

    def _filled(self, key: str, text: str) -> str | None:
        missing = [n for n in _VARIABLE.findall(text) if n not in self._names]
        for name in missing:
            self.wrong(key, f"the variable {name} is not set (environment or --env-file)")
        if missing:
            return None
        return _VARIABLE.sub(lambda found: self._names[found[1]], text)

    def url(self, key: str, default: str = "", *, needed: bool = False) -> str:
        like = "an http:// or https:// URL"
        return self.text(key, default, needed=needed, form=_URL, like=like)

    def number(self, key: str, default: float, low: float, high: float) -> float:
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(key, f"must be a number, not {_kind(value)}")
            return default
        if not low <= value <= high:
            self.wrong(key, f"{value:g} is not from {low:g} to {high:g}")
            return default
        return float(value)

    def chat(self, key: str) -> int:
        value = self.raw(key)
        if isinstance(value, str):
            value = self._filled(key, value)
            if value is None:
                return 0
            if re.fullmatch(r"-?\d+", value):
                return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.wrong(key, "must be the number of a chat, such as 123456789 or -100123456789")
        return 0

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.raw(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.wrong(key, "must be a list of texts")
            return ()
        return tuple(filled for each in value if (filled := self._filled(key, each)) is not None)

    def text_table(self, key: str) -> dict[str, str]:
        if not self.has(key):
            return {}
        table = self.table(key)
        return {name: table.text(name) for name in table.keys()}  # noqa: SIM118 - no dict

    def close(self) -> None:
        """Name each key that nobody asked for."""
        for key in self._data.keys() - self._known:
            from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

            near = get_close_matches(key, self._known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {_listed(self._known)}"
            self.wrong(key, f"is unknown{hint}")


def _kind(value: object) -> str:
    kinds = {str: "a text", bool: "true or false", int: "a number", float: "a number"}
    kinds |= {list: "a list", dict: "a table", type(None): "nothing"}
    return kinds.get(type(value), type(value).__name__)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def read_env_file(path: Path) -> dict[str, str]:
    """NAME=VALUE lines as Compose reads them. Raises UsageError when it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    found = {}
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            found[name.removeprefix("export ").strip()] = value.strip().strip("'\"")
    return found


def read(path: Path, names: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in a file; `names` are the variables (the environment).

    Raises UsageError with every mistake of the file.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "; `botproof watch --example` prints one to start from"
        raise UsageError(f"{path}: cannot be read: {error.strerror}{hint}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is no TOML: {error}") from error
    problems: list[str] = []
    top = _Table(document, "", problems, os.environ if names is None else names)
    settings = _settings(top, path.parent)
    top.close()
    if problems:
        raise UsageError("\n".join(f"{path}: {problem}" for problem in problems))
    return settings


def _settings(top: _Table, folder: Path) -> Settings:
    outputs = _optional(top, "outputs", _outputs) or ((), "", 0, "", "", "", ())
    exchanges: tuple[str, Sequence[str], Mapping[str, str]] = _optional(
        top, "exchanges", _exchanges
    ) or ("", (), {})
    signals = _optional(top, "signals", _signals) or ("", "")
    every = top.number("every_s", 30, 0.1, 3600)
    telegram_api = top.url("telegram_api", "https://api.telegram.org").rstrip("/")
    settings = Settings(
        state=folder / (top.text("state") or "watch-state.json"),
        every_s=every,
        ask_every_s=top.number("ask_every_s", 120, 0.1, 86400),
        timeout_s=top.number("timeout_s", 3, 0.1, 30),
        answer_timeout_s=top.number("answer_timeout_s", 10, 0.1, 60),
        services=_services(top),
        ask=_optional(top, "ask", _ask),
        canary=_optional(top, "canary", _canary),
        telegram=_optional(top, "telegram", _telegram),
        telegram_api=telegram_api,
        certificate=top.text("certificate", form=_HOST, like="a host, or host:port"),
        signals_url=signals[0],
        signals_metric=signals[1],
        venues_url=exchanges[0],
        venues_path=exchanges[1],
        venues=exchanges[2],
        disks=top.texts("disks") or ("/",),
        docker_socket=top.text("docker_socket", "/var/run/docker.sock"),
        command=outputs[0],
        operator_token=outputs[1],
        operator_chat=outputs[2],
        textfile=outputs[3],
        heartbeat=outputs[4],
        statsd=outputs[5],
        statsd_figures=outputs[6],
        rules=_rules(top),
    )
    if not settings.services and "services" not in "".join(top.problems):
        top.wrong("services", "there is none: what is to be watched? Such as [services.bot]")
    _check_addresses(top, settings)
    return settings


def _optional(top: _Table, key: str, make: Callable[[_Table], Any]) -> Any:
    if not top.has(key):
        top.raw(key)  # known, and not there
        return None
    table = top.table(key)
    made = make(table)
    table.close()
    return made


def _services(top: _Table) -> tuple[Service, ...]:
    if not top.has("services"):
        top.raw("services")
        return ()
    table = top.table("services")
    return tuple(_service(name, table.table(name)) for name in table.keys())  # noqa: SIM118 - no dict


def _service(name: str, table: _Table) -> Service:
    service = Service(
        name,
        container=table.text("container"),
        unit=table.text("unit"),
        pid_file=table.text("pid_file"),
        log=table.text("log"),
        health=table.url("health"),
        ready=table.url("ready"),
        memory_limit=table.number("memory_limit_mb", 0, 0, 1e6) * 1e6,
    )
    table.close()
    places = [key for key in ("container", "unit", "pid_file") if table.has(key)]
    if len(places) > 1:
        table.wrong("", f"{' and '.join(places)}: only one of them says where it runs")
    if not places and not (service.health or service.ready):
        table.wrong("", "needs container, unit, pid_file, health or ready: how is it to be asked?")
    return service


def _check_addresses(top: _Table, settings: Settings) -> None:
    """Put addresses in: a name in braces stands for the address of that service's container."""
    urls = {f"services.{s.name}": f"{s.health} {s.ready}" for s in settings.services}
    urls |= {"signals": settings.signals_url, "exchanges": settings.venues_url}
    urls |= {"ask": settings.ask.url if settings.ask else ""}
    known = {service.name for service in settings.services}
    for where, text in urls.items():
        for name in sorted(set(_SERVICE.findall(text)) - known):
            top.wrong(where, f"{{{name}}} is no service; known: {_listed(known)}")


def _ask(table: _Table) -> Ask:
    return Ask(
        url=table.url("url", needed=True),
        body=table.text("body"),
        expect=table.texts("expect"),
        headers=table.text_table("headers"),
    )


def _token(table: _Table, key: str = "token") -> str:
    like = "a bot token, as @BotFather gives it; better ${NAME} and its value in --env-file"
    return table.text(key, needed=True, form=TOKEN, like=like)


def _canary(table: _Table) -> Canary:
    like = "the question, such as '/price@YourBot btc'"
    return Canary(
        token=_token(table),
        chat_id=table.chat("chat_id"),
        text=table.text("text", needed=True, like=like),
        expect=table.texts("expect"),
    )


def _telegram(table: _Table) -> Telegram:
    return Telegram(_token(table), table.url("webhook"))


def _signals(table: _Table) -> tuple[str, str]:
    url = table.url("url", needed=True)
    return url, table.text("metric") or "bot_signal_last_timestamp_seconds"


def _exchanges(table: _Table) -> tuple[str, tuple[str, ...], dict[str, str]]:
    if not table.has("url") and not table.has("urls"):
        table.wrong("", "needs url (one answer that names them) or urls (one a name)")
    path = table.text("path") or "data.venues"
    return table.url("url"), tuple(path.split(".")), table.text_table("urls")


def _outputs(
    table: _Table,
) -> tuple[tuple[str, ...], str, int, str, str, str, tuple[str, ...]]:
    token, chat = "", 0
    if table.has("telegram"):
        inner = table.table("telegram")
        token, chat = _token(inner), inner.chat("chat_id")
        inner.close()
    command, textfile = table.texts("command"), table.text("textfile")
    statsd = table.text("statsd", form=_ADDRESS, like="host:port, such as 127.0.0.1:8125")
    figures = table.texts("statsd_figures")
    return command, token, chat, textfile, table.url("heartbeat"), statsd, figures


def _rules(top: _Table) -> tuple[Rule, ...]:
    """Return the rules, with other limits where the file gives some."""
    if not top.has("rules"):
        top.raw("rules")
        return RULES
    table = top.table("rules")
    changed = []
    for rule in RULES:
        if not table.has(rule.name):
            table.raw(rule.name)
            changed.append(rule)
        elif (one := _rule(rule, table.table(rule.name))) is not None:
            changed.append(one)
    table.close()
    return tuple(changed)


def _rule(rule: Rule, table: _Table) -> Rule | None:
    if table.raw("off") is True:
        table.close()
        return None
    limit = table.number("limit", rule.limit, -1e15, 1e15)
    # Where only the limit is given, the distance to its end stays in proportion.
    clear = rule.clear * limit / rule.limit if rule.limit else rule.clear
    made = rule._replace(
        limit=limit,
        clear=table.number("clear", clear, -1e15, 1e15),
        for_s=table.number("for_s", rule.for_s, 0, 7 * 86400),
        clear_for_s=table.number("clear_for_s", rule.clear_for_s, 0, 7 * 86400),
    )
    table.close()
    wrong = made.clear < made.limit if rule.kind == "below" else made.clear > made.limit
    if wrong:
        table.wrong("clear", f"{made.clear:g} must be on the good side of the limit {limit:g}")
    return made
