"""Conversations as values: saved, read back, described, and turned into updates Telegram knows."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telegram import Update

from botproof.config import parse_config
from botproof.conversations import (
    Conversation,
    ConversationError,
    Edit,
    Invent,
    Press,
    Say,
    addressed,
    decode,
    describe,
    encode,
    load,
    save,
)
from botproof.doubles.telegram.machine import Machine
from botproof.workloads.stage import (
    PLACES,
    BotIdentity,
    Cast,
    Memory,
    Pressed,
    known_users,
    update_of,
)
from botproof.workloads.strategies import MOST_STEPS, conversations
from botproof.workloads.vocabulary import sentinel_of, split_command, vocabulary_of

CONFIG = parse_config(
    """
[bot]
command = ["bot"]
ready = "telegram"
[modes.polling]
[modes.webhook]
[[workload.cases]]
name = "price"
say = "/price BTC"
[[workload.cases]]
name = "silent"
say = "/secret now"
expect = "silence"
[[workload.cases]]
name = "help"
say = "/help"
[[workload.cases]]
name = "other"
say = "/price@ToyBot eth/usdt"
chat_type = "supergroup"
[[workload.cases]]
name = "button"
kind = "callback_query"
say = "price:BTC"
[[workload.cases]]
name = "talk"
say = "hi"
expect = "silence"
"""
)
VOCABULARY = vocabulary_of(CONFIG)
BOT = BotIdentity(42, "ToyBot")
TOKEN = "42:AAToyTokenToyTokenToyTokenToyToken00"


def test_the_vocabulary_is_what_the_configuration_shows() -> None:
    assert VOCABULARY.commands == {
        "/price": ("BTC", "eth/usdt"),
        "/help": ("",),
        "/secret": ("now",),
    }
    assert VOCABULARY.pressed == ("price:BTC", "old:button")
    assert VOCABULARY.texts[0] == "hi"


def test_the_sentinel_is_a_command_that_is_answered_and_needs_no_argument() -> None:
    assert sentinel_of(CONFIG) == "/help"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("/price btc usdt", ("/price", "btc usdt")),
        ("/price@Bot   x ", ("/price", "x")),
        ("/", ("", "/")),
        ("hello /price", ("", "hello /price")),
    ],
)
def test_splitting_commands(text: str, parts: tuple[str, str]) -> None:
    assert split_command(text) == parts


@settings(max_examples=60, deadline=None)
@given(conversations(VOCABULARY))
def test_what_is_generated_survives_the_disk(conversation: Conversation) -> None:
    assert 1 <= len(conversation.steps) <= MOST_STEPS
    assert decode(encode(conversation)) == conversation
    assert len(describe(conversation)) == len(conversation.steps)
    assert "\n" not in "".join(describe(conversation))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "conversation.json")
        save(path, conversation, "a test")
        assert load(path) == conversation


@pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
@settings(max_examples=100, deadline=None)
@given(conversations(VOCABULARY), st.integers(1, 5 * PLACES))
def test_telegram_and_a_framework_understand_every_step(
    conversation: Conversation, number: int
) -> None:
    """The double takes each update as it is, and python-telegram-bot can read it."""
    machine, cast, memory = Machine(), Cast(number, BOT), Memory()
    machine.call(TOKEN, "getMe", {}, 0.0)
    for step in conversation.steps:
        update = update_of(step, cast, memory, None)
        made = machine.person(TOKEN, {"update": update}, 0.0)
        memory.said(step, made["message_id"])
        if not isinstance(step, Invent):
            kind, payload = next(iter(update.items()))
            stored = {"message_id": made["message_id"] or 1, "date": 0, "id": "7", **payload}
            assert Update.de_json({"update_id": 1, kind: stored}, None) is not None


def test_every_playing_has_chats_of_its_own() -> None:
    first, second = Cast(1, BOT).rooms(), Cast(2, BOT).rooms()
    assert first.keys().isdisjoint(second.keys())
    assert sorted(first.values()) == sorted(second.values())
    assert len(first) == 6


def test_known_people_are_the_ones_that_the_bot_was_told_of() -> None:
    known = set(known_users())
    for number in (0, 1, PLACES - 1, PLACES, 3 * PLACES + 7):
        cast = Cast(number, BOT)
        assert {cast.user_id("alice"), cast.user_id("bob")} <= known
        assert cast.user_id("mallory") not in known


def test_a_private_chat_has_the_id_of_its_person() -> None:
    cast = Cast(3, BOT)
    update = update_of(Say(text="/help", who="bob"), cast, Memory(), None)
    assert update["message"]["chat"]["id"] == update["message"]["from"]["id"] == cast.user_id("bob")


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Say(text="/price btc", to="this"), "/price@ToyBot btc"),
        (Say(text="/price", to="this"), "/price@ToyBot"),
        (Say(text="/price btc", to="other"), "/price@not_ToyBot btc"),
        (Say(text="hello", to="this"), "hello"),
    ],
)
def test_addressing_a_bot(step: Say, text: str) -> None:
    assert addressed(step, "ToyBot", "not_ToyBot") == text
    assert update_of(step, Cast(1, BOT), Memory(), None)["message"]["text"] == text


def test_an_edit_changes_the_last_message_of_its_author() -> None:
    memory, cast = Memory(), Cast(1, BOT)
    memory.said(Say(text="a"), 70)
    memory.said(Say(text="b", who="bob"), 71)
    assert update_of(Edit(text="c"), cast, memory, None)["edited_message"]["message_id"] == 70


def test_a_pressed_button_is_the_bots_own() -> None:
    pressed = Pressed(message={"message_id": 9}, data="1h")
    query = update_of(Press(data="old"), Cast(1, BOT), Memory(), pressed)["callback_query"]
    assert (query["message"], query["data"]) == ({"message_id": 9}, "1h")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is not JSON"),
        ('{"format": 1, "steps": []}', "has no steps"),
        ('{"format": 9, "steps": [{"do": "ask"}]}', "is in format 9"),
        ('{"format": 1, "steps": [{"do": "fly"}]}', "Invalid value 'fly'"),
        ('{"format": 1, "steps": [{"do": "say"}]}', "missing required field `text`"),
        ('{"format": 1, "steps": [{"do": "ask", "qery": ""}]}', "unknown field `qery`"),
    ],
)
def test_what_is_wrong_with_a_saved_conversation_is_said(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "saved.json"
    path.write_text(text)
    with pytest.raises(ConversationError, match=r"saved\.json") as caught:
        load(path)
    assert complaint in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConversationError, match="cannot be read: No such file"):
        load(tmp_path / "none.json")


def test_what_cannot_be_seen_is_written_out() -> None:
    step: Any = Say(text="a\n\u202eb" + "x" * 200)
    (line,) = describe(Conversation(steps=(step,)))
    assert line.startswith("1. alice says: a\\n\\u202eb")
    assert line.endswith("… (204 characters)")
