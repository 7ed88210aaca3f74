"""Questions that name a symbol, and the same ones about another symbol."""

from __future__ import annotations

import re
from collections.abc import Iterable

from botproof.config import Case, Config
from botproof.workloads.security import messages_of, questions_of


def naming_symbols(config: Config) -> list[str]:
    """Return a question of each command: one that names a symbol, if the conversation has any.
    About another symbol it is a question that no cache can answer."""
    pattern = symbol_pattern(config.degradation.symbols)
    said = [case.say for case in answered_cases(config)]
    naming = {command_of(text): text for text in reversed(said) if pattern.search(text)}
    return [
        text if pattern.search(text) else naming.get(command_of(text), text)
        for text in questions_of(config)
    ]


def answered_cases(config: Config) -> list[Case]:
    """Return the cases with an answer; those with another number of messages than usual
    come last."""
    cases = [case for case in config.workload.cases if case.expect == "reply" and not case.fault]
    return sorted(cases, key=lambda case: messages_of(case, config)[1])


def command_of(text: str) -> str:
    """Return the first word; "" of a text without any."""
    return text.split(maxsplit=1)[0] if text.strip() else ""


def with_symbol(text: str, symbols: Iterable[str], symbol: str) -> str:
    """Return the text with `symbol` in the place of any of `symbols`: "/price BTC/USDT"
    about ETH."""
    return symbol_pattern(symbols).sub(symbol, text)


def symbol_pattern(symbols: Iterable[str]) -> re.Pattern[str]:
    """Return what finds any of these symbols in a text, also as the base of a pair with USDT."""
    either = "|".join(map(re.escape, symbols))
    return re.compile(rf"(?<![A-Za-z])(?:{either})(?=USDT?\b|\b)")
