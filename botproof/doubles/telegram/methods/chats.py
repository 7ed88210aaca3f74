"""Chats and their members: information, bans, restrictions, rights, titles, invite links.

Source of the texts: `process_*_chat_*_query` in Client.cpp of the open-source Bot API server, and
DialogParticipantManager.cpp of td for what a bot may do to whom.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram import doors
from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import Access, announce, find_chat
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.schema import complete_member, flags
from botproof.doubles.telegram.world import Chat, Json

__all__ = ["METHODS", "PERMISSIONS", "change_member", "member_of"]

PERMISSIONS = flags("ChatPermissions")
_ONLY_SOME_CHATS_HAVE = frozenset(
    {"can_post_messages", "can_edit_messages", "can_pin_messages", "can_manage_topics"}
)
_RIGHTS = tuple(
    name for name in flags("ChatAdministratorRights") if name not in _ONLY_SOME_CHATS_HAVE
)
_BY_KIND = {
    "channel": ("can_post_messages", "can_edit_messages"),
    "supergroup": ("can_pin_messages", "can_manage_topics"),
    "group": ("can_pin_messages",),
}
_IN_CHAT = frozenset({"creator", "administrator", "member", "restricted"})


# -- information ---------------------------------------------------------------------------------


def get_chat(turn: Turn, params: Params) -> object:
    """A chat with everything about it."""
    chat = find_chat(turn, params.get("chat_id"))
    full: Json = {
        **chat.info,
        "accent_color_id": abs(chat.id) % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(_GIFTS, True),
        **chat.extra,
    }
    if chat.kind in {"group", "supergroup"}:
        full.setdefault("permissions", dict.fromkeys(PERMISSIONS, True))
    if chat.pinned:
        full["pinned_message"] = chat.messages[chat.pinned[-1]]
    if chat.kind == "private" and "username" in chat.info:
        full["active_usernames"] = [chat.info["username"]]
    return full


_GIFTS = (
    "unlimited_gifts",
    "limited_gifts",
    "unique_gifts",
    "premium_subscription",
    "gifts_from_channels",
)


def member_of(turn: Turn, chat: Chat, user_id: int) -> Json:
    """What somebody is to a chat: a ChatMember object; `left` for one who never was there."""
    member = chat.members.get(user_id)
    if member is not None:
        return member
    user = turn.bot.sender if user_id == turn.bot.id else turn.bot.users.get(user_id)
    if user is None:
        raise bad_request("PARTICIPANT_ID_INVALID")
    status = "member" if chat.kind == "private" and user_id in {chat.id, turn.bot.id} else "left"
    return {"user": user, "status": status}


def get_chat_member(turn: Turn, params: Params) -> object:
    """What somebody is to a chat."""
    chat = find_chat(turn, params.get("chat_id"))
    return member_of(turn, chat, params["user_id"])


def get_chat_administrators(turn: Turn, params: Params) -> object:
    """The owner and the administrators, without other bots unless they are asked for."""
    chat = find_chat(turn, params.get("chat_id"))
    if chat.kind == "private":
        raise bad_request("there are no administrators in the private chat")
    found = [m for m in chat.members.values() if m["status"] in {"creator", "administrator"}]
    if params.get("return_bots"):
        return found
    return [m for m in found if m["user"]["id"] == turn.bot.id or not m["user"]["is_bot"]]


def get_chat_member_count(turn: Turn, params: Params) -> object:
    """How many are in a chat; two in a private one."""
    chat = find_chat(turn, params.get("chat_id"))
    if chat.kind == "private":
        return 2
    return sum(member["status"] in _IN_CHAT for member in chat.members.values())


# -- members -------------------------------------------------------------------------------------


def _managed(turn: Turn, params: Params, right: str, what: str) -> tuple[Chat, Json]:
    """The chat and the member that a call changes; refused when the bot may not."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if chat.kind == "private":
        raise bad_request("chat member status can't be changed in private chats")
    own = member_of(turn, chat, turn.bot.id)
    if own["status"] != "creator" and not own.get(right):
        raise bad_request(f"not enough rights to {what} chat member")
    member = member_of(turn, chat, params["user_id"])
    if member["status"] == "creator":
        raise bad_request("can't remove chat owner" if right == _RESTRICT else _OWNER)
    if member["status"] == "administrator" and right == _RESTRICT:
        raise bad_request("user is an administrator of the chat")
    return chat, member


