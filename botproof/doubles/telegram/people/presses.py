"""Buttons, inline queries, votes and reactions."""

from __future__ import annotations

from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.methods.inline import inline_content, inline_message
from botproof.doubles.telegram.methods.polls import vote as cast_vote
from botproof.doubles.telegram.people.messages import existing, make_message, push, typed
from botproof.doubles.telegram.people.who import here, person
from botproof.doubles.telegram.updates import KINDS
from botproof.doubles.telegram.world import Chat, Json


def tap(turn: Turn, action: Json) -> Json:
    """Press a button of any keyboard."""
    asked: Json = action["tap"]
    if "inline_message_id" in asked:
        return _tap_inline(turn, action, asked)
    user, chat = here(turn, action)
    if not asked.get("message_id"):
        return _tap_below(turn, chat, user, action)
    message = existing(chat, asked["message_id"])
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
    """Press a button below a message that came from an inline query."""
    message = turn.bot.inline_messages.get(asked["inline_message_id"])
    if message is None:
        raise ControlError(f"there is no inline message {asked['inline_message_id']!r}")
    fields = {
        "inline_message_id": asked["inline_message_id"],
        "chat_instance": "1",
        "data": _inline_button(message, asked).get("callback_data", ""),
    }
    return _query(turn, "callback_query", person(turn, action), fields)


def _tap_below(turn: Turn, chat: Chat, user: Json, action: Json) -> Json:
    """Press a button of the keyboard below the input field, which sends its own text."""
    rows = (chat.keyboard or {}).get("keyboard", [])
    buttons = [b if isinstance(b, dict) else {"text": b} for row in rows for b in row]
    button = _find_button(buttons, action["tap"])
    if chat.keyboard and chat.keyboard.get("one_time_keyboard"):
        chat.keyboard = None
    return make_message(turn, chat, user, action, typed(button["text"]))


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
    open_query(turn, kind, query)
    return {**push(turn, kind, query), f"{kind}_id": query_id}


def open_query(turn: Turn, kind: str, query: Json) -> None:
    """Remember a query, so that it can be answered once."""
    until = turn.now + (KINDS[kind].lifetime if kind in KINDS else _ELSE)
    turn.bot.open_query(query["id"], {"kind": kind, "until": until, "query": query, "answer": None})


_ELSE = 86_400.0  # seconds that a query lives which is no update of its own


def inline_query(turn: Turn, action: Json) -> Json:
    """Let the person type after the bot's name."""
    user = person(turn, action)
    fields = {"query": action["inline_query"], "offset": action.get("offset", "")}
    return _query(turn, "inline_query", user, {**fields, "chat_type": "sender"})


def choose(turn: Turn, action: Json) -> Json:
    """Let the person pick a result: the chat gets a message, the bot is told of the choice.

    Raises ControlError for a result that there is not.
    """
    user = person(turn, action)
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
    content = inline_content(turn, result)
    if result.get("reply_markup"):
        chosen["inline_message_id"] = inline_message(turn, result, content, query)
    made = push(turn, "chosen_inline_result", chosen)
    return {**made, "inline_message_id": chosen.get("inline_message_id")}


def vote(turn: Turn, action: Json) -> Json:
    """Let the person vote in a poll."""
    cast_vote(turn, action["vote"]["poll_id"], person(turn, action), action["vote"]["options"])
    return {}


def react(turn: Turn, action: Json) -> Json:
    """Let the person react to a message."""
    user, chat = here(turn, action)
    asked: Json = action["react"]
    existing(chat, asked["message_id"])
    chosen = [{"type": "emoji", "emoji": emoji} for emoji in asked["reaction"]]
    key = (asked["message_id"], user["id"])
    change = {"chat": chat.info, "message_id": asked["message_id"], "user": user}
    change |= {"date": turn.date, "old_reaction": chat.reacted.get(key, []), "new_reaction": chosen}
    chat.reacted[key] = chosen
    return push(turn, "message_reaction", change)
