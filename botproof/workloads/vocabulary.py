"""What can be said to a bot: its commands and arguments as its botproof.toml shows them.

Nothing here knows a bot. The commands, and arguments that are right for them, are those of the
workload's cases; what is wrong for any command is a fixed list of what people really type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from botproof.config import Case, Config

WRONG_ARGUMENTS: tuple[str, ...] = (
    "NOPE",
    "123",
    "-1",
    "0",
    "1e999",
    "NaN",
    "$",
    "BTC USDT ETH SOL",
    "<b>BTC</b>",
    "<script>&amp;",
    "</b></i>",
    "_*[](~`>#+-=|{}.!",
    "%s %n {0} {{}}",
    "../../etc/passwd",
    "'; DROP TABLE inbox;--",
    "₿",
    "比特币",
    "بيتكوين",
    "\u202eCTB",
    "B\u0301TC",
    "👩‍👩‍👧‍👦",
    "btc\nusdt",
    "A" * 40,
    "BTC" * 1200,
)
"""Arguments that are wrong for most commands: unknown, out of range, hostile to markup, long."""

PLAIN_TEXTS: tuple[str, ...] = (
    "hello",
    "BTC",
    "/",
    "//",
    "/ price",
    "/nosuchcommand",
    "price /price",
    "שלום, מה המחיר?",
    "<b>bold</b> & <i>",
    "`code` *bold* _it_",
    "🚀" * 50,
    "line one\nline two",
    "x" * 4096,
)
"""Messages that are no command of the bot."""
AT_ONCE = 14
"""Questions that are asked at the same moment, at the most."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`commands` maps each command ("/price") to arguments that its cases use ("" is none)."""

    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: tuple[str, ...] = PLAIN_TEXTS
    wrong: tuple[str, ...] = WRONG_ARGUMENTS
    pressed: tuple[str, ...] = ("",)

    @property
    def right(self) -> tuple[str, ...]:
        """Every command with each of its arguments, as it is typed."""
        return tuple(
            f"{name} {argument}".strip()
            for name, arguments in self.commands.items()
            for argument in arguments
        )

    @property
    def arguments(self) -> tuple[str, ...]:
        """All arguments that are right for some command."""
        return tuple(dict.fromkeys(each for known in self.commands.values() for each in known))


def vocabulary_of(config: Config) -> Vocabulary:
    """Return the vocabulary of a bot, from the cases of its botproof.toml."""
    cases = config.workload.cases
    commands: dict[str, dict[str, None]] = {}
    for text in _texts(cases):
        name, argument = split_command(text)
        if name:
            commands.setdefault(name, {})[argument] = None
    plain = tuple(text for text in _texts(cases) if not text.startswith("/"))
    pressed = tuple(case.say for case in cases if case.kind == "callback_query")
    return Vocabulary(
        commands={name: tuple(arguments) for name, arguments in commands.items()},
        texts=tuple(dict.fromkeys((*plain, *PLAIN_TEXTS))),
        pressed=tuple(dict.fromkeys((*pressed, "old:button"))),
    )


def _texts(cases: Iterable[Case]) -> Iterator[str]:
    """Yield what is said in the cases, most telling first: what is answered before what is not."""
    for case in sorted(cases, key=lambda case: case.expect != "reply"):
        if case.say and case.kind != "callback_query":
            yield case.say


def split_command(text: str) -> tuple[str, str]:
    """Return a command and its arguments: ("/price", "btc") of "/price@Bot btc"; ("",
    text) of others."""
    word, _, rest = text.partition(" ")
    name = word.partition("@")[0]
    if len(name) < 2 or not name.startswith("/"):
        return "", text
    return name, rest.strip()


def sentinel_of(config: Config) -> str:
    """Return the command that is certainly answered: the first case in a private chat that expects
    a reply to a command without arguments, else with; "" when there is none."""
    answered = [case.say for case in _plainly_answered(config)]
    return min(answered, key=lambda text: bool(split_command(text)[1]), default="")


def _plainly_answered(config: Config) -> list[Case]:
    return [
        case
        for case in config.workload.cases
        if case.expect == "reply"
        and case.kind == "message"
        and case.chat_type == "private"
        and not case.stranger
        and split_command(case.say)[0]
    ]


def keeps_promises(config: Config) -> bool:
    """Tell whether botproof.toml says by `[delivery]` that the bot survives a kill."""
    return config.delivery is not None and bool(config.delivery.say)


def telling_question(config: Config) -> str:
    """Return a question that is likely to need figures from elsewhere: what `[security]` asks, or
    else the first command with an argument; "" when there is none."""
    answered = (case for case in _plainly_answered(config) if split_command(case.say)[1])
    return config.security.question or next((case.say for case in answered), "")


def questions_together(config: Config) -> tuple[str, ...]:
    """Return what is asked at the same moment: a dozen questions, some of one command and some of
    the same words behind another; only of users to whom nothing has been said before."""
    usual = config.replies.messages
    texts: dict[str, list[str]] = {}
    for case in _plainly_answered(config):
        alone = not (case.chat or case.fault or case.after_s or case.update)
        command, argument = split_command(case.say)
        if alone and (case.replies or usual) == usual:
            own = texts.setdefault(command, []) if argument else []
            if case.say not in own:
                own.append(case.say)
    often = sorted((own for own in texts.values() if own), key=len, reverse=True)
    some = [dict.fromkeys((own[0], own[len(own) // 2], _more_than(own))) for own in often]
    return tuple(text for own in some for text in own)[:AT_ONCE]


def _more_than(texts: Sequence[str]) -> str:
    """Return the text that asks the first one's question, and says more: of the same symbol in
    another timeframe, say; the first one where there is none."""
    longer = (text for text in texts[1:] if text.startswith(f"{texts[0]} "))
    return next(longer, texts[0])
