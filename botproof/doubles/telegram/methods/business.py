"""Business accounts that people have connected to the bot: chats, settings, Stars, stories.

A connection is made by a person (see `people`), with rights; without the right a call is refused.
Messages that name a connection go to the account's own chats, in the account's name.

Source of the texts: `check_business_connection` in Client.cpp of the open-source Bot API server and
BusinessConnectionManager.cpp of td; what stands in capitals comes from Telegram itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from botproof.doubles.telegram import agenda
from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.images import image_size
from botproof.doubles.telegram.keeps import keep
from botproof.doubles.telegram.methods.common import caption_of
from botproof.doubles.telegram.methods.files import file_of, shown
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.spec import Upload
from botproof.doubles.telegram.world import Bot, Json

NOT_ALLOWED = "BUSINESS_CONNECTION_NOT_ALLOWED"
STORY_PERIODS = frozenset({6 * 3600, 12 * 3600, 86_400, 2 * 86_400})


def connect(turn: Turn, connection: Json) -> None:
    """Keep a BusinessConnection; the account gets chats of its own."""
    keeps, number = turn.bot.keeps, connection["id"]
    keep(keeps.connections, number, connection)
    owner: Json = connection["user"]
    turn.bot.users[owner["id"]] = owner
    new: Json = {"user": owner, "stars": 0, "profile": {}, "next_story": 1}
    account = keeps.accounts.setdefault(str(owner["id"]), new)
    if number not in turn.bot.business_bots:
        marks = {"business_connection_id": number, "sender_business_bot": turn.bot.sender}
        own = replace(turn.bot, sender=owner, chats={}, business=marks, next_message_id=1)
        turn.bot.business_bots[number] = own
    account["user"] = owner


def connection_of(turn: Turn, params: Params, right: str = "") -> Json:
    """Return the connection that a call names, refused where it is not there or lacks the right."""
    connection = turn.bot.keeps.connections.get(params.get("business_connection_id", ""))
    if connection is None:
        raise bad_request("business connection not found")
    if not connection["is_enabled"]:
        raise bad_request("BUSINESS_CONNECTION_INVALID")
    if right and not (connection.get("rights") or {}).get(right):
        raise bad_request(NOT_ALLOWED)
    return connection


def in_connection(turn: Turn, params: Params) -> Turn:
    """Return the same turn in the chats of a business account."""
    connection = connection_of(turn, params, "can_reply")
    own: Bot = turn.bot.business_bots[connection["id"]]
    return Turn(turn.core, own, turn.now, turn.method)


def account_of(turn: Turn, params: Params, right: str = "") -> Json:
    """Return what the bot keeps of the account behind a connection."""
    connection = connection_of(turn, params, right)
    account: Json = turn.bot.keeps.accounts[str(connection["user"]["id"])]
    return account


def get_connection(turn: Turn, params: Params) -> object:
    """Return a connection."""
    found = turn.bot.keeps.connections.get(params["business_connection_id"])
    if found is None:
        raise bad_request("business connection not found")
    return found


# -- messages --------------------------------------------------------------------------------------


def read_message(turn: Turn, params: Params) -> object:
    """Mark a message as read."""
    connection = connection_of(turn, params, "can_read_messages")
    chat = turn.bot.business_bots[connection["id"]].chats.get(params["chat_id"])
    if chat is None:
        raise bad_request("chat not found")
    if params.get("message_id", 0) not in chat.messages:
        raise bad_request("MESSAGE_ID_INVALID")
    return True


def delete_messages(turn: Turn, params: Params) -> object:
    """Delete messages of one chat of the account."""
    connection = connection_of(turn, params)
    rights = connection.get("rights") or {}
    numbers = params["message_ids"]
    for chat in turn.bot.business_bots[connection["id"]].chats.values():
        there = [chat.messages[n] for n in numbers if n in chat.messages]
        own = all(m.get("from", {}).get("id") == connection["user"]["id"] for m in there)
        may = rights.get("can_delete_all_messages") or (
            own and rights.get("can_delete_sent_messages")
        )
        if there and not may:
            raise bad_request(NOT_ALLOWED)
        for message in there:
            chat.forget(message["message_id"])
    return True


# -- the account -----------------------------------------------------------------------------------


def _rename(turn: Turn, params: Params, right: str, changed: Mapping[str, str]) -> bool:
    account = account_of(turn, params, right)
    kept = {k: v for k, v in account["user"].items() if k not in changed}
    account["user"] = {**kept, **{k: v for k, v in changed.items() if v}}
    turn.bot.users[account["user"]["id"]] = account["user"]
    connection = turn.bot.keeps.connections[params["business_connection_id"]]
    connection["user"] = account["user"]
    turn.bot.business_bots[connection["id"]].sender = account["user"]
    return True


def set_name(turn: Turn, params: Params) -> object:
    """Set the account's name."""
    first, last = params["first_name"].strip(), params.get("last_name", "").strip()
    if not 1 <= len(first) <= 64 or len(last) > 64:
        raise bad_request("FIRSTNAME_INVALID")
    changed = {"first_name": first, "last_name": last}
    return _rename(turn, params, "can_edit_name", changed)


