"""Calls of one playing as text: ids, acknowledgements, edits and encodings must not matter."""

import json
from typing import Any

import pytest

from botproof.chats import ReplyRules
from botproof.config import Normaliser, Replies
from botproof.history import BotApiCall
from botproof.parity.transcript import KnownIds, TranscriptReader

ALICE = 2_100_000_001
RULES = ReplyRules.of(
    Replies(
        acknowledgement="^wait$",
        normalise=(Normaliser(pattern=r"\d\d:\d\d", replace="<time>", why="the clock"),),
    )
)


def call(method: str, result: Any = True, error: int | None = None, **params: Any) -> BotApiCall:
    params.setdefault("chat_id", ALICE)
    return BotApiCall(t=0.0, method=method, params=params, result=result, error_code=error)


def sent(number: int, text: str, **params: Any) -> BotApiCall:
    return call("sendMessage", {"message_id": number}, text=text, **params)


def read(*calls: BotApiCall) -> TranscriptReader:
    ids = KnownIds(rooms={ALICE: "alice"}, queries={"77": "query"})
    ids.messages[ALICE, 500] = "the message of step 1"
    reader = TranscriptReader(ids, RULES)
    for each in calls:
        reader.feed(each)
    return reader


def test_an_acknowledgement_that_is_edited_is_the_answer() -> None:
    acknowledged = read(
        sent(8, "wait"), call("editMessageText", message_id=8, text="done", parse_mode="HTML")
    )
    direct = read(sent(9, "done", parse_mode="HTML"))
    assert acknowledged.rooms() == direct.rooms() == {"alice": "--- sendMessage (HTML)\ndone"}


def test_an_acknowledgement_alone_is_still_waiting() -> None:
    assert read(sent(8, "wait")).waiting
    assert not read(sent(8, "wait"), call("editMessageText", message_id=8, text="x")).waiting


def test_an_edit_of_something_unknown_is_shown_as_itself() -> None:
    assert (
        "--- editMessageText"
        in read(call("editMessageText", message_id=3, text="x")).rooms()["alice"]
    )


def test_ids_become_names() -> None:
    reader = read(
        sent(8, f"your id is {ALICE}, not {ALICE + 1}", reply_parameters={"message_id": 500}),
        sent(9, "and", reply_parameters={"message_id": 8}),
    )
    text = reader.rooms()["alice"]
    assert f"your id is «alice», not {ALICE + 1}" in text
    assert 'reply_parameters: {"message_id": "the message of step 1"}' in text
    assert 'reply_parameters: {"message_id": "its message 1"}' in text


def test_normalisers_apply_to_text_and_buttons() -> None:
    keys = {"inline_keyboard": [[{"text": "as of 12:34", "callback_data": "t"}]]}
    text = read(sent(8, "at 12:34", reply_markup=keys)).rooms()["alice"]
    assert text == "--- sendMessage\nat <time>\n[as of <time> → t]"


def test_a_form_post_says_the_same_as_json() -> None:
    keys = {"inline_keyboard": [[{"text": "a", "url": "https://example.com"}]]}
    options = {"link_preview_options": {"is_disabled": True}, "reply_markup": keys}
    form = {name: json.dumps(value) for name, value in options.items()}
    assert read(sent(8, "x", **options)).rooms() == read(sent(8, "x", **form)).rooms()


@pytest.mark.parametrize(
    "changed",
    [
        {"text": "y"},
        {"parse_mode": "HTML"},
        {"disable_notification": True},
        {"reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}},
        {"reply_parameters": {"message_id": 500}},
    ],
)
def test_what_people_notice_is_compared(changed: dict[str, Any]) -> None:
    assert read(sent(8, **{"text": "x", **changed})).rooms() != read(sent(8, "x")).rooms()


def test_refused_calls_and_ignored_methods_say_nothing() -> None:
    reader = read(
        call("sendMessage", None, 400, text="<b"), call("sendChatAction", action="typing")
    )
    assert reader.rooms() == {}


def test_what_was_refused_is_kept_apart_with_names_for_ids() -> None:
    refused = call("sendMessage", None, 400, text="<b")
    assert read(refused, refused).refused == ("sendMessage: 400 (2 times)",)


def test_a_deleted_message_is_gone() -> None:
    assert read(sent(8, "oops"), call("deleteMessage", message_id=8)).rooms() == {}


def test_an_answered_query_has_a_place_of_its_own() -> None:
    answered = BotApiCall(
        t=0.0, method="answerCallbackQuery", params={"callback_query_id": "77", "text": "ok"}
    )
    assert read(answered).rooms() == {"query": "--- answerCallbackQuery\nok"}


def test_an_album_is_one_entry_and_names_its_messages() -> None:
    album = call(
        "sendMediaGroup", [{"message_id": 8}, {"message_id": 9}], media=[{"type": "photo"}]
    )
    reader = read(album, sent(10, "see", reply_parameters={"message_id": 9}))
    assert 'reply_parameters: {"message_id": "its message 2"}' in reader.rooms()["alice"]


def test_buttons_are_those_that_are_still_there() -> None:
    keys = {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}
    assert [each.data for each in read(sent(8, "x", reply_markup=keys)).buttons("alice")] == ["b"]
    edited = read(sent(8, "x", reply_markup=keys), call("editMessageText", message_id=8, text="y"))
    assert edited.buttons("alice") == []