_RESTRICT = "can_restrict_members"
_OWNER = "can't edit rights of the chat owner"


def change_member(turn: Turn, chat: Chat, member: Json, by: Json) -> None:
    """Make `member` what somebody is in a chat from now on, and tell the bot of it."""
    member = complete_member(member)
    user_id = member["user"]["id"]
    old = member_of(turn, chat, user_id)
    if old == member:
        return
    chat.members[user_id] = member
    change = {
        "chat": chat.info,
        "from": by,
        "date": turn.date,
        "old_chat_member": old,
        "new_chat_member": member,
    }
    kind = "my_chat_member" if user_id == turn.bot.id else "chat_member"
    doors.push(turn.core, turn.bot, kind, change, turn.now)


def ban_chat_member(turn: Turn, params: Params) -> object:
    """Throw somebody out, until a date or for good."""
    chat, member = _managed(turn, params, _RESTRICT, "restrict/unrestrict")
    banned = {"user": member["user"], "status": "kicked", "until_date": params.get("until_date", 0)}
    change_member(turn, chat, banned, turn.bot.sender)
    return True


def unban_chat_member(turn: Turn, params: Params) -> object:
    """Let somebody back in, which does not put them back; members are removed unless asked not."""
    chat, member = _managed(turn, params, _RESTRICT, "restrict/unrestrict")
    if not chat.has_own_ids:
        raise bad_request("method is available for supergroup and channel chats only")
    if params.get("only_if_banned") and member["status"] != "kicked":
        return True
    change_member(turn, chat, {"user": member["user"], "status": "left"}, turn.bot.sender)
    return True


def restrict_chat_member(turn: Turn, params: Params) -> object:
    """Take permissions from a member of a supergroup, or give them back."""
    if find_chat(turn, params.get("chat_id"), Access.WRITE).kind != "supergroup":
        raise bad_request("method is available only for supergroups")
    chat, member = _managed(turn, params, _RESTRICT, "restrict/unrestrict")
    asked = params["permissions"]
    permissions = {name: bool(asked.get(name, False)) for name in PERMISSIONS}
    restricted: Json = {"user": member["user"], "status": "restricted", **permissions}
    restricted["is_member"] = member["status"] in _IN_CHAT
    restricted["until_date"] = params.get("until_date", 0)
    if all(permissions.values()):
        restricted = {"user": member["user"], "status": "member"}
    change_member(turn, chat, restricted, turn.bot.sender)
    return True


def promote_chat_member(turn: Turn, params: Params) -> object:
    """Make somebody an administrator, or take that back with no rights at all."""
    chat, member = _managed(turn, params, "can_promote_members", "promote/demote")
    names = (*_RIGHTS, *_BY_KIND.get(chat.kind, ()))
    rights = {name: bool(params.get(name, False)) for name in names}
    changed: Json = {"user": member["user"], "status": "member"}
    if any(rights.values()):
        rights["can_manage_chat"] = True
        changed = {"user": member["user"], "status": "administrator", **rights}
        changed["can_be_edited"] = True
    change_member(turn, chat, changed, turn.bot.sender)
    return True


def leave_chat(turn: Turn, params: Params) -> object:
    """The bot goes."""
    chat = find_chat(turn, params.get("chat_id"), Access.EDIT)
    if chat.kind == "private":
        raise bad_request("can't leave private chats")
    left = {"user": turn.bot.sender, "status": "left"}
    change_member(turn, chat, left, turn.bot.sender)
    return True


# -- settings ------------------------------------------------------------------------------------


def _settable(turn: Turn, params: Params, right: str, what: str) -> Chat:
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if chat.kind == "private":
        raise bad_request(f"can't {what} of private chat" if what else "wrong chat")
    own = member_of(turn, chat, turn.bot.id)
    if own["status"] != "creator" and not own.get(right):
        raise bad_request(f"not enough rights to {what} of the chat")
    return chat


def set_chat_title(turn: Turn, params: Params) -> object:
    """Another title, with a service message that says so."""
    chat = _settable(turn, params, "can_change_info", "change title")
    title = params.get("title", "").strip()
    if not 1 <= len(title) <= 128:
        raise bad_request("title must be non-empty" if not title else "title is too long")
    chat.info = {**chat.info, "title": title}
    announce(turn, chat, {"new_chat_title": title})
    return True


