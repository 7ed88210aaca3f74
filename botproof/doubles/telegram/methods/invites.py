"""Invite links, also those that cost Stars, and requests to join.

Source of the texts: DialogInviteLinkManager.cpp and DialogParticipantManager.cpp of td; what stands
in capitals comes from Telegram itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.chats import may_manage
from botproof.doubles.telegram.methods.common import Access, find_chat
from botproof.doubles.telegram.methods.members import IN_CHAT, change_member, member_of
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Chat, Json

MAX_NAME = 32
MAX_MEMBERS = 100_000
MONTH = 2_592_000  # seconds: the only period that a subscription can have
MAX_PRICE = 10_000


def _invitable(turn: Turn, params: Params) -> Chat:
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if chat.kind == "private":
        raise bad_request("can't invite members to a private chat")
    if not may_manage(turn, chat, "can_invite_users"):
        raise bad_request("not enough rights to manage chat invite link")
    return chat


def _terms(turn: Turn, params: Params) -> Json:
    """Return the terms of a link as a call sets them: all of them, so that one left out is none."""
    terms: Json = {"creates_join_request": bool(params.get("creates_join_request", False))}
    limit = min(max(params.get("member_limit", 0), 0), MAX_MEMBERS)
    if limit and terms["creates_join_request"]:
        raise bad_request(
            "member limit can't be specified for links requiring administrator approval"
        )
    expires = max(params.get("expire_date", 0), 0)
    if 0 < expires <= turn.now:
        raise bad_request("EXPIRE_DATE_INVALID")
    named = {"name": _name(params), "expire_date": expires, "member_limit": limit}
    return terms | {name: value for name, value in named.items() if value}


def _name(params: Params) -> str:
    name: str = params.get("name", "")
    if len(name) > MAX_NAME:
        raise bad_request("INVITE_TITLE_INVALID")
    return name


def _add(turn: Turn, chat: Chat, terms: Json) -> Json:
    letters = f"{abs(chat.id):x}-{len(chat.invite_links) + 1}"
    link: Json = {
        "invite_link": f"https://t.me/+{letters}",
        "creator": turn.bot.sender,
        "creates_join_request": False,
        "is_primary": False,
        "is_revoked": False,
        **terms,
    }
    chat.invite_links[link["invite_link"]] = link
    return link


def create_chat_invite_link(turn: Turn, params: Params) -> object:
    """Make a further link."""
    chat = _invitable(turn, params)
    return _add(turn, chat, _terms(turn, params))


def export_chat_invite_link(turn: Turn, params: Params) -> object:
    """Make a new primary link; the old one ends."""
    return _new_primary(turn, _invitable(turn, params))["invite_link"]


def _new_primary(turn: Turn, chat: Chat) -> Json:
    for url, old in chat.invite_links.items():
        if old["is_primary"]:
            chat.invite_links[url] = {**old, "is_revoked": True, "is_primary": False}
    link = _add(turn, chat, {"is_primary": True})
    chat.extra["invite_link"] = link["invite_link"]
    return link


def _known(turn: Turn, params: Params) -> tuple[Chat, Json]:
    chat = _invitable(turn, params)
    asked = params.get("invite_link", "")
    if not asked:
        raise bad_request("invite link must be non-empty")
    link = chat.invite_links.get(asked)
    if link is None:
        raise bad_request("INVITE_HASH_EXPIRED")
    return chat, link


_ABOUT_IT = ("invite_link", "creator", "is_primary", "is_revoked")


def edit_chat_invite_link(turn: Turn, params: Params) -> object:
    """Put the link on other terms: those that the call leaves out are none."""
    chat, link = _known(turn, params)
    if link["is_revoked"]:
        raise bad_request("INVITE_HASH_EXPIRED")
    if link["is_primary"]:
        raise bad_request("CHAT_INVITE_PERMANENT")
    changed = {**{name: link[name] for name in _ABOUT_IT}, **_terms(turn, params)}
    chat.invite_links[link["invite_link"]] = changed
    return changed


def revoke_chat_invite_link(turn: Turn, params: Params) -> object:
    """End the link; in the place of a primary one there is a new one at once."""
    chat, link = _known(turn, params)
    revoked = {**link, "is_revoked": True, "is_primary": False}
    if link["is_primary"]:
        _new_primary(turn, chat)
    chat.invite_links[link["invite_link"]] = revoked
    return revoked


def create_subscription_link(turn: Turn, params: Params) -> object:
    """Make a link into a channel that costs Stars every month."""
    chat = _invitable(turn, params)
    period, price = params["subscription_period"], params["subscription_price"]
    if chat.kind != "channel":
        raise bad_request("CHAT_ID_INVALID")
    if period != MONTH:
        raise bad_request("SUBSCRIPTION_PERIOD_INVALID")
    if not 1 <= price <= MAX_PRICE:
        raise bad_request("invalid subscription pricing specified")
    terms: Json = {"subscription_period": period, "subscription_price": price}
    name = _name(params)
    return _add(turn, chat, terms | ({"name": name} if name else {}))


def edit_subscription_link(turn: Turn, params: Params) -> object:
    """Put another name, or none; the price stays."""
    chat, link = _known(turn, params)
    if "subscription_price" not in link:
        raise bad_request("INVITE_HASH_EXPIRED")
    changed = {key: value for key, value in link.items() if key != "name"}
    if name := _name(params):
        changed["name"] = name
    chat.invite_links[link["invite_link"]] = changed
    return changed


def is_usable(chat: Chat, link: Json, now: float) -> bool:
    """Tell whether somebody can still come in by a link: not revoked, not expired, not used up."""
    uses = sum(used == link["invite_link"] for used in chat.came_by.values())
    over = 0 < link.get("expire_date", 0) <= now
    return not (link["is_revoked"] or over or 0 < link.get("member_limit", 0) <= uses)


# -- join requests -------------------------------------------------------------------------------


def _decide(*, approve: bool) -> Method:
    def decide(turn: Turn, params: Params) -> object:
        chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
        if chat.kind == "private":
            raise bad_request("the chat can't have join requests")
        if not may_manage(turn, chat, "can_invite_users"):
            raise bad_request("not enough rights to manage chat join requests")
        member = member_of(turn, chat, params["user_id"])
        if member["status"] in IN_CHAT and member.get("is_member", True):
            raise bad_request("USER_ALREADY_PARTICIPANT")
        if params["user_id"] not in chat.join_requests:
            raise bad_request("HIDE_REQUESTER_MISSING")
        chat.join_requests.remove(params["user_id"])
        if approve:
            user = turn.bot.users[params["user_id"]]
            joined = {"user": user, "status": "member"}
            change_member(turn, chat, joined, turn.bot.sender, via_join_request=True)
        return True

    return decide


METHODS: Mapping[str, Method] = {
    "createchatinvitelink": create_chat_invite_link,
    "exportchatinvitelink": export_chat_invite_link,
    "editchatinvitelink": edit_chat_invite_link,
    "revokechatinvitelink": revoke_chat_invite_link,
    "createchatsubscriptioninvitelink": create_subscription_link,
    "editchatsubscriptioninvitelink": edit_subscription_link,
    "approvechatjoinrequest": _decide(approve=True),
    "declinechatjoinrequest": _decide(approve=False),
}
