"""The methods about chats, their members, and the bot itself."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

GROUP = -5
SUPERGROUP = -1_000_000_000_005


# -- chats and members -----------------------------------------------------------------------------


async def test_get_chat(api: Any, chat: int) -> None:
    full = await api.ok("getChat", chat_id=chat)
    assert (full["type"], full["first_name"], full["active_usernames"]) == (
        "private",
        "Ann",
        ["ann"],
    )
    await api.person(text="hi", chat_id=SUPERGROUP, user_id=1, title="Traders", chat_username="tr")
    full = await api.ok("getChat", chat_id="@tr")
    assert (full["id"], full["title"], full["permissions"]["can_send_messages"]) == (
        SUPERGROUP,
        "Traders",
        True,
    )


async def test_members_come_go_and_are_banned(api: Any) -> None:
    everything = ["chat_member", "my_chat_member", "message"]
    await api.call("getUpdates", allowed_updates=everything)
    members = [{"user": {"id": 9, "first_name": "Olga"}, "status": "creator"}]
    rights = {"status": "administrator", "can_restrict_members": True, "can_promote_members": True}
    described = {"id": SUPERGROUP, "title": "T", "members": members, "bot": rights}
    await api.control("POST", f"bots/{api.token}/chats", described)
    await api.person(join=True, chat_id=SUPERGROUP, user_id=4, first_name="Max")
    assert await api.ok("getChatMemberCount", chat_id=SUPERGROUP) == 3
    call = {"chat_id": SUPERGROUP, "user_id": 4}
    assert (await api.ok("getChatMember", **call))["status"] == "member"
    permissions = {"can_send_messages": False}
    await api.ok("restrictChatMember", **call, permissions=permissions)
    assert (await api.ok("getChatMember", **call))["status"] == "restricted"
    await api.ok("promoteChatMember", **call, can_pin_messages=True)
    administrators = await api.ok("getChatAdministrators", chat_id=SUPERGROUP)
    assert {m["user"]["id"] for m in administrators} == {9, 123456, 4}
    await api.ok("promoteChatMember", **call)
    await api.ok("banChatMember", **call)
    assert (await api.ok("getChatMember", **call))["status"] == "kicked"
    await api.ok("unbanChatMember", **call, only_if_banned=True)
    assert (await api.ok("getChatMember", **call))["status"] == "left"
    changes = [
        u["chat_member"] for u in await api.ok("getUpdates", offset=-99) if "chat_member" in u
    ]
    assert [c["new_chat_member"]["status"] for c in changes] == [
        "member",
        "restricted",
        "administrator",
        "member",
        "kicked",
        "left",
    ]
    owner = await api.refused("banChatMember", chat_id=SUPERGROUP, user_id=9)
    assert owner == "400 Bad Request: can't remove chat owner"


async def test_other_bots_among_the_administrators_come_only_when_asked_for(api: Any) -> None:
    other = {"id": 88, "is_bot": True, "first_name": "Other"}
    members = [{"user": other, "status": "administrator"}]
    own = {"status": "administrator"}
    described = {"id": SUPERGROUP, "members": members, "bot": own}
    await api.control("POST", f"bots/{api.token}/chats", described)
    for asked, found in (({}, {123456}), ({"return_bots": True}, {123456, 88})):
        administrators = await api.ok("getChatAdministrators", chat_id=SUPERGROUP, **asked)
        assert {member["user"]["id"] for member in administrators} == found


async def test_a_group_becomes_a_supergroup(api: Any) -> None:
    await api.person(text="hi", chat_id=GROUP, user_id=1)
    made = await api.person(upgrade=True, chat_id=GROUP, user_id=1)
    new = made["migrate_to_chat_id"]
    messages = [u["message"] for u in await api.ok("getUpdates")]
    assert (messages[1]["chat"]["id"], messages[1]["migrate_to_chat_id"]) == (GROUP, new)
    assert (messages[2]["chat"]["id"], messages[2]["migrate_from_chat_id"]) == (new, GROUP)
    answer = await api.call("sendMessage", chat_id=GROUP, text="x")
    assert answer == {
        "ok": False,
        "error_code": 400,
        "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": {"migrate_to_chat_id": new},
    }
    await api.ok("sendMessage", chat_id=new, text="x")
    assert await api.ok("getChatMemberCount", chat_id=new) == 2


async def test_the_bot_is_told_when_it_comes_and_goes(api: Any) -> None:
    await api.person(add_bot=True, chat_id=GROUP, user_id=1)
    await api.person(remove_bot=True, chat_id=GROUP, user_id=1)
    changes = [u["my_chat_member"] for u in await api.ok("getUpdates") if "my_chat_member" in u]
    assert [c["new_chat_member"]["status"] for c in changes] == ["member", "kicked"]
    assert [c["old_chat_member"]["status"] for c in changes] == ["left", "member"]


async def test_titles_descriptions_permissions_and_links(api: Any) -> None:
    rights = {
        "status": "administrator",
        "can_change_info": True,
        "can_restrict_members": True,
        "can_invite_users": True,
    }
    await api.control("POST", f"bots/{api.token}/chats", {"id": SUPERGROUP, "bot": rights})
    await api.ok("setChatTitle", chat_id=SUPERGROUP, title="New")
    await api.ok("setChatDescription", chat_id=SUPERGROUP, description="About")
    permissions = {"can_send_messages": True}
    await api.ok("setChatPermissions", chat_id=SUPERGROUP, permissions=permissions)
    full = await api.ok("getChat", chat_id=SUPERGROUP)
    assert (full["title"], full["description"]) == ("New", "About")
    assert full["permissions"]["can_send_polls"] is False
    link = await api.ok("createChatInviteLink", chat_id=SUPERGROUP, name="n", member_limit=3)
    assert (link["name"], link["member_limit"], link["is_revoked"]) == ("n", 3, False)
    call = {"chat_id": SUPERGROUP, "invite_link": link["invite_link"]}
    assert (await api.ok("editChatInviteLink", **call, name="m"))["name"] == "m"
    assert (await api.ok("revokeChatInviteLink", **call))["is_revoked"] is True
    primary = await api.ok("exportChatInviteLink", chat_id=SUPERGROUP)
    assert (await api.ok("getChat", chat_id=SUPERGROUP))["invite_link"] == primary


async def test_join_requests_are_approved_once(api: Any) -> None:
    rights = {"status": "administrator", "can_invite_users": True}
    await api.control("POST", f"bots/{api.token}/chats", {"id": SUPERGROUP, "bot": rights})
    await api.person(join_request=True, chat_id=SUPERGROUP, user_id=4)
    call = {"chat_id": SUPERGROUP, "user_id": 4}
    assert await api.ok("approveChatJoinRequest", **call) is True
    assert (await api.ok("getChatMember", **call))["status"] == "member"
    assert await api.refused("approveChatJoinRequest", **call) == (
        "400 Bad Request: USER_ALREADY_PARTICIPANT"
    )
    await api.person(text="hi", chat_id=5)
    assert await api.refused("approveChatJoinRequest", chat_id=SUPERGROUP, user_id=5) == (
        "400 Bad Request: HIDE_REQUESTER_MISSING"
    )


# -- the bot itself --------------------------------------------------------------------------------


async def test_commands_by_scope_and_language(api: Any, chat: int) -> None:
    def commands(name: str) -> list[dict[str, str]]:
        return [{"command": name, "description": f"about {name}"}]

    own = {"scope": {"type": "chat", "chat_id": chat}}
    await api.ok("setMyCommands", commands=commands("start"))
    await api.ok("setMyCommands", commands=commands("starten"), language_code="de")
    await api.ok("setMyCommands", commands=commands("mine"), **own)
    assert await api.ok("getMyCommands") == commands("start")
    assert await api.ok("getMyCommands", language_code="de") == commands("starten")
    assert await api.ok("getMyCommands", **own) == commands("mine")
    assert await api.ok("getMyCommands", scope={"type": "all_group_chats"}) == []
    await api.ok("deleteMyCommands", **own)
    assert await api.ok("getMyCommands", **own) == []


async def test_names_and_descriptions(api: Any, chat: int) -> None:
    await api.ok("setMyName", name="Quotes")
    await api.ok("setMyDescription", description="Tells prices")
    await api.ok("setMyShortDescription", short_description="Prices", language_code="de")
    assert await api.ok("getMyName") == {"name": "Quotes"}
    assert await api.ok("getMyDescription", language_code="fr") == {"description": "Tells prices"}
    assert await api.ok("getMyShortDescription") == {"short_description": ""}
    sent = await api.ok("sendMessage", chat_id=chat, text="x")
    assert sent["from"]["first_name"] == "Quotes"


async def test_menu_buttons_and_default_rights(api: Any, chat: int) -> None:
    assert await api.ok("getChatMenuButton") == {"type": "commands"}
    assert await api.ok("getChatMenuButton", chat_id=chat) == {"type": "default"}
    button = {"type": "web_app", "text": "Open", "web_app": {"url": "https://example.com"}}
    await api.ok("setChatMenuButton", menu_button=button)
    assert await api.ok("getChatMenuButton") == button
    assert await api.ok("getChatMenuButton", chat_id=chat) == {"type": "default"}
    for own in ({**button, "text": "Mine"}, {"type": "commands"}, {"type": "default"}):
        await api.ok("setChatMenuButton", chat_id=chat, menu_button=own)
        assert await api.ok("getChatMenuButton", chat_id=chat) == own
    await api.ok("setMyDefaultAdministratorRights", rights={"can_delete_messages": True})
    rights = await api.ok("getMyDefaultAdministratorRights")
    assert (rights["can_delete_messages"], rights["is_anonymous"]) == (True, False)
