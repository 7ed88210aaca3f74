"""The reconstruction of chats: what was asked, and what the bot did about it."""

from typing import Any

import pytest

from botproof import history
from botproof.chats import Chats, ReplyRules, Turn, read_chats
from botproof.checks.tally import Open, tally
from botproof.checks.why import Reasons
from botproof.config import Normaliser, Replies
from botproof.history import BotApiCall, CasePlayed, DoubleEvent, UpdateInjected

CHAT = 7
ACK = "^⏳"
KEYS = {"inline_keyboard": [[{"text": "next", "callback_data": "next"}]]}


def asked(case: str = "price", t: float = 1.0, **fields: Any) -> CasePlayed:
    given = {"update_id": int(t * 10), "chat_id": CHAT, "expect": "reply", **fields}
    return CasePlayed(t=t, case=case, **given)


def call(method: str, t: float = 2.0, result: Any = True, **params: Any) -> BotApiCall:
    error = params.pop("error", None)
    return BotApiCall(
        t=t, method=method, params={"chat_id": CHAT, **params}, result=result, error_code=error
    )


def sent(number: int, text: str, t: float = 2.0, **params: Any) -> BotApiCall:
    return call("sendMessage", t, {"message_id": number}, text=text, **params)


def read(*events: history.Event, markers: bool = False, **rules: Any) -> Chats:
    chats = Chats(ReplyRules.of(Replies(acknowledgement=ACK, **rules)), markers=markers)
    for event in events:
        chats.feed(event)
    return chats


def turn(*events: history.Event, **rules: Any) -> Turn:
    return read(asked(), *events, **rules).turns["price"]


def tapped(case: str, number: int, t: float) -> CasePlayed:
    query = {"id": "1", "data": case, "message": {"message_id": number}}
    return asked(case, t, sent={"callback_query": query})


class TestTaps:
    def test_an_edit_of_the_message_under_the_button_is_the_answer_of_the_tap(self) -> None:
        first = sent(1, "page 1", reply_markup=KEYS)
        wait = call("editMessageText", 5.0, message_id=1, text="⏳ wait")
        done = call("editMessageText", 6.0, message_id=1, text="page 2")
        chats = read(asked("menu"), first, tapped("next", 1, 4.0), wait, done)
        assert [each.text for each in chats.turns["menu"].answers] == ["page 1"]
        assert [each.text for each in chats.turns["next"].answers] == ["page 2"]
        assert chats.turns["next"].reply_time_s == 2.0

    def test_each_tap_on_the_same_message_has_its_own_answer(self) -> None:
        first = sent(1, "page 1", reply_markup=KEYS)
        events: list[history.Event] = [asked("menu"), first]
        for page, name in enumerate(("once", "twice"), start=2):
            events += [
                tapped(name, 1, 2.0 * page),
                call("editMessageText", 2.0 * page + 1, message_id=1, text=f"page {page}"),
            ]
        found = read(*events)
        said = [[each.text for each in one.answers] for one in found.turns.values()]
        assert said == [["page 1"], ["page 2"], ["page 3"]]

    def test_an_edit_of_the_buttons_keeps_the_text_in_the_answer(self) -> None:
        first = sent(1, "page 1", reply_markup=KEYS)
        edit = call("editMessageReplyMarkup", 5.0, message_id=1)
        (answer,) = read(asked("menu"), first, tapped("x", 1, 4.0), edit).turns["x"].answers
        assert (answer.text, answer.buttons) == ("page 1", [])

    def test_a_message_that_nobody_saw_being_sent_may_be_edited(self) -> None:
        edit = call("editMessageText", 5.0, message_id=9, text="more")
        (answer,) = read(tapped("x", 9, 4.0), edit).turns["x"].answers
        assert answer.text == "more"

    def test_taking_the_message_away_answers_only_where_nothing_else_does(self) -> None:
        first, gone = sent(1, "menu"), call("deleteMessage", 5.0, message_id=1)
        closed = read(asked("menu"), first, tapped("close", 1, 4.0), gone).turns
        assert [each.method for each in closed["close"].answers] == ["deleteMessage"]
        assert closed["menu"].answered  # it was there when it was asked for
        moved = read(asked("menu"), first, tapped("x", 1, 4.0), gone, sent(2, "next", 6.0)).turns
        assert [each.text for each in moved["x"].answers] == ["next"]


