"""Every refusal in Telegram's own words, provoked over a socket."""

from typing import Any

import pytest

from botproof.doubles.telegram.context import Settings

pytestmark = pytest.mark.anyio

NOT_MODIFIED = (
    "400 Bad Request: message is not modified: specified new message content and reply markup "
    "are exactly the same as a current content and reply markup of the message"
)
TOO_OLD = "400 Bad Request: query is too old and response timeout expired or query ID is invalid"


def keyboard(**button: object) -> dict[str, object]:
    return {"inline_keyboard": [[{"text": "Go", **button}]]}


# -- tokens and methods ----------------------------------------------------------------------------


async def test_an_unknown_method_is_404(api: Any) -> None:
    assert await api.refused("sendNonsense") == "404 Not Found"
    assert await api.refused("") == "404 Not Found"


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("123:short", "401 Unauthorized"),
        ("nonsense", "401 Unauthorized: invalid token specified"),
        ("0:" + "A" * 35, "401 Unauthorized"),
    ],
)
async def test_a_wrong_token_is_401(api: Any, token: str, says: str) -> None:
    api.token = token
    assert await api.refused("getMe") == says


class TestOnlySomeTokens:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(tokens=frozenset({"1:" + "K" * 35}), flood=None)

    async def test_others_are_401(self, api: Any) -> None:
        assert await api.refused("getMe") == "401 Unauthorized"
        api.token = "1:" + "K" * 35
        await api.ok("getMe")


class TestAnyToken:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(tokens=frozenset({"1:" + "K" * 35}), any_token=True, flood=None)

    @pytest.mark.parametrize("token", ["Put your token here", "bot7:x", "7:" + "A" * 35])
    async def test_whatever_stands_there_is_the_one_bot(self, api: Any, token: str) -> None:
        api.token = token
        assert (await api.ok("getMe"))["id"] == 1


async def test_a_path_that_is_nothing_is_404(api: Any) -> None:
    async with api.http.get(f"{api.url}/nothing") as response:
        assert response.status == 404


# -- chats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chat_id", "says"),
    [
        (999, "400 Bad Request: chat not found"),
        ("@nobody_here", "400 Bad Request: chat not found"),
        ("", "400 Bad Request: chat_id is empty"),
    ],
)
async def test_unknown_chats(api: Any, chat_id: object, says: str) -> None:
    assert await api.refused("sendMessage", chat_id=chat_id, text="x") == says


async def test_a_call_without_a_chat(api: Any) -> None:
    assert await api.refused("sendMessage", text="x") == "400 Bad Request: chat_id is empty"


async def test_a_person_who_blocked_the_bot(api: Any) -> None:
    await api.person(text="hi", chat_id=1)
    await api.person(block=True, chat_id=1)
    says = "403 Forbidden: bot was blocked by the user"
    assert await api.refused("sendMessage", chat_id=1, text="x") == says
    await api.person(unblock=True, chat_id=1)
    await api.ok("sendMessage", chat_id=1, text="x")


@pytest.mark.parametrize(("chat_id", "kind"), [(-5, "group"), (-1_000_000_000_005, "supergroup")])
async def test_a_group_that_the_bot_is_not_in(api: Any, chat_id: int, kind: str) -> None:
    await api.person(text="hi", chat_id=chat_id, user_id=1)
    await api.person(remove_bot=True, chat_id=chat_id, user_id=1)
    says = f"403 Forbidden: bot was kicked from the {kind} chat"
    assert await api.refused("sendMessage", chat_id=chat_id, text="x") == says
    await api.person(add_bot=True, chat_id=chat_id, user_id=1)
    await api.ok("leaveChat", chat_id=chat_id)
    says = f"403 Forbidden: bot is not a member of the {kind} chat"
    assert await api.refused("sendMessage", chat_id=chat_id, text="x") == says


