"""Members of chats: who is there, bans, restrictions, rights, titles and tags, sender chats.

Source of the texts: `process_*_chat_member_query` and its neighbours in Client.cpp of the
open-source Bot API server, and DialogParticipantManager.cpp of td for what a bot may do to whom.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram import agenda, doors
from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import Access, find_chat
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.schema import complete_member, flags
from botproof.doubles.telegram.world import Chat, Json

PERMISSIONS = flags("ChatPermissions")
IN_CHAT = frozenset({"creator", "administrator", "member", "restricted"})
RESTRICT = "can_restrict_members"
MAX_TITLE = 16
_DAY = 86_400
_FOREVER_FROM, _FOREVER_TO = 366 * _DAY, 30  # longer or shorter than this is for good

# Rights that only chats of some kinds have (`json_store_administrator_rights`).
_CHANNEL = ("can_post_messages", "can_edit_messages", "can_manage_direct_messages")
_SUPERGROUP = ("can_pin_messages", "can_manage_topics", "can_manage_tags")
_GROUP = ("can_pin_messages", "can_manage_tags")
_BY_KIND: Mapping[str, tuple[str, ...]] = {
    "channel": _CHANNEL,
    "supergroup": _SUPERGROUP,
    "group": _GROUP,
}
_EVERYWHERE = tuple(
    name for name in flags("ChatAdministratorRights") if name not in {*_CHANNEL, *_SUPERGROUP}
)


def rights_in(kind: str) -> tuple[str, ...]:
    """Return the names of the rights that an administrator of a chat of this kind can have."""
    return (*_EVERYWHERE, *_BY_KIND.get(kind, ()))


def member_of(turn: Turn, chat: Chat, user_id: int) -> Json:
    """Return what somebody is to a chat: a ChatMember object; `left` for one who never
    was there."""
    member = chat.members.get(user_id)
    if member is not None:
        return member
    user = turn.bot.sender if user_id == turn.bot.id else turn.bot.users.get(user_id)
    if user is None:
        raise bad_request("PARTICIPANT_ID_INVALID")
    status = "member" if chat.kind == "private" and user_id in {chat.id, turn.bot.id} else "left"
    return {"user": user, "status": status}


def get_chat_member(turn: Turn, params: Params) -> object:
    """Return what somebody is to a chat."""
    chat = find_chat(turn, params.get("chat_id"))
    return member_of(turn, chat, params["user_id"])


def get_chat_administrators(turn: Turn, params: Params) -> object:
    """Return the owner and the administrators, without other bots unless they are asked for."""
    chat = find_chat(turn, params.get("chat_id"))
    if chat.kind == "private":
        raise bad_request("there are no administrators in the private chat")
    found = [m for m in chat.members.values() if m["status"] in {"creator", "administrator"}]
    if params.get("return_bots"):
        return found
    return [m for m in found if m["user"]["id"] == turn.bot.id or not m["user"]["is_bot"]]


def get_chat_member_count(turn: Turn, params: Params) -> object:
    """Return how many are in a chat; two in a private one."""
    chat = find_chat(turn, params.get("chat_id"))
    if chat.kind == "private":
        return 2
    return sum(member["status"] in IN_CHAT for member in chat.members.values())


# -- changing what somebody is ---------------------------------------------------------------------


def change_member(turn: Turn, chat: Chat, member: Json, by: Json, **more: object) -> None:
    """Make `member` what somebody is in a chat from now on, and tell the bot of it.

    `more` are further fields of the ChatMemberUpdated, such as the `invite_link` that was used.
    """
    member = complete_member(member)
    user_id = member["user"]["id"]
    old = member_of(turn, chat, user_id)
    if old == member:
        return
    chat.members[user_id] = member
    until = member.get("until_date", 0)
    if until:
        agenda.plan(turn.core, turn.bot, until, "member", chat.id, user_id)
    change = {
        "chat": chat.info,
        "from": by,
        "date": turn.date,
        "old_chat_member": old,
        "new_chat_member": member,
        **more,
    }
    kind = "my_chat_member" if user_id == turn.bot.id else "chat_member"
    doors.push(turn.core, turn.bot, kind, change, turn.now)


def _is_over(turn: Turn, chat_id: object, user_id: object) -> None:
    """Let a ban or a restriction end by itself; nobody is told (agenda: `member`)."""
    chat = turn.bot.chats.get(chat_id)  # type: ignore[call-overload]  # the agenda keeps any numbers
    member = None if chat is None else chat.members.get(user_id)
    if chat is None or member is None or not 0 < member.get("until_date", 0) <= turn.now:
        return
    back = member["status"] == "restricted" and member["is_member"]
    chat.members[user_id] = {"user": member["user"], "status": "member" if back else "left"}


agenda.HANDLERS["member"] = _is_over


def _until(turn: Turn, params: Params) -> int:
    """Return when a ban or restriction ends; 0 for never, as for what is under 30 s or
    over 366 days."""
    date: int = params.get("until_date", 0)
    ahead = date - turn.now
    return date if _FOREVER_TO <= ahead <= _FOREVER_FROM else 0


def _managed(turn: Turn, params: Params, right: str, refusal: str) -> tuple[Chat, Json]:
    """Return the chat and the member that a call changes; refused when the bot may not."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if chat.kind == "private":
        raise bad_request("chat member status can't be changed in private chats")
    member = member_of(turn, chat, params["user_id"])
    if member["status"] == "creator":
        raise bad_request("can't remove chat owner")
    own = member_of(turn, chat, turn.bot.id)
    if own["status"] != "creator" and not own.get(right):
        raise bad_request(refusal)
    if member["status"] == "administrator" and not member["can_be_edited"]:
        is_ban = right == RESTRICT
        raise bad_request("user is an administrator of the chat" if is_ban else _NOT_MINE)
    return chat, member


