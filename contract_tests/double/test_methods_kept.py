"""Payments, stickers, games, Web Apps, business accounts, gifts: what is done is there after it."""

import base64
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

GROUP = -1_000_000_000_009
PRICE = [{"label": "x", "amount": 5}]
STARS = {"title": "t", "description": "d", "payload": "p", "currency": "XTR", "prices": PRICE}


@pytest.fixture
async def chat(api: Any) -> int:
    await api.person(text="/start", chat_id=1, first_name="Ann")
    return 1


async def told(api: Any, kind: str) -> Any:
    """The newest update of a kind."""
    updates = [event["update"] for event in await api.events("inject")]
    return [update[kind] for update in updates if kind in update][-1]


# -- payments --------------------------------------------------------------------------------------


async def test_stars_are_paid_and_given_back_once(api: Any, chat: int) -> None:
    sent = await api.ok("sendInvoice", chat_id=chat, **STARS)
    assert sent["invoice"]["total_amount"] == 5
    assert sent["reply_markup"]["inline_keyboard"][0][0]["pay"] is True
    asked = await api.person(pay={"message_id": sent["message_id"]}, chat_id=chat)
    number = asked["pre_checkout_query_id"]
    assert (await told(api, "pre_checkout_query"))["invoice_payload"] == "p"
    assert await api.ok("getMyStarBalance") == {"amount": 0}
    await api.ok("answerPreCheckoutQuery", pre_checkout_query_id=number, ok=True)
    payment = (await told(api, "message"))["successful_payment"]
    charge = payment["telegram_payment_charge_id"]
    assert await api.ok("getMyStarBalance") == {"amount": 5}
    (entry,) = (await api.ok("getStarTransactions"))["transactions"]
    assert (entry["id"], entry["source"]["user"]["id"]) == (charge, 1)
    call = {"user_id": 1, "telegram_payment_charge_id": charge}
    await api.ok("refundStarPayment", **call)
    assert (await told(api, "message"))["refunded_payment"]["invoice_payload"] == "p"
    assert await api.ok("getMyStarBalance") == {"amount": 0}
    again = await api.refused("refundStarPayment", **call)
    assert again == "400 Bad Request: CHARGE_ALREADY_REFUNDED"


async def test_a_payment_that_the_bot_refuses_is_not_made(api: Any, chat: int) -> None:
    link = await api.ok("createInvoiceLink", **STARS)
    assert link.startswith("https://t.me/$")
    asked = await api.person(pay={"invoice_link": link}, chat_id=chat)
    answer = {"pre_checkout_query_id": asked["pre_checkout_query_id"], "ok": False}
    assert await api.refused("answerPreCheckoutQuery", **answer) == (
        '400 Bad Request: Parameter "error_message" is required'
    )
    await api.ok("answerPreCheckoutQuery", **answer, error_message="sold out")
    assert await api.ok("getMyStarBalance") == {"amount": 0}
    assert "query is too old" in await api.refused(
        "answerPreCheckoutQuery", **answer, error_message="x"
    )


async def test_shipping_is_asked_for_first_and_paid_with_the_rest(api: Any, chat: int) -> None:
    bill = {**STARS, "currency": "EUR", "provider_token": "1:TEST:a", "is_flexible": True}
    sent = await api.ok("sendInvoice", chat_id=chat, **bill)
    pay = {"message_id": sent["message_id"]}
    asked = await api.person(pay=pay, chat_id=chat)
    option = {"id": "post", "title": "Post", "prices": [{"label": "stamp", "amount": 2}]}
    number = asked["shipping_query_id"]
    await api.ok(
        "answerShippingQuery", shipping_query_id=number, ok=True, shipping_options=[option]
    )
    asked = await api.person(pay={**pay, "shipping_option_id": "post"}, chat_id=chat)
    assert (await told(api, "pre_checkout_query"))["total_amount"] == 7
    number = asked["pre_checkout_query_id"]
    await api.ok("answerPreCheckoutQuery", pre_checkout_query_id=number, ok=True)
    payment = (await told(api, "message"))["successful_payment"]
    assert (payment["total_amount"], payment["shipping_option_id"]) == (7, "post")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"currency": "XXX"}, "CURRENCY_INVALID"),
        ({"prices": []}, "there must be at least one price"),
        ({"prices": [*PRICE, *PRICE]}, "STARS_INVOICE_INVALID"),
        ({"need_email": True}, "STARS_INVOICE_INVALID"),
        ({"currency": "EUR"}, "PAYMENT_PROVIDER_INVALID"),
        ({"prices": [{"label": "x", "amount": -1}]}, "CURRENCY_TOTAL_AMOUNT_INVALID"),
        ({"payload": "p" * 129}, "INVOICE_PAYLOAD_INVALID"),
    ],
)
async def test_bills_that_telegram_refuses(
    api: Any, chat: int, changed: dict[str, object], says: str
) -> None:
    answer = await api.refused("sendInvoice", chat_id=chat, **{**STARS, **changed})
    assert answer == f"400 Bad Request: {says}"


