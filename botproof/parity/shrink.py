"""Makes a conversation shorter for as long as it shows what it showed. Pure but for `shows`.

Not Hypothesis's own shrinker: it simplifies values before it leaves out steps, which costs little
where an example costs microseconds. Here each is played by real processes, so what decides is how
few are tried: a step alone first (most differences need one), then fewer steps, then simpler ones.
When the time allows it to end, no step of the result can be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from botproof.conversations import AnyStep, Conversation
from botproof.workloads.vocabulary import split_command

Shows = Callable[[Conversation], bool]

# Fields in the order in which they are made simple, each with its simplest value.
_SIMPLEST: Sequence[tuple[str, object]] = (
    ("twice", False),
    ("novel", False),
    ("to", ""),
    ("where", "private"),
    ("who", "alice"),
    ("caption", ""),
    ("fields", {}),
    ("button", 0),
)
_TEXTS = ("text", "query", "caption", "data")


def shrink(conversation: Conversation, shows: Shows, texts: Sequence[str] = ()) -> Conversation:
    """Return the shortest conversation found that still `shows` it; `texts` are known
    simple texts."""
    steps = _alone(conversation.steps, shows) or _fewer(conversation.steps, shows)
    for place in range(len(steps)):
        steps = _simpler(steps, place, shows, texts)
    return Conversation(steps=steps)


Steps = tuple[AnyStep, ...]


def _alone(steps: Steps, shows: Shows) -> Steps | None:
    """Return a single step that shows it by itself."""
    if len(steps) == 1:
        return steps
    return next(((step,) for step in steps if shows(Conversation(steps=(step,)))), None)


def _fewer(steps: Steps, shows: Shows) -> Steps:
    """Leave out steps, the last ones first, until each of them is needed."""
    place = len(steps) - 1
    while place >= 0:
        fewer = steps[:place] + steps[place + 1 :]
        if fewer and shows(Conversation(steps=fewer)):
            steps = fewer
            place = len(steps)  # one less may make another one needless
        place -= 1
    return steps


def _simpler(steps: Steps, place: int, shows: Shows, texts: Sequence[str]) -> Steps:
    """Make one step as simple as it can be."""
    simpler = True
    while simpler:
        simpler = False
        for step in variants(steps[place], texts):
            tried = (*steps[:place], step, *steps[place + 1 :])
            if shows(Conversation(steps=tried)):
                steps, simpler = tried, True
                break
    return steps


def variants(step: AnyStep, texts: Sequence[str] = ()) -> Iterator[AnyStep]:
    """Yield simpler versions of a step, each different in one field, the simplest first."""
    for name, value in _SIMPLEST:
        if getattr(step, name, value) != value:
            yield msgspec.structs.replace(step, **{name: value})
    for name in _TEXTS:
        text = getattr(step, name, "")
        for simpler in _simpler_texts(text, texts) if text else ():
            yield msgspec.structs.replace(step, **{name: simpler})


def _simpler_texts(text: str, texts: Sequence[str]) -> Iterator[str]:
    """Yield known texts with the same command, up to this one; then this one with parts cut out."""
    command = split_command(text)[0]
    for known in texts:
        if known == text:
            return
        if split_command(known)[0] == command:
            yield known
    size = len(text) // 2
    while size:
        for start in range(len(text) - size, -1, -size):
            cut = text[:start] + text[start + size :]
            if cut.strip():
                yield cut
        size //= 2