_NOT_MINE = "CHAT_ADMIN_REQUIRED"
_MAY_NOT_RESTRICT = "not enough rights to restrict/unrestrict chat member"


def ban_chat_member(turn: Turn, params: Params) -> object:
    """Throw somebody out, until a date or for good."""
    chat, member = _managed(turn, params, RESTRICT, _MAY_NOT_RESTRICT)
    if params["user_id"] == turn.bot.id:
        raise bad_request("can't restrict self")
    until = _until(turn, params) if chat.has_own_ids else 0
    banned = {"user": member["user"], "status": "kicked", "until_date": until}
    change_member(turn, chat, banned, turn.bot.sender)
    return True


def unban_chat_member(turn: Turn, params: Params) -> object:
    """Let somebody back in, which does not put them back; members are removed unless asked not."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if not chat.has_own_ids:
        raise bad_request("method is available for supergroup and channel chats only")
    status = member_of(turn, chat, params["user_id"])["status"]
    if status == "left" or (params.get("only_if_banned") and status != "kicked"):
        return True
    chat, member = _managed(turn, params, RESTRICT, _MAY_NOT_RESTRICT)
    change_member(turn, chat, {"user": member["user"], "status": "left"}, turn.bot.sender)
    return True


# What the older, coarser permissions stand for (`get_chat_permissions`).
_MEDIA = (
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
)


def permissions_of(params: Params) -> dict[str, bool]:
    """Return the permissions that a call gives; a wider one brings the narrower ones,
    unless told not."""
    asked = dict(params["permissions"])
    widens = not params.get("use_independent_chat_permissions")
    if not any(name in asked for name in _MEDIA):
        asked |= dict.fromkeys(_MEDIA, asked.get("can_send_media_messages", False))
        if widens and asked.get("can_send_media_messages"):
            asked["can_send_messages"] = True
    for name, source in _LIKE.items():
        asked.setdefault(name, asked.get(source, False))
    if widens and (asked.get("can_send_other_messages") or asked.get("can_add_web_page_previews")):
        asked |= dict.fromkeys((*_MEDIA, "can_send_messages"), True)
    if widens and asked.get("can_send_polls"):
        asked["can_send_messages"] = True
    return {name: bool(asked.get(name, False)) for name in PERMISSIONS}


_LIKE = {
    "can_manage_topics": "can_pin_messages",
    "can_edit_tag": "can_pin_messages",
    "can_react_to_messages": "can_send_messages",
}


def restrict_chat_member(turn: Turn, params: Params) -> object:
    """Take permissions from a member of a supergroup, or give them back."""
    if find_chat(turn, params.get("chat_id"), Access.WRITE).kind != "supergroup":
        raise bad_request("method is available only for supergroups")
    chat, member = _managed(turn, params, RESTRICT, _MAY_NOT_RESTRICT)
    if params["user_id"] == turn.bot.id:
        raise bad_request("can't restrict self")
    permissions = permissions_of(params)
    restricted: Json = {"user": member["user"], "status": "restricted", **permissions}
    restricted["is_member"] = member["status"] in IN_CHAT
    restricted["until_date"] = _until(turn, params)
    if all(permissions.values()):
        status = "member" if restricted["is_member"] else "left"
        restricted = {"user": member["user"], "status": status}
    change_member(turn, chat, restricted, turn.bot.sender)
    return True


def promote_chat_member(turn: Turn, params: Params) -> object:
    """Make somebody an administrator, or take that back with no rights at all."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if not chat.has_own_ids:
        raise bad_request("method is available for supergroup and channel chats only")
    rights = {name: bool(params.get(name, False)) for name in rights_in(chat.kind)}
    is_promotion = any(rights.values())
    if chat.kind == "channel":
        rights["is_anonymous"] = False  # nobody is, in a channel
        rights[RESTRICT] = bool(params.get(RESTRICT, is_promotion))
    if params["user_id"] == turn.bot.id and is_promotion:
        raise bad_request("can't promote self")
    chat, member = _managed(turn, params, "can_promote_members", "not enough rights")
    changed: Json = {"user": member["user"], "status": "member"}
    if is_promotion:
        _check_granted(turn, chat, rights)
        rights["can_manage_chat"] = True
        changed = {"user": member["user"], "status": "administrator", **rights}
        changed["can_be_edited"] = True
    elif member["status"] not in IN_CHAT:
        return True
    change_member(turn, chat, changed, turn.bot.sender)
    return True