async def test_gifts_cost_the_bots_stars(api: Any, chat: int) -> None:
    gift = (await api.ok("getAvailableGifts"))["gifts"][0]
    call = {"user_id": chat, "gift_id": gift["id"], "text": "for you"}
    assert await api.refused("sendGift", **call) == "400 Bad Request: BALANCE_TOO_LOW"
    await api.control("POST", f"bots/{api.token}/world", {"stars": 20})
    await api.ok("sendGift", **call)
    assert await api.ok("getMyStarBalance") == {"amount": 20 - gift["star_count"]}
    owned = await api.ok("getUserGifts", user_id=chat)
    assert (owned["total_count"], owned["gifts"][0]["text"]) == (1, "for you")


# -- stickers, games -------------------------------------------------------------------------------


def tgs(name: str) -> dict[str, object]:
    return {"sticker": f"https://e.com/{name}.webp", "format": "static", "emoji_list": ["😀"]}


async def test_a_sticker_set_lives_and_dies(api: Any, chat: int) -> None:
    me = await api.ok("getMe")
    name = f"mine_by_{me['username']}"
    call = {"user_id": chat, "name": name}
    assert await api.refused("getStickerSet", name=name) == "400 Bad Request: STICKERSET_INVALID"
    bad = await api.refused(
        "createNewStickerSet", user_id=1, name="x", title="T", stickers=[tgs("a")]
    )
    assert bad == "400 Bad Request: invalid sticker set name is specified"
    await api.ok("createNewStickerSet", **call, title="T", stickers=[tgs("a"), tgs("b")])
    again = await api.refused("createNewStickerSet", **call, title="T", stickers=[tgs("a")])
    assert again == "400 Bad Request: sticker set name is already occupied"
    await api.ok("addStickerToSet", **call, sticker=tgs("c"))
    first, _, third = (await api.ok("getStickerSet", name=name))["stickers"]
    await api.ok("setStickerPositionInSet", sticker=third["file_id"], position=0)
    await api.ok("setStickerEmojiList", sticker=first["file_id"], emoji_list=["🐱"])
    await api.ok("setStickerSetTitle", name=name, title="Cats")
    kept = await api.ok("getStickerSet", name=name)
    assert [s["file_id"] for s in kept["stickers"]][:2] == [third["file_id"], first["file_id"]]
    assert (kept["title"], kept["stickers"][1]["emoji"]) == ("Cats", "🐱")
    sent = await api.ok("sendSticker", chat_id=chat, sticker=first["file_id"])
    assert sent["sticker"]["file_unique_id"] == first["file_unique_id"]
    await api.ok("deleteStickerFromSet", sticker=first["file_id"])
    await api.ok("deleteStickerSet", name=name)
    assert await api.refused("deleteStickerSet", name=name) == "400 Bad Request: STICKERSET_INVALID"
    assert await api.refused("deleteStickerSet", name="pusheen") == (
        "400 Bad Request: STICKERSET_INVALID"
    )


