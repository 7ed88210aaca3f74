"""What the source of a bot tells about it: names of its settings, commands, and paths.

Nothing is run and nothing is understood; patterns of several languages are looked for. So all that
is found here is a guess, which a trial start confirms or does not.
"""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from botproof.bot_token import TOKEN
from botproof.doubles.exchanges.hosts import HOSTS

_CODE = frozenset(
    (".py", ".js", ".ts", ".mjs", ".cjs", ".go", ".rb", ".php", ".rs", ".java", ".kt", ".cs", ".ex")
)
_SETTINGS = (".env", ".env.example", ".env.sample", ".env.template", ".env.dist", "example.env")
_STRANGE = frozenset(
    (
        "node_modules",
        ".git",
        ".venv",
        "venv",
        "env",
        "__pycache__",
        "dist",
        "build",
        "target",
        "vendor",
        "site-packages",
        ".nox",
        ".tox",
        "reports",
        "golden",
        "tests",
        "test",
        "docs",
    )
)
_SERVERS = frozenset(
    (
        "uvicorn",
        "gunicorn",
        "hypercorn",
        "daphne",
        "granian",
        "waitress",
        "flask",
        "quart",
        "dotenv",
    )
)
"""Programs that start somebody's bot: their own settings and commands are none of its."""
_MOST_FILES = 600
_MOST_BYTES = 400_000
_NAME = r"[A-Z][A-Z0-9_]+"
_READS = re.compile(
    r"(?:environ(?:\.get|\.setdefault|\.fetch)?|getenv|Getenv|LookupEnv|env::var(?:_os)?|\bENV"
    r"(?:\.fetch)?|process\.env|env\.(?:str|int|bool|list|get)|\benv|\bconfig|get_env|_env)"
    rf"\s*[\[(]\s*[\"'`]({_NAME})[\"'`]"
)
_NODE = re.compile(rf"\benv\.({_NAME})\b")  # of `process`, or what a module of its own hands on
_TAKEN_APART = re.compile(r"\{([^{}]*)\}\s*=\s*process\.env")
_LINE = re.compile(r".*(?:environ|getenv|Getenv|process\.env|env::var|\benv:).*")
_QUOTED = re.compile(rf"(?<!=)(?<!= )[\"'`]({_NAME})[\"'`]")  # what follows "=" is a value
_DEFAULT = re.compile(r"((?:\bget|[gG]etenv)\(\s*[\"'`]\w+[\"'`]\s*,\s*)[\"'`]\w*[\"'`]")
_ASSIGNED = re.compile(
    rf"^[ \t]*(?:export[ \t]+)?({_NAME})[ \t]*=[ \t]*(.*?)[ \t\r]*$", re.MULTILINE
)
_PYDANTIC = re.compile(r"class \w+\([\w., ]*BaseSettings[\w., ]*\):\n((?:[ \t]+.*\n|\n)+)")
_FIELD = re.compile(r"^[ \t]+([a-z][a-z0-9_]*)\s*:", re.MULTILINE)
_PREFIX = re.compile(r"env_prefix\s*=\s*[\"']([A-Za-z_]+)[\"']")
_COMMANDS = (
    re.compile(r"CommandHandler\(\s*[\[(]?([^)\]]*)"),
    re.compile(r"\bcommands\s*=\s*[\[(]?([^)\]]*)"),
    re.compile(r"\bCommand\(([^)]*)\)"),
    re.compile(r"\.(?:command|hears)\(\s*\[?([^,\])]*)"),
    re.compile(r"(?:onText|on)\(\s*/\^?\\?/([a-z0-9_]+)()"),
    re.compile(r"[\"'`]/([a-z][a-z0-9_]{1,31})[\"'`@ ]()"),
)
_SAID = (
    re.compile(
        r"(?:[tT]ext|[mM]essage|[mM]sg|[iI]nput)(?:\.\w+\(\))*\s*={2,3}\s*"
        r"[\"'`]([^\"'`\n/{}]{2,40})[\"'`]"
    ),
    re.compile(r"\.hears\(\s*[\"'`]([^\"'`\n/{}]{2,40})[\"'`]"),
    re.compile(r"(?:Regex|regexp=)\(?\s*r?[\"'`]\^?\(?([\w !?-]{2,40})\)?\$?[\"'`]"),
)
_OPENING = re.compile(
    r"(?:[tT]ext|[mM]essage|[mM]sg|[iI]nput|[rR]equest|[wW]ords|[pP]arts|[aA]rgs)(?:\.\w+\(\))*"
    r"(?:\.starts_?[wW]ith\(|\[0\](?:\.\w+\(\))*\s*(?:={2,3}|!={1,2}|(?:not )?in)\s*)\s*"
    r"[\"'`]([a-z][\w-]{1,20}) ?[\"'`]"
)
"""How a source tells a message by its first word: what follows it is a symbol, most likely."""
_SHARES = {
    "SBER": re.compile(r"\bmoex\b|tinkoff", re.IGNORECASE),
    "AAPL": re.compile(
        r"yfinance|finance\.yahoo|alpha_?vantage|finnhub|polygon\.io|twelvedata|finviz",
        re.IGNORECASE,
    ),
}
"""A share that those who sell prices of shares have, by how they are named."""
_MARKET = re.compile(
    r"binance|coingecko|coinmarketcap|cryptocompare|coincap|\bccxt\b|kraken|bybit|kucoin|coinbase|"
    r"bitfinex|yfinance|finance\.yahoo|alphavantage|finnhub",
    re.IGNORECASE,
)
_VENUES = "|".join(dict.fromkeys(prefix.split("/")[1] for prefix in HOSTS.values()))
_CLIENTS = re.compile(
    rf"\bccxt\W{{1,3}}(?:\w+\W{{1,3}})?(?:{_VENUES})|"
    rf"\b(?:from|import) (?:{_VENUES}|pybit|yfinance)\b|"
    rf"(?:require\(|from )[\"'](?:node-)?(?:{_VENUES})-(?:api|connector)\b"
)
"""How clients of the venues are named that the exchange double stands for."""
_MTPROTO = re.compile(
    r"^\s*(?:from|import)\s+(telethon|pyrogram|kurigram|hydrogram|pytdbot|opentele)\b|"
    r"(?:require\(|from )[\"'](@mtproto/core|@mtcute/[\w-]+|telegram/sessions|tdl|gramjs)[\"']|"
    r"[\"'](?:github\.com/)(gotd/td|zelenin/go-tdlib)\b",
    re.MULTILINE,
)
_HTTP_API = re.compile(
    r"\b(?:aiogram|telebot|telegraf|grammy|node-telegram-bot-api|getUpdates)\b|"
    r"^\s*(?:from|import)\s+telegram\b",
    re.MULTILINE,
)
_SERVES = re.compile(
    r"set_?webhook|run_webhook|webhookCallback|startWebhook|run_webhooks", re.IGNORECASE
)
_POLLS = re.compile(
    r"getUpdates|get_updates|polling|LongPoller|\.launch\(|message_loop", re.IGNORECASE
)
_TOKEN = re.compile(rf"[\"'`](?:bot)?({TOKEN.pattern})[\"'`]")
_WORD = re.compile(r"[\"'`]/?([A-Za-z][A-Za-z0-9_]{0,31})[\"'`]")
_PATH = re.compile(r"[\"'`](/[A-Za-z0-9_./{}$:<>-]{0,60})[\"'`]")
_NO_COMMAND = frozenset(
    (
        "tmp",
        "api",
        "app",
        "usr",
        "etc",
        "webhook",
        "health",
        "healthz",
        "ready",
        "metrics",
        "static",
        "bot",
    )
)