def _check_granted(turn: Turn, chat: Chat, rights: Mapping[str, bool]) -> None:
    """Refuse rights that whoever gives them has not themselves."""
    own = member_of(turn, chat, turn.bot.id)
    if own["status"] == "creator":
        return
    if any(given and not own.get(name, False) for name, given in rights.items() if name in own):
        raise bad_request("RIGHT_FORBIDDEN")


def set_custom_title(turn: Turn, params: Params) -> object:
    """Set the title of an administrator that this bot has promoted."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if chat.kind not in {"group", "supergroup"}:
        raise bad_request("method is available only for groups and supergroups")
    member = member_of(turn, chat, params["user_id"])
    if member["status"] == "creator":
        raise bad_request("only the owner can edit their custom title")
    if member["status"] != "administrator":
        raise bad_request("user is not an administrator")
    if not member["can_be_edited"]:
        raise bad_request("not enough rights to change custom title of the user")
    _name(chat, member, "custom_title", params.get("custom_title", ""))
    return True


def set_member_tag(turn: Turn, params: Params) -> object:
    """Set the tag of a member who is no administrator."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if chat.kind not in {"group", "supergroup"}:
        raise bad_request("method is available only for groups and supergroups")
    own = member_of(turn, chat, turn.bot.id)
    if own["status"] != "creator" and not own.get("can_manage_tags"):
        raise bad_request("CHAT_ADMIN_REQUIRED")
    member = member_of(turn, chat, params["user_id"])
    if member["status"] not in {"member", "restricted"}:
        raise bad_request("TAG_CHANGE_FORBIDDEN")
    _name(chat, member, "tag", params.get("tag", ""))
    return True


def _name(chat: Chat, member: Json, key: str, text: str) -> None:
    what = "TAG" if key == "tag" else "CUSTOM_TITLE"
    if len(text) > MAX_TITLE:
        raise bad_request(f"{what}_INVALID")
    if any(ord(letter) >= 0x1F000 or 0x2600 <= ord(letter) <= 0x27BF for letter in text):
        raise bad_request(f"{what}_EMOJI_NOT_ALLOWED")
    kept = {name: value for name, value in member.items() if name != key}
    chat.members[member["user"]["id"]] = {**kept, key: text} if text else kept


def _sender_chat(*, banned: bool) -> Method:
    """Tell whether a channel may write in the name of itself; it has to be one that the
    bot knows."""

    def decide(turn: Turn, params: Params) -> object:
        chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
        sender = turn.bot.chats.get(params["sender_chat_id"])
        if sender is None:
            raise bad_request("chat not found")
        if not chat.has_own_ids:
            raise bad_request("can't ban chats in basic groups" if banned else "CHAT_ID_INVALID")
        own = member_of(turn, chat, turn.bot.id)
        if own["status"] != "creator" and not own.get(RESTRICT):
            raise bad_request(_MAY_NOT_RESTRICT)
        if sender.id == chat.id or sender.kind == "private":
            raise bad_request("PARTICIPANT_ID_INVALID")
        if banned:
            chat.banned_chats.add(sender.id)
        else:
            chat.banned_chats.discard(sender.id)
        return True

    return decide


def leave_chat(turn: Turn, params: Params) -> object:
    """Let the bot leave the chat."""
    chat = find_chat(turn, params.get("chat_id"), Access.EDIT)
    if chat.kind == "private":
        raise bad_request("can't leave private chats")
    left = {"user": turn.bot.sender, "status": "left"}
    change_member(turn, chat, left, turn.bot.sender)
    return True


METHODS: Mapping[str, Method] = {
    "getchatmember": get_chat_member,
    "getchatadministrators": get_chat_administrators,
    "getchatmembercount": get_chat_member_count,
    "banchatmember": ban_chat_member,
    "unbanchatmember": unban_chat_member,
    "restrictchatmember": restrict_chat_member,
    "promotechatmember": promote_chat_member,
    "setchatadministratorcustomtitle": set_custom_title,
    "setchatmembertag": set_member_tag,
    "banchatsenderchat": _sender_chat(banned=True),
    "unbanchatsenderchat": _sender_chat(banned=False),
    "leavechat": leave_chat,
}