def set_username(turn: Turn, params: Params) -> object:
    """Set the account's username, or none."""
    username = params.get("username", "")
    if username and not (5 <= len(username) <= 32 and username.replace("_", "").isalnum()):
        raise bad_request("username is invalid")
    return _rename(turn, params, "can_edit_username", {"username": username})


def set_bio(turn: Turn, params: Params) -> object:
    """Set what the account says of itself."""
    account = account_of(turn, params, "can_edit_bio")
    if len(params.get("bio", "")) > 140:
        raise bad_request("ABOUT_TOO_LONG")
    account["profile"]["bio"] = params.get("bio", "")
    return True


def set_photo(turn: Turn, params: Params) -> object:
    """Set the account's picture."""
    account = account_of(turn, params, "can_edit_profile_photo")
    sizes = profile_photo(turn, params["photo"])
    photos = turn.bot.photos.setdefault(account["user"]["id"], [])
    photos[:] = [sizes, *photos]
    return True


def profile_photo(turn: Turn, photo: Json) -> list[Json]:
    """Return an InputProfilePhoto in its sizes. Telegram takes JPEG only, and MPEG4 for
    what moves."""
    file = photo.get("photo") or photo.get("animation")
    assert isinstance(file, Upload)  # noqa: S101 - the specification lets only uploads through
    if photo["type"] == "animated":
        if file.data[4:8] != b"ftyp":
            raise bad_request("VIDEO_FILE_INVALID")
        kept = turn.bot.files.add("profile_photo", file.data, file.filename, "video/mp4", {})
    else:
        if file.data and image_size(file.data) is not None and file.data[:2] != b"\xff\xd8":
            raise bad_request("PHOTO_FILE_INVALID")
        kept = file_of(turn, "profile_photo", file, {})
    sizes = shown(turn, kept, "profile_photo")
    assert isinstance(sizes, list)  # noqa: S101 - photos are shown in sizes
    return sizes


def remove_photo(turn: Turn, params: Params) -> object:
    """Leave no picture any more."""
    account = account_of(turn, params, "can_edit_profile_photo")
    turn.bot.photos.pop(account["user"]["id"], None)
    return True


def set_gift_settings(turn: Turn, params: Params) -> object:
    """Set which gifts the account takes."""
    account = account_of(turn, params, "can_change_gift_settings")
    account["profile"]["accepted_gift_types"] = params["accepted_gift_types"]
    account["profile"]["show_gift_button"] = bool(params["show_gift_button"])
    return True


def get_stars(turn: Turn, params: Params) -> object:
    """Return the account's Stars."""
    return {"amount": account_of(turn, params, "can_view_gifts_and_stars")["stars"]}


def transfer_stars(turn: Turn, params: Params) -> object:
    """Move stars of the account to the bot."""
    account, count = account_of(turn, params, "can_transfer_stars"), params["star_count"]
    if not 1 <= count <= 10_000:
        raise bad_request("invalid amount of Telegram Stars to transfer specified")
    if count > account["stars"]:
        raise bad_request("BALANCE_TOO_LOW")
    account["stars"] -= count
    turn.bot.keeps.stars += count
    source = {"type": "user", "transaction_type": "business_account_transfer"}
    source["user"] = account["user"]
    number = f"bt{turn.core.number():016d}"
    entry = {"id": number, "amount": count, "date": turn.date, "source": source}
    turn.bot.keeps.transactions.append(entry)
    return True


