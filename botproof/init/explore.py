"""What to say to a bot that nobody has described: from its menu, its source and its replies."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from botproof.calls import TEXT_KEYS, button_rows, plain, shown_text
from botproof.chats import Message, Turn
from botproof.config import Case
from botproof.doubles.telegram.entities import Parsed

_MOST_COMMANDS = 24
_MOST_BUTTONS = 8
_MOST_EXAMPLES = 12
_COMMAND = re.compile(r"(?<![^\W_])(?<![/<:.])/([a-zA-Z][a-zA-Z0-9_]{0,31})(?![\w/.])(?:@\w+)?")
_EXAMPLE = re.compile(
    r"(?<![^\W_])(?<![/<:.])/([a-zA-Z][a-zA-Z0-9_]{0,31})((?:[ ]+[<\[{(]?[\w./|:-]+[>\]})]?){1,3})"
)
_HOLE = re.compile(
    r"[<\[{(].*[>\]})]|^(?:symbol|coin|ticker|pair|crypto|amount|city|query|text)$", re.IGNORECASE
)
_FILLINGS = (
    (r"pair|market", "BTC/USDT"),
    (r"symbol|coin|ticker|crypto|token|asset|base|from", "BTC"),
    (r"quote|currency|fiat|to\b|vs", "USD"),
    (r"time|interval|frame|period", "1h"),
    (r"price|amount|number|count|qty|quantity|limit|value|percent|threshold|id|n\b", "1"),
    (r"city|place|location", "London"),
)
_EVERYDAY = frozenset(
    (
        "to",
        "and",
        "or",
        "for",
        "with",
        "the",
        "a",
        "an",
        "is",
        "in",
        "of",
        "get",
        "show",
        "shows",
        "list",
        "see",
        "this",
        "that",
        "your",
        "now",
        "here",
        "you",
        "then",
        "if",
        "on",
        "will",
        "can",
        "from",
        "by",
        "please",
        "command",
        "help",
        "your",
        "my",
    )
)
FIRST = ("/start", "/help")
MARKETS = ("BTC", "BTCUSDT", "BTC/USDT", "bitcoin")
"""What people write to a market bot that is asked without a command."""
MOST_WORDS = 8
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{1,9}(?:[/-][A-Z]{2,5})?")
_SHOWN = re.compile(
    rf"(?:^[ \t]*[•*▪‣·–—-][ \t]*|[\"'`«“‘])({_SYMBOL.pattern})(?![\w/])", re.MULTILINE
)
NONSENSE = "NOPE"
_OF_ONE_START = re.compile(r"\d{10,}|[0-9a-f]{8}-[0-9a-f]{4}-|[0-9a-f]{12,}")
"""An id or a time in the data of a button: the next start has another one."""
SMALL_TALK = "small-talk"
UNKNOWN = "/frobnicate"


class Vocabulary(msgspec.Struct):
    """What has been heard of so far, in order."""

    cases: list[Case] = []
    said: set[tuple[str, str]] = set()
    guessed: set[str] = set()
    """Names of cases that nothing but a word of the source or of a reply speaks for."""
    once: list[str] = []
    """What buttons of one start say that no other start understands."""

    def add(self, say: str, kind: str = "message", name: str = "", **more: object) -> bool:
        """Take in one more thing to say; whether it was new."""
        key = (kind, say.strip().lower() if kind == "message" else say)
        if key in self.said or not say.strip():
            return False
        self.said.add(key)
        taken = {case.name for case in self.cases}
        self.cases.append(case_of(say, kind, taken, name, **more))
        return True

    def count(self, kind: str) -> int:
        """Return how many there are of this kind."""
        return sum(case.kind == kind for case in self.cases)

    def guess(self, words: Iterable[str]) -> None:
        """Take in words that may be understood, as long as there are not too many."""
        for word in words:
            if len(self.guessed) < MOST_WORDS + len(MARKETS) and self.add(word):
                self.guessed.add(self.cases[-1].name)

    @property
    def commands(self) -> list[str]:
        """The bare commands."""
        return [c.say for c in self.cases if c.say.startswith("/") and " " not in c.say.strip()]


def case_of(
    say: str, kind: str = "message", taken: Iterable[str] = (), name: str = "", **more: object
) -> Case:
    """Return a case with a name that says what it is and that nothing else has."""
    prefix = "tap-" if kind == "callback_query" else ""
    stem = re.sub(r"[^a-z0-9]+", "-", (name or say).lower()).strip("-")[:30].strip("-")
    stem = f"{prefix}{stem or 'text'}".strip("-")
    found, number = stem, 2
    while found in set(taken):
        found, number = f"{stem}-{number}", number + 1
    raw = {"name": found, "say": say, "kind": kind, **more}
    return msgspec.convert(raw, Case)


def opening(
    menu: Iterable[tuple[str, str]],
    of_source: Iterable[str],
    words: Iterable[str] = (),
    examples: Iterable[str] = (),
) -> Vocabulary:
    """Return what is said first: what every bot knows, its menu, what its source looks like and
    shows as `examples`, `words` that are no commands, and what people say who do not know it."""
    vocabulary = Vocabulary()
    for say in FIRST:
        vocabulary.add(say)
    for command, _ in menu:
        vocabulary.add(f"/{command}")
    for command in of_source:
        if len(vocabulary.cases) < _MOST_COMMANDS:
            vocabulary.add(f"/{command}")
    for example in examples:
        if _examples(vocabulary) < _MOST_EXAMPLES // 2:  # its replies show some, too
            vocabulary.add(example)
    vocabulary.guess(words)
    vocabulary.add("hello", name=SMALL_TALK)
    vocabulary.add(UNKNOWN, name="unknown-command")
    return vocabulary


def next_cases(vocabulary: Vocabulary, turns: Mapping[str, Turn]) -> list[Case]:
    """Take in what these replies speak of. The cases that are new."""
    before = len(vocabulary.cases)
    for turn in turns.values():
        for message in turn.messages:
            for command in _COMMAND.findall(_shown(message).text):
                if len(vocabulary.commands) < _MOST_COMMANDS:
                    vocabulary.add(f"/{command}")
            _buttons(vocabulary, message.params.get("reply_markup"))
    for turn in turns.values():
        for message in turn.messages:
            shown = _shown(message)
            text = _without_echo(shown.text, turn.case.sent)
            symbols = [*_SHOWN.findall(text), *filter(_SYMBOL.fullmatch, _marked_as_code(shown))]
            said = _said(turn.case.sent).upper().split()
            vocabulary.guess(each for each in symbols if each not in said)
            for example in examples_of(text):
                known = example.split()[0].lower() in {c.lower() for c in vocabulary.commands}
                if known and _examples(vocabulary) < _MOST_EXAMPLES:
                    vocabulary.add(example)
    return vocabulary.cases[before:]


def shown_by(answers: Iterable[Message]) -> set[str]:
    """Return the commands that answers speak of, with and without arguments."""
    found: set[str] = set()
    for message in answers:
        text = _shown(message).text
        found |= {f"/{command}" for command in _COMMAND.findall(text)}
        found |= set(examples_of(text))
    return found


def _shown(message: Message) -> Parsed:
    """Return what the user reads of a message: `*/price* _BTC_` has no signs of Markdown left."""
    key = next((key for key in TEXT_KEYS if message.params.get(key)), TEXT_KEYS[0])
    return shown_text(message.params, key)


def _marked_as_code(shown: Parsed) -> Iterator[str]:
    """Yield what stands in a text as code, which is how a bot shows what to type."""
    units = shown.text.encode("utf-16-le")
    for entity in shown.entities:
        if entity["type"] in {"code", "pre"}:
            begin, length = int(str(entity["offset"])), int(str(entity["length"]))
            yield units[2 * begin : 2 * (begin + length)].decode("utf-16-le")


def _without_echo(text: str, sent: Mapping[str, Any] | None) -> str:
    """Return a reply without what its user said: "/help btc was not found" shows no example.

    A bare command stays: its reply may well show how it is used.
    """
    said = _said(sent)
    return re.sub(re.escape(said), "", text, flags=re.IGNORECASE) if " " in said else text


def _said(sent: Mapping[str, Any] | None) -> str:
    return str((sent or {}).get("message", {}).get("text") or "").strip()


def _examples(vocabulary: Vocabulary) -> int:
    return sum(case.say.startswith("/") and " " in case.say for case in vocabulary.cases)


def examples_of(text: str) -> Iterator[str]:
    """Yield commands with arguments as a reply shows them: `/price BTC`, or `/price
    <symbol>` filled."""
    for command, rest in _EXAMPLE.findall(text):
        words = []
        for word in rest.split():
            filled = _fill(word)
            if filled is None:
                break
            words.append(filled)
        if words:
            yield f"/{command} {' '.join(words)}"


def examples_in(source: str, commands: Collection[str]) -> list[str]:
    """Return these commands with arguments as a source shows them, in its replies most likely."""
    text = re.sub(r"\\[nrt]", "\n", source)
    shown = dict.fromkeys(examples_of(text))
    return [each for each in shown if each.split()[0].removeprefix("/") in commands]


def _fill(word: str) -> str | None:
    """Return the argument that stands for this word of a usage; None where the usage has ended."""
    bare = word.strip("<>[]{}()|,.;:-_")
    hole = _HOLE.search(word)
    if not bare or (bare.lower() in _EVERYDAY and not hole):
        return None
    if hole:
        for pattern, filling in _FILLINGS:
            if re.search(pattern, bare, re.IGNORECASE):
                return filling
        return bare.split("|")[0] if "|" in bare else "test"
    # An example is figures or capitals or has signs in it; other words are prose.
    if (
        re.search(r"\d|/", bare)
        or bare.isupper()
        or (bare.isascii() and bare.islower() and len(bare) <= 5)
    ):
        return bare
    return None


def _buttons(vocabulary: Vocabulary, markup: object) -> None:
    inline = isinstance(plain(markup), Mapping) and "inline_keyboard" in plain(markup)
    for row in button_rows(markup):
        for button in row:
            if isinstance(button, str):
                button = {"text": button}  # noqa: PLW2901 - the Bot API takes either
            if not isinstance(button, Mapping):
                continue
            data = button.get("callback_data")
            if inline and data and _OF_ONE_START.search(str(data)):
                vocabulary.once.append(str(data))
            elif inline and data and vocabulary.count("callback_query") < _MOST_BUTTONS:
                vocabulary.add(str(data), "callback_query")
            elif not inline and button.get("text") and len(vocabulary.cases) < 50:
                vocabulary.add(str(button["text"]))


def wrong_ones(vocabulary: Vocabulary) -> list[Case]:
    """For a command that takes an argument, one that is wrong."""
    before = len(vocabulary.cases)
    for case in [c for c in vocabulary.cases if c.say.startswith("/") and " " in c.say][:3]:
        vocabulary.add(f"{case.say.split()[0]} {NONSENSE}")
    return vocabulary.cases[before:]


def of_strangers(commands: Sequence[Case]) -> list[Case]:
    """Return the same commands, said by somebody who is on no list."""
    return [
        msgspec.structs.replace(case, name=f"{case.name}-stranger"[:60], stranger=True)
        for case in commands
    ]
