"""The person's side: what a person does in a chat, and how it looks to the bot and to both."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from botproof.doubles.telegram.client import Chat, Double, DoubleError, Waited, launch

TOKEN = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
GROUP = -1_001_234_567_890
Json = dict[str, Any]
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


class Bot:
    """A bot by hand: it takes its updates and makes its calls when the test says so."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/bot{TOKEN}/", timeout=60, trust_env=False)
        self._offset = 0

    def call(self, method: str, **params: object) -> Any:
        answer = self._http.post(method, json=params).json()
        assert answer["ok"], answer
        return answer["result"]

    def update(self) -> Json:
        """The next update."""
        update: Json = self.call("getUpdates", offset=self._offset, limit=1, timeout=20)[0]
        self._offset = update["update_id"] + 1
        return update

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Double]:
    with launch(TOKEN, "--no-flood") as double:
        yield double


@pytest.fixture
def double(running: Double) -> Double:
    running.reset()
    return running


@pytest.fixture
def bot(double: Double) -> Iterator[Bot]:
    bot = Bot(double.url)
    yield bot
    bot.close()


@pytest.fixture
def ada(double: Double) -> Chat:
    return double.person(42, "Ada", username="ada", language_code="en")


def test_a_command_reaches_the_bot_as_telegram_sends_it(ada: Chat, bot: Bot) -> None:
    sent = ada.command("price", "btc", 5)
    update = bot.update()
    assert update["update_id"] == sent.update_id
    message = update["message"]
    assert message["message_id"] == sent.message_id
    assert message["text"] == "/price btc 5"
    assert message["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    assert message["from"] == {
        "id": 42, "is_bot": False, "first_name": "Ada", "username": "ada", "language_code": "en",
    }  # fmt: skip
    assert message["chat"] == {"id": 42, "first_name": "Ada", "username": "ada", "type": "private"}


def test_asking_waits_for_the_answer(ada: Chat, bot: Bot) -> None:
    def answer() -> None:
        asked = bot.update()["message"]
        text = f"<b>{asked['text']}</b>"
        bot.call("sendMessage", chat_id=asked["chat"]["id"], text=text, parse_mode="HTML")

    robot = threading.Thread(target=answer)
    robot.start()
    try:
        reply = ada.ask("hello")
    finally:
        robot.join()
    assert (reply.by_bot, reply.text, reply.edited) == (True, "hello", False)
    assert [message.by_bot for message in ada.messages()] == [False, True]


def test_waiting_in_vain_shows_the_chat(ada: Chat) -> None:
    sent = ada.say("anyone?")
    with pytest.raises(Waited, match=r"a reply to 1 did not come[^$]*person: 'anyone\?'"):
        ada.wait_reply(sent, timeout=0)


def test_a_tap_an_answer_and_an_edit(ada: Chat, bot: Bot) -> None:
    ada.say("hi")
    bot.update()
    button = {"text": "More", "callback_data": "more:1"}
    markup = {"inline_keyboard": [[button]]}
    shown = bot.call("sendMessage", chat_id=42, text="short", reply_markup=markup)
    assert ada.messages()[-1].buttons == ("More",)

    tap = ada.tap("More")
    query = bot.update()["callback_query"]
    assert query["data"] == "more:1"
    assert query["from"]["id"] == 42
    assert query["message"]["message_id"] == shown["message_id"]
    bot.call("answerCallbackQuery", callback_query_id=query["id"], text="coming")
    assert ada.answer_to_tap(tap)["text"] == "coming"

    bot.call("editMessageText", chat_id=42, message_id=shown["message_id"], text="long")
    seen = ada.wait_for(lambda message: message.edited)
    assert (seen.text, seen.buttons) == ("long", ())


def test_a_button_that_is_not_there(ada: Chat) -> None:
    ada.say("hi")
    with pytest.raises(DoubleError, match="no such button") as refused:
        ada.tap("More")
    assert refused.value.status == 400


def test_a_keyboard_below_the_input_field(ada: Chat, bot: Bot) -> None:
    ada.say("hi")
    bot.update()
    keyboard = {"keyboard": [["Yes", "No"], [{"text": "Later"}]]}
    bot.call("sendMessage", chat_id=42, text="?", reply_markup=keyboard)
    assert ada.keyboard() == (("Yes", "No"), ("Later",))
    ada.tap("No")
    assert bot.update()["message"]["text"] == "No"
    bot.call("sendMessage", chat_id=42, text="ok", reply_markup={"remove_keyboard": True})
    assert ada.keyboard() == ()


