"""Hypothesis strategies of conversations. What stands first is what a difference shrinks to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from botproof.workloads.conversations import (
    AnyStep,
    Ask,
    Conversation,
    Edit,
    Happen,
    Invent,
    Media,
    Meet,
    Other,
    Press,
    Say,
    Send,
    Service,
    Step,
    Where,
    Who,
)
from botproof.workloads.vocabulary import Vocabulary

MOST_STEPS = 8
_TELEGRAM_MOST = 4096
_WHO: tuple[Who, ...] = get_args(Who)
_PEOPLE_ROOMS: tuple[Where, ...] = ("private", "group", "supergroup")
_ROOMS: tuple[Where, ...] = get_args(Where)

# What Telegram passes on and people can type: of the control characters only the line end.
_SIGNS = st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co"), include_characters="\n")
_ANY_TEXT = st.text(_SIGNS, min_size=1, max_size=60)


def conversations(vocabulary: Vocabulary) -> SearchStrategy[Conversation]:
    """Conversations of one to `MOST_STEPS` steps with a bot of this vocabulary."""
    weighted = [step for weight, step in _steps(vocabulary) for _ in range(weight)]
    steps = st.lists(st.one_of(weighted), min_size=1, max_size=MOST_STEPS)
    return st.builds(lambda chosen: Conversation(steps=tuple(chosen)), steps)


def _steps(vocabulary: Vocabulary) -> list[tuple[int, SearchStrategy[AnyStep]]]:
    """Each kind of step with its weight."""
    text = texts(vocabulary)
    maybe = st.one_of(st.just(""), text)
    to = st.sampled_from(("", "this", "other"))
    pressed = st.sampled_from(vocabulary.pressed)
    media, service, other = (_one(kinds) for kinds in (Media, Service, Other))
    invented = st.sampled_from(("quantum_message", "edited_hologram", "mood"))
    fields = st.dictionaries(st.sampled_from(("text", "payload", "state")), _JSON)
    return [
        (8, _step(Say, _ROOMS, {"text": text, "to": to, "novel": _rarely()})),
        (2, _step(Edit, _ROOMS, {"text": text})),
        (2, _step(Send, _ROOMS, {"what": media, "caption": maybe})),
        (1, _step(Happen, _ROOMS, {"what": service})),
        (1, _step(Press, _PEOPLE_ROOMS, {"button": st.integers(0, 5), "data": pressed})),
        (1, _step(Ask, ("private",), {"query": maybe})),
        (2, _step(Meet, _PEOPLE_ROOMS, {"kind": other})),
        (1, _step(Invent, _PEOPLE_ROOMS, {"kind": invented, "fields": fields})),
    ]


def _step(
    kind: type[Step], rooms: tuple[Where, ...], fields: Mapping[str, SearchStrategy[Any]]
) -> SearchStrategy[AnyStep]:
    common = {"who": st.sampled_from(_WHO), "where": st.sampled_from(rooms), "twice": _rarely()}
    built: SearchStrategy[Any] = st.builds(kind, **common, **fields)
    return built


def _one(literal: Any) -> SearchStrategy[str]:
    return st.sampled_from(get_args(literal))


def _rarely() -> SearchStrategy[bool]:
    """True once in eight times."""
    return st.integers(0, 7).map(lambda number: number == 7)


def texts(vocabulary: Vocabulary) -> SearchStrategy[str]:
    """What people type: a command with an argument that is right for it, above all."""
    right = [
        " ".join(filter(None, (name, argument)))
        for name, arguments in vocabulary.commands.items()
        for argument in arguments
    ]
    anything = st.one_of(st.sampled_from(vocabulary.texts), _ANY_TEXT)
    if not right:
        return anything
    argument = st.one_of(
        st.sampled_from(vocabulary.arguments), st.sampled_from(vocabulary.wrong), _ANY_TEXT
    )
    wrong = st.builds(
        lambda name, given: f"{name} {given}"[:_TELEGRAM_MOST].strip(),
        st.sampled_from(tuple(vocabulary.commands)),
        argument,
    )
    return st.one_of(st.sampled_from(right), st.sampled_from(right), wrong, anything)


_JSON: SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**31), 2**31), _ANY_TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(("id", "chat", "from", "text")), inner, max_size=3),
    ),
    max_leaves=5,
)
