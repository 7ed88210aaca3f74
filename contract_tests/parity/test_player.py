"""The player against toy modes: when it is done, and what it notes of each side."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from botproof.conversations import Ask, Conversation, Edit, Press, Say, Step
from botproof.parity.player import UNANSWERED, UNCONFIRMED_ROOM, UnansweredError
from botproof.workloads.stage import PLACES
from contract_tests.parity.conftest import NEVER_COMES_S


def talk(*steps: Step) -> Conversation:
    return Conversation(steps=steps)  # type: ignore[arg-type]  # every step of the tests is one of them


def rooms(playing: Any, mode: int = 0) -> Mapping[str, str]:
    seen: Mapping[str, str] = playing.sides[mode].rooms
    return seen


def test_both_sides_are_read_to_their_end(toys: Any) -> None:
    late = toys.mode("late", late_s=lambda _: 0.01)
    stage = toys.stage(toys.mode("quick"), late)
    playing = stage.play(talk(Say(text="/price BTC"), Say(text="/price ETH", where="group")))
    assert not playing.differs
    assert rooms(playing, 1)["alice"].splitlines() == [
        "--- sendMessage",
        "you said /price BTC",
        "--- sendMessage",
        "you said /help",
    ]
    assert "you said /price ETH" in rooms(playing, 1)["group"]


def test_chats_that_are_never_answered_get_no_sentinel(toys: Any) -> None:
    mode = toys.mode("a")
    stage = toys.stage(mode, toys.mode("b"))
    playing = stage.play(talk(Say(text="news", where="channel")))
    assert rooms(playing) == {}
    assert not playing.silent
    assert "channel_post" in mode.sent[-1]


def test_a_stranger_is_not_waited_for(toys: Any) -> None:
    def private(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
        if body.get("from", {}).get("id", 0) < 3_000_000_000:
            yield from toys.echo(kind, body)

    stage = toys.stage(toys.mode("a", private), toys.mode("b", private))
    assert not stage.play(talk(Say(text="/price BTC", who="mallory"))).silent


def test_a_mode_that_falls_silent_is_noted(toys: Any) -> None:
    dead: list[bool] = []

    def dies(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
        if body.get("text") == "/die":
            dead.append(True)
        if not dead:
            yield from toys.echo(kind, body)

    modes = toys.mode("sound"), toys.mode("mortal", dies)
    stage = toys.stage(*modes, deadline_s=NEVER_COMES_S)
    playing = stage.play(talk(Say(text="/die")))
    assert playing.differs
    assert playing.silent == ("mortal",)
    assert UNANSWERED in rooms(playing, 1)["alice"]


def test_updates_that_are_never_taken_are_noted(toys: Any) -> None:
    modes = toys.mode("a"), toys.mode("b", confirms=False)
    stage = toys.stage(*modes, deadline_s=NEVER_COMES_S)
    playing = stage.play(talk(Say(text="hello")))
    assert UNCONFIRMED_ROOM in rooms(playing, 1)
    assert playing.differs


def test_updates_that_a_mode_does_not_want_are_a_difference(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b", wanted=lambda kind: kind != "callback_query"))
    assert stage.play(talk(Press(data="x"))).differs
    assert not stage.play(talk(Say(text="/x"))).differs


def test_a_repeated_update_is_one_for_both_or_it_differs(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b", repeats=True))
    assert stage.play(talk(Say(text="/x", twice=True))).differs
    assert not stage.play(talk(Say(text="/x"))).differs


def test_the_bots_own_button_is_pressed(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b"))
    playing = stage.play(talk(Say(text="/menu"), Press(button=3, data="old")))
    (query,) = [room for room in rooms(playing) if room.startswith("answer to the callback")]
    assert rooms(playing)[query].splitlines()[-1] == "1h"
    without = stage.play(talk(Press(data="old")))
    assert "old" in rooms(without)["answer to the callback query of step 1"]


def test_an_unanswered_inline_query_is_silence_on_both_sides(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b"))
    assert not stage.play(talk(Ask(query="btc"), Edit(text="/price"))).differs


def test_what_comes_after_the_end_is_seen_when_read_again(toys: Any) -> None:
    def talks_on(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
        yield from toys.echo(kind, body)
        if body.get("text") == "/slow":
            yield "sendMessage", {"chat_id": body["chat"]["id"], "text": "PS"}

    def is_ps(call: Any) -> bool:
        return bool(call[1].get("text") == "PS")

    stage = toys.stage(toys.mode("a", talks_on), toys.mode("b", talks_on, overtaken=is_ps))
    playing = stage.play(talk(Say(text="/slow")))
    assert playing.differs
    stage.play(talk(Say(text="/x")))
    again = stage.reread(playing.number)
    assert {line for side in again.sides for line in side.rooms["alice"].splitlines()} >= {"PS"}
    assert rooms(again, 1)["alice"].count("PS") == 1


def test_a_sentinel_that_no_mode_answers_is_refused(toys: Any) -> None:
    def mute(_: str, __: Mapping[str, Any]) -> Iterator[Any]:
        return iter(())

    with pytest.raises(UnansweredError, match=r"'/help' is not answered .* by a, b"):
        toys.stage(toys.mode("a", mute), toys.mode("b", mute), deadline_s=NEVER_COMES_S)


def test_one_mode_that_answers_is_enough_to_begin(toys: Any) -> None:
    def mute(_: str, __: Mapping[str, Any]) -> Iterator[Any]:
        return iter(())

    stage = toys.stage(toys.mode("a"), toys.mode("b", mute), deadline_s=NEVER_COMES_S)
    assert stage.play(talk(Say(text="/x"))).differs


class TestLearning:
    """What the sentinel is answered with: what all modes have in common, and what repeats."""

    @staticmethod
    def wrong_at_first(toys: Any, times: int) -> Any:
        """A bot that answers its first updates and then says that something went wrong."""
        first: list[bool] = []

        def bot(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
            yield from toys.echo(kind, body)
            if len(first) < times and body["chat"]["type"] == "private":
                first.append(True)
                yield "sendMessage", {"chat_id": body["chat"]["id"], "text": "An error occurred"}

        return bot

    @pytest.mark.parametrize("times", [1, 2])
    def test_what_follows_the_first_answers_is_a_difference_and_is_not_learnt(
        self, toys: Any, times: int
    ) -> None:
        modes = toys.mode("a"), toys.mode("b", self.wrong_at_first(toys, times))
        stage = toys.stage(*modes, deadline_s=NEVER_COMES_S)
        assert stage.learnt.differs
        assert "An error occurred" in rooms(stage.learnt, 1)["alice"]
        playing = stage.play(talk(Say(text="/price BTC")))
        assert not playing.silent
        assert not playing.differs

    def test_modes_that_say_the_same_are_no_difference(self, toys: Any) -> None:
        assert not toys.stage(toys.mode("a"), toys.mode("b")).learnt.differs

    def test_a_mode_that_says_more_each_time_is_waited_for_by_what_they_share(
        self, toys: Any
    ) -> None:
        def chatty(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
            yield from toys.echo(kind, body)
            if kind == "message":
                yield "sendMessage", {"chat_id": body["chat"]["id"], "text": "Join our channel"}

        stage = toys.stage(toys.mode("a"), toys.mode("b", chatty))
        assert stage.learnt.differs
        assert not stage.play(talk(Say(text="/x"))).silent

    def test_a_command_that_is_answered_otherwise_each_time_is_refused(self, toys: Any) -> None:
        count = iter(range(1000))

        def clock(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
            if kind == "message":
                yield "sendMessage", {"chat_id": body["chat"]["id"], "text": f"at {next(count)}"}

        with pytest.raises(UnansweredError, match=r"answered otherwise each time by a, b"):
            toys.stage(toys.mode("a", clock), toys.mode("b", clock))


def test_an_acknowledgement_is_waited_for_after_the_last_answer(toys: Any) -> None:
    def slow(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
        if kind != "message":
            return
        chat_id = body["chat"]["id"]
        if body.get("text") == "/slow":
            yield "sendMessage", {"chat_id": chat_id, "text": "wait"}
            yield "editMessageText", {"chat_id": chat_id, "message_id": "last", "text": "done"}
        else:
            yield "sendMessage", {"chat_id": chat_id, "text": "help", "message_id": None}

    def late(call: Any) -> float:
        # The acknowledgement comes after the sentinel's answer, its edit long after.
        return {"wait": 0.004, "done": 0.03}.get(str(call[1].get("text")), 0.0)

    stage = toys.stage(toys.mode("a", slow, late_s=late), toys.mode("b", slow, late_s=late))
    playing = stage.play(talk(Say(text="/slow")), quiet_s=0.01)
    for mode in (0, 1):
        assert "done" in rooms(playing, mode)["alice"]
        assert "wait" not in rooms(playing, mode)["alice"]


def test_people_who_come_back_after_many_playings_start_anew(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b"))
    first = stage.play(talk(Say(text="/first")))
    stage.player.played += PLACES - 1
    again = stage.play(talk(Say(text="/again")))
    assert again.number == first.number + PLACES
    assert not again.silent
    assert "/again" in rooms(again)["alice"]
    assert "/first" not in rooms(again)["alice"]
    assert "/again" not in rooms(stage.reread(first.number))["alice"]