def test_an_edit_and_a_deletion_of_one_s_own(ada: Chat, bot: Bot) -> None:
    sent = ada.say("/prise btc")
    bot.update()
    ada.edit(sent, "/price btc")
    edited = bot.update()["edited_message"]
    assert (edited["message_id"], edited["text"]) == (sent.message_id, "/price btc")
    ada.delete(sent)
    assert ada.messages() == ()


def test_photos_places_and_contacts(ada: Chat, bot: Bot) -> None:
    ada.photo(PIXEL, "look")
    photo = bot.update()["message"]
    assert photo["caption"] == "look"
    path = bot.call("getFile", file_id=photo["photo"][-1]["file_id"])["file_path"]
    with httpx.Client(trust_env=False) as http:
        url = f"{ada.double.url}/file/bot{TOKEN}/{path}"
        assert http.get(url).content == PIXEL
    ada.location(52.52, 13.405)
    assert bot.update()["message"]["location"] == {"latitude": 52.52, "longitude": 13.405}
    ada.contact("+491234", "Bob")
    assert bot.update()["message"]["contact"]["first_name"] == "Bob"
    ada.send_file("document", b"a,b", "prices.csv", mime_type="text/csv")
    assert bot.update()["message"]["document"]["file_name"] == "prices.csv"


def test_a_group_with_the_bot(ada: Chat, bot: Bot) -> None:
    group = ada.in_group(GROUP, "Traders")
    group.add_bot()
    group.say("/price@double_123456_bot")
    while (update := bot.update()).get("message", {}).get("text") is None:
        pass
    message = update["message"]
    assert (message["chat"]["id"], message["chat"]["title"]) == (GROUP, "Traders")
    assert message["chat"]["type"] == "supergroup"
    bob = ada.double.person(43, "Bob").in_group(GROUP)
    bob.join()
    assert bot.update()["message"]["new_chat_members"][0]["id"] == 43
    bot.call("sendMessage", chat_id=GROUP, text="welcome")
    assert group.messages()[-1].text == bob.messages()[-1].text == "welcome"


def test_a_blocked_bot_is_told_so(ada: Chat, bot: Bot) -> None:
    ada.say("hi")
    bot.update()
    ada.block()
    with pytest.raises(AssertionError, match="bot was blocked by the user"):
        bot.call("sendMessage", chat_id=42, text="?")
    ada.unblock()
    bot.call("sendMessage", chat_id=42, text="back")


def test_polls_and_reactions(ada: Chat, bot: Bot) -> None:
    ada.say("hi")
    bot.update()
    poll = bot.call("sendPoll", chat_id=42, question="?", options=["a", "b"], is_anonymous=False)
    ada.vote(poll["poll"]["id"], 1)
    assert bot.update().keys() & {"poll", "poll_answer"}
    assert ada.react(poll["message_id"], "👍").update_id is None  # nobody asked for reactions


def test_typing_is_seen_for_five_seconds(ada: Chat, bot: Bot) -> None:
    ada.say("hi")
    bot.call("sendChatAction", chat_id=42, action="typing")
    assert ada.action() == "typing"
    ada.double.advance(6)
    assert ada.action() is None


def test_the_transcript_and_the_faults(ada: Chat, bot: Bot) -> None:
    ada.say("hi")
    ada.double.fault("error", "sendMessage", error_code=502, count=1)
    with pytest.raises(AssertionError, match="Bad Gateway"):
        bot.call("sendMessage", chat_id=42, text="x")
    bot.call("sendMessage", chat_id=42, text="x")
    assert [call["status"] for call in ada.double.calls("sendMessage")] == [502, 200]
    ada.double.fault("error")
    ada.double.clear_faults()
    bot.call("getMe")


def test_a_chat_that_nobody_wrote_in_is_empty(ada: Chat) -> None:
    assert (ada.messages(), ada.keyboard(), ada.action()) == ((), (), None)


def test_a_double_that_does_not_start_says_so(running: Double) -> None:
    port = running.url.rpartition(":")[2]
    with pytest.raises(DoubleError, match="did not start"), launch(TOKEN, "--port", port):
        pass