async def test_a_person_who_never_wrote_to_the_bot(api: Any) -> None:
    await api.person(text="hi", chat_id=-5, user_id=44)
    assert await api.refused("sendMessage", chat_id=44, text="x") == (
        "403 Forbidden: bot can't initiate conversation with a user"
    )
    assert await api.refused("sendMessage", chat_id=123456, text="x") == (
        "403 Forbidden: bot can't send messages to bots"
    )


async def test_rights_in_groups_and_channels(api: Any) -> None:
    group = -1_000_000_000_005
    await api.person(text="hi", chat_id=group, user_id=1)
    rights = {"status": "restricted", "is_member": True, "can_send_polls": False}
    await api.control("POST", f"bots/{api.token}/chats", {"id": group, "bot": rights})
    assert await api.refused("sendMessage", chat_id=group, text="x") == (
        "400 Bad Request: not enough rights to send text messages to the chat"
    )
    channel = {"id": -1_000_000_000_006, "type": "channel", "bot": {"status": "member"}}
    await api.control("POST", f"bots/{api.token}/chats", channel)
    assert await api.refused("sendMessage", chat_id=channel["id"], text="x") == (
        "400 Bad Request: need administrator rights in the channel chat"
    )


# -- texts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "message text is empty"),
        ({"text": ""}, "message text is empty"),
        ({"text": " \n "}, "text must be non-empty"),
        ({"text": "<b></b>", "parse_mode": "HTML"}, "text must be non-empty"),
        ({"text": "x" * 4097}, "message is too long"),
        ({"text": "😀" * 2049}, "message is too long"),
        ({"text": "x", "parse_mode": "BBCode"}, "unsupported parse_mode"),
        (
            {"text": "a <b>c", "parse_mode": "HTML"},
            "can't parse entities: Can't find end tag corresponding to start tag \"b\"",
        ),
        (
            {"text": "a <blink>c</blink>", "parse_mode": "HTML"},
            'can\'t parse entities: Unsupported start tag "blink" at byte offset 2',
        ),
        (
            {"text": "a *c", "parse_mode": "Markdown"},
            "can't parse entities: Can't find end of the entity starting at byte offset 2",
        ),
        (
            {"text": "costs 1.5", "parse_mode": "MarkdownV2"},
            (
                "can't parse entities: Character '.' is reserved and must be escaped "
                "with the preceding '\\'"
            ),
        ),
    ],
)
async def test_texts(api: Any, chat: int, params: dict[str, object], says: str) -> None:
    assert await api.refused("sendMessage", chat_id=chat, **params) == f"400 Bad Request: {says}"


async def test_edits_are_refused_by_telegram_itself_in_other_words(api: Any, chat: int) -> None:
    text = await api.ok("sendMessage", chat_id=chat, text="x")
    call = {"chat_id": chat, "message_id": text["message_id"]}
    answers = {
        await api.refused("editMessageText", **call, text="x" * 4097),
        await api.refused("editMessageText", **call, text="<i></i>", parse_mode="HTML"),
        await api.refused("editMessageText", **call, text=""),
    }
    assert answers == {
        "400 Bad Request: MESSAGE_TOO_LONG",
        "400 Bad Request: text must be non-empty",
        "400 Bad Request: message text is empty",
    }
    document = "https://example.com/report.pdf"
    sent = await api.ok("sendDocument", chat_id=chat, document=document)
    call = {"chat_id": chat, "message_id": sent["message_id"], "caption": "x" * 1025}
    assert await api.refused("editMessageCaption", **call) == (
        "400 Bad Request: MEDIA_CAPTION_TOO_LONG"
    )


async def test_limits_count_after_parsing_in_utf16(api: Any, chat: int) -> None:
    marked = f"<b>{'x' * 4096}</b>"
    sent = await api.ok("sendMessage", chat_id=chat, text=marked, parse_mode="HTML")
    assert sent["entities"] == [{"type": "bold", "offset": 0, "length": 4096}]
    await api.ok("sendMessage", chat_id=chat, text="😀" * 2048)


