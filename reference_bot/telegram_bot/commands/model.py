"""What a command is: one row of the table that everything about commands is made from."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from reference_bot.telegram_bot.commands.words import arguments_among
from reference_bot.telegram_bot.market_data import MarketData
from reference_bot.telegram_bot.signals.subscriptions import Subscriptions

Row = list[tuple[str, str]]
"""Buttons beside each other: label and data."""


class BadArgumentError(Exception):
    """What was typed cannot be used; the text (plain) says why, and what would be right."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: ``parse`` turns what was typed into the value, or raises BadArgumentError.

    ``default`` is the value when it is left out; without one it has to be there. ``choices`` are
    the values that people switch between: buttons. ``form`` is how the usage shows it, when that is
    not the name or the default. ``tapped``: buttons give it; the usage does not show it.
    ``symbol``: it names what is traded, so it takes nearly any word. ``noun``: what
    to ask for when it is missing.
    """

    name: str
    example: str
    parse: Callable[[str], str]
    default: str | None = None
    choices: tuple[str, ...] = ()
    form: str = ""
    tapped: bool = False
    symbol: bool = False
    noun: str = "symbol"

    @property
    def usage(self) -> str:
        """``SYM``, or ``[15m]`` when it may be left out."""
        if self.default is None:
            return self.form or self.name
        return f"[{self.form or self.default}]"


@dataclass(frozen=True, slots=True)
class Request:
    """One use of a command: the parsed arguments, whom to ask, and who asks where.

    ``subscriptions`` is None where auto-signals are not running. ``forwarded``: the message was
    passed on, and may be somebody else's: it changes nothing that is kept. ``direct``: the chat is
    the direct messages of a channel, where nothing comes by itself.
    """

    arguments: Mapping[str, str]
    market_data: MarketData
    table: tuple["Command", ...]
    subscriptions: Subscriptions | None = None
    chat: int | None = None
    user: int | None = None
    forwarded: bool = False
    direct: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """``answer`` returns the reply as HTML whose markup never spans lines.

    ``live``: the answer changes with the market, so it has a button that refreshes it.
    ``owners``: it is about the operator's own account, so only people listed by their id may ask.
    ``lenient``: words that it has no use for are passed over (links to a bot add one to /start).
    ``whole``: all words together are its one argument, which reads them itself.
    ``shared``: the answer depends on the arguments alone; who asks the same at the same moment gets
    the same one.
    ``buttons``: what stands under an answer, where that is not the `keyboard` of every command.
    """

    name: str
    summary: str
    answer: Callable[[Request], Awaitable[str]]
    arguments: tuple[Argument, ...] = ()
    live: bool = False
    owners: bool = False
    lenient: bool = False
    whole: bool = False
    shared: bool = False
    buttons: Callable[[Request, "Command"], Awaitable[list[Row]]] | None = None

    @property
    def typed(self) -> tuple[Argument, ...]:
        """The arguments that people type."""
        return tuple(argument for argument in self.arguments if not argument.tapped)

    @property
    def usage(self) -> str:
        """``/price SYM``."""
        return " ".join([f"/{self.name}", *(argument.usage for argument in self.typed)])

    @property
    def example(self) -> str:
        """``/price BTC``."""
        return " ".join([f"/{self.name}", *(argument.example for argument in self.typed)])

    def parse(self, words: list[str]) -> dict[str, str]:
        """Return the arguments by name, from the words after the command. Raises BadArgumentError.

        Words come in the order of the arguments; one that may be left out is passed over by a word
        that fits a later one, as a threshold is by a timeframe. A timeframe may stand before the
        symbol.
        """
        if self.lenient:
            words = words[: len(self.arguments)]
        if self.whole:
            words = [" ".join(words)] if words else []
        else:
            alone = self.arguments[0].example if len(self.arguments) == 1 else ""
            symbols = any(one.symbol for one in self.arguments)
            words = arguments_among(words, symbols=symbols, alone=alone)
        if len(words) > len(self.arguments):
            raise BadArgumentError(self._too_many(words))
        values: dict[str, str] = {}
        left = list(self.arguments)
        for word in words:
            _take(word, left, values)
        for argument in left:
            if argument.default is None:
                raise BadArgumentError(f"Which {argument.noun}? For example {self.example}")
            values[argument.name] = argument.default
        return values

    def _too_many(self, words: list[str]) -> str:
        extra = " ".join(words[len(self.arguments) :])
        like = f", like {self.example}" if self.arguments else " alone"
        return f"“{extra[:40]}” does not belong there: write {self.usage}{like}"


def _take(word: str, left: list[Argument], values: dict[str, str]) -> None:
    """Give ``word`` to the first of ``left`` that it fits. Raises what the first one said.

    A symbol comes last: nearly every word fits it.
    """
    said: dict[str, BadArgumentError] = {}
    for argument in sorted(left, key=lambda one: one.symbol and not one.tapped):
        if argument.tapped and any(one.symbol for one in left):
            continue
        try:
            values[argument.name] = argument.parse(word)
        except BadArgumentError as error:
            said[argument.name] = error
        else:
            left.remove(argument)
            return
    raise next((said[one.name] for one in left if one.name in said), None) or BadArgumentError(
        f"“{word[:40]}” does not belong there"
    )
