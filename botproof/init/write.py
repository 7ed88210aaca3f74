"""botproof.toml as it is written down from what was found, with a question where nothing was."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from botproof.config import Case, parse_config
from botproof.init.explore import UNKNOWN
from botproof.init.look import Found
from botproof.init.settings import OWNER_CHAT, Role, role_of
from botproof.init.trial import Look
from botproof.users import FIRST_USER

_HEAD = """\
# Written by `botproof init` from what it saw of this bot. Lines with "?" are questions that only
# you can answer; what stands below one without a space behind its "#" answers it, once that "#" is
# taken away. Every key: docs/botproof-toml.md of botproof.
"""
_KEPT_FREE = 0.85
"""The share of a machine's memory that is left when the system has taken its own."""
_WANTED_MB = 800
_WAYS = {"webhook": "a webhook", "polling": "getUpdates"}
_SLOW_S = 2.0
_ALIKE = 4
"""So many commands with one answer: it stands for none of them."""


def as_toml(found: Found) -> str:
    """Return the whole file. Raises ConfigError when botproof itself would not take it:
    our own fault."""
    text = "\n".join(_lines(found)) + "\n"
    parse_config(text, "botproof.toml")
    return text


def _lines(found: Found) -> Iterator[str]:
    described = found.described
    yield _HEAD
    yield f"name = {_string(described.raw['name'])}"
    yield from _bot(found)
    yield from _modes(found)
    yield from _doubles(found)
    yield from _cases(found)
    yield from _replies(found)
    yield from _door(found)
    yield from _gate(found)
    yield from _budgets(found)


def _bot(found: Found) -> Iterator[str]:
    described, last = found.described, found.last
    bot = described.raw["bot"]
    yield "\n[bot]"
    for key in ("command", "image", "cwd", "container_args", "ready", "port"):
        if bot.get(key):
            yield f"{key} = {_value(bot[key])}"
    if found.warm_s > 10:
        yield f"ready_timeout_s = {math.ceil(found.warm_s * 3)}   # it took {found.warm_s:.0f} s"
    if found.started and last.exit_code not in {None, 0}:
        yield (
            "# ? On SIGTERM it did not end with 0: each deployment cuts off what it does at that "
            "moment,\n#   and the gate's check `boot` says so. Handle SIGTERM, finish, and end "
            "with 0."
        )
    yield from _kept(found, last)
    yield "\n[bot.env]                          # its whole environment; nothing of your shell's"
    for name, value in described.base_env.items():
        note = ""
        if name in described.guessed or name in described.unknown:
            note = "   # ? it insists on this; the value is made up"
        yield f"{name} = {_string(_named(found, name, value))}{note}"
    telegram = described.raw["doubles"]["telegram"]
    if not described.base_env and not described.own_token and not telegram.get("any_token"):
        yield '# ? no name of a setting was found. TELEGRAM_BOT_TOKEN = "{token}"'
    left = [
        name
        for name in described.names
        if name not in described.base_env
        and not any(name in mode.get("env", {}) for mode in described.modes.values())
    ]
    if left:
        yield f"# Its source also names: {', '.join(left[:20])}"


def _named(found: Found, name: str, value: str) -> str:
    """Return the value of a setting, with the one user by the chat in which that one writes: a case
    that is put before the others must not change who it is."""
    its = any(each.case.chat == OWNER_CHAT for each in found.proposals.cases)
    one = role_of(name) is Role.USER and value == str(FIRST_USER)
    return f"{{user:{OWNER_CHAT}}}" if its and one else value


def _kept(found: Found, last: Look) -> Iterator[str]:
    if keeps := found.described.raw["bot"].get("keeps"):
        yield f"keeps = {_value(keeps)}   # it keeps data there: each mode finds it as it is now"
    if found.logs and not any(line.strip() for line in last.log):
        yield (
            f"# ? It writes its log into {', '.join(found.logs[:3])} alone, where nobody looks for "
            "errors. Let it\n#   write to its standard output, too: what stands there during a "
            "case is shown beside it."
        )
    if not found.kept:
        return
    listed = ", ".join(found.kept[:6]) + (" …" if len(found.kept) > 6 else "")
    reset = _value(["rm", "-f", *found.kept[:6]])
    yield (
        f"# ? It keeps {listed} in its own directory, these trials included: what one start leaves "
        "there\n#   the next one finds, so that it answers otherwise each time. Tell it by a "
        'setting to keep it in\n#   "{scratch}", which is empty each time. Where there is no such '
        "setting, run the gate in a copy of\n#   the directory, and clear it before each mode."
    )
    if found.proposals.normalisers:
        yield (
            "#   Take out the rules of [replies] that are only due to that, and call init once "
            "more then."
        )
    yield f"#reset = {reset}"


