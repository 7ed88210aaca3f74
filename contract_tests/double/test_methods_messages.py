"""Methods that keep state: messages, edits, copies, pins, polls, queries, chats, the bot itself."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

SUPERGROUP = -1_000_000_000_005


def keyboard(data: str = "go") -> dict[str, object]:
    return {"inline_keyboard": [[{"text": "Go", "callback_data": data}]]}


# -- messages --------------------------------------------------------------------------------------


async def test_a_message_and_what_it_carries(api: Any, chat: int) -> None:
    sent = await api.ok(
        "sendMessage",
        chat_id=chat,
        text="see https://example.com",
        reply_markup=keyboard(),
        protect_content=True,
    )
    assert sent["message_id"] == 2
    assert sent["from"]["id"] == 123456
    assert sent["chat"] == {"id": 1, "type": "private", "first_name": "Ann", "username": "ann"}
    assert sent["entities"] == [{"type": "url", "offset": 4, "length": 19}]
    assert sent["reply_markup"] == keyboard()
    assert sent["has_protected_content"] is True


async def test_a_reply_shows_what_it_answers(api: Any, chat: int) -> None:
    asked = await api.person(text="how much?", chat_id=chat)
    for reply in (
        {"reply_parameters": {"message_id": asked["message_id"]}},
        {"reply_to_message_id": asked["message_id"]},
    ):
        sent = await api.ok("sendMessage", chat_id=chat, text="42", **reply)
        assert sent["reply_to_message"]["text"] == "how much?"
    lost = {"message_id": 999, "allow_sending_without_reply": True}
    sent = await api.ok("sendMessage", chat_id=chat, text="42", reply_parameters=lost)
    assert "reply_to_message" not in sent


async def test_an_edit_changes_the_message_in_its_chat(api: Any, chat: int) -> None:
    sent = await api.ok("sendMessage", chat_id=chat, text="wait", reply_markup=keyboard())
    edited = await api.ok(
        "editMessageText",
        chat_id=chat,
        message_id=sent["message_id"],
        text="*done*",
        parse_mode="MarkdownV2",
    )
    assert edited["text"] == "done"
    assert edited["edit_date"] >= sent["date"]
    assert "reply_markup" not in edited
    assert (await api.chat())["messages"][-1] == edited
    again = await api.ok(
        "editMessageReplyMarkup",
        chat_id=chat,
        message_id=sent["message_id"],
        reply_markup=keyboard("x"),
    )
    assert again["reply_markup"] == keyboard("x")
    assert again["text"] == "done"


async def test_a_deleted_message_is_gone(api: Any, chat: int) -> None:
    sent = await api.ok("sendMessage", chat_id=chat, text="x")
    assert await api.ok("deleteMessage", chat_id=chat, message_id=sent["message_id"]) is True
    assert len((await api.chat())["messages"]) == 1
    others = [(await api.ok("sendMessage", chat_id=chat, text=t))["message_id"] for t in "ab"]
    assert await api.ok("deleteMessages", chat_id=chat, message_ids=[*others, 999]) is True
    assert len((await api.chat())["messages"]) == 1


async def test_forwards_tell_their_origin_and_copies_do_not(api: Any, chat: int) -> None:
    theirs = await api.person(text="original", chat_id=chat)
    await api.person(text="hi", chat_id=2)
    call = {"chat_id": 2, "from_chat_id": chat, "message_id": theirs["message_id"]}
    forwarded = await api.ok("forwardMessage", **call)
    assert forwarded["text"] == "original"
    assert forwarded["forward_origin"]["type"] == "user"
    assert forwarded["forward_origin"]["sender_user"]["first_name"] == "Ann"
    copied = await api.ok("copyMessage", **call)
    assert set(copied) == {"message_id"}
    last = (await api.chat(2))["messages"][-1]
    assert (last["text"], "forward_origin" in last) == ("original", False)
    several = {**call, "message_ids": [theirs["message_id"], 999]}
    assert len(await api.ok("forwardMessages", **several)) == 1
    assert len(await api.ok("copyMessages", **several)) == 1


async def test_copies_of_polls_dice_and_captions(api: Any, chat: int) -> None:
    poll = await api.ok("sendPoll", chat_id=chat, question="?", options=["a"])
    await api.person(vote={"poll_id": poll["poll"]["id"], "options": [0]}, user_id=1)
    dice = await api.ok("sendDice", chat_id=chat)
    document = "https://example.com/report.pdf"
    report = await api.ok("sendDocument", chat_id=chat, document=document, caption="Q3")
    sent = [message["message_id"] for message in (poll, dice, report)]
    call = {"chat_id": chat, "from_chat_id": chat, "message_ids": sent}
    await api.ok("copyMessages", **call, remove_caption=True)
    new_poll, new_dice, new_report = (await api.chat())["messages"][-3:]
    assert new_poll["poll"]["id"] != poll["poll"]["id"]
    assert [option["voter_count"] for option in new_poll["poll"]["options"]] == [0]
    assert 1 <= new_dice["dice"]["value"] <= 6
    assert ("caption" in report, "caption" in new_report) == (True, False)


async def test_places_people_and_dice(api: Any, chat: int) -> None:
    place = {"latitude": 1.25, "longitude": 103.75}
    assert (await api.ok("sendLocation", chat_id=chat, **place))["location"] == place
    venue = await api.ok("sendVenue", chat_id=chat, **place, title="T", address="A")
    assert venue["venue"] == {"location": place, "title": "T", "address": "A"}
    contact = {"phone_number": "+65", "first_name": "Bo"}
    assert (await api.ok("sendContact", chat_id=chat, **contact))["contact"] == contact
    values = {(await api.ok("sendDice", chat_id=chat))["dice"]["value"] for _ in range(40)}
    assert values <= set(range(1, 7))
    assert len(values) > 1


async def test_a_live_location_moves_and_stops(api: Any, chat: int) -> None:
    place = {"latitude": 1.25, "longitude": 103.75}
    sent = await api.ok("sendLocation", chat_id=chat, **place, live_period=600)
    call = {"chat_id": chat, "message_id": sent["message_id"]}
    moved = await api.ok("editMessageLiveLocation", **call, latitude=2.0, longitude=104.0)
    assert moved["location"] == {"latitude": 2.0, "longitude": 104.0, "live_period": 600}
    stopped = await api.ok("stopMessageLiveLocation", **call)
    assert stopped["location"] == {"latitude": 2.0, "longitude": 104.0}


async def test_a_chat_action_is_seen_for_five_seconds(api: Any, chat: int) -> None:
    await api.ok("sendChatAction", chat_id=chat, action="typing")
    assert (await api.chat())["action"] == "typing"
    await api.advance(6)
    assert (await api.chat())["action"] is None


async def test_pins(api: Any) -> None:
    await api.person(text="hi", chat_id=SUPERGROUP, user_id=1)
    rights = {"status": "administrator", "can_pin_messages": True}
    await api.control("POST", f"bots/{api.token}/chats", {"id": SUPERGROUP, "bot": rights})
    sent = await api.ok("sendMessage", chat_id=SUPERGROUP, text="pin me")
    call = {"chat_id": SUPERGROUP, "message_id": sent["message_id"]}
    assert await api.ok("pinChatMessage", **call) is True
    full = await api.ok("getChat", chat_id=SUPERGROUP)
    assert full["pinned_message"]["message_id"] == sent["message_id"]
    service = (await api.chat(SUPERGROUP))["messages"][-1]
    assert service["pinned_message"]["message_id"] == sent["message_id"]
    assert await api.ok("unpinChatMessage", **call) is True
    assert "pinned_message" not in await api.ok("getChat", chat_id=SUPERGROUP)


async def test_message_ids_are_the_bots_own_but_in_supergroups(api: Any, chat: int) -> None:
    await api.person(text="hi", chat_id=2)
    await api.person(text="hi", chat_id=SUPERGROUP, user_id=1)
    first = await api.ok("sendMessage", chat_id=chat, text="x")
    second = await api.ok("sendMessage", chat_id=2, text="x")
    third = await api.ok("sendMessage", chat_id=SUPERGROUP, text="x")
    assert [m["message_id"] for m in (first, second, third)] == [3, 4, 2]


# -- polls -----------------------------------------------------------------------------------------


async def test_a_poll_is_voted_on_and_closed(api: Any, chat: int) -> None:
    sent = await api.ok(
        "sendPoll",
        chat_id=chat,
        question="Up?",
        options=["yes", {"text": "no"}],
        is_anonymous=False,
    )
    poll = sent["poll"]["id"]
    await api.person(vote={"poll_id": poll, "options": [1]}, user_id=1)
    updates = await api.ok("getUpdates")
    assert [k for u in updates for k in u if k != "update_id"] == ["message", "poll", "poll_answer"]
    assert updates[1]["poll"]["options"][1]["voter_count"] == 1
    assert updates[2]["poll_answer"]["option_ids"] == [1]
    final = await api.ok("stopPoll", chat_id=chat, message_id=sent["message_id"])
    assert (final["is_closed"], final["total_voter_count"]) == (True, 1)


async def test_questions_and_options_keep_no_marks_but_custom_emoji(api: Any, chat: int) -> None:
    emoji = {"type": "custom_emoji", "offset": 0, "length": 2, "custom_emoji_id": "5"}
    bold = {"type": "bold", "offset": 0, "length": 2}
    sent = await api.ok(
        "sendPoll",
        chat_id=chat,
        question="<b>https://example.com</b>",
        question_parse_mode="HTML",
        options=[{"text": "🍕 or not", "text_entities": [emoji, bold]}],
    )
    poll = sent["poll"]
    assert (poll["question"], "question_entities" in poll) == ("https://example.com", False)
    assert poll["options"][0]["text_entities"] == [emoji]


# -- buttons and inline queries --------------------------------------------------------------------


async def test_a_tap_and_its_answer(api: Any, chat: int) -> None:
    sent = await api.ok("sendMessage", chat_id=chat, text="x", reply_markup=keyboard("buy"))
    made = await api.person(tap={"message_id": sent["message_id"], "text": "Go"}, chat_id=chat)
    query = (await api.ok("getUpdates"))[-1]["callback_query"]
    assert (query["id"], query["data"]) == (made["callback_query_id"], "buy")
    assert query["message"]["message_id"] == sent["message_id"]
    answer = {"callback_query_id": query["id"], "text": "bought", "show_alert": True}
    assert await api.ok("answerCallbackQuery", **answer) is True
    seen = await api.control("GET", f"bots/{api.token}/queries/{query['id']}")
    assert (seen["answer"]["text"], seen["answer"]["show_alert"]) == ("bought", True)


async def test_a_reply_keyboard_sends_its_text(api: Any, chat: int) -> None:
    markup = {"keyboard": [["/price btc", {"text": "/help"}]], "resize_keyboard": True}
    await api.ok("sendMessage", chat_id=chat, text="choose", reply_markup=markup)
    assert (await api.chat())["keyboard"]["keyboard"][0][1] == {"text": "/help"}
    await api.person(tap={"text": "/price btc"}, chat_id=chat)
    assert (await api.ok("getUpdates"))[-1]["message"]["text"] == "/price btc"
    once = {"keyboard": [["yes"]], "one_time_keyboard": True}
    await api.ok("sendMessage", chat_id=chat, text="sure?", reply_markup=once)
    await api.person(tap={"text": "yes"}, chat_id=chat)
    assert (await api.chat())["keyboard"] is None
    await api.ok("sendMessage", chat_id=chat, text="choose", reply_markup=markup)
    gone = {"remove_keyboard": True}
    await api.ok("sendMessage", chat_id=chat, text="ok", reply_markup=gone)
    assert (await api.chat())["keyboard"] is None


async def test_an_inline_query_is_answered_chosen_and_edited(api: Any) -> None:
    query = (await api.person(inline_query="btc", user_id=1))["inline_query_id"]
    result = {
        "type": "article",
        "id": "r1",
        "title": "BTC",
        "input_message_content": {"message_text": "BTC is up"},
        "reply_markup": keyboard(),
    }
    assert await api.ok("answerInlineQuery", inline_query_id=query, results=[result]) is True
    choice = {"inline_query_id": query, "result_id": "r1"}
    made = await api.person(choose=choice, user_id=1)
    chosen = (await api.ok("getUpdates"))[-1]["chosen_inline_result"]
    assert chosen["inline_message_id"] == made["inline_message_id"]
    tap = {"inline_message_id": made["inline_message_id"], "text": "Go"}
    await api.person(tap=tap, user_id=1)
    query = (await api.ok("getUpdates", offset=-9))[-1]["callback_query"]
    assert (query["inline_message_id"], query["data"]) == (made["inline_message_id"], "go")
    edit = {"inline_message_id": made["inline_message_id"], "text": "BTC is down"}
    assert await api.ok("editMessageText", **edit) is True


async def test_a_written_out_callback_takes_the_id_of_its_message(api: Any) -> None:
    """What somebody says next must not take the place of the message that holds the button."""
    me = await api.ok("getMe")
    room = {"id": -1_000_000_000_077, "type": "supergroup", "title": "Room"}
    held = {"message_id": 1, "date": 1, "chat": room, "from": me, "text": "buttons"}
    ann = {"id": 1, "is_bot": False, "first_name": "Ann"}
    query = {"from": ann, "message": held, "chat_instance": "1", "data": "go"}
    await api.person(update={"callback_query": query})
    said = await api.person(text="hello", chat_id=room["id"], user_id=1)
    assert said["message_id"] == 2
    edited = await api.ok("editMessageText", chat_id=room["id"], message_id=1, text="gone")
    assert edited["text"] == "gone"


async def test_the_message_of_a_written_out_callback_without_an_id_is_the_bots(api: Any) -> None:
    me = await api.ok("getMe")
    room = {"id": -1_000_000_000_078, "type": "supergroup", "title": "Room"}
    ann = {"id": 1, "is_bot": False, "first_name": "Ann"}
    held = {"chat": room, "text": "buttons"}
    for _ in range(2):
        query = {"from": ann, "message": dict(held), "chat_instance": "1", "data": "go"}
        await api.person(update={"callback_query": query})
    first, second = (
        each["callback_query"]["message"] for each in (await api.ok("getUpdates"))[-2:]
    )
    assert first["from"]["id"] == me["id"]
    assert first["message_id"] != second["message_id"]
    where = {"chat_id": room["id"], "message_id": first["message_id"]}
    assert (await api.ok("editMessageText", **where, text="gone"))["text"] == "gone"


# -- the person's side -----------------------------------------------------------------------------


async def test_a_person_edits_reacts_and_sends_places(api: Any, chat: int) -> None:
    said = await api.person(text="bct", chat_id=chat)
    await api.person(edit={"message_id": said["message_id"], "text": "/btc"}, chat_id=chat)
    await api.person(content={"location": {"latitude": 1.0, "longitude": 2.0}}, chat_id=chat)
    updates = (await api.ok("getUpdates"))[-2:]
    assert updates[0]["edited_message"]["text"] == "/btc"
    assert updates[0]["edited_message"]["entities"][0]["type"] == "bot_command"
    assert updates[1]["message"]["location"] == {"latitude": 1.0, "longitude": 2.0}


async def test_an_update_as_it_is_fills_in_what_is_open(api: Any) -> None:
    user = {"id": 3, "is_bot": False, "first_name": "Eve"}
    message = {"chat": {"id": 3, "type": "private"}, "from": user, "text": "/start now"}
    made = await api.person(update={"message": message})
    (update,) = await api.ok("getUpdates")
    assert update["update_id"] == made["update_id"]
    got = update["message"]
    assert got["message_id"] == made["message_id"] == 1
    assert got["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    assert got["date"] > 1_700_000_000


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ({}, "an action has exactly one of update, text"),
        ({"text": "x", "tap": {}}, "here: text, tap"),
        ({"text": "x"}, '"user_id" says who acts'),
        ({"text": " ", "chat_id": 1}, '"text" is empty'),
        ({"update": {}}, "exactly one field besides update_id, here: none"),
        ({"update": {"message": 5}}, 'the field "message" of an update must be an object'),
        ({"edit": {"message_id": 9, "text": "x"}, "chat_id": 1}, "there is no message 9 in chat 1"),
        ({"tap": {"text": "Buy"}, "chat_id": 1}, "there is no such button; there are: none"),
        ({"tap": {"message_id": 9}, "chat_id": 1}, "there is no message 9 in chat 1"),
        ({"upgrade": True, "chat_id": 1}, "chat 1 is no group that could become a supergroup"),
    ],
)
async def test_actions_that_make_no_sense(api: Any, action: dict[str, object], says: str) -> None:
    url = f"{api.url}/_double/bots/{api.token}/updates"
    async with api.http.post(url, json=action) as response:
        assert response.status == 400
        assert says in (await response.json())["description"]


async def test_the_control_interface_says_what_is_wrong(api: Any) -> None:
    for verb, path, status, says in (
        ("GET", "nonsense", 404, "no /_double/nonsense; below /_double there are health, trans"),
        ("PUT", "faults", 404, "/_double/faults takes POST and GET and DELETE, not PUT"),
        ("POST", "clock", 400, '"advance" must be a number'),
        ("GET", f"bots/{api.token}/chats/77/messages", 404, "has no chat 77"),
        ("GET", "transcript?after=x", 400, '"after" must be a number'),
        ("GET", "bots/nonsense/chats", 401, "Unauthorized"),
    ):
        async with api.http.request(verb, f"{api.url}/_double/{path}") as response:
            assert response.status == status
            assert says in (await response.json())["description"]