async def test_a_caption_that_is_too_long(api: Any, chat: int) -> None:
    says = "400 Bad Request: message caption is too long"
    document = "https://example.com/report.pdf"
    call = {"chat_id": chat, "document": document}
    assert await api.refused("sendDocument", **call, caption="x" * 1025) == says
    await api.ok("sendDocument", **call, caption="x" * 1024)


# -- markup ----------------------------------------------------------------------------------------


async def test_callback_data_over_64_bytes(api: Any, chat: int) -> None:
    for data in ("x" * 65, "ü" * 33):
        markup = keyboard(callback_data=data)
        answer = await api.refused("sendMessage", chat_id=chat, text="x", reply_markup=markup)
        assert answer == "400 Bad Request: BUTTON_DATA_INVALID"
    markup = keyboard(callback_data="x" * 64)
    await api.ok("sendMessage", chat_id=chat, text="x", reply_markup=markup)


async def test_an_inline_button_that_does_nothing(api: Any, chat: int) -> None:
    says = (
        "400 Bad Request: can't parse inline keyboard button: "
        "Text buttons are unallowed in the inline keyboard"
    )
    answer = await api.refused("sendMessage", chat_id=chat, text="x", reply_markup=keyboard())
    assert answer == says


@pytest.mark.parametrize(
    ("markup", "says"),
    [
        ("{nonsense", "can't parse reply keyboard markup JSON object"),
        ("[]", "object expected as reply markup"),
    ],
)
async def test_markup_that_is_none(api: Any, chat: int, markup: str, says: str) -> None:
    answer = await api.refused("sendMessage", chat_id=chat, text="x", reply_markup=markup)
    assert answer == f"400 Bad Request: {says}"


# -- messages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "params", "says"),
    [
        ("editMessageText", {"message_id": 99, "text": "x"}, "message to edit not found"),
        ("editMessageReplyMarkup", {"message_id": 99}, "message to edit not found"),
        ("deleteMessage", {"message_id": 99}, "message to delete not found"),
        ("forwardMessage", {"message_id": 99, "from_chat_id": 1}, "message to forward not found"),
        ("copyMessage", {"message_id": 99, "from_chat_id": 1}, "message to copy not found"),
        ("pinChatMessage", {"message_id": 99}, "message to pin not found"),
        ("stopPoll", {"message_id": 99}, "message with poll to stop not found"),
        ("setMessageReaction", {"message_id": 99}, "message to react not found"),
        (
            "sendMessage",
            {"text": "x", "reply_parameters": {"message_id": 99}},
            "message to be replied not found",
        ),
        ("sendChatAction", {"action": "dancing"}, "wrong parameter action in request"),
    ],
)
async def test_messages_that_are_not_there(
    api: Any, chat: int, method: str, params: dict[str, object], says: str
) -> None:
    assert await api.refused(method, chat_id=chat, **params) == f"400 Bad Request: {says}"


async def test_an_edit_that_changes_nothing(api: Any, chat: int) -> None:
    markup = keyboard(callback_data="a")
    sent = await api.ok("sendMessage", chat_id=chat, text="same", reply_markup=markup)
    call = {"chat_id": chat, "message_id": sent["message_id"]}
    same = {**call, "text": "same", "reply_markup": markup}
    assert await api.refused("editMessageText", **same) == NOT_MODIFIED
    assert await api.refused("editMessageReplyMarkup", **call, reply_markup=markup) == NOT_MODIFIED
    await api.ok("editMessageText", **call, text="same")