class TestMessages:
    def test_an_acknowledgement_that_is_edited_is_the_answer_from_then_on(self) -> None:
        edit = call("editMessageText", 4.0, message_id=1, text="done")
        assert not turn(sent(1, "⏳ wait")).answered
        found = turn(sent(1, "⏳ wait"), edit)
        assert [message.text for message in found.messages] == ["done"]
        assert found.reply_time_s == 3.0

    def test_an_edit_replaces_text_mode_and_buttons(self) -> None:
        keys = {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}
        first = sent(1, "<b>x</b>", parse_mode="HTML", reply_markup=keys)
        (message,) = turn(first, call("editMessageText", message_id=1, text="y")).messages
        assert (message.text, message.parse_mode, message.buttons) == ("y", "", [])

    def test_an_edit_of_the_buttons_alone_leaves_the_text(self) -> None:
        first = sent(1, "<b>x</b>", parse_mode="HTML")
        keys = {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}
        edit = call("editMessageReplyMarkup", message_id=1, reply_markup=keys)
        (message,) = turn(first, edit).messages
        assert (message.text, message.parse_mode) == ("<b>x</b>", "HTML")
        assert message.buttons == [[{"text": "a", "callback_data": "b"}]]

    @pytest.mark.parametrize(
        "deleted", [{"message_id": 1}, {"message_ids": [1]}, {"message_ids": "[1]"}]
    )
    def test_what_is_deleted_is_no_answer(self, deleted: dict[str, Any]) -> None:
        method = "deleteMessages" if "message_ids" in deleted else "deleteMessage"
        found = turn(sent(1, "oops"), call(method, 3.0, **deleted))
        assert not found.answered
        assert found.messages == []

    def test_a_call_that_never_took_effect_says_nothing(self) -> None:
        assert not turn(call("sendMessage", result=None, text="lost")).answered

    def test_what_was_refused_is_kept_with_its_reason(self) -> None:
        found = turn(call("sendMessage", result=None, text="<b", error=400))
        assert [each.error_code for each in found.refused] == [400]
        assert not found.answered

    def test_a_draft_and_typing_are_no_messages(self) -> None:
        assert turn(call("sendChatAction"), call("sendMessageDraft", text="x")).messages == []

    def test_every_message_counts_and_not_only_the_first(self) -> None:
        found = turn(*(sent(number, f"part {number}") for number in range(1, 8)))
        assert [message.text for message in found.answers] == [f"part {n}" for n in range(1, 8)]
        assert found.too_many == 6

    def test_no_event_of_many_is_left_out(self) -> None:
        """Each of two hundred updates of one chat has the answer that followed it."""
        chats = read()
        for number in range(200):
            chats.feed(asked(f"case-{number}", number + 1.0))
            chats.feed(sent(number, f"answer {number}", number + 1.5))
        texts = {name: [m.text for m in one.answers] for name, one in chats.turns.items()}
        assert texts == {f"case-{number}": [f"answer {number}"] for number in range(200)}


