"""What can be wrong with the values of a botproof.toml whose tables are right.

Each problem has the path of its key, what is wrong and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import msgspec

from botproof import bot_token
from botproof import budgets as budget_rules
from botproof.config.images import image_problems
from botproof.config.placeholders import placeholder_problems
from botproof.config.tables import (
    ALL_CHECKS,
    BOT,
    EXCHANGES,
    HTTP,
    LOG,
    TELEGRAM,
    Case,
    Config,
    Process,
)
from botproof.shape import unknown

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_READY = re.compile(rf"(?:telegram|port)\Z|{LOG}|https?://|\{{")
_URL = re.compile(r"https?://|\{")
_MILLISECONDS = 10**11
"""What is less is meant in seconds: 1973 in milliseconds."""
_CASE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


def _explain(message: str) -> str:
    """Return msgspec's "Expected `int`, got `str` - at `$.load.rate`", with the path in front."""
    text, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    text = text[0].lower() + text[1:]
    return f"{path}: {text}" if path else text


def problems_of(config: Config) -> Iterator[str]:
    """Yield all that is wrong with a configuration, rule by rule."""
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


def _commands(config: Config) -> Iterator[str]:
    for path, process in config.every_process():
        if not process.command and not process.image:
            yield f'{path}.command: is missing; give a list such as ["{{python}}", "-m", "my_bot"]'
        if not process.ready:
            yield (
                f"{path}.ready: is missing; give a URL that answers 200 when it is ready, "
                f'"port" when its port takes connections, "log:" and a pattern of the line that it '
                f'writes then, or "telegram" for a bot that is ready when it first asks for updates'
            )
        if process.ready and not _READY.match(process.ready):
            yield (
                f'{path}.ready: is {process.ready!r}; it is "telegram", "port", "log:" and a '
                'pattern of a line, or a whole URL, such as "{url:bot}/health"'
            )
        if process.ready.startswith(LOG):
            yield from _pattern(
                f"{path}.ready", process.ready.removeprefix(LOG), "log:ready to work"
            )
        for key in ("ready_timeout_s", "stop_timeout_s"):
            if not getattr(process, key) > 0:
                yield f"{path}.{key}: is {getattr(process, key):g}; it must be above 0 seconds"
        yield from _keeps(path, process)
    for name, service in config.services.items():
        if service.ready == "telegram":
            yield f'services.{name}.ready: "telegram" is for the bot; give a URL, or "port"'


def _keeps(path: str, process: Process) -> Iterator[str]:
    for number, name in enumerate(process.keeps):
        parts = PurePosixPath(name).parts
        if not parts or parts[0] == "/" or ".." in parts:
            yield (
                f"{path}.keeps[{number}]: is {name!r}; it is the name of a file or directory below "
                '`cwd`, such as "bot.db"'
            )
    if process.keeps and process.image:
        yield f"{path}.keeps: is for a process; a container begins with what its image has"


def _bounds(config: Config) -> Iterator[str]:
    if not bot_token.is_token(config.doubles.telegram.token):
        yield (
            f"doubles.telegram.token: has not the form of a token, which is {bot_token.LIKE}; "
            "leave it out, and a made-up one is taken"
        )
    for path, process in config.every_process():
        if not 0 <= process.port <= 65_535:
            yield f"{path}.port: is {process.port}; a port lies in 1 to 65535"
    for name, mode in config.modes.items():
        if mode.webhook and not _URL.match(mode.webhook):
            yield (
                f"modes.{name}.webhook: is {mode.webhook!r}; it is the whole URL at which the bot "
                'listens, such as "{url:bot}/webhook"'
            )
        if mode.secret and not mode.webhook:
            yield f"modes.{name}.secret: is for a `webhook` beside it, which botproof registers"
    if config.workload.at_once < 1:
        yield f"workload.at_once: is {config.workload.at_once}; at least one chat has to write"


def _doubles(config: Config) -> Iterator[str]:
    exchanges = config.doubles.exchanges
    if exchanges is not None and exchanges.now and exchanges.now < _MILLISECONDS:
        yield (
            f"doubles.exchanges.now: is {exchanges.now}; it is in milliseconds since 1970, such as "
            "1767258432000 (2026-01-01 09:07:12 UTC)"
        )
    for host in config.doubles.allow_hosts:
        if re.search(r"[/\s]|:\d+\Z", host):
            yield (
                f"doubles.allow_hosts: {host!r} is more than a host; write its name or address "
                'alone, such as "db.internal"'
            )


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
    """Yield what is wrong with a pattern; with an `example` it may not be empty."""
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
    chats = [case.chat for case in config.workload.cases if case.chat and not case.stranger]
    if delivery.chat and delivery.chat not in chats:
        there = f"there are {', '.join(dict.fromkeys(chats))}" if chats else "none has a name"
        yield f"delivery.chat: no case of the workload is in a chat {delivery.chat!r}; {there}"
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
    _doubles,
    image_problems,
    placeholder_problems,
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