def _modes(found: Found) -> Iterator[str]:
    described = found.described
    modes: Mapping[str, Mapping[str, Any]] = described.modes or {"polling": {}}
    for name, mode in modes.items():
        yield f"\n[modes.{name}]"
        for key in ("webhook", "secret"):
            if mode.get(key):
                yield f"{key} = {_string(mode[key])}"
        if mode.get("env"):
            yield f"[modes.{name}.env]"
            for key, value in mode["env"].items():
                yield f"{key} = {_string(value)}"
    if len(modes) == 1:
        yield from _other_mode(found, "webhook" if "polling" in modes else "polling")


def _other_mode(found: Found, other: str) -> Iterator[str]:
    """Ask about the other way to take updates, where the source speaks of it."""
    source = found.described.source
    if not (source.serves if other == "webhook" else source.polls):
        return
    yield (
        f"# ? Its source speaks of {_WAYS[other]}, too. Does your server start it so, by a setting "
        'or a second\n#   entry point? Then let the gate start it both ways, and take "parity" '
        "into gate.checks."
    )
    yield f"#[modes.{other}]"
    if other == "webhook":
        yield '#webhook = "{url:bot}/webhook"   # its path; leave it out where the bot registers it'
    yield '#command = ["…"]                  # where that is another entry point'
    yield '#env = { NAME = "…" }             # what its server sets there'


def _doubles(found: Found) -> Iterator[str]:
    described = found.described
    for name, table in described.raw["doubles"].items():
        if table:
            yield f"\n[doubles.{name}]"
            for key, value in table.items():
                if key == "any_token":
                    yield (
                        "# ? It asks by a token that none of its variables holds, from a file of "
                        "its own. Any is taken\n#   for the right one: a mode with a wrong token "
                        "would not be noticed. Let it read a variable,\n#   give that "
                        '"{token}" in [bot.env], and take this line out.'
                    )
                if key == "token":
                    yield (
                        "# ? This token stands in its source, where everybody who reads it has "
                        "your bot: let it read\n#   a variable, get a new one from @BotFather, and "
                        "take this line out."
                    )
                yield f"{key} = {_value(value)}"
    if not found.started and not described.by_name:
        yield (
            "\n# ? How does it learn where the Bot API is? By a setting: its value is "
            '"{url:telegram_double}".\n#   By none: [doubles.telegram] by_name = true, which '
            "takes root."
        )
    yield from _beyond(found)
    if found.venues:
        yield f"\n# ? The exchange double does not serve {', '.join(found.venues[:4])}."


def _beyond(found: Found) -> Iterator[str]:
    """Ask about what it wanted to reach and no double stands for."""
    if found.hosts:
        yield (
            f"\n# ? It also asked {', '.join(found.hosts[:8])}, for which no double stands. To "
            "play their\n#   answers from a recording: `botproof record`, once, with the network. "
            "Without it: `botproof\n#   record --blank`, then put the answers in by hand. Call "
            "init once more then. One of your\n#   own may be reached for real."
        )
    if found.addresses:
        yield (
            f"\n# ? It also tried to reach {', '.join(found.addresses[:8])}, and was refused: no "
            "double answers\n#   for addresses in figures. Let it ask by the host's name, or give "
            "it a setting for that\n#   address. One of your own may be reached for real."
        )
    if may := [*found.hosts[:8], *map(_host, found.addresses[:8])]:
        yield "#[doubles]"
        yield f"#allow_hosts = {_value(list(dict.fromkeys(may)))}   # those of your own alone"


def _host(address: str) -> str:
    """Return an address without its port."""
    return address.rpartition(":")[0].strip("[]")


def _cases(found: Found) -> Iterator[str]:
    proposals = found.proposals
    yield from _of_all(found)
    if proposals.cases:
        yield "\n# What was said to it, and answered alike twice. Add what your users really ask."
    for each in proposals.cases:
        yield from _case(each.case, each.note or (f"answered: {each.shows}" if each.shows else ""))
    if not proposals.cases:
        yield from _case(Case(name="start", say="/start"), "? what do your users ask?")
    if found.private:
        yield "\n# Commands that somebody who is on no list is answered otherwise."
    for case in found.private:
        yield from _case(case, "")
    for line in proposals.left_out:
        yield f"\n# ? Left out: {line}."