class TestWhose:
    def test_a_message_belongs_to_the_last_update_of_its_chat(self) -> None:
        chats = read(asked("one"), sent(1, "a"), asked("two", 3.0), sent(2, "b", 4.0))
        assert [m.text for m in chats.turns["one"].messages] == ["a"]
        assert [m.text for m in chats.turns["two"].messages] == ["b"]

    def test_a_telegram_reply_belongs_to_what_it_replies_to(self) -> None:
        update = {"message": {"message_id": 50, "chat": {"id": CHAT}}}
        late = sent(2, "late", 4.0, reply_parameters='{"message_id": 50}')
        chats = read(asked("one"), UpdateInjected(t=1.0, update_id=10, update=update))
        chats.feed(asked("two", 3.0))
        chats.feed(late)
        assert [m.text for m in chats.turns["one"].messages] == ["late"]

    @pytest.mark.parametrize("told_first", [True, False])
    def test_a_toast_belongs_to_the_tap_that_it_answers(self, told_first: bool) -> None:
        tap = {"callback_query": {"id": "77"}}
        sent_with: dict[str, Any] = {"sent": tap} if told_first else {}
        chats = read(
            asked("tap", **sent_with),
            UpdateInjected(t=1.1, update_id=10, update=tap),
            BotApiCall(t=2.0, method="answerCallbackQuery", params={"callback_query_id": "77"}),
        )
        assert [m.method for m in chats.turns["tap"].messages] == ["answerCallbackQuery"]
        assert not chats.turns["tap"].answered

    def test_a_toast_with_a_text_answers_a_tap_for_which_no_message_comes(self) -> None:
        tap = asked("tap", sent={"callback_query": {"id": "77"}})
        params = {"callback_query_id": "77", "text": "Saved"}
        toast = BotApiCall(t=2.0, method="answerCallbackQuery", params=params, result=True)
        assert read(tap, toast).turns["tap"].answered
        both = read(tap, toast, sent(1, "the answer", 3.0)).turns["tap"]
        assert [message.text for message in both.answers] == ["the answer"]

    def test_a_toast_has_no_place_among_the_messages(self) -> None:
        """A bot sends it beside its answer, so that nobody waits for it: either comes first."""
        tap = asked("tap", sent={"callback_query": {"id": "77"}})
        params = {"callback_query_id": "77"}
        both = [
            BotApiCall(t=2.0, method="answerCallbackQuery", params=params, result=True),
            sent(1, "the answer", 2.0),
        ]
        methods = [
            [message.method for message in read(tap, *calls).turns["tap"].messages]
            for calls in (both, both[::-1])
        ]
        assert methods == [["answerCallbackQuery", "sendMessage"]] * 2

    def test_an_edit_of_the_message_with_the_tapped_button_is_an_answer(self) -> None:
        result = {"message_id": 50}
        first = call("editMessageText", 2.0, result=result, message_id=50, text="BTC 1")
        second = call("editMessageText", 3.0, result=result, message_id=50, text="BTC 2")
        (answer,) = turn(asked(sent={"callback_query": {"id": "77"}}), first, second).answers
        assert (answer.method, answer.text) == ("editMessageText", "BTC 2")

    def test_what_went_to_a_chat_in_which_nobody_asked_is_elsewhere(self) -> None:
        stray = call("sendMessage", result={"message_id": 1}, text="secret", chat_id=99)
        assert [m.text for m in read(asked(), stray, sent(2, "x")).elsewhere()] == ["secret"]

    def test_updates_that_the_bot_had_thrown_away_are_known(self) -> None:
        dropped = DoubleEvent(t=2.0, double="telegram", kind="drop", detail={"update_ids": [10]})
        chats = read(asked(), dropped)
        assert chats.turns["price"].dropped
        assert not chats.chats[CHAT].unanswered


class TestMarkers:
    """Many updates of one chat are under way at a time."""

    def test_a_marker_tells_whose_an_answer_is_and_else_it_is_a_stray(self) -> None:
        events = (asked("q1z"), asked("q2z", 1.5), sent(1, "Q2Z: 5"), sent(2, "no marker"))
        chats = read(*events, markers=True)
        assert not chats.turns["q1z"].messages
        assert [m.text for m in chats.turns["q2z"].messages] == ["Q2Z: 5"]
        assert [m.text for m in chats.chats[CHAT].strays] == ["no marker"]

    def test_an_acknowledgement_gets_its_update_by_the_text_that_it_is_edited_into(self) -> None:
        events = (asked("q1z"), asked("q2z", 1.5), sent(1, "⏳"))
        edit = call("editMessageText", 3.0, message_id=1, text="Q1Z: 5")
        chats = read(*events, edit, markers=True)
        assert chats.turns["q1z"].answered
        assert not chats.chats[CHAT].strays

    def test_an_answer_may_be_known_before_its_update(self) -> None:
        assert read(sent(1, "Q1Z"), asked("q1z"), markers=True).turns["q1z"].answered


