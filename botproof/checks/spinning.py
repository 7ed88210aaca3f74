"""A processor that is used up while nobody asks anything: a loop that waits for nothing.

A small machine earns a share of a processor (a t3.micro a tenth of each) and has to make do with
it: a bot that spins uses up all credit within an hour, and everything becomes slow. What is looked
at is the load, which asks the services: the bot has nothing to do meanwhile.
Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html
"""

from __future__ import annotations

from collections.abc import Iterator

from botproof.config import BOT
from botproof.history import History, Starved, UpdateInjected

_LEAST_S = 8.0
_WANTED = 0.8
"""Of all that time it ran or waited for a processor: work that ends does not come near it."""
_RAN = 0.05
"""So much it ran: on a busy machine an idle process waits as well, whenever it wakes."""


def spinning(history: History, phase: str) -> Iterator[str]:
    """Yield a line for every mode whose bot uses up a processor in a phase in which nobody asks it
    anything."""
    for stack in history.stacks:
        spans = history.spans(phase, stack)
        if not spans:
            continue
        begin, end = spans[0][0], spans[-1][1]
        if any(begin <= event.t <= end for event in history.of(UpdateInjected, stack=stack)):
            continue
        samples = [
            event
            for event in history.of(Starved, stack=stack)
            if begin <= event.t - event.over_s and event.t <= end
        ]
        over = sum(event.over_s for event in samples)
        ran = sum(event.ran_s.get(BOT, 0.0) for event in samples)
        wanted = ran + sum(event.waited_s.get(BOT, 0.0) for event in samples)
        if over >= _LEAST_S and wanted >= _WANTED * over and ran >= _RAN * over:
            yield (
                f"{BOT} ({stack}) wants {min(100.0, 100 * wanted / over):.0f} % of a processor "
                f"while nobody asks it anything, and had {100 * ran / over:.0f} %, over "
                f"{over:.0f} s: some loop waits for nothing"
            )
