"""The shrinker on predicates instead of bots."""

from collections.abc import Callable

import pytest

from botproof.conversations import (
    Conversation,
    Edit,
    Invent,
    Meet,
    Press,
    Say,
    Send,
    Step,
    encode,
)
from botproof.parity.shrink import shrink, variants


def talk(*steps: Step) -> Conversation:
    return Conversation(steps=steps)  # type: ignore[arg-type]  # every step of the tests is one of them


def has(*kinds: type[Step]) -> Callable[[Conversation], bool]:
    return lambda each: all(any(isinstance(s, kind) for s in each.steps) for kind in kinds)


LONG = talk(
    Say(text="/a 1"),
    Edit(text="/b", who="bob", where="group", twice=True),
    Meet(kind="poll"),
    Say(text="/a 2", to="other", novel=True, where="channel"),
    Send(what="photo", caption="hello there"),
)


def test_one_step_is_found_alone_and_made_simple() -> None:
    tried: list[Conversation] = []

    def shows(each: Conversation) -> bool:
        tried.append(each)
        return has(Edit)(each)

    short = shrink(LONG, shows, texts=("/a", "/b"))
    assert short == talk(Edit(text="/b"))
    assert all(len(each.steps) == 1 for each in tried)
    assert len(tried) < 12


def test_steps_that_need_each_other_stay() -> None:
    assert shrink(LONG, has(Edit, Send), texts=("/b",)) == talk(Edit(text="/b"), Send(what="photo"))


def test_one_step_less_may_make_another_one_needless() -> None:
    def shows(each: Conversation) -> bool:
        return has(Say, Edit)(each) and (has(Send)(each) or not has(Meet)(each))

    steps = talk(Meet(kind="poll"), Say(text="a"), Edit(text="b"), Send(what="photo"))
    assert shrink(steps, shows) == talk(Say(text="a"), Edit(text="b"))


def test_what_is_needed_is_not_made_simple() -> None:
    def shows(each: Conversation) -> bool:
        return any(isinstance(s, Say) and s.novel and s.where == "channel" for s in each.steps)

    assert shrink(LONG, shows, texts=("/a",)) == talk(Say(text="/a", novel=True, where="channel"))


def test_known_texts_come_before_cut_ones() -> None:
    def shows(each: Conversation) -> bool:
        return all(isinstance(s, Say) and s.text.startswith("/price ") for s in each.steps)

    wordy = talk(Say(text="/price <b>doge</b> now"))
    assert shrink(wordy, shows, texts=("/help", "/price btc")) == talk(Say(text="/price btc"))


def test_one_sign_in_a_long_text_is_found() -> None:
    def shows(each: Conversation) -> bool:
        return any(isinstance(s, Say) and "<" in s.text for s in each.steps)

    assert shrink(talk(Say(text="x" * 300 + "<" + "y" * 200)), shows) == talk(Say(text="<"))


@pytest.mark.parametrize("step", [*LONG.steps, Press(button=4), Invent(fields={"a": 1})])
def test_variants_are_never_larger(step: Step) -> None:
    size = len(encode(talk(step)))
    assert all(len(encode(talk(each))) <= size for each in variants(step))  # type: ignore[arg-type]  # as above


def test_the_simplest_has_no_variants() -> None:
    assert list(variants(Meet(kind="poll"))) == []