# -- stories ---------------------------------------------------------------------------------------


def _story(turn: Turn, params: Params, content: Json) -> Json:
    file = content.get("photo") or content.get("video")
    assert isinstance(file, Upload)  # noqa: S101 - the specification lets only uploads through
    kind = "photo" if content["type"] == "photo" else "video"
    media = shown(turn, file_of(turn, kind, file, content), kind)
    return {kind: media, **caption_of(turn, params), "areas": params.get("areas", [])}


def post_story(turn: Turn, params: Params) -> object:
    """Post a story in the account's name."""
    account = account_of(turn, params, "can_manage_stories")
    if params["active_period"] not in STORY_PERIODS:
        raise bad_request("invalid story active period specified")
    kept = _story(turn, params, params["content"])
    return _publish(turn, account, params, kept)


def _publish(turn: Turn, account: Json, params: Params, kept: Json) -> Json:
    owner, number = account["user"], account["next_story"]
    account["next_story"] += 1
    names = ("id", "first_name", "last_name", "username")
    chat = {**{n: owner[n] for n in names if n in owner}, "type": "private"}
    story = {"chat": chat, "id": number}
    stays = bool(params.get("post_to_chat_page"))
    keep(turn.bot.keeps.stories, (owner["id"], number), {**kept, "story": story, "stays": stays})
    until = turn.now + params["active_period"]
    agenda.plan(turn.core, turn.bot, until, "story", owner["id"], number)
    return story


def _story_is_over(turn: Turn, owner: object, number: object) -> None:
    kept = turn.bot.keeps.stories.get((owner, number))  # type: ignore[arg-type]  # as planned
    if kept is not None and not kept["stays"]:
        del turn.bot.keeps.stories[owner, number]  # type: ignore[arg-type]  # it is there


agenda.HANDLERS["story"] = _story_is_over


def _kept_story(turn: Turn, owner: int, number: int) -> Json:
    kept = turn.bot.keeps.stories.get((owner, number))
    if kept is None:
        raise bad_request("STORY_ID_INVALID")
    return kept


def repost_story(turn: Turn, params: Params) -> object:
    """Post a story of another account that the bot manages, again in this one."""
    account = account_of(turn, params, "can_manage_stories")
    if params["active_period"] not in STORY_PERIODS:
        raise bad_request("invalid story active period specified")
    source = _kept_story(turn, params["from_chat_id"], params["from_story_id"])
    return _publish(turn, account, params, dict(source))


def edit_story(turn: Turn, params: Params) -> object:
    """Put another content of a story."""
    account = account_of(turn, params, "can_manage_stories")
    kept = _kept_story(turn, account["user"]["id"], params["story_id"])
    kept |= _story(turn, params, params["content"])
    return kept["story"]


def delete_story(turn: Turn, params: Params) -> object:
    """Delete the story."""
    account = account_of(turn, params, "can_manage_stories")
    _kept_story(turn, account["user"]["id"], params["story_id"])
    del turn.bot.keeps.stories[account["user"]["id"], params["story_id"]]
    return True


METHODS: Mapping[str, Method] = {
    "getbusinessconnection": get_connection,
    "readbusinessmessage": read_message,
    "deletebusinessmessages": delete_messages,
    "setbusinessaccountname": set_name,
    "setbusinessaccountusername": set_username,
    "setbusinessaccountbio": set_bio,
    "setbusinessaccountprofilephoto": set_photo,
    "removebusinessaccountprofilephoto": remove_photo,
    "setbusinessaccountgiftsettings": set_gift_settings,
    "getbusinessaccountstarbalance": get_stars,
    "transferbusinessaccountstars": transfer_stars,
    "poststory": post_story,
    "repoststory": repost_story,
    "editstory": edit_story,
    "deletestory": delete_story,
}
