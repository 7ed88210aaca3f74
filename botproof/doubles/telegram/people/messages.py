"""Messages that people write, edit and delete."""

from __future__ import annotations

import base64
import binascii

from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram import doors
from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.entities import parse
from botproof.doubles.telegram.heads import head, in_reply
from botproof.doubles.telegram.methods import threads
from botproof.doubles.telegram.methods.media import media_content
from botproof.doubles.telegram.people.who import here
from botproof.doubles.telegram.spec import Upload
from botproof.doubles.telegram.world import Chat, Json


def make_message(turn: Turn, chat: Chat, user: Json, action: Json, content: Json) -> Json:
    """Return the message of a person in a chat with this content, stored there.

    Raises ControlError for a group that has become a supergroup.
    """
    if chat.migrated_to is not None:
        raise ControlError(f"chat {chat.id} has become the supergroup {chat.migrated_to}")
    message = head(turn, chat, user)
    replied = chat.messages.get(action.get("reply_to_message_id", 0))
    message |= _thread(chat, action.get("message_thread_id") or (replied or {}).get(_THREAD, 0))
    if replied is not None:
        message["reply_to_message"] = in_reply(replied)
    message |= content
    chat.blocked = False
    return tell(turn, chat, "channel_post" if chat.kind == "channel" else "message", message)


_IN_BUSINESS = {"message": "business_message", "edited_message": "edited_business_message"}
_THREAD = "message_thread_id"


def _thread(chat: Chat, number: int) -> Json:
    """Return the fields of a message in a topic, which is open to people; none outside
    of topics."""
    if not number:
        return {}
    topic = chat.topics.get(number)
    if topic is None:
        raise ControlError(f"chat {chat.id} has no topic {number}; it has {sorted(chat.topics)}")
    if topic.is_closed:
        raise ControlError(f"topic {number} of chat {chat.id} is closed")
    return threads.of_topic(chat, number)


def tell(turn: Turn, chat: Chat, kind: str, message: Json) -> Json:
    """Tell the bot of a message; what the action made."""
    if turn.bot.business:  # a customer's message to a business account
        number = turn.bot.business["business_connection_id"]
        message = {**message, "business_connection_id": number}
        kind = _IN_BUSINESS.get(kind, kind)
    turn.bot.store(chat, message)
    return {**push(turn, kind, message), "message_id": message["message_id"]}


def push(turn: Turn, kind: str, payload: Json) -> Json:
    """Queue an update for the bot; its id, None when it takes none of this kind."""
    update = doors.push(turn.core, turn.bot, kind, payload, turn.now)
    return {"update_id": None if update is None else update.id}


def typed(text: str) -> Json:
    """Return a text with what Telegram finds in it: commands, links, mentions …"""
    parsed = parse(text, None)
    content: Json = {"text": parsed.text}
    if parsed.entities:
        content["entities"] = list(parsed.entities)
    return content


def say(turn: Turn, action: Json) -> Json:
    """Send a text or command. Raises ControlError for an empty text."""
    content = typed(action["text"])
    if not content["text"]:
        raise ControlError('"text" is empty: nobody can send that')
    user, chat = here(turn, action)
    return make_message(turn, chat, user, action, content)


def send_content(turn: Turn, action: Json) -> Json:
    """Any other content, as a Message carries it."""
    user, chat = here(turn, action)
    return make_message(turn, chat, user, action, dict(action["content"]))


def send_media(turn: Turn, action: Json) -> Json:
    """Send a photo, document, voice … Raises ControlError for data that is no base64."""
    media: Json = action["media"]
    try:
        data = base64.b64decode(media["data"], validate=True)
    except binascii.Error as error:
        raise ControlError(f'"media.data" is not base64: {error}') from None
    kind = media["kind"]
    upload = Upload(media.get("file_name", "file"), media.get("mime_type", ""), data)
    user, chat = here(turn, action)
    described = {**media, "caption": action.get("caption", "")}
    return make_message(turn, chat, user, action, media_content(turn, kind, described, upload))


def edit(turn: Turn, action: Json) -> Json:
    """Let the person edit a message of their own.

    Raises ControlError for a message of somebody else.
    """
    user, chat = here(turn, action)
    asked: Json = action["edit"]
    message = existing(chat, asked["message_id"])
    if message.get("from", {}).get("id") != user["id"] and chat.kind != "channel":
        raise ControlError(f"message {asked['message_id']} is not by user {user['id']}")
    changed = {k: v for k, v in message.items() if k not in {"entities", "caption_entities"}}
    if "text" in asked:
        changed.update(typed(asked["text"]))
    if "caption" in asked:
        changed["caption"] = asked["caption"]
    changed["edit_date"] = turn.date
    kind = "edited_channel_post" if chat.kind == "channel" else "edited_message"
    return tell(turn, chat, kind, changed)


def delete(turn: Turn, action: Json) -> Json:
    """Let the person delete a message; bots are told of those of business accounts only."""
    _, chat = here(turn, action)
    number: int = action["delete"]["message_id"]
    existing(chat, number)
    chat.forget(number)
    if not turn.bot.business:
        return {}
    connection = turn.bot.business["business_connection_id"]
    deleted = {"business_connection_id": connection, "chat": chat.info, "message_ids": [number]}
    return push(turn, "deleted_business_messages", deleted)


def existing(chat: Chat, message_id: int) -> Json:
    """Return a message that is there. ControlError for one that is not."""
    message = chat.messages.get(message_id)
    if message is None:
        raise ControlError(f"there is no message {message_id!r} in chat {chat.id}")
    return message
