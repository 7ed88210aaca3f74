"""What a bot can learn of people and do to them: pictures, music, boosts, badges, documents.

Source of the texts: `process_*_user_*_query` and `get_passport_element_error_source` in Client.cpp
of the open-source Bot API server; what stands in capitals comes from Telegram itself.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.keeps import keep
from botproof.doubles.telegram.methods.business import profile_photo
from botproof.doubles.telegram.methods.common import Access, find_chat
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Json

MAX_AT_ONCE = 100
HASH_BYTES = 32


def _user(turn: Turn, params: Params, refusal: str = "user not found") -> Json:
    user = turn.bot.users.get(params["user_id"])
    if user is None:
        raise bad_request(refusal)
    return user


def _page(items: list[Any], params: Params) -> list[Any]:
    offset, limit = max(params.get("offset", 0), 0), params.get("limit") or MAX_AT_ONCE
    return items[offset : offset + min(max(limit, 1), MAX_AT_ONCE)]


# -- pictures and music ----------------------------------------------------------------------------


def get_photos(turn: Turn, params: Params) -> object:
    """Somebody's pictures, the newest first; also the bot's own."""
    photos = turn.bot.photos.get(_user(turn, params)["id"], [])
    return {"total_count": len(photos), "photos": _page(photos, params)}


def get_audios(turn: Turn, params: Params) -> object:
    """Return the music on somebody's profile."""
    audios = turn.bot.keeps.audios.get(_user(turn, params)["id"], [])
    return {"total_count": len(audios), "audios": _page(audios, params)}


def set_own_photo(turn: Turn, params: Params) -> object:
    """Set a picture for the bot."""
    sizes = profile_photo(turn, params["photo"])
    turn.bot.photos.setdefault(turn.bot.id, []).insert(0, sizes)
    return True


def remove_own_photo(turn: Turn, _params: Params) -> object:
    """Remove the newest picture of the bot."""
    photos = turn.bot.photos.get(turn.bot.id)
    if photos:
        photos.pop(0)
    return True


def get_personal_messages(turn: Turn, params: Params) -> object:
    """Return the last posts of the channel on somebody's profile, the newest first."""
    posts = turn.bot.keeps.personal.get(_user(turn, params)["id"], [])
    return posts[: min(max(params["limit"], 1), 20)]


# -- badges, boosts, emoji -------------------------------------------------------------------------


def get_boosts(turn: Turn, params: Params) -> object:
    """Return the boosts that somebody gave a chat."""
    chat, user = find_chat(turn, params.get("chat_id")), _user(turn, params)
    own = chat.members.get(turn.bot.id, {})
    if chat.kind not in {"supergroup", "channel"}:
        raise bad_request("the chat can't be boosted")
    if own.get("status") not in {"creator", "administrator"}:
        raise bad_request("CHAT_ADMIN_REQUIRED")
    return {"boosts": turn.bot.keeps.boosts.get((chat.id, user["id"]), [])}


def set_emoji_status(turn: Turn, params: Params) -> object:
    """Set an emoji beside somebody's name, if they have allowed the bot to set it."""
    user = _user(turn, params)
    if user["id"] not in turn.bot.keeps.emoji_status:
        raise bad_request("USER_PERMISSION_DENIED")
    names = ("emoji_status_custom_emoji_id", "emoji_status_expiration_date")
    chosen = {name: params[name] for name in names if params.get(name)}
    keep(turn.bot.keeps.emoji_status, user["id"], chosen)
    chat = turn.bot.chats.get(user["id"])
    if chat is not None:
        kept = {name: value for name, value in chat.extra.items() if name not in names}
        chat.extra = {**kept, **chosen}
    return True


def _verifier(turn: Turn, params: Params) -> int:
    """Whom a call is about; only bots of organizations that Telegram chose may do it."""
    if "user_id" in params:
        number: int = _user(turn, params)["id"]
    else:
        number = find_chat(turn, params.get("chat_id")).id
    if not turn.bot.profile.get("can_verify"):
        raise bad_request("BOT_VERIFIER_FORBIDDEN")
    return number


def verify(turn: Turn, params: Params) -> object:
    """Vouch for somebody."""
    number, said = _verifier(turn, params), params.get("custom_description", "")
    if len(said) > 70:
        raise bad_request("DESCRIPTION_TOO_LONG")
    keep(turn.bot.keeps.verified, number, said)
    return True


def unverify(turn: Turn, params: Params) -> object:
    """Not any more."""
    turn.bot.keeps.verified.pop(_verifier(turn, params), None)
    return True


# -- Telegram Passport -----------------------------------------------------------------------------


