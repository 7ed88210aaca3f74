"""What a command is: one row of the table that everything about commands is made from."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from reference_bot.telegram_bot.market_data import MarketData


class BadArgumentError(Exception):
    """What was typed cannot be used; the text (plain) says why, and what would be right."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: ``parse`` turns what was typed into the value, or raises BadArgumentError."""

    name: str
    example: str
    parse: Callable[[str], str]
    required: bool = True

    @property
    def usage(self) -> str:
        """``SYM``, or ``[SYM]`` when it may be left out."""
        return self.name if self.required else f"[{self.name}]"


@dataclass(frozen=True, slots=True)
class Request:
    """One use of a command: the parsed arguments, and whom to ask."""

    arguments: Mapping[str, str]
    market_data: MarketData
    table: tuple["Command", ...]


@dataclass(frozen=True, slots=True)
class Command:
    """``answer`` returns the reply as HTML whose markup never spans lines."""

    name: str
    summary: str
    answer: Callable[[Request], Awaitable[str]]
    arguments: tuple[Argument, ...] = ()

    @property
    def usage(self) -> str:
        """``/price SYM``."""
        return " ".join([f"/{self.name}", *(argument.usage for argument in self.arguments)])

    @property
    def example(self) -> str:
        """``/price BTC``."""
        return " ".join([f"/{self.name}", *(argument.example for argument in self.arguments)])

    def parse(self, words: list[str]) -> dict[str, str]:
        """The arguments from the words after the command. Raises BadArgumentError."""
        if len(words) > len(self.arguments):
            raise BadArgumentError(self._too_many(words))
        values: dict[str, str] = {}
        for index, argument in enumerate(self.arguments):
            if index < len(words):
                values[argument.name] = argument.parse(words[index])
            elif argument.required:
                raise BadArgumentError(f"{argument.name} is missing: try {self.example}")
        return values

    def _too_many(self, words: list[str]) -> str:
        extra = " ".join(words[len(self.arguments) :])
        return f"“{extra[:40]}” is too much: it is {self.usage}, like {self.example}"
