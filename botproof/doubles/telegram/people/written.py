"""Updates that somebody wrote out, as they are."""

from __future__ import annotations

from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.methods import threads
from botproof.doubles.telegram.methods.business import connect
from botproof.doubles.telegram.people.messages import push, tell, typed
from botproof.doubles.telegram.people.presses import open_query
from botproof.doubles.telegram.people.who import ensure_chat
from botproof.doubles.telegram.schema import complete
from botproof.doubles.telegram.updates import kind_of
from botproof.doubles.telegram.world import Chat, Json

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


def written_update(turn: Turn, action: Json) -> Json:
    """Return an update that somebody wrote out: what it leaves open is filled in, and
    remembered. Raises ControlError for what is no object."""
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
    if kind == "business_connection":
        payload = {"is_enabled": True, "date": turn.date, **payload}
        connect(turn, payload)
    if kind == "chat_join_request":
        _written_request(turn, payload)
    if isinstance(payload.get("chat"), dict):
        ensure_chat(turn, payload["chat"])
    return push(turn, kind, payload)


def _written_request(turn: Turn, payload: Json) -> None:
    chat = ensure_chat(turn, payload["chat"])
    if payload["from"]["id"] not in chat.join_requests:
        chat.join_requests.append(payload["from"]["id"])
    if "query_id" in payload:
        open_query(turn, "chat_join_request", {**payload, "id": payload["query_id"]})


def _written_message(turn: Turn, kind: str, payload: Json) -> Json:
    chat = ensure_chat(turn, payload["chat"])
    payload.setdefault("date", turn.date)
    if "text" in payload and "entities" not in payload:
        payload.update(typed(payload["text"]))
    if "message_id" not in payload:
        payload["message_id"] = turn.bot.new_message_id(chat)
    else:
        _no_lower_ids(turn, chat, payload["message_id"])
    ordered = {"message_id": payload["message_id"], **payload}
    if "guest_query_id" in payload:
        open_query(turn, "guest_message", {**payload, "id": payload["guest_query_id"]})
    threads.remember(chat, ordered)
    return tell(turn, chat, kind, ordered)


def _no_lower_ids(turn: Turn, chat: Chat, taken: int) -> None:
    """Have the next message of the chat come after one whose id was written out."""
    holder = chat if chat.has_own_ids else turn.bot
    holder.next_message_id = max(holder.next_message_id, taken + 1)


def _own_message(turn: Turn, message: Json) -> Json:
    """Return a message of the bot that stands in the chat, so that the bot can edit it."""
    number = turn.bot.new_message_id(ensure_chat(turn, message["chat"]))
    return {"message_id": number, "from": turn.bot.sender, "date": turn.date, **message}


def _written_query(turn: Turn, kind: str, payload: Json) -> Json:
    payload.setdefault("id", str(4_000_000_000_000_000 + turn.core.number()))
    message = payload.get("message")
    if isinstance(message, dict) and "message_id" not in message:
        payload["message"] = _own_message(turn, message)
    payload = complete(_QUERIES[kind], payload)
    message = payload.get("message")
    if isinstance(message, dict):
        chat = ensure_chat(turn, message["chat"])
        if message["message_id"] not in chat.messages:
            _no_lower_ids(turn, chat, message["message_id"])
            threads.remember(chat, message)
            turn.bot.store(chat, message)
    open_query(turn, kind, payload)
    return {**push(turn, kind, payload), f"{kind}_id": payload["id"]}
