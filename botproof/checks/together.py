"""What many ask at the same moment: whether somebody is told what another one asked for.

Each question is asked once beside others and once alone. A line with a figure that it is not
answered alone, and that another one of the same moment is, is that one's. No slow machine brings
that about, so it is held against the bot however busy the machine was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from botproof.chats import ReplyRules
from botproof.checks.figures import telling
from botproof.checks.found import Found
from botproof.excerpts import cut
from botproof.history import AskedTogether

_MOSTLY = 0.5
_SHOWN = 80


def crossed(asked: Sequence[AskedTogether], rules: ReplyRules) -> Iterator[Found]:
    """Yield, of the questions of one moment, those that were answered as another one."""
    alone = {one.text: _lines(one.alone, rules) for one in asked}
    for one in asked:
        own = alone[one.text]
        strange = [line for line in _lines(one.answers, rules) if line not in own]
        if not own or not strange:
            continue
        for other, lines in alone.items():
            theirs = [line for line in strange if line in lines]
            figure = next(filter(telling, theirs), "")
            if not figure and _lines(one.answers, rules) == lines and any(map(telling, lines)):
                figure = theirs[0]  # the whole answer
            if lines != own and figure and len(theirs) >= _MOSTLY * len(strange):
                yield Found(
                    one,
                    f"{one.text} at the same moment as {other} → {cut(figure, _SHOWN)!r}, which is "
                    f"the answer to {other}; alone → {cut(own[0], _SHOWN)!r}",
                )
                break


def _lines(texts: Sequence[str], rules: ReplyRules) -> list[str]:
    said = (rules.normalise(text) for text in texts)
    return [line.strip() for text in said for line in text.splitlines() if line.strip()]