async def test_scores_only_grow_unless_forced(api: Any, chat: int) -> None:
    game = await api.ok("sendGame", chat_id=chat, game_short_name="g")
    call = {"chat_id": chat, "message_id": game["message_id"], "user_id": 1}
    assert "Ann" in (await api.ok("setGameScore", **call, score=5))["game"]["text"]
    for score in (5, 4):
        refused = await api.refused("setGameScore", **call, score=score)
        assert refused == "400 Bad Request: BOT_SCORE_NOT_MODIFIED"
    await api.ok("setGameScore", **call, score=3, force=True)
    (best,) = await api.ok("getGameHighScores", **call)
    assert (best["position"], best["score"]) == (1, 3)
    plain = await api.ok("sendMessage", chat_id=chat, text="no game")
    refused = await api.refused(
        "setGameScore", **{**call, "message_id": plain["message_id"]}, score=1
    )
    assert refused == "400 Bad Request: MESSAGE_ID_INVALID"


# -- Web Apps, business accounts -------------------------------------------------------------------


async def test_a_web_apps_query_is_answered_once(api: Any, chat: int) -> None:
    content = {"message_text": "done"}
    result = {"type": "article", "id": "1", "title": "t", "input_message_content": content}
    opened = await api.person(web_app_query=True, user_id=1)
    call = {"web_app_query_id": opened["web_app_query_id"], "result": result}
    assert (await api.ok("answerWebAppQuery", **call))["inline_message_id"]
    for number in (call["web_app_query_id"], "unknown"):
        refused = await api.refused("answerWebAppQuery", **{**call, "web_app_query_id": number})
        assert refused.startswith("400 Bad Request: query is too old")
    await api.person(web_app_data={"data": "{}", "button_text": "Open"}, chat_id=chat)
    assert (await told(api, "message"))["web_app_data"] == {"data": "{}", "button_text": "Open"}


@pytest.mark.usefixtures("chat")
async def test_a_business_account_has_chats_of_its_own(api: Any) -> None:
    text = {"chat_id": 7, "text": "hello"}
    assert await api.refused("sendMessage", **text, business_connection_id="x") == (
        "400 Bad Request: business connection not found"
    )
    rights = {"can_reply": True, "can_read_messages": True}
    made = await api.person(business={"rights": rights}, user_id=5, first_name="Shop")
    number = made["business_connection_id"]
    assert (await api.ok("getBusinessConnection", business_connection_id=number))["can_reply"]
    await api.person(text="open?", chat_id=7, business_connection_id=number)
    asked = await told(api, "business_message")
    assert (asked["text"], asked["business_connection_id"]) == ("open?", number)
    sent = await api.ok("sendMessage", **text, business_connection_id=number)
    assert (sent["from"]["id"], sent["business_connection_id"]) == (5, number)
    assert sent["sender_business_bot"]["is_bot"] is True
    assert await api.refused("sendMessage", **text) == (
        "403 Forbidden: bot can't initiate conversation with a user"
    )
    call = {"business_connection_id": number, "first_name": "New"}
    assert await api.refused("setBusinessAccountName", **call) == (
        "400 Bad Request: BUSINESS_CONNECTION_NOT_ALLOWED"
    )
    await api.person(business={"is_enabled": False}, user_id=5)
    refused = await api.refused("sendMessage", **text, business_connection_id=number)
    assert refused == "400 Bad Request: BUSINESS_CONNECTION_INVALID"


@pytest.mark.usefixtures("chat")
async def test_stories_are_uploads_of_a_connection(api: Any) -> None:
    made = await api.person(business={}, user_id=5, first_name="Shop")
    call = {"business_connection_id": made["business_connection_id"]}
    content = {"type": "photo", "photo": "https://e.com/a.jpg"}
    refused = await api.refused("postStory", **call, content=content, active_period=86_400)
    assert refused == (
        "400 Bad Request: can't parse InputStoryContent: Story photo must be uploaded as a file"
    )
    assert await api.refused("deleteStory", **call, story_id=1) == (
        "400 Bad Request: STORY_ID_INVALID"
    )


# -- strictly --------------------------------------------------------------------------------------