def set_chat_description(turn: Turn, params: Params) -> object:
    """Another description."""
    chat = _settable(turn, params, "can_change_info", "change description")
    description = params.get("description", "")
    if len(description) > 255:
        raise bad_request("chat description is too long")
    if description == chat.extra.get("description", ""):
        raise bad_request("chat description is not modified")
    chat.extra["description"] = description
    return True


def set_chat_permissions(turn: Turn, params: Params) -> object:
    """What every member may do."""
    chat = _settable(turn, params, _RESTRICT, "change permissions")
    asked = params["permissions"]
    chat.extra["permissions"] = {name: bool(asked.get(name, False)) for name in PERMISSIONS}
    return True


# -- invite links --------------------------------------------------------------------------------


def _invitable(turn: Turn, params: Params) -> Chat:
    return _settable(turn, params, "can_invite_users", "manage invite links")


def _link(turn: Turn, chat: Chat, params: Params) -> Json:
    letters = f"{abs(chat.id):x}-{len(chat.invite_links) + 1}"
    link: Json = {
        "invite_link": f"https://t.me/+{letters}",
        "creator": turn.bot.sender,
        "creates_join_request": bool(params.get("creates_join_request", False)),
        "is_primary": False,
        "is_revoked": False,
    }
    names = ("name", "expire_date", "member_limit")
    link.update({name: params[name] for name in names if params.get(name)})
    chat.invite_links[link["invite_link"]] = link
    return link


def create_chat_invite_link(turn: Turn, params: Params) -> object:
    """A further link."""
    return _link(turn, _invitable(turn, params), params)


def export_chat_invite_link(turn: Turn, params: Params) -> object:
    """A new primary link; the old one ends."""
    chat = _invitable(turn, params)
    for url, old in chat.invite_links.items():
        if old["is_primary"]:
            chat.invite_links[url] = {**old, "is_revoked": True, "is_primary": False}
    link = _link(turn, chat, {})
    chat.invite_links[link["invite_link"]] = {**link, "is_primary": True}
    chat.extra["invite_link"] = link["invite_link"]
    return link["invite_link"]


def _known_link(turn: Turn, params: Params) -> tuple[Chat, Json]:
    chat = _invitable(turn, params)
    link = chat.invite_links.get(params["invite_link"])
    if link is None:
        raise bad_request("INVITE_HASH_EXPIRED")
    return chat, link


def edit_chat_invite_link(turn: Turn, params: Params) -> object:
    """The same link on other terms."""
    chat, link = _known_link(turn, params)
    names = ("name", "expire_date", "member_limit", "creates_join_request")
    changed = {**link, **{name: params[name] for name in names if name in params}}
    chat.invite_links[link["invite_link"]] = changed
    return changed


def revoke_chat_invite_link(turn: Turn, params: Params) -> object:
    """The link ends."""
    chat, link = _known_link(turn, params)
    revoked = {**link, "is_revoked": True}
    chat.invite_links[link["invite_link"]] = revoked
    return revoked


# -- join requests -------------------------------------------------------------------------------


def _decide(*, approve: bool) -> Method:
    def decide(turn: Turn, params: Params) -> object:
        chat = _settable(turn, params, "can_invite_users", "manage join requests")
        requests: list[int] = chat.join_requests
        if params["user_id"] not in requests:
            raise bad_request("HIDE_REQUESTER_MISSING")
        requests.remove(params["user_id"])
        if approve:
            user = turn.bot.users[params["user_id"]]
            change_member(turn, chat, {"user": user, "status": "member"}, turn.bot.sender)
        return True

    return decide


METHODS: Mapping[str, Method] = {
    "getchat": get_chat,
    "getchatmember": get_chat_member,
    "getchatadministrators": get_chat_administrators,
    "getchatmembercount": get_chat_member_count,
    "banchatmember": ban_chat_member,
    "unbanchatmember": unban_chat_member,
    "restrictchatmember": restrict_chat_member,
    "promotechatmember": promote_chat_member,
    "leavechat": leave_chat,
    "setchattitle": set_chat_title,
    "setchatdescription": set_chat_description,
    "setchatpermissions": set_chat_permissions,
    "createchatinvitelink": create_chat_invite_link,
    "exportchatinvitelink": export_chat_invite_link,
    "editchatinvitelink": edit_chat_invite_link,
    "revokechatinvitelink": revoke_chat_invite_link,
    "approvechatjoinrequest": _decide(approve=True),
    "declinechatjoinrequest": _decide(approve=False),
}