async def test_edits_of_what_cannot_be_edited(api: Any, chat: int) -> None:
    theirs = await api.person(text="mine", chat_id=chat)
    call = {"chat_id": chat, "message_id": theirs["message_id"], "text": "x"}
    assert await api.refused("editMessageText", **call) == (
        "400 Bad Request: message can't be edited"
    )
    document = await api.ok("sendDocument", chat_id=chat, document="https://example.com/a.pdf")
    call = {"chat_id": chat, "message_id": document["message_id"]}
    assert await api.refused("editMessageText", **call, text="x") == (
        "400 Bad Request: there is no text in the message to edit"
    )
    text = await api.ok("sendMessage", chat_id=chat, text="x")
    call = {"chat_id": chat, "message_id": text["message_id"]}
    assert await api.refused("editMessageCaption", **call, caption="x") == (
        "400 Bad Request: there is no caption in the message to edit"
    )
    assert await api.refused("editMessageText", text="x") == (
        "400 Bad Request: message identifier is not specified"
    )
    assert await api.refused("editMessageText", text="x", inline_message_id="AAA") == (
        "400 Bad Request: MESSAGE_ID_INVALID"
    )


async def test_deleting_after_two_days(api: Any, chat: int) -> None:
    sent = await api.ok("sendMessage", chat_id=chat, text="old")
    await api.advance(48 * 3600 + 1)
    answer = await api.refused("deleteMessage", chat_id=chat, message_id=sent["message_id"])
    assert answer == "400 Bad Request: message can't be deleted for everyone"


async def test_deleting_what_others_wrote_in_a_group(api: Any) -> None:
    theirs = await api.person(text="hi", chat_id=-5, user_id=1)
    call = {"chat_id": -5, "message_id": theirs["message_id"]}
    assert await api.refused("deleteMessage", **call) == (
        "400 Bad Request: message can't be deleted"
    )
    rights = {"status": "administrator", "can_delete_messages": True}
    await api.control("POST", f"bots/{api.token}/chats", {"id": -5, "bot": rights})
    await api.ok("deleteMessage", **call)


# -- queries ---------------------------------------------------------------------------------------


async def tapped(api: Any, chat: int) -> str:
    markup = keyboard(callback_data="go")
    sent = await api.ok("sendMessage", chat_id=chat, text="x", reply_markup=markup)
    tap = {"message_id": sent["message_id"], "data": "go"}
    query: str = (await api.person(tap=tap, chat_id=chat))["callback_query_id"]
    return query


async def test_a_callback_answered_twice(api: Any, chat: int) -> None:
    query = await tapped(api, chat)
    await api.ok("answerCallbackQuery", callback_query_id=query)
    assert await api.refused("answerCallbackQuery", callback_query_id=query) == TOO_OLD


async def test_a_callback_answered_too_late(api: Any, chat: int) -> None:
    query = await tapped(api, chat)
    await api.advance(151)
    assert await api.refused("answerCallbackQuery", callback_query_id=query) == TOO_OLD


async def test_a_callback_that_never_was(api: Any) -> None:
    assert await api.refused("answerCallbackQuery", callback_query_id="17") == TOO_OLD
    assert await api.refused("answerCallbackQuery") == TOO_OLD


async def test_inline_results_that_are_refused(api: Any) -> None:
    query = (await api.person(inline_query="btc", user_id=1))["inline_query_id"]
    article = {"type": "article", "title": "T", "input_message_content": {"message_text": "x"}}
    twice = [{**article, "id": "a"}, {**article, "id": "a"}]
    call = {"inline_query_id": query}
    assert await api.refused("answerInlineQuery", **call, results=twice) == (
        "400 Bad Request: RESULT_ID_DUPLICATE"
    )
    await api.ok("answerInlineQuery", **call, results=[{**article, "id": "a"}])
    assert await api.refused("answerInlineQuery", **call, results=[]) == TOO_OLD


