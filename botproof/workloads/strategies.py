"""Hypothesis strategies of conversations. What is usual stands first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from botproof.conversations import (
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
    To,
    Where,
    Who,
)
from botproof.workloads.vocabulary import Vocabulary

T = TypeVar("T")
MOST_STEPS = 8
_TELEGRAM_MOST = 4096
# What is named more often is chosen more often: a conversation that a bot answers tells most.
_WHO: tuple[Who, ...] = ("alice", "alice", "alice", "bob", "bob", "mallory")
_PEOPLE_ROOMS: tuple[Where, ...] = ("private", "private", "private", "group", "supergroup")
_ROOMS: tuple[Where, ...] = (*_PEOPLE_ROOMS, "channel")
_TO: tuple[To, ...] = ("", "", "", "", "this", "other")

# What Telegram passes on and people can type: of the control characters only the line end.
_SIGNS = st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co"), include_characters="\n")
_ANY_TEXT = st.text(_SIGNS, min_size=1, max_size=60)


def conversations(vocabulary: Vocabulary) -> SearchStrategy[Conversation]:
    """Return conversations of one to `MOST_STEPS` steps with a bot of this vocabulary."""
    return _conversations(_weighted(_steps(vocabulary)))


@st.composite
def _conversations(draw: st.DrawFn, step: SearchStrategy[AnyStep]) -> Conversation:
    # Not `lists`: with the length drawn first, Hypothesis tries long conversations much sooner.
    return Conversation(steps=tuple(draw(step) for _ in range(draw(st.integers(1, MOST_STEPS)))))


def _weighted(choices: Sequence[tuple[int, SearchStrategy[T]]]) -> SearchStrategy[T]:
    """Do what `one_of` does, which counts a strategy that is named twice only once."""
    places = tuple(place for place, (weight, _) in enumerate(choices) for _ in range(weight))
    strategies = tuple(strategy for _, strategy in choices)
    return st.sampled_from(places).flatmap(strategies.__getitem__)


def _steps(vocabulary: Vocabulary) -> list[tuple[int, SearchStrategy[AnyStep]]]:
    """Return each kind of step with its weight."""
    text = texts(vocabulary)
    maybe = st.one_of(st.just(""), text)
    pressed = st.sampled_from(vocabulary.pressed)
    media, service, other = (st.sampled_from(get_args(kinds)) for kinds in (Media, Service, Other))
    invented = st.sampled_from(("quantum_message", "edited_hologram", "mood"))
    fields = st.dictionaries(st.sampled_from(("text", "payload", "state")), _JSON)
    return [
        (12, _step(Say, _ROOMS, {"text": text, "to": st.sampled_from(_TO), "novel": _rarely()})),
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


def _rarely() -> SearchStrategy[bool]:
    """Return true once in eight times."""
    return st.integers(0, 7).map(lambda number: number == 7)


def texts(vocabulary: Vocabulary) -> SearchStrategy[str]:
    """Return what people type: a command with an argument that is right for it, above all."""
    anything = st.one_of(st.sampled_from(vocabulary.texts), _ANY_TEXT)
    if not vocabulary.commands:
        return anything
    argument = st.one_of(
        st.sampled_from(vocabulary.arguments), st.sampled_from(vocabulary.wrong), _ANY_TEXT
    )
    wrong = st.builds(
        lambda name, given: f"{name} {given}"[:_TELEGRAM_MOST].strip(),
        st.sampled_from(tuple(vocabulary.commands)),
        argument,
    )
    return _weighted([(4, st.sampled_from(vocabulary.right)), (2, wrong), (1, anything)])


_JSON: SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**31), 2**31), _ANY_TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(("id", "chat", "from", "text")), inner, max_size=3),
    ),
    max_leaves=5,
)