async def test_what_would_be_made_up_fails_when_asked_to(api: Any, chat: int) -> None:
    await api.ok("sendGame", chat_id=chat, game_short_name="g")
    assert await api.control("POST", "settings", {"strict_unknowns": True}) == {
        "strict_unknowns": True
    }
    refused = await api.refused("sendGame", chat_id=chat, game_short_name="g")
    assert refused.startswith("501 Not Implemented: sendGame: any well-formed short name is a game")
    refused = await api.refused("sendPhoto", chat_id=chat, photo="https://example.com/a.png")
    assert refused.startswith("501 Not Implemented: sendPhoto: a file by a URL outside")
    await api.control("POST", "reset")
    assert await api.control("GET", "settings") == {"strict_unknowns": True}


@pytest.mark.usefixtures("chat")
async def test_people_get_pictures_from_the_test(api: Any, jpeg: bytes) -> None:
    photo = {"user_id": 1, "data": base64.b64encode(jpeg).decode()}
    await api.control("POST", f"bots/{api.token}/world", {"profile_photos": [photo]})
    assert (await api.ok("getUserProfilePhotos", user_id=1))["total_count"] == 1
    assert (await api.ok("getChat", chat_id=1))["photo"]["big_file_id"]


# -- time ------------------------------------------------------------------------------------------


async def test_a_link_lets_nobody_in_after_its_time_or_its_last_guest(api: Any, chat: int) -> None:
    await api.person(text="hi", chat_id=GROUP, user_id=chat)
    own = {"id": GROUP, "bot": {"status": "creator"}}
    await api.control("POST", f"bots/{api.token}/chats", own)
    until = int((await api.control("GET", "clock"))["now"]) + 100
    link = await api.ok("createChatInviteLink", chat_id=GROUP, expire_date=until, member_limit=2)
    join = {"join": True, "chat_id": GROUP, "invite_link": link["invite_link"]}
    await api.person(**join, user_id=2)
    assert (await api.ok("getChatMember", chat_id=GROUP, user_id=2))["status"] == "member"
    await api.advance(101)
    path = f"{api.url}/_double/bots/{api.token}/updates"
    async with api.http.post(path, json={**join, "user_id": 3}) as response:
        assert "it is over" in (await response.json())["description"]
    await api.ok(
        "editChatInviteLink", chat_id=GROUP, invite_link=link["invite_link"], member_limit=1
    )
    async with api.http.post(path, json={**join, "user_id": 3}) as response:
        assert "it is over" in (await response.json())["description"]
    await api.ok("editChatInviteLink", chat_id=GROUP, invite_link=link["invite_link"])
    await api.person(**join, user_id=3)


async def test_a_live_location_ends_where_it_is(api: Any, chat: int) -> None:
    place = {"latitude": 1.5, "longitude": 2.5}
    assert await api.refused("sendLocation", chat_id=chat, **place, live_period=59) == (
        "400 Bad Request: wrong live location period specified"
    )
    sent = await api.ok("sendLocation", chat_id=chat, **place, live_period=60, heading=90)
    call = {"chat_id": chat, "message_id": sent["message_id"]}
    moved = await api.ok("editMessageLiveLocation", **call, latitude=1.6, longitude=2.6)
    assert moved["location"] == {"latitude": 1.6, "longitude": 2.6, "live_period": 60}
    await api.advance(61)
    (message,) = [m for m in (await api.chat(chat))["messages"] if "location" in m]
    assert message["location"] == {"latitude": 1.6, "longitude": 2.6}
    assert await api.refused("editMessageLiveLocation", **call, **place) == (
        "400 Bad Request: there is no live location in the message to edit"
    )


async def test_a_closing_poll_is_told_without_any_call(api: Any, chat: int) -> None:
    sent = await api.ok("sendPoll", chat_id=chat, question="?", options=["a"], open_period=5)
    await api.advance(6)
    event = (await api.events("inject"))[-1]
    assert event["update"]["poll"]["id"] == sent["poll"]["id"]
    assert event["update"]["poll"]["is_closed"] is True