# -- files, polls, commands ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "params", "says"),
    [
        (
            "sendPhoto",
            {"photo": "not/base64"},
            "wrong remote file identifier specified: Wrong character in the string",
        ),
        (
            "sendPhoto",
            {"photo": "AgACx"},
            "wrong remote file identifier specified: Wrong string length",
        ),
        (
            "sendPhoto",
            {"photo": "AgACAgIAAxkBAAIB"},
            "wrong remote file identifier specified: can't unserialize it. Wrong last symbol",
        ),
        ("sendPhoto", {}, "there is no photo in the request"),
        ("sendDocument", {"document": ""}, "there is no document in the request"),
        ("sendMediaGroup", {"media": []}, "there are no messages to send"),
        (
            "sendMediaGroup",
            {"media": [{"type": "photo", "media": "x.png"}] * 11},
            "too many messages to send as an album",
        ),
        (
            "sendMediaGroup",
            {"media": [{"type": "photo", "media": "a.b"}, {"type": "audio", "media": "a.b"}]},
            "can't use the media of the specified type in the album",
        ),
        ("sendPoll", {"options": ["a"]}, "text must be non-empty"),
        ("sendPoll", {"question": " ", "options": ["a"]}, "text must be non-empty"),
        (
            "sendPoll",
            {"question": "?", "options": []},
            "poll must have at least one answer option",
        ),
        (
            "sendPoll",
            {"question": "?", "options": ["a"], "type": "survey"},
            "unsupported poll type specified",
        ),
        (
            "sendPoll",
            {"question": "?", "options": ["a"] * 13},
            "poll can't have more than 12 options",
        ),
        ("sendPoll", {"question": "?", "options": ["a", ""]}, "text must be non-empty"),
        ("sendDice", {"emoji": "🧀"}, "DICE_EMOJI_INVALID"),
        (
            "deleteMessages",
            {"message_ids": list(range(1, 102))},
            "too many message identifiers specified",
        ),
    ],
)
async def test_content_that_is_refused(
    api: Any, chat: int, method: str, params: dict[str, object], says: str
) -> None:
    assert await api.refused(method, chat_id=chat, **params) == f"400 Bad Request: {says}"


async def test_a_file_that_is_not_known(api: Any) -> None:
    assert await api.refused("getFile", file_id="AgAC") == "400 Bad Request: invalid file_id"
    assert await api.refused("getFile") == "400 Bad Request: file_id not specified"


async def test_a_poll_closed_twice(api: Any, chat: int) -> None:
    sent = await api.ok("sendPoll", chat_id=chat, question="?", options=["a", "b"])
    call = {"chat_id": chat, "message_id": sent["message_id"]}
    await api.ok("stopPoll", **call)
    assert await api.refused("stopPoll", **call) == (
        "400 Bad Request: poll has already been closed"
    )


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ({"command": "Über", "description": "x"}, "BOT_COMMAND_INVALID"),
        ({"command": "ok", "description": ""}, "BOT_COMMAND_DESCRIPTION_INVALID"),
    ],
)
async def test_commands(api: Any, command: dict[str, str], says: str) -> None:
    answer = await api.refused("setMyCommands", commands=[command])
    assert answer == f"400 Bad Request: {says}"


# -- members ---------------------------------------------------------------------------------------


async def test_managing_members_without_the_right(api: Any) -> None:
    await api.person(text="hi", chat_id=-1_000_000_000_005, user_id=1)
    call = {"chat_id": -1_000_000_000_005, "user_id": 1}
    assert await api.refused("banChatMember", **call) == (
        "400 Bad Request: not enough rights to restrict/unrestrict chat member"
    )
    assert await api.refused("getChatMember", chat_id=-1_000_000_000_005, user_id=77) == (
        "400 Bad Request: PARTICIPANT_ID_INVALID"
    )
    assert await api.refused("getChatMember", chat_id=-1_000_000_000_005, user_id=0) == (
        "400 Bad Request: invalid user_id specified"
    )


async def test_administrators_of_a_private_chat(api: Any, chat: int) -> None:
    assert await api.refused("getChatAdministrators", chat_id=chat) == (
        "400 Bad Request: there are no administrators in the private chat"
    )


@pytest.mark.parametrize("url", ["localhost:3000", "http://localhost/x", "javascript://a.b"])
async def test_a_button_with_a_link_to_nowhere(api: Any, chat: int, url: str) -> None:
    answer = await api.refused(
        "sendMessage", chat_id=chat, text="x", reply_markup=keyboard(url=url)
    )
    says = f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL"
    assert answer == f"400 Bad Request: {says}"