def set_passport_errors(turn: Turn, params: Params) -> object:
    """Set what is wrong with somebody's documents."""
    for error in params["errors"]:
        _check_hashes(error)
    keep(turn.bot.keeps.passport_errors, _user(turn, params)["id"], params["errors"])
    return True


def _check_hashes(error: Json) -> None:
    for name in ("data_hash", "file_hash", "element_hash"):
        if name in error:
            _check_hash(error[name], "DATA_HASH" if name == "data_hash" else "HASH")
    for one in error.get("file_hashes", ()):
        _check_hash(one, "HASH")


def _check_hash(text: str, what: str) -> None:
    try:
        length = len(base64.b64decode(text, validate=True))
    except binascii.Error:
        raise bad_request(
            "can't parse PassportElementError: hash isn't a valid base64-encoded string"
        ) from None
    if length != HASH_BYTES:
        raise bad_request(f"{what}_SIZE_INVALID")


# -- bots that this one manages --------------------------------------------------------------------


def _managed(turn: Turn, params: Params) -> Json:
    kept = turn.bot.keeps.managed.get(params["user_id"])
    if kept is None:
        raise bad_request("USER_ID_INVALID")
    return kept


def get_token(turn: Turn, params: Params) -> object:
    """Return the token of a managed bot."""
    return _managed(turn, params)["token"]


def replace_token(turn: Turn, params: Params) -> object:
    """Return a new token of a managed bot; the old one is none any more."""
    kept = _managed(turn, params)
    letters = f"{turn.core.rng.getrandbits(140):035x}"[:35]
    kept["token"] = f"{params['user_id']}:{letters}"
    return kept["token"]


def get_access(turn: Turn, params: Params) -> object:
    """Return who may use a managed bot."""
    return _managed(turn, params)["access"]


def set_access(turn: Turn, params: Params) -> object:
    """Set who may use a managed bot."""
    kept, numbers = _managed(turn, params), params.get("added_user_ids") or []
    if any(number not in turn.bot.users for number in numbers):
        raise bad_request("USER_ID_INVALID")
    users = [turn.bot.users[number] for number in numbers]
    kept["access"] = {"is_access_restricted": params["is_access_restricted"], "added_users": users}
    return True


# -- reactions, suggested posts --------------------------------------------------------------------


def delete_reaction(turn: Turn, params: Params) -> object:
    """Take somebody's reactions off a message, or off all of a chat."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    own = chat.members.get(turn.bot.id, {})
    if own.get("status") != "creator" and not own.get("can_delete_messages"):
        raise bad_request("CHAT_ADMIN_REQUIRED")
    who = params.get("user_id") or params.get("actor_chat_id")
    if not who:
        raise bad_request("PEER_ID_INVALID")
    number = params.get("message_id")
    if number is not None and number not in chat.messages:
        raise bad_request("message not found")
    for key in [key for key in chat.reacted if key[1] == who and number in {None, key[0]}]:
        del chat.reacted[key]
    return True


def _suggested(*, approve: bool) -> Method:
    def decide(turn: Turn, params: Params) -> object:
        """Decide about posts that people suggest to a channel; they stand in its direct
        messages chat."""
        chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
        message = chat.messages.get(params.get("message_id", 0))
        if message is None:
            raise bad_request("suggested post not found")
        info = message.get("suggested_post_info")
        if info is None or info["state"] != "pending":
            raise bad_request("the suggested post can't be approved" if approve else _DECLINED)
        state = "approved" if approve else "declined"
        changed = {**message, "suggested_post_info": {**info, "state": state}}
        turn.bot.store(chat, changed)
        return True

    return decide


_DECLINED = "the suggested post can't be declined"

METHODS: Mapping[str, Method] = {
    "getuserprofilephotos": get_photos,
    "getuserprofileaudios": get_audios,
    "setmyprofilephoto": set_own_photo,
    "removemyprofilephoto": remove_own_photo,
    "getuserpersonalchatmessages": get_personal_messages,
    "getuserchatboosts": get_boosts,
    "setuseremojistatus": set_emoji_status,
    "verifyuser": verify,
    "verifychat": verify,
    "removeuserverification": unverify,
    "removechatverification": unverify,
    "setpassportdataerrors": set_passport_errors,
    "getmanagedbottoken": get_token,
    "replacemanagedbottoken": replace_token,
    "getmanagedbotaccesssettings": get_access,
    "setmanagedbotaccesssettings": set_access,
    "deletemessagereaction": delete_reaction,
    "deleteallmessagereactions": delete_reaction,
    "approvesuggestedpost": _suggested(approve=True),
    "declinesuggestedpost": _suggested(approve=False),
}
