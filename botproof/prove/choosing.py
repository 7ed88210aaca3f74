"""Which cases of a stranger's bot are played with a defect of its traffic: few, and of each kind.

What is planted into the traffic meets every answer alike, so a dozen of them show it as well as two
hundred; and those that only some defects need: what must stay unanswered, taps, text with markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from botproof.config import Case, Config
from botproof.workloads.vocabulary import split_command

_ORDINARY = 12
_OF_EACH_KIND = 2
_ALL_UP_TO = 24
_MARKUP = frozenset("<>&")


def chosen_cases(config: Config) -> tuple[str, ...]:
    """Return the names of the cases to play, in their order; none where all are few enough.

    What comes before one of them in the same chat is played, too: it may depend on it.
    """
    cases = config.workload.cases
    if len(cases) <= _ALL_UP_TO:
        return ()
    chosen = {case.name for case in _chosen(cases)}
    last = {case.chat: at for at, case in enumerate(cases) if case.chat and case.name in chosen}
    chosen |= {case.name for at, case in enumerate(cases) if at <= last.get(case.chat, -1)}
    return tuple(case.name for case in cases if case.name in chosen)


def _chosen(cases: Iterable[Case]) -> Iterator[Case]:
    alone = [case for case in cases if not (case.fault or case.after_s)]
    kinds: tuple[Callable[[Case], bool], ...] = (
        lambda case: case.expect == "silence" and case.kind == "edited_message",
        lambda case: case.expect == "silence",
        lambda case: case.stranger,
        lambda case: case.expect == "reply" and case.kind == "callback_query",
        lambda case: case.expect == "reply" and bool(_MARKUP & set(case.say)),
    )
    for fits in kinds:
        yield from [case for case in alone if fits(case)][:_OF_EACH_KIND]
    commands: dict[str, Case] = {}
    others: list[Case] = []
    for case in alone:
        if case.expect == "reply" and not case.stranger:
            # /Price and /price@the_bot are /price
            command = split_command(case.say)[0].lower().partition("@")[0]
            if command:
                commands.setdefault(command, case)
            else:
                others.append(case)
    yield from [*commands.values(), *others][:_ORDINARY]
