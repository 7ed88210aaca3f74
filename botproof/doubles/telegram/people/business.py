"""Business accounts: a person connects the bot to theirs, and customers write to it."""

from __future__ import annotations

from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.methods.business import connect
from botproof.doubles.telegram.people.messages import push
from botproof.doubles.telegram.people.who import person
from botproof.doubles.telegram.spec import types
from botproof.doubles.telegram.world import Json


def connect_account(turn: Turn, action: Json) -> Json:
    """Let the person connect the bot to their account, or change what it may do there.

    Raises ControlError for a right that there is not.
    """
    user, asked = person(turn, action), action["business"]
    known = types()["BusinessBotRights"].fields
    unknown = sorted(set(asked.get("rights", ())) - set(known))
    if unknown:
        raise ControlError(f"there is no right {', '.join(unknown)}; there are {', '.join(known)}")
    rights = asked.get("rights", dict.fromkeys(known, True))
    connection: Json = {
        "id": asked.get("id", f"bc{user['id']}"),
        "user": user,
        "user_chat_id": user["id"],
        "date": turn.date,
        "is_enabled": asked.get("is_enabled", True),
        "rights": {name: True for name, given in rights.items() if given},
        "can_reply": bool(rights.get("can_reply")),
    }
    connect(turn, connection)
    pushed = push(turn, "business_connection", connection)
    return {**pushed, "business_connection_id": connection["id"]}


def in_account(turn: Turn, action: Json) -> Turn:
    """Return the turn in the chats of the account whose connection the action names.

    Raises ControlError for one that is not there.
    """
    number = action.get("business_connection_id")
    if number is None:
        return turn
    own = turn.bot.business_bots.get(number)
    if own is None:
        known = ", ".join(turn.bot.business_bots) or "none"
        raise ControlError(f"there is no business connection {number!r}; there are: {known}")
    return Turn(turn.core, own, turn.now)
