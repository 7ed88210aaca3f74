"""Topics of forums: made, written in, renamed, closed, opened, deleted, as Telegram does."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

FORUM = -1_000_000_000_042
Json = dict[str, Any]


@pytest.fixture
async def forum(api: Any) -> int:
    """A forum in which the bot is an administrator of topics."""
    await rights(api, {"status": "administrator", "can_manage_topics": True})
    return FORUM


async def rights(api: Any, own: Json) -> None:
    described = {"id": FORUM, "type": "supergroup", "is_forum": True, "title": "Traders"}
    await api.control("POST", f"bots/{api.token}/chats", {**described, "bot": own})


async def topic(api: Any, name: str = "Signals") -> int:
    made = await api.ok("createForumTopic", chat_id=FORUM, name=name)
    number: int = made["message_thread_id"]
    return number


async def services(api: Any) -> list[Json]:
    """The service messages of which the bot was told."""
    updates = [event["update"] for event in await api.events("inject")]
    messages = [update["message"] for update in updates if "message" in update]
    return [m for m in messages if any("forum_topic" in name for name in m)]


async def test_a_topic_is_made_and_told_of(api: Any, forum: int) -> None:
    made = await api.ok("createForumTopic", chat_id=forum, name=" Signals ", icon_color=7322096)
    number = made["message_thread_id"]
    described = {"name": "Signals", "icon_color": 7322096}
    assert made == {"message_thread_id": number, **described}
    (told,) = await services(api)
    assert (told["message_id"], told["message_thread_id"]) == (number, number)
    assert told["is_topic_message"] is True
    assert told["forum_topic_created"] == described


async def test_messages_in_a_topic_carry_it(api: Any, forum: int) -> None:
    number = await topic(api)
    sent = await api.ok("sendMessage", chat_id=forum, text="up", message_thread_id=number)
    assert (sent["message_thread_id"], sent["is_topic_message"]) == (number, True)
    assert sent["reply_to_message"]["forum_topic_created"]["name"] == "Signals"
    answer = {"message_id": sent["message_id"]}
    again = await api.ok(
        "sendMessage",
        chat_id=forum,
        text="more",
        message_thread_id=number,
        reply_parameters=answer,
    )
    assert again["reply_to_message"]["text"] == "up"
    there = await api.ok("sendMessage", chat_id=forum, text="too", reply_parameters=answer)
    assert (there["message_thread_id"], there["is_topic_message"]) == (number, True)
    outside = await api.ok("sendMessage", chat_id=forum, text="all")
    assert "message_thread_id" not in outside


async def test_people_write_in_topics_and_make_them(api: Any, forum: int) -> None:
    made = await api.person(topic="Ideas", chat_id=forum, user_id=7)
    number = made["message_thread_id"]
    await api.person(text="what if", chat_id=forum, user_id=7, message_thread_id=number)
    chat = await api.chat(forum)
    assert chat["topics"] == {str(number): {"name": "Ideas", "is_closed": False}}
    last = chat["messages"][-1]
    assert (last["text"], last["message_thread_id"]) == ("what if", number)
    answered = await api.ok("sendMessage", chat_id=forum, text="then", message_thread_id=number)
    await api.person(
        text="ok", chat_id=forum, user_id=7, reply_to_message_id=answered["message_id"]
    )
    assert (await api.chat(forum))["messages"][-1]["message_thread_id"] == number


async def test_a_topic_of_a_message_written_out_is_learned(api: Any, forum: int) -> None:
    message = {"chat": {"id": forum}, "from": {"id": 7}, "text": "hi"}
    in_topic = {**message, "message_thread_id": 900, "is_topic_message": True}
    await api.person(update={"message": in_topic})
    sent = await api.ok("sendMessage", chat_id=forum, text="hi", message_thread_id=900)
    assert sent["message_thread_id"] == 900


async def test_a_topic_is_renamed_closed_and_opened(api: Any, forum: int) -> None:
    call = {"chat_id": forum, "message_thread_id": await topic(api)}
    await api.ok("editForumTopic", **call, name="Alerts")
    await api.ok("editForumTopic", **call)
    await api.ok("closeForumTopic", **call)
    assert (await api.chat(forum))["topics"] == {
        str(call["message_thread_id"]): {"name": "Alerts", "is_closed": True}
    }
    await api.ok("reopenForumTopic", **call)
    told = [name for m in await services(api) for name in m if name.startswith("forum_topic")]
    assert told == [
        "forum_topic_created",
        "forum_topic_edited",
        "forum_topic_closed",
        "forum_topic_reopened",
    ]


async def test_a_deleted_topic_takes_its_messages_along(api: Any, forum: int) -> None:
    number, other = await topic(api), await topic(api, "Other")
    for thread in (number, other):
        await api.ok("sendMessage", chat_id=forum, text=f"in {thread}", message_thread_id=thread)
    await api.ok("deleteForumTopic", chat_id=forum, message_thread_id=number)
    left = [m.get("text") for m in (await api.chat(forum))["messages"]]
    assert left == [None, f"in {other}"]


async def test_pins_of_a_topic_are_taken_off_alone(api: Any, forum: int) -> None:
    may = {"can_manage_topics": True, "can_pin_messages": True}
    await rights(api, {"status": "administrator", **may})
    number = await topic(api)
    pinned = []
    for where in ({"message_thread_id": number}, {}):
        sent = await api.ok("sendMessage", chat_id=forum, text="x", **where)
        await api.ok("pinChatMessage", chat_id=forum, message_id=sent["message_id"])
        pinned.append(sent["message_id"])
    await api.ok("unpinAllForumTopicMessages", chat_id=forum, message_thread_id=number)
    assert (await api.chat(forum))["pinned_message_ids"] == pinned[1:]
    await api.ok("unpinAllGeneralForumTopicMessages", chat_id=forum)
    assert (await api.chat(forum))["pinned_message_ids"] == []


async def test_the_general_topic(api: Any, forum: int) -> None:
    await api.ok("editGeneralForumTopic", chat_id=forum, name="Hall")
    await api.ok("closeGeneralForumTopic", chat_id=forum)
    says = "400 Bad Request: TOPIC_NOT_MODIFIED"
    assert await api.refused("closeGeneralForumTopic", chat_id=forum) == says
    await rights(api, {"status": "member"})
    assert await api.refused("sendMessage", chat_id=forum, text="x") == (
        "400 Bad Request: TOPIC_CLOSED"
    )
    await rights(api, {"status": "administrator", "can_manage_topics": True})
    await api.ok("sendMessage", chat_id=forum, text="x")
    await api.ok("reopenGeneralForumTopic", chat_id=forum)
    await api.ok("hideGeneralForumTopic", chat_id=forum)
    await api.ok("unhideGeneralForumTopic", chat_id=forum)


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("chat_id", [1, FORUM])
@pytest.mark.usefixtures("forum")
async def test_a_thread_that_is_not_there(api: Any, chat_id: int) -> None:
    await api.person(text="/start", chat_id=1)
    call = {"chat_id": chat_id, "text": "x", "message_thread_id": 12}
    assert await api.refused("sendMessage", **call) == ("400 Bad Request: message thread not found")
    # Neither is any message of the chat a thread.
    call["message_thread_id"] = 1
    assert await api.refused("sendMessage", **call) == ("400 Bad Request: message thread not found")


@pytest.mark.parametrize(
    ("method", "params", "says"),
    [
        ("createForumTopic", {}, "title must be non-empty"),
        ("createForumTopic", {"name": " "}, "title must be non-empty"),
        ("createForumTopic", {"name": "x", "icon_color": -1}, "invalid icon color specified"),
        ("closeForumTopic", {}, "invalid message thread identifier specified"),
        ("closeForumTopic", {"message_thread_id": 77}, "TOPIC_ID_INVALID"),
        ("deleteForumTopic", {"message_thread_id": 77}, "TOPIC_ID_INVALID"),
    ],
)
async def test_topics_that_make_no_sense(
    api: Any, forum: int, method: str, params: Json, says: str
) -> None:
    assert await api.refused(method, chat_id=forum, **params) == f"400 Bad Request: {says}"


async def test_what_changes_nothing_is_refused(api: Any, forum: int) -> None:
    call = {"chat_id": forum, "message_thread_id": await topic(api)}
    says = "400 Bad Request: TOPIC_NOT_MODIFIED"
    assert await api.refused("reopenForumTopic", **call) == says
    assert await api.refused("editForumTopic", **call, name="Signals") == says


async def test_a_group_that_is_no_forum(api: Any) -> None:
    await api.person(text="hi", chat_id=-1_000_000_000_001, user_id=1)
    answer = await api.refused("createForumTopic", chat_id=-1_000_000_000_001, name="x")
    assert answer == "400 Bad Request: the chat is not a forum"


async def test_topics_without_the_right(api: Any, forum: int) -> None:
    own = await topic(api, "Own")
    made = await api.person(topic="Theirs", chat_id=forum, user_id=7)
    theirs = {"chat_id": forum, "message_thread_id": made["message_thread_id"]}
    await api.ok("closeForumTopic", **theirs)
    await rights(api, {"status": "member"})
    refused = [
        await api.refused("createForumTopic", chat_id=forum, name="x"),
        await api.refused("editForumTopic", **theirs, name="x"),
        await api.refused("deleteForumTopic", **theirs),
        await api.refused("sendMessage", **theirs, text="x"),
    ]
    assert refused == [
        "400 Bad Request: not enough rights to create a topic",
        "400 Bad Request: not enough rights to edit the topic",
        "400 Bad Request: not enough rights to delete the topic",
        "400 Bad Request: TOPIC_CLOSED",
    ]
    # What it made itself is its own.
    await api.ok("closeForumTopic", chat_id=forum, message_thread_id=own)
    await api.ok("sendMessage", chat_id=forum, message_thread_id=own, text="x")
    await api.ok("deleteForumTopic", chat_id=forum, message_thread_id=own)


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ({"topic": "x", "chat_id": -1_000_000_000_001}, "no forum"),
        ({"text": "x", "chat_id": FORUM, "message_thread_id": 5}, "has no topic 5"),
    ],
)
@pytest.mark.usefixtures("forum")
async def test_people_are_told_what_is_wrong(api: Any, action: Json, says: str) -> None:
    url = f"{api.url}/_double/bots/{api.token}/updates"
    async with api.http.post(url, json={"user_id": 7, **action}) as response:
        assert response.status == 400
        assert says in (await response.json())["description"]


async def test_direct_messages_of_a_channel_name_whose_they_are(api: Any) -> None:
    """Source: `MessageTopic::get_send_message_topic` of td."""
    described = {"id": FORUM, "type": "supergroup", "is_direct_messages": True, "title": "News"}
    await api.control("POST", f"bots/{api.token}/chats", described)
    refused = await api.refused("sendMessage", chat_id=FORUM, text="hi")
    assert refused == "400 Bad Request: channel direct messages topic must be specified"
    sent = await api.ok("sendMessage", chat_id=FORUM, text="hi", direct_messages_topic_id=7)
    assert sent["direct_messages_topic"] == {"topic_id": 7}
