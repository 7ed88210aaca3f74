"""The person's side: what people do in a chat with a bot, told as JSON, told to the bot as updates.

One action is one JSON object. It says who (`user_id`, `first_name`, `last_name`, `username`,
`language_code`), where (`chat_id`; for a group also `chat_type`, `title`, `chat_username`), and has
one of the keys of `ACTIONS`; in a forum (`is_forum`), `message_thread_id` says in which topic:

- `update` {…}                        an update as it is, without `update_id`; the tapped message of
                                      a callback query is the bot's where it has no `message_id`
- `text` "…"                          a text or command; `reply_to_message_id`
- `content` {"location": {…}}         any other content of a message, as a Message carries it
- `media` {"kind", "data" (base64), "file_name"}   a photo, document, voice …; `caption`
- `edit` {"message_id", "text" | "caption"}        an edit of the person's own message
- `delete` {"message_id"}             the person deletes a message (bots are not told)
- `tap` {"message_id" | "inline_message_id", "data" | "text"}   a button of any keyboard
- `inline_query` "…", `choose` {"inline_query_id", "result_id"}
- `vote` {"poll_id", "options": [0]}  `react` {"message_id", "reaction": ["👍"]}
- `topic` "…"                         a new topic of a forum, made by the person
- `join`, `leave`, `join_request`     true: the person, in a group (by an `invite_link`)
- `pay` {"message_id" | "invoice_link", "tip_amount", "shipping_option_id", "order_info"}
- `web_app_data` {"data", "button_text"}, `web_app_query` true
- `business` {"rights", "is_enabled"}  the person connects the bot to their business account; with
                                      `business_connection_id`, actions are a customer's there
- `upgrade`                           true: the person turns a group into a supergroup
- `add_bot`, `remove_bot`, `block`, `unblock`      true: what becomes of the bot; `rights` {…}

The answer tells `update_id` (null when the bot did not allow such updates), `message_id`, and what
else the action made (`callback_query_id`, `inline_query_id`, `url`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.people.business import connect_account, in_account
from botproof.doubles.telegram.people.going import (
    bot_becomes,
    join_request,
    make_topic,
    membership,
    upgrade,
)
from botproof.doubles.telegram.people.messages import delete, edit, say, send_content, send_media
from botproof.doubles.telegram.people.paying import pay, web_app_data, web_app_query
from botproof.doubles.telegram.people.presses import choose, inline_query, react, tap, vote
from botproof.doubles.telegram.people.who import describe_chat, ensure_chat
from botproof.doubles.telegram.people.written import written_update
from botproof.doubles.telegram.replies import Refusal
from botproof.doubles.telegram.world import Json

__all__ = ["ACTIONS", "act", "describe_chat", "ensure_chat"]


def act(turn: Turn, action: Mapping[str, object]) -> Json:
    """Do what `action` says; what it made. ControlError says what is wrong with it."""
    names = [name for name in ACTIONS if name in action]
    if len(names) != 1:
        found = ", ".join(names) or "none"
        raise ControlError(f"an action has exactly one of {', '.join(ACTIONS)}; here: {found}")
    try:
        acted = cast("Json", action)
        made = ACTIONS[names[0]](in_account(turn, acted), acted)
    except (KeyError, TypeError, AttributeError) as error:
        raise ControlError(f"cannot read the action {names[0]!r}: {error!r}") from None
    except Refusal as refusal:
        raise ControlError(refusal.description) from None
    return {"update_id": None, "message_id": None, **made}


ACTIONS: Mapping[str, Callable[[Turn, Json], Json]] = {
    "update": written_update,
    "text": say,
    "content": send_content,
    "media": send_media,
    "edit": edit,
    "delete": delete,
    "tap": tap,
    "inline_query": inline_query,
    "choose": choose,
    "vote": vote,
    "react": react,
    "topic": make_topic,
    "join": membership("member"),
    "leave": membership("left"),
    "join_request": join_request,
    "pay": pay,
    "web_app_data": web_app_data,
    "web_app_query": web_app_query,
    "business": connect_account,
    "upgrade": upgrade,
    "add_bot": bot_becomes("member"),
    "remove_bot": bot_becomes("kicked"),
    "block": bot_becomes("kicked"),
    "unblock": bot_becomes("member"),
}