@dataclass(frozen=True, slots=True)
class Source:
    """What was found.

    `env` are names of settings, `examples` values that an example file gives them, `commands` words
    without a slash, `words` what it compares a message with, `openings` words by whose being the
    first it tells a message, `paths` what may be a path of an HTTP server, `token` a bot's token
    that stands in it. `market`: it names those who sell or give away prices; `share` is one that
    sellers of shares' prices have, "" where it names none. `exchange`: among them one that the
    exchange double stands for. `mtproto` is a library of MTProto, where no library of the HTTP Bot
    API is beside it. `serves`: it speaks of a webhook, `polls`: of getUpdates.
    """

    env: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    commands: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    openings: tuple[str, ...] = ()
    share: str = ""
    paths: tuple[str, ...] = ()
    market: bool = False
    exchange: bool = False
    text: str = ""
    token: str = ""
    mtproto: str = ""
    serves: bool = False
    polls: bool = False


def read_source(folder: Path, command: Sequence[str] = ()) -> Source:
    """Read the source below `folder`, and of an installed package that `command` starts."""
    files = list(_files(folder))
    files += _of_packages(folder, command)
    texts = [text for file in files[:_MOST_FILES] if (text := _text(file))]
    whole = "\n".join(texts)
    examples = dict(_examples(folder))
    env = dict.fromkeys((*_env(whole), *_names_of(folder), *examples))
    return Source(
        env=tuple(env),
        examples=tuple(examples.items()),
        commands=tuple(dict.fromkeys(_commands(whole))),
        words=tuple(dict.fromkeys(word for each in _SAID for word in each.findall(whole))),
        openings=tuple(dict.fromkeys(_OPENING.findall(whole))),
        share=next((share for share, named in _SHARES.items() if named.search(whole)), ""),
        paths=tuple(dict.fromkeys(_PATH.findall(whole))),
        market=_MARKET.search(whole) is not None,
        exchange=names_exchange(whole),
        text=whole,
        token="".join(_TOKEN.findall(whole)[:1]),
        serves=_SERVES.search(whole) is not None,
        polls=_POLLS.search(whole) is not None,
        mtproto="" if _HTTP_API.search(whole) else _library(whole),
    )