class TestTally:
    def test_acknowledgements_that_are_to_stay_are_no_repeats(self) -> None:
        """A bot that announces each answer by a message of its own is no repeater."""
        events = [
            event
            for number in range(1, 4)
            for event in (
                asked(f"q{number}z", number),
                sent(number * 2, "⏳ Analysing", number + 0.1),
                sent(number * 2 + 1, f"Q{number}Z", number + 0.2),
            )
        ]
        stays = tally(read(*events, markers=True, acknowledgement_stays=True))
        assert (stays.repeats, stays.leftovers, stays.lost) == (0, 0, ())
        assert tally(read(*events, markers=True)).repeats == 3

    def test_one_acknowledgement_an_answer_may_stay_and_the_next_is_a_repeat(self) -> None:
        events = (asked("q1z"), sent(1, "⏳"), sent(2, "⏳"), sent(3, "Q1Z"))
        found = tally(read(*events, markers=True, acknowledgement_stays=True))
        assert (found.repeats, found.leftovers) == (1, 1)

    @pytest.mark.parametrize(
        ("messages", "lost", "repeats"), [(0, 1, 0), (1, 1, 0), (2, 0, 0), (3, 0, 1), (4, 0, 1)]
    )
    def test_an_answer_of_two_messages_is_whole_with_both(
        self, messages: int, lost: int, repeats: int
    ) -> None:
        parts = [sent(number, "Q1Z") for number in range(messages)]
        other = (asked("q2z", 1.5, replies=2), sent(90, "Q2Z"), sent(91, "Q2Z"))
        found = tally(read(asked("q1z", replies=2), *other, *parts, markers=True))
        assert (len(found.lost), found.repeats) == (lost, repeats)

    def test_what_the_bot_had_thrown_away_is_neither_lost_nor_waited_for(self) -> None:
        waiting = Open(ReplyRules())
        dropped = DoubleEvent(t=2.0, double="telegram", kind="drop", detail={"update_ids": [10]})
        for event in (asked("q1z"), asked("q2z", 1.5)):
            waiting.feed(event)
        assert waiting.open == 2
        waiting.feed(dropped)
        assert waiting.open == 1
        found = tally(waiting.chats)
        assert [case.case for case in found.dropped] == ["q1z"]
        assert [case.case for case in found.lost] == ["q2z"]


def test_a_normaliser_changes_what_it_names_and_nothing_else() -> None:
    rules = ReplyRules.of(
        Replies(normalise=(Normaliser(pattern="^Updated .*$", replace="<time>", why="clock"),))
    )
    text = "BTC 1\nUpdated 12:00\nETH 2\nUpdated 12:01\nnot Updated 3\nUPDATED 4"
    assert rules.normalise(text) == "BTC 1\n<time>\nETH 2\n<time>\nnot Updated 3\nUPDATED 4"


def test_what_is_said_at_the_door_explains_no_case() -> None:
    """What a bot says to those who come to the door went to a chat in which nobody had asked."""
    place: dict[str, Any] = {"stack": "polling", "mode": "polling"}
    record = history.History(
        [
            asked(stack="polling"),
            said(2.0, 998, "to another", **place),
            history.Phase(t=12.0, name="door", edge="begin", **place),
            said(13.0, 999, "at the door", **place),
        ]
    )
    chats = read_chats(record, ReplyRules.of(Replies()))["polling"]
    (told,) = Reasons(record, "polling", chats).missing(chats.turns["price"])
    assert told.endswith("went to chat 998, in which nobody had asked: 'to another'")


def said(t: float, chat: int, text: str, **place: Any) -> BotApiCall:
    params = {"chat_id": chat, "text": text}
    result = {"message_id": int(t)}
    return BotApiCall(t=t, method="sendMessage", params=params, status=200, result=result, **place)
