"""The person's side: what people do in a chat with a bot, told as JSON, told to the bot as updates.

One action is one JSON object. It says who (`user_id`, `first_name`, `last_name`, `username`,
`language_code`), where (`chat_id`; for a group also `chat_type`, `title`, `chat_username`), and has
one of the keys of `ACTIONS`; in a forum (`is_forum`), `message_thread_id` says in which topic:

- `update` {…}                        an update as it is, without `update_id`
- `text` "…"                          a text or command; `reply_to_message_id`
- `content` {"location": {…}}         any other content of a message, as a Message carries it
- `media` {"kind", "data" (base64), "file_name"}   a photo, document, voice …; `caption`
- `edit` {"message_id", "text" | "caption"}        an edit of the person's own message
- `delete` {"message_id"}             the person deletes a message (bots are not told)
- `tap` {"message_id" | "inline_message_id", "data" | "text"}   a button of any keyboard
- `inline_query` "…", `choose` {"inline_query_id", "result_id"}
- `vote` {"poll_id", "options": [0]}  `react` {"message_id", "reaction": ["👍"]}
- `topic` "…"                         a new topic of a forum, made by the person
- `join`, `leave`, `join_request`     true: the person, in a group
- `upgrade`                           true: the person turns a group into a supergroup
- `add_bot`, `remove_bot`, `block`, `unblock`      true: what becomes of the bot; `rights` {…}

The answer tells `update_id` (null when the bot did not allow such updates), `message_id`, and what
else the action made (`callback_query_id`, `inline_query_id`, `url`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, cast

from botproof.doubles.telegram import doors
from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.entities import parse
from botproof.doubles.telegram.methods import threads
from botproof.doubles.telegram.methods.chats import change_member, member_of
from botproof.doubles.telegram.methods.media import media_content
from botproof.doubles.telegram.methods.polls import vote as cast_vote
from botproof.doubles.telegram.methods.topics import create as create_topic
from botproof.doubles.telegram.replies import ControlError, Refusal
from botproof.doubles.telegram.schema import complete, complete_member
from botproof.doubles.telegram.spec import Upload
from botproof.doubles.telegram.updates import KINDS, kind_of
from botproof.doubles.telegram.world import SUPERGROUPS_BELOW, Chat, Json, chat_kind

__all__ = ["ACTIONS", "act", "describe_chat", "ensure_chat"]

_MESSAGES = {
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_message",
    "edited_business_message",
}
_QUERIES = {
    "callback_query": "CallbackQuery",
    "inline_query": "InlineQuery",
    "shipping_query": "ShippingQuery",
    "pre_checkout_query": "PreCheckoutQuery",
}


def act(turn: Turn, action: Mapping[str, object]) -> Json:
    """Do what `action` says; what it made. ControlError says what is wrong with it."""
    names = [name for name in ACTIONS if name in action]
    if len(names) != 1:
        found = ", ".join(names) or "none"
        raise ControlError(f"an action has exactly one of {', '.join(ACTIONS)}; here: {found}")
    try:
        made = ACTIONS[names[0]](turn, cast("Json", action))
    except (KeyError, TypeError, AttributeError) as error:
        raise ControlError(f"cannot read the action {names[0]!r}: {error!r}") from None
    except Refusal as refusal:
        raise ControlError(refusal.description) from None
    return {"update_id": None, "message_id": None, **made}


# -- who and where -------------------------------------------------------------------------------


def _user(turn: Turn, action: Json) -> Json:
    chat_id = action.get("chat_id", 0)
    number = action.get("user_id") or (max(0, chat_id))
    if not isinstance(number, int) or number <= 0:
        raise ControlError('"user_id" says who acts; it is missing, and "chat_id" is no person')
    names = ("first_name", "last_name", "username", "language_code", "is_premium")
    given = {name: action[name] for name in names if action.get(name) is not None}
    known = turn.bot.users.get(number)
    if known is not None and not given:
        return known
    default: Json = {"id": number, "is_bot": False, "first_name": f"User {number}"}
    user = {**default, **(known or {"language_code": "en"}), **given}
    turn.bot.users[number] = user
    return user


def _chat(turn: Turn, action: Json, user: Json) -> Chat:
    chat_id = action.get("chat_id") or user["id"]
    if not isinstance(chat_id, int):
        raise ControlError(f'"chat_id" must be a number; it is {chat_id!r}')
    info: Json = {"id": chat_id}
    if chat_id > 0:
        person = user if user["id"] == chat_id else turn.bot.users.get(chat_id, {})
        info.update({k: person[k] for k in ("first_name", "last_name", "username") if k in person})
    else:
        given = {"title": "title", "username": "chat_username", "is_forum": "is_forum"}
        info.update({name: action[key] for name, key in given.items() if key in action})
    info["type"] = action.get("chat_type", chat_kind(chat_id))
    chat = ensure_chat(turn, info)
    if chat.kind in {"group", "supergroup"}:
        chat.members.setdefault(user["id"], {"user": user, "status": "member"})
    return chat


def ensure_chat(turn: Turn, info: Json) -> Chat:
    """The chat that `info` describes, made or renewed; the bot is a member of a new group."""
    bot, chat_id = turn.bot, info["id"]
    chat = bot.chats.get(chat_id)
    if chat is None:
        full = {"id": chat_id, "type": info.get("type", chat_kind(chat_id)), **info}
        if full["type"] != "private":
            full.setdefault("title", f"Chat {chat_id}")
        chat = bot.chats[chat_id] = Chat(full)
        if chat.kind != "private":
            chat.members[bot.id] = complete_member({"user": bot.sender, **_AS_NEW[chat.kind]})
    elif any(chat.info.get(key) != value for key, value in info.items()):
        chat.info = {**chat.info, **info}
    if "username" in chat.info:
        bot.usernames[chat.info["username"].lower()] = chat_id
    return chat


_AS_NEW: Mapping[str, Json] = {
    "channel": {
        "status": "administrator",
        "can_manage_chat": True,
        "can_post_messages": True,
        "can_edit_messages": True,
        "can_delete_messages": True,
    },
    "group": {"status": "member"},
    "supergroup": {"status": "member"},
}


def describe_chat(turn: Turn, described: Mapping[str, object]) -> Json:
    """Make or change a chat: `id`, `type`, `title` …, `members`, what the `bot` may do in it."""
    given = cast("Json", dict(described))
    members, rights = given.pop("members", []), given.pop("bot", None)
    if not isinstance(given.get("id"), int) or given["id"] == 0:
        raise ControlError('"id" must be a number other than 0')
    chat = ensure_chat(turn, given)
    for member in members:
        user: Json = {"is_bot": False, "first_name": f"User {member['user']['id']}"}
        user |= member["user"]
        turn.bot.users[user["id"]] = user
        chat.members[user["id"]] = complete_member({"status": "member", **member, "user": user})
    if rights is not None:
        own = {"status": "member", **rights, "user": turn.bot.sender}
        chat.members[turn.bot.id] = complete_member(own)
    return {"chat": chat.info, "members": list(chat.members.values())}


def _here(turn: Turn, action: Json) -> tuple[Json, Chat]:
    user = _user(turn, action)
    return user, _chat(turn, action, user)


# -- messages ------------------------------------------------------------------------------------


def _message(turn: Turn, chat: Chat, user: Json, action: Json, content: Json) -> Json:
    if chat.migrated_to is not None:
        raise ControlError(f"chat {chat.id} has become the supergroup {chat.migrated_to}")
    message: Json = {"message_id": turn.bot.new_message_id(chat)}
    if chat.kind == "channel":
        message["sender_chat"] = chat.info
    else:
        message["from"] = user
    message |= {"chat": chat.info, "date": turn.date}
    replied = chat.messages.get(action.get("reply_to_message_id", 0))
    message |= _thread(chat, action.get("message_thread_id") or (replied or {}).get(_THREAD, 0))
    if replied is not None:
        message["reply_to_message"] = {k: v for k, v in replied.items() if k not in _NESTED}
    message |= content
    chat.blocked = False
    return _tell(turn, chat, "channel_post" if chat.kind == "channel" else "message", message)


_NESTED = frozenset({"reply_to_message", "pinned_message"})
_THREAD = "message_thread_id"


def _thread(chat: Chat, number: int) -> Json:
    """The fields of a message in a topic, which is open to people; none outside of topics."""
    if not number:
        return {}
    topic = chat.topics.get(number)
    if topic is None:
        raise ControlError(f"chat {chat.id} has no topic {number}; it has {sorted(chat.topics)}")
    if topic.is_closed:
        raise ControlError(f"topic {number} of chat {chat.id} is closed")
    return threads.of_topic(chat, number)


def _tell(turn: Turn, chat: Chat, kind: str, message: Json) -> Json:
    turn.bot.store(chat, message)
    return {**_push(turn, kind, message), "message_id": message["message_id"]}


def _push(turn: Turn, kind: str, payload: Json) -> Json:
    update = doors.push(turn.core, turn.bot, kind, payload, turn.now)
    return {"update_id": None if update is None else update.id}


def _typed(text: str) -> Json:
    """A text with what Telegram finds in it: commands, links, mentions …"""
    parsed = parse(text, None)
    content: Json = {"text": parsed.text}
    if parsed.entities:
        content["entities"] = list(parsed.entities)
    return content


def _text(turn: Turn, action: Json) -> Json:
    content = _typed(action["text"])
    if not content["text"]:
        raise ControlError('"text" is empty: nobody can send that')
    user, chat = _here(turn, action)
    return _message(turn, chat, user, action, content)


def _content(turn: Turn, action: Json) -> Json:
    user, chat = _here(turn, action)
    return _message(turn, chat, user, action, dict(action["content"]))


def _media(turn: Turn, action: Json) -> Json:
    media: Json = action["media"]
    try:
        data = base64.b64decode(media["data"], validate=True)
    except binascii.Error as error:
        raise ControlError(f'"media.data" is not base64: {error}') from None
    kind = media["kind"]
    upload = Upload(media.get("file_name", "file"), media.get("mime_type", ""), data)
    user, chat = _here(turn, action)
    described = {**media, "caption": action.get("caption", "")}
    return _message(turn, chat, user, action, media_content(turn, kind, described, upload))


def _edit(turn: Turn, action: Json) -> Json:
    user, chat = _here(turn, action)
    asked: Json = action["edit"]
    message = _existing(chat, asked["message_id"])
    if message.get("from", {}).get("id") != user["id"] and chat.kind != "channel":
        raise ControlError(f"message {asked['message_id']} is not by user {user['id']}")
    changed = {k: v for k, v in message.items() if k not in {"entities", "caption_entities"}}
    if "text" in asked:
        changed.update(_typed(asked["text"]))
    if "caption" in asked:
        changed["caption"] = asked["caption"]
    changed["edit_date"] = turn.date
    kind = "edited_channel_post" if chat.kind == "channel" else "edited_message"
    return _tell(turn, chat, kind, changed)


def _delete(turn: Turn, action: Json) -> Json:
    _, chat = _here(turn, action)
    _existing(chat, action["delete"]["message_id"])
    chat.forget(action["delete"]["message_id"])
    return {}


def _existing(chat: Chat, message_id: int) -> Json:
    message = chat.messages.get(message_id)
    if message is None:
        raise ControlError(f"there is no message {message_id!r} in chat {chat.id}")
    return message


# -- buttons, inline queries, polls, reactions ---------------------------------------------------


def _tap(turn: Turn, action: Json) -> Json:
    asked: Json = action["tap"]
    if "inline_message_id" in asked:
        return _tap_inline(turn, action, asked)
    user, chat = _here(turn, action)
    if not asked.get("message_id"):
        return _tap_below(turn, chat, user, action)
    message = _existing(chat, asked["message_id"])
    button = _inline_button(message, asked)
    if "callback_data" in button:
        return _query(
            turn,
            "callback_query",
            user,
            {
                "message": message,
                "chat_instance": str(chat.id * 7919),
                "data": button["callback_data"],
            },
        )
    names = ("url", "web_app", "switch_inline_query", "switch_inline_query_current_chat")
    return {name: button[name] for name in names if name in button}


def _inline_button(message: Json, asked: Json) -> Json:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return _find_button([button for row in rows for button in row], asked)


def _tap_inline(turn: Turn, action: Json, asked: Json) -> Json:
    """A button below a message that came from an inline query."""
    message = turn.bot.inline_messages.get(asked["inline_message_id"])
    if message is None:
        raise ControlError(f"there is no inline message {asked['inline_message_id']!r}")
    fields = {
        "inline_message_id": asked["inline_message_id"],
        "chat_instance": "1",
        "data": _inline_button(message, asked).get("callback_data", ""),
    }
    return _query(turn, "callback_query", _user(turn, action), fields)


def _tap_below(turn: Turn, chat: Chat, user: Json, action: Json) -> Json:
    """A button of the keyboard below the input field sends its own text."""
    rows = (chat.keyboard or {}).get("keyboard", [])
    buttons = [b if isinstance(b, dict) else {"text": b} for row in rows for b in row]
    button = _find_button(buttons, action["tap"])
    if chat.keyboard and chat.keyboard.get("one_time_keyboard"):
        chat.keyboard = None
    return _message(turn, chat, user, action, _typed(button["text"]))


def _find_button(buttons: list[Json], asked: Json) -> Json:
    for button in buttons:
        if asked.get("data", button.get("callback_data")) == button.get("callback_data") and (
            asked.get("text", button["text"]) == button["text"]
        ):
            return button
    shown = ", ".join(repr(button["text"]) for button in buttons) or "none"
    raise ControlError(f"there is no such button; there are: {shown}")


def _query(turn: Turn, kind: str, user: Json, fields: Json) -> Json:
    query_id = str(4_000_000_000_000_000 + turn.core.number())
    query = {"id": query_id, "from": user, **fields}
    _open(turn, kind, query)
    return {**_push(turn, kind, query), f"{kind}_id": query_id}


def _open(turn: Turn, kind: str, query: Json) -> None:
    until = turn.now + KINDS[kind].lifetime
    turn.bot.open_query(query["id"], {"kind": kind, "until": until, "query": query, "answer": None})


def _inline_query(turn: Turn, action: Json) -> Json:
    user = _user(turn, action)
    fields = {"query": action["inline_query"], "offset": action.get("offset", "")}
    return _query(turn, "inline_query", user, {**fields, "chat_type": "sender"})


def _choose(turn: Turn, action: Json) -> Json:
    """A person picks a result: the chat gets a message, the bot is told of the choice."""
    user = _user(turn, action)
    asked: Json = action["choose"]
    query = turn.bot.queries.get(asked["inline_query_id"])
    if query is None or not query["answer"]:
        raise ControlError(f"inline query {asked['inline_query_id']!r} has no answer")
    results = {result["id"]: result for result in query["answer"]["results"]}
    if asked["result_id"] not in results:
        raise ControlError(f"there is no result {asked['result_id']!r}; there are: {list(results)}")
    result = results[asked["result_id"]]
    chosen: Json = {
        "result_id": result["id"],
        "from": user,
        "query": query["query"]["query"],
    }
    if result.get("reply_markup"):
        chosen["inline_message_id"] = f"AgAAAA{turn.core.number():018d}"
        content = result.get("input_message_content") or {}
        shown: Json = {"text": content.get("message_text", ""), "date": turn.date}
        shown["reply_markup"] = result["reply_markup"]
        turn.bot.store_inline(chosen["inline_message_id"], shown)
    made = _push(turn, "chosen_inline_result", chosen)
    return {**made, "inline_message_id": chosen.get("inline_message_id")}


def _vote(turn: Turn, action: Json) -> Json:
    cast_vote(turn, action["vote"]["poll_id"], _user(turn, action), action["vote"]["options"])
    return {}


def _react(turn: Turn, action: Json) -> Json:
    user, chat = _here(turn, action)
    asked: Json = action["react"]
    _existing(chat, asked["message_id"])
    chosen = [{"type": "emoji", "emoji": emoji} for emoji in asked["reaction"]]
    change = {"chat": chat.info, "message_id": asked["message_id"], "user": user}
    change |= {"date": turn.date, "old_reaction": [], "new_reaction": chosen}
    return _push(turn, "message_reaction", change)


# -- coming and going ----------------------------------------------------------------------------


def _membership(status: str) -> Callable[[Turn, Json], Json]:
    def change(turn: Turn, action: Json) -> Json:
        user, chat = _here(turn, action)
        if chat.kind == "private":
            raise ControlError(f"chat {chat.id} is no group")
        if status == "member":
            chat.members.pop(user["id"], None)
        rights = action.get("rights") or {}
        member = {"user": user, "status": rights.get("status", status), **rights}
        change_member(turn, chat, member, user)
        key = "new_chat_members" if status == "member" else "left_chat_member"
        value: Any = [user] if status == "member" else user
        return _message(turn, chat, user, {}, {key: value})

    return change


def _topic(turn: Turn, action: Json) -> Json:
    user, chat = _here(turn, action)
    if not chat.info.get("is_forum"):
        raise ControlError(f"chat {chat.id} is no forum: make it one with is_forum")
    described = {"name": action["topic"], "icon_color": threads.ICON_COLOR}
    before = turn.bot.queue.next_id
    number = create_topic(turn, chat, described, user)
    told = before if turn.bot.queue.next_id > before else None
    return {"update_id": told, "message_id": number, "message_thread_id": number}


def _join_request(turn: Turn, action: Json) -> Json:
    user = _user(turn, action)
    chat = ensure_chat(turn, {"id": action["chat_id"]})
    chat.join_requests.append(user["id"])
    request = {"chat": chat.info, "from": user, "user_chat_id": user["id"], "date": turn.date}
    return _push(turn, "chat_join_request", request)


def _upgrade(turn: Turn, action: Json) -> Json:
    """Both chats get a message that names the other one; the group takes no more messages."""
    user, chat = _here(turn, action)
    if chat.kind != "group" or chat.migrated_to is not None:
        raise ControlError(f"chat {chat.id} is no group that could become a supergroup")
    number = SUPERGROUPS_BELOW - abs(chat.id)
    info = {**chat.info, "id": number, "type": "supergroup"}
    supergroup = ensure_chat(turn, info)
    supergroup.members |= chat.members
    told = _message(turn, chat, user, {}, {"migrate_to_chat_id": number})
    chat.migrated_to = number
    _message(turn, supergroup, user, {}, {"migrate_from_chat_id": chat.id})
    return {**told, "migrate_to_chat_id": number}


def _bot_becomes(status: str) -> Callable[[Turn, Json], Json]:
    def change(turn: Turn, action: Json) -> Json:
        user, chat = _here(turn, action)
        before = turn.bot.queue.next_id
        if chat.kind == "private":
            chat.blocked = status == "kicked"
        rights = action.get("rights") or {}
        member = {"user": turn.bot.sender, "status": rights.get("status", status), **rights}
        if member_of(turn, chat, turn.bot.id) == member:
            chat.members.pop(turn.bot.id, None)
        change_member(turn, chat, member, user)
        after = turn.bot.queue.next_id
        return {"update_id": before if after > before else None}

    return change


# -- updates as they are -------------------------------------------------------------------------


def _update(turn: Turn, action: Json) -> Json:
    """An update that somebody wrote out: what it leaves open is filled in, and remembered."""
    update: Json = action["update"]
    if not isinstance(update, dict):
        raise ControlError('"update" must be an object')
    kind = kind_of(update)
    payload: Json = dict(update[kind])
    for user in (payload.get("from"), payload.get("user")):
        if isinstance(user, dict):
            turn.bot.users[user["id"]] = user
    if kind in _MESSAGES:
        return _written_message(turn, kind, payload)
    if kind in _QUERIES:
        return _written_query(turn, kind, payload)
    if isinstance(payload.get("chat"), dict):
        ensure_chat(turn, payload["chat"])
    return _push(turn, kind, payload)


def _written_message(turn: Turn, kind: str, payload: Json) -> Json:
    chat = ensure_chat(turn, payload["chat"])
    payload.setdefault("date", turn.date)
    if "text" in payload and "entities" not in payload:
        payload.update(_typed(payload["text"]))
    if "message_id" not in payload:
        payload["message_id"] = turn.bot.new_message_id(chat)
    else:
        _no_lower_ids(turn, chat, payload["message_id"])
    ordered = {"message_id": payload["message_id"], **payload}
    threads.remember(chat, ordered)
    return _tell(turn, chat, kind, ordered)


def _no_lower_ids(turn: Turn, chat: Chat, taken: int) -> None:
    """Has the next message of the chat come after one whose id was written out."""
    holder = chat if chat.has_own_ids else turn.bot
    holder.next_message_id = max(holder.next_message_id, taken + 1)


def _written_query(turn: Turn, kind: str, payload: Json) -> Json:
    payload.setdefault("id", str(4_000_000_000_000_000 + turn.core.number()))
    payload = complete(_QUERIES[kind], payload)
    message = payload.get("message")
    if isinstance(message, dict):
        chat = ensure_chat(turn, message["chat"])
        if message["message_id"] not in chat.messages:
            _no_lower_ids(turn, chat, message["message_id"])
            turn.bot.store(chat, message)
    _open(turn, kind, payload)
    return {**_push(turn, kind, payload), f"{kind}_id": payload["id"]}


ACTIONS: Mapping[str, Callable[[Turn, Json], Json]] = {
    "update": _update,
    "text": _text,
    "content": _content,
    "media": _media,
    "edit": _edit,
    "delete": _delete,
    "tap": _tap,
    "inline_query": _inline_query,
    "choose": _choose,
    "vote": _vote,
    "react": _react,
    "topic": _topic,
    "join": _membership("member"),
    "leave": _membership("left"),
    "join_request": _join_request,
    "upgrade": _upgrade,
    "add_bot": _bot_becomes("member"),
    "remove_bot": _bot_becomes("kicked"),
    "block": _bot_becomes("kicked"),
    "unblock": _bot_becomes("member"),
}