def _of_all(found: Found) -> Iterator[str]:
    """Ask about what all of its answers have in common."""
    if found.stopped:
        yield (
            f"\n# ? Once all had been asked, it answered nothing any more, not even "
            f"{found.stopped!r}: one of the\n#   questions ended what handles updates, or it waits "
            "for ever. Its log says more: after a gate it is\n#   in reports/gate/logs."
        )
    said = {
        each.case.say.split()[0]: each.shows
        for each in found.proposals.cases
        if each.case.say.startswith("/") and each.shows and each.case.say != UNKNOWN
    }
    if len(said) >= _ALIKE and len(set(said.values())) == 1:
        yield (
            f'\n# ? All {len(said)} commands are answered alike: "{next(iter(said.values()))}". '
            "Whom does it answer, and where?\n#   Give it those who ask here by its setting for "
            "them (--bot 'ADMINS={users} …'), or ask where it\n#   answers, by `chat_type` in a "
            'case: "supergroup", "channel".'
        )


def _case(case: Case, note: str) -> Iterator[str]:
    yield f"\n[[workload.cases]]{_comment(note)}"
    standard = msgspec.to_builtins(Case(name=""))
    for key, value in msgspec.to_builtins(case).items():
        if value != standard.get(key):
            yield f"{key} = {_value(value)}"


def _comment(note: str) -> str:
    return f"   # {' '.join(note.split())}" if note else ""


def _replies(found: Found) -> Iterator[str]:
    proposals = found.proposals
    if proposals.acknowledgement:
        yield "\n[replies]"
        yield f"acknowledgement = {_pattern(proposals.acknowledgement)}   # edited, or taken back"
    for rule in proposals.normalisers:
        yield "\n[[replies.normalise]]"
        yield f"pattern = {_pattern(rule.pattern)}"
        yield f"replace = {_pattern(rule.replace)}"
        yield f"why = {_string(rule.why)}"


def _door(found: Found) -> Iterator[str]:
    lists = [name for name in found.described.base_env if role_of(name) is Role.USERS]
    if lists:
        empty = ", ".join(f'{name} = ""' for name in lists)
        yield "\n# ? Does an empty list let nobody in? Then let the gate look whether that is so:"
        yield f"#[door]\n#nobody = {{ {empty} }}"


def _gate(found: Found) -> Iterator[str]:
    checks = ["boot", "door", "golden"]
    if len(found.described.modes) > 1:
        checks.append("parity")
    yield f"\n[gate]\nchecks = {_value(checks)}"
    yield '# and "conversations" with two modes; "latency", "errors", "memory" with a [load]'


def _budgets(found: Found) -> Iterator[str]:
    proposals = found.proposals
    if not found.memory_mb:
        return
    fleet = min(_WANTED_MB, math.floor(found.machine_mb * _KEPT_FREE / 10) * 10)
    bot = max(10, math.ceil(found.memory_mb * 2 / 10) * 10)
    yield '\n[budgets]                          # judged with "memory" and "latency" in gate.checks'
    yield (
        f'bot_memory_mb = {{ limit = {bot}, source = "twice what botproof init measured: '
        f'{found.memory_mb:.0f} MB" }}'
    )
    yield (
        f'fleet_memory_mb = {{ limit = {fleet}, source = "a machine of {found.machine_mb} MB, as '
        'here" }   # ? how much memory has yours?'
    )
    if proposals.slowest_s > _SLOW_S:
        yield (
            f"# ? {proposals.slowest!r} took {proposals.slowest_s:.1f} s; the budget is 2 s. "
            f"reply_time_s = {math.ceil(proposals.slowest_s * 1.5)}"
        )


class Question(NamedTuple):
    """What only the bot's author can answer, in one line, and the lines of botproof.toml that would
    answer it; none where it takes something else."""

    text: str
    answer: tuple[str, ...] = ()


def questions(text: str) -> list[Question]:
    """Return the questions that stand in a file."""
    found: list[Question] = []
    going, section = False, ""
    for line in text.splitlines():
        section = line.partition("#")[0].strip() if line.startswith("[") else section
        if "# ? " in line:
            setting, _, question = line.partition("# ? ")
            name, sign, _ = setting.partition("=")  # a question beside a setting is about that
            about = name.strip() if sign else ""
            answer = (section, setting.strip()) if about else ()
            found.append(Question(f"{about}: {question}" if about else question, answer))
            going = not about
        elif going and line.startswith("#   "):
            found[-1] = found[-1]._replace(text=f"{found[-1].text} {line[4:]}")
        elif going and re.match(r"#[\[\w\"]", line):
            found[-1] = found[-1]._replace(answer=(*found[-1].answer, line[1:]))
        else:
            going = False
    return found


def _string(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _pattern(text: str) -> str:
    plain = "'" not in text and not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text)
    return f"'{text}'" if plain else _string(text)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + " }"
    return _string(value)