def _library(text: str) -> str:
    found = _MTPROTO.search(text)
    return next(filter(None, found.groups()), "") if found else ""


def names_exchange(text: str) -> bool:
    """Tell whether source names a venue that the exchange double stands for, or a client of one."""
    return any(host in text for host in HOSTS) or _CLIENTS.search(text) is not None


def _files(folder: Path, depth: int = 0) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda each: (each.is_dir(), each.name))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir():
            # An environment, or packages that were installed beside the bot: pip --target, Lambda.
            here = (entry / "pyvenv.cfg").exists() or any(entry.glob("*.dist-info"))
            if depth < 6 and entry.name not in _STRANGE and not here and not entry.is_symlink():
                yield from _files(entry, depth + 1)
        elif entry.suffix in _CODE or entry.name == "Dockerfile":
            yield entry


def _of_packages(folder: Path, command: Sequence[str]) -> list[Path]:
    """Return the files of installed packages that a command starts: `-m NAME`, or a
    script of pip's."""
    names = [after for word, after in pairwise(command) if word == "-m"]
    homes = [folder]
    for word in command[:2]:
        script = folder / word if "/" in word else None
        if script is not None and script.is_file():
            homes.append(script.parent.parent)
            names += re.findall(r"^from ([\w.]+) import", _text(script), re.MULTILINE)[:3]
    found: list[Path] = []
    places = [Path(sysconfig.get_path("purelib"))]
    for home in dict.fromkeys(homes):
        places += home.glob("lib/python3*/site-packages")
        places += home.glob(".venv/lib/python3*/site-packages")
        places += home.glob("venv/lib/python3*/site-packages")
    for name in dict.fromkeys(name.partition(".")[0] for name in names if name not in _SERVERS):
        for place in places:
            if (place / name).is_dir():
                found += _files(place / name)
    return found


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(_MOST_BYTES)
    except OSError:
        return ""


def _env(text: str) -> Iterator[str]:
    yield from _READS.findall(text)
    yield from _NODE.findall(text)
    for names in _TAKEN_APART.findall(text):
        yield from re.findall(rf"\b{_NAME}\b", names)
    for line in _LINE.findall(text):
        yield from _QUOTED.findall(_DEFAULT.sub(r"\1", line))
    for body in _PYDANTIC.findall(text):
        prefix = "".join(_PREFIX.findall(body)[:1])
        yield from ((prefix + name).upper() for name in _FIELD.findall(body) if name != "class")


def _examples(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield values that an example of the settings gives; those of the real file are not read."""
    for name in _SETTINGS[1:]:
        for key, value in _ASSIGNED.findall(_text(folder / name)):
            yield key, value.strip("\"'")


def _names_of(folder: Path) -> Iterable[str]:
    return [key for key, _ in _ASSIGNED.findall(_text(folder / _SETTINGS[0]))]


def _commands(text: str) -> Iterator[str]:
    for pattern in _COMMANDS:
        for found in pattern.findall(text):
            words = [found[0]] if isinstance(found, tuple) else _WORD.findall(found)
            yield from (word for word in words if word not in _NO_COMMAND)
