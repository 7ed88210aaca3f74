"""Figures in texts: what a bot says that it can only know from a source. Pure.

A figure is a number with what stands around it; dates and times of day are none. Where two answers
to the same question are compared, lines are known by their words: what is left when figures, signs
and pictures are taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_TIMES = re.compile(
    r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?|\b\d{1,2}:\d{2}(?::\d{2})?\b"
    r"|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b"
)
_TAGS = re.compile(r"</?[a-zA-Z][^<>]*>|&[a-z]+;")
_NUMBER = re.compile(
    r"(?<![\w.,])[-+\u2212]?[$\u20ac\u00a3\u00a5]?[-+\u2212]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?"
)
_WORDS = re.compile(r"[^\W\d_]+")
_LABEL = re.compile(
    r"^(?P<label>[^:=\u2192\n]{1,60}?[^\W\d_][^:=\u2192\n]{0,40})[:=\u2192](?!\d)(?P<value>.+)$"
)


def plain_text(text: str) -> str:
    """Return a text without markup, dates and times."""
    return _TIMES.sub(" ", _TAGS.sub("", text))


def figures(text: str) -> list[str]:
    """Return the numbers of a text, digits only, in order: "$91,210.46" is "91210.46"."""
    return [_digits(each) for each in _NUMBER.findall(plain_text(text))]


def telling(text: str) -> frozenset[str]:
    """Return those figures that hardly stand in a text by chance: three digits or more."""
    return frozenset(each for each in figures(text) if len(re.sub(r"\D", "", each).strip("0")) >= 3)


def is_zero(figure: str) -> bool:
    """Tell whether a figure of `figures` is nothing but zeros."""
    return not figure.strip("-0.")


def skeleton(text: str) -> str:
    """Return the words of a text in order: what two answers of one kind have in common."""
    return " ".join(_WORDS.findall(plain_text(text).casefold()))


def labelled(texts: Iterable[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the lines with figures: their label in words, the line, and its figures.

    The label of "24h change: -0.82 %" is "h change"; a line without one is known by all its words.
    """
    for text in texts:
        for line in plain_text(text).splitlines():
            match = _LABEL.match(line.strip())
            value = match["value"] if match else line
            found = figures(value)
            if found:
                yield skeleton(match["label"] if match else line), line.strip(), found


def _digits(number: str) -> str:
    number = number.replace("\u2212", "-")
    kept = "".join(each for each in number if each.isdigit() or each in ".-")
    return "-" * ("-" in kept) + kept.replace("-", "")
