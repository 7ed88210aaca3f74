"""The specification of the Bot API, and the reading of a call's parameters."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from botproof.doubles.telegram import spec

ROOT = Path(__file__).parents[2]
METHODS = sorted(spec.methods())
PNG = spec.Upload("a.png", "image/png", b"png")


def refusal(method: str, raw: dict[str, object]) -> str:
    with pytest.raises(spec.SpecError) as refused:
        spec.parse_params(method, raw)
    return refused.value.description


@pytest.mark.slow
def test_the_file_is_what_the_script_makes_of_the_installed_library() -> None:
    script = ROOT / "scripts" / "generate_telegram_spec.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_method_of_the_library_is_known() -> None:
    names = {spec.methods()[name].name for name in METHODS}
    assert len(names) > 170
    assert {"getUpdates", "sendMessage", "editMessageText", "answerCallbackQuery"} <= names


@pytest.mark.parametrize("method", METHODS)
def test_every_type_that_a_method_names_is_described(method: str) -> None:
    described = spec.methods()[method]
    spec.example(described.returns)
    for param in described.params.values():
        for reference in param.types:
            spec.example(reference)


@pytest.fixture(scope="module")
def aiogram_types() -> Any:
    """Imported here, because it takes four seconds: at the top every pytest would pay for it."""
    return importlib.import_module("aiogram.types")


@pytest.mark.parametrize("name", ["Message", "User", "ChatFullInfo", "File", "Update", "Poll"])
@pytest.mark.slow
def test_examples_are_true_to_the_library_s_types(name: str, aiogram_types: Any) -> None:
    example = spec.example(name)
    assert example == spec.example(name)
    TypeAdapter(getattr(aiogram_types, name)).validate_python(example)


@pytest.mark.parametrize("union", ["ChatMember", "MenuButton", "MessageOrigin"])
@pytest.mark.slow
def test_examples_of_alternatives_carry_the_field_that_tells_them(
    union: str, aiogram_types: Any
) -> None:
    first = spec.types()[union].subtypes[0]
    TypeAdapter(getattr(aiogram_types, first)).validate_python(spec.example(union))


def test_an_example_takes_other_values() -> None:
    assert spec.example("MessageId", message_id=7) == {"message_id": 7}
    assert spec.example("Array<MessageId>", message_id=7) == [{"message_id": 7}]
    assert spec.example("Boolean") is True


@pytest.mark.parametrize(
    ("method", "raw", "parsed"),
    [
        ("sendmessage", {"chat_id": 5, "text": "hi"}, {"chat_id": 5, "text": "hi"}),
        ("sendmessage", {"chat_id": "5", "text": "hi"}, {"chat_id": 5, "text": "hi"}),
        ("sendmessage", {"chat_id": "-100", "text": 7}, {"chat_id": -100, "text": "7"}),
        ("sendmessage", {"chat_id": "@name", "text": "x"}, {"chat_id": "@name", "text": "x"}),
        ("sendmessage", {"chat_id": "junk", "text": "x"}, {"chat_id": 0, "text": "x"}),
        ("getupdates", {"offset": "-3", "limit": "5x"}, {"offset": -3, "limit": 5}),
        ("getupdates", {"limit": None, "timeout": True}, {"limit": 0, "timeout": 0}),
        ("getupdates", {"allowed_updates": '["message"]'}, {"allowed_updates": ["message"]}),
        ("getupdates", {"allowed_updates": "message"}, {"allowed_updates": None}),
        ("deletewebhook", {"drop_pending_updates": "True"}, {"drop_pending_updates": True}),
        ("deletewebhook", {"drop_pending_updates": "1"}, {"drop_pending_updates": True}),
        ("deletewebhook", {"drop_pending_updates": "on"}, {"drop_pending_updates": False}),
        ("setwebhook", {"url": ""}, {"url": ""}),
        ("setwebhook", {}, {}),
        (
            "sendlocation",
            {"chat_id": 1, "latitude": "1.5", "longitude": 2},
            {"chat_id": 1, "latitude": 1.5, "longitude": 2.0},
        ),
        ("deletemessages", {"chat_id": 1, "message_ids": '[1,"2"]'}, {"message_ids": [1, 2]}),
        (
            "sendpoll",
            {"chat_id": 1, "question": "q", "options": '["a"]'},
            {"options": [{"text": "a"}]},
        ),
        ("sendphoto", {"chat_id": 1, "photo": "an-id"}, {"photo": "an-id"}),
        ("sendphoto", {"chat_id": 1, "photo": PNG}, {"photo": PNG}),
        ("sendphoto", {"chat_id": 1, "photo": "attach://part", "part": PNG}, {"photo": PNG}),
        (
            "sendmediagroup",
            {"chat_id": 1, "media": [{"type": "photo", "media": "attach://p"}], "p": PNG},
            {"media": [{"type": "photo", "media": PNG}]},
        ),
        ("copymessage", {"chat_id": 1, "from_chat_id": 1, "caption": ""}, {"caption": ""}),
    ],
)
def test_parameters_come_out_in_their_own_types(
    method: str, raw: dict[str, object], parsed: dict[str, object]
) -> None:
    actual = spec.parse_params(method, raw)
    assert {name: actual[name] for name in parsed} == parsed
    assert [type(actual[name]) for name in parsed] == [type(value) for value in parsed.values()]


def test_what_telegram_does_not_know_is_left_out_but_can_be_told() -> None:
    raw: dict[str, object] = {"chat_id": 1, "text": "x", "txet": "y", "part": PNG}
    assert spec.parse_params("sendmessage", raw) == {"chat_id": 1, "text": "x"}
    assert spec.unknown_params("sendmessage", raw) == ["txet"]


def keyboard(*buttons: object) -> dict[str, object]:
    return {"inline_keyboard": [list(buttons)]}


@pytest.mark.parametrize(
    ("markup", "read"),
    [
        (keyboard({"text": "a", "callback_data": "x", "junk": 1}), None),
        ('{"inline_keyboard":[[{"text":"a","callback_data":"x"}]]}', None),
        (keyboard({"text": "a", "callback_data": "x", "web_app": {"url": "u"}}), None),
        (
            {"keyboard": [["yes", {"text": "no"}]], "resize_keyboard": True},
            {
                "keyboard": [[{"text": "yes"}, {"text": "no"}]],
                "resize_keyboard": True,
            },
        ),
        (
            {"remove_keyboard": True, "selective": False},
            {"remove_keyboard": True, "selective": False},
        ),
        ({"force_reply": True}, {"force_reply": True}),
        ({}, {}),
        ({"inline_keyboard": []}, {}),
    ],
)
def test_reply_markup_is_read_as_the_server_reads_it(markup: object, read: object) -> None:
    parsed = spec.parse_params("sendmessage", {"chat_id": 1, "text": "t", "reply_markup": markup})
    assert parsed["reply_markup"] == (
        read if read is not None else keyboard({"text": "a", "callback_data": "x"})
    )


def message(**more: object) -> dict[str, object]:
    return {"chat_id": 1, "text": "t", **more}


@pytest.mark.parametrize(
    ("method", "raw", "description"),
    [
        ("sendmessage", {}, "message text is empty"),
        ("sendmessage", {"text": "x"}, "chat_id is empty"),
        ("sendmessage", {"text": "x", "chat_id": ""}, "chat_id is empty"),
        ("sendmessage", message(reply_markup="{"), "can't parse reply keyboard markup JSON object"),
        ("sendmessage", message(reply_markup=None), "object expected as reply markup"),
        ("sendmessage", message(reply_markup="null"), "object expected as reply markup"),
        (
            "sendmessage",
            message(reply_markup={"inline_keyboard": "x"}),
            'field "inline_keyboard" must be of type Array',
        ),
        (
            "sendmessage",
            message(reply_markup={"inline_keyboard": [{}]}),
            'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays',
        ),
        (
            "sendmessage",
            message(reply_markup=keyboard("x")),
            "can't parse inline keyboard button: InlineKeyboardButton must be an Object",
        ),
        (
            "sendmessage",
            message(reply_markup=keyboard({"text": "x"})),
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (
            "sendmessage",
            message(reply_markup=keyboard({"callback_data": "x"})),
            "can't parse inline keyboard button: Can't find field \"text\"",
        ),
        (
            "sendmessage",
            message(reply_markup=keyboard({"text": "x", "url": True})),
            'can\'t parse inline keyboard button: Field "url" must be of type String',
        ),
        (
            "sendmessage",
            message(reply_markup={"keyboard": [[5]]}),
            "can't parse keyboard button: KeyboardButton must be a String or an Object",
        ),
        (
            "sendmessage",
            message(reply_markup={"remove_keyboard": "yes"}),
            'field "remove_keyboard" must be of type Boolean',
        ),
        ("sendmessage", message(reply_parameters="x"), "can't parse reply parameters JSON object"),
        ("sendmessage", message(reply_parameters=5), "object expected as reply parameters"),
        (
            "sendmessage",
            message(link_preview_options="x"),
            "can't parse link preview options JSON object",
        ),
        (
            "sendmessage",
            message(link_preview_options={"is_disabled": "1"}),
            'field "is_disabled" must be of type Boolean',
        ),
        ("sendphoto", {"chat_id": 1}, "there is no photo in the request"),
        ("sendphoto", {"chat_id": 1, "photo": "attach://x"}, "there is no photo in the request"),
        ("sendvideonote", {"chat_id": 1}, "there is no video note in the request"),
        ("sendmediagroup", {"chat_id": 1}, 'parameter "media" is required'),
        ("sendmediagroup", {"chat_id": 1, "media": "x"}, "can't parse media JSON object"),
        ("sendmediagroup", {"chat_id": 1, "media": {}}, "expected an Array of InputMedia"),
        (
            "sendmediagroup",
            {"chat_id": 1, "media": [{"type": "photo", "media": "attach://x"}]},
            "can't parse InputMedia: media not found",
        ),
        (
            "editmessagemedia",
            {"chat_id": 1, "message_id": 1, "media": {"type": "x", "media": "y"}},
            'can\'t parse InputMedia: type "x" is unsupported',
        ),
        ("editmessagetext", {"message_id": 1}, "message text is empty"),
        ("editmessagetext", {"text": "x"}, "message identifier is not specified"),
        ("editmessagetext", {"text": "x", "message_id": 1}, "chat_id is empty"),
        ("deletemessages", {"chat_id": 1}, "message identifiers are not specified"),
        (
            "deletemessages",
            {"chat_id": 1, "message_ids": ["x"]},
            "can't parse message identifier as Number",
        ),
        ("banchatmember", {"chat_id": 1}, "invalid user_id specified"),
        ("banchatmember", {"chat_id": 1, "user_id": "x"}, "invalid user_id specified"),
        ("sendchataction", {"chat_id": 1}, "wrong parameter action in request"),
        ("sendlocation", {"chat_id": 1}, "latitude is empty"),
        ("sendcontact", {"chat_id": 1}, 'parameter "phone_number" is required'),
        ("getfile", {}, "file_id not specified"),
        ("setmycommands", {"commands": "x"}, "can't parse commands JSON object"),
        ("setmycommands", {"commands": {}}, "expected an Array of BotCommand"),
        (
            "setmycommands",
            {"commands": [{"command": "a"}]},
            "can't parse BotCommand: Can't find field \"description\"",
        ),
        (
            "setmycommands",
            {"scope": {"type": "x"}},
            "can't parse BotCommandScope: Unsupported type specified",
        ),
        (
            "setchatmenubutton",
            {"menu_button": {"type": "x"}},
            "can't parse menu button: MenuButton has unsupported type",
        ),
        (
            "setmessagereaction",
            {"chat_id": 1, "message_id": 1, "reaction": [{"type": "emoji"}]},
            "can't parse ReactionType: Can't find field \"emoji\"",
        ),
        (
            "answerinlinequery",
            {"inline_query_id": "1", "results": "{}"},
            "expected an Array of inline query results",
        ),
        (
            "answerinlinequery",
            {"inline_query_id": "1", "results": [{"type": "x", "id": "1"}]},
            'can\'t parse inline query result: type "x" is unsupported for the inline query result',
        ),
        (
            "sendpoll",
            {"chat_id": 1, "question": "q", "options": "x"},
            "can't parse options JSON object",
        ),
        (
            "sendpoll",
            {"chat_id": 1, "question": "q", "options": [5]},
            "expected an option to be of type String",
        ),
        (
            "setchatpermissions",
            {"chat_id": 1, "permissions": {"can_send_polls": 1}},
            'can\'t parse chat permissions: Field "can_send_polls" must be of type Boolean',
        ),
    ],
)
def test_refusals_are_in_telegram_s_words(
    method: str, raw: dict[str, object], description: str
) -> None:
    assert refusal(method, raw) == f"Bad Request: {description}"


def test_numbers_and_nestings_beyond_all_bounds() -> None:
    assert spec.parse_params("getupdates", {"limit": "9" * 5000})["limit"] == int("9" * 19)
    assert spec.parse_params("sendlocation", {"chat_id": 1, "latitude": "1e999", "longitude": 1})
    deep = '{"inline_keyboard":' * 5000
    assert refusal("sendmessage", message(reply_markup=deep)).endswith("markup JSON object")


def test_an_unknown_method_is_the_caller_s_mistake() -> None:
    with pytest.raises(KeyError):
        spec.parse_params("sendmesage", {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)  # a busy machine is no failure
@given(data=st.data())
def test_whatever_comes_is_read_or_refused(data: Any) -> None:
    method = data.draw(st.sampled_from(METHODS))
    names = sorted(spec.methods()[method].params) or ["none"]
    raw = data.draw(st.dictionaries(st.sampled_from(names), JSON, max_size=5))
    try:
        parsed = spec.parse_params(method, raw)
    except spec.SpecError:
        return
    assert set(parsed) <= set(raw)
