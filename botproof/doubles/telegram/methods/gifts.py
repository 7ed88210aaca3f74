"""Gifts and Premium subscriptions that the bot gives for its Stars, and what people own of them.

The gifts are those that have been in Telegram's shop all along; none of them can be upgraded, so
there are no unique gifts. What stands in capitals in a refusal comes from Telegram itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.business import account_of, connection_of
from botproof.doubles.telegram.methods.common import announce, find_chat, formatted
from botproof.doubles.telegram.methods.files import file_of, shown
from botproof.doubles.telegram.methods.payments import star_transaction
from botproof.doubles.telegram.methods.stand_ins import made_up
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.spec import Upload
from botproof.doubles.telegram.world import Json

_SHOP: Mapping[str, tuple[str, int]] = {
    "5170145012310081615": ("💝", 15),
    "5170233102089322756": ("🧸", 15),
    "5170250947678437525": ("🎁", 25),
    "5168103777563050263": ("🌹", 25),
    "5170144170496491616": ("🎂", 50),
    "5170314324215857265": ("💐", 50),
    "5170564780938756245": ("🚀", 50),
    "6028601630662853006": ("🍾", 50),
    "5168043875654172773": ("🏆", 100),
    "5170690322832818290": ("💍", 100),
    "5170521118301225164": ("💎", 100),
}
_PREMIUM: Mapping[int, int] = {3: 1000, 6: 1500, 12: 2500}  # months: Stars
CONVERTED = 0.85  # of its price a gift brings when it is sold
MAX_TEXT = 128


def _gift(turn: Turn, number: str) -> Json:
    made_up(turn, "shop")
    kept = turn.bot.keeps.prepared.get(f"gift:{number}")
    if kept is None:
        emoji, stars = _SHOP[number]
        upload = Upload("gift.tgs", "application/x-tgsticker", b"\x1f\x8b" + number.encode())
        sticker = shown(turn, file_of(turn, "sticker", upload, {"emoji": emoji}), "sticker")
        assert isinstance(sticker, dict)  # noqa: S101 - only photos are shown as a list
        made = {**sticker, "type": "custom_emoji", "is_animated": True, "custom_emoji_id": number}
        kept = {"id": number, "sticker": made, "star_count": stars}
        turn.bot.keeps.prepared[f"gift:{number}"] = kept
    return kept


def get_available(turn: Turn, _params: Params) -> object:
    """Return what there is to give."""
    return {"gifts": [_gift(turn, number) for number in _SHOP]}


def _text(turn: Turn, params: Params) -> Json:
    mode, given = params.get("text_parse_mode"), params.get("text_entities")
    text, entities = formatted(turn, params.get("text", ""), mode, given)
    if len(text) > MAX_TEXT:
        raise bad_request("GIFT_MESSAGE_INVALID")
    return ({"text": text} if text else {}) | ({"entities": entities} if entities else {})


def _receiver(turn: Turn, user_id: int) -> Json:
    user = turn.bot.users.get(user_id)
    if user is None:
        raise bad_request("user not found")
    return user


def _pay(turn: Turn, stars: int, receiver: Json) -> None:
    if turn.bot.keeps.stars < stars:
        raise bad_request("BALANCE_TOO_LOW")
    star_transaction(turn, stars, f"gf{turn.core.number():016d}", receiver=receiver)


def send_gift(turn: Turn, params: Params) -> object:
    """Give something to a person or a channel."""
    said = _text(turn, params)
    if params.get("chat_id"):
        owner = find_chat(turn, params["chat_id"])
        if owner.kind not in {"channel", "private"}:
            raise bad_request("PEER_ID_INVALID")
        receiver: Json = {"type": "chat", "chat": owner.info}
        number = owner.id
    else:
        user = _receiver(turn, params.get("user_id", 0))
        receiver = {"type": "user", "transaction_type": "gift_purchase", "user": user}
        number = user["id"]
    if params["gift_id"] not in _SHOP:
        raise bad_request("STARGIFT_INVALID")
    if params.get("pay_for_upgrade"):
        raise bad_request("STARGIFT_UPGRADE_UNAVAILABLE")
    gift = _gift(turn, params["gift_id"])
    _pay(turn, gift["star_count"], {**receiver, "gift": gift})
    converted = int(gift["star_count"] * CONVERTED)
    owned: Json = {"type": "regular", "gift": gift, "send_date": turn.date, **said}
    owned |= {"sender_user": turn.bot.sender, "convert_star_count": converted, "is_saved": True}
    owned["owned_gift_id"] = str(turn.core.number())
    turn.bot.keeps.gifts.setdefault(number, []).append(owned)
    chat = turn.bot.chats.get(number)
    if chat is not None and chat.kind == "private":
        announce(turn, chat, {"gift": {"gift": gift, "convert_star_count": converted, **said}})
    return True


def gift_premium(turn: Turn, params: Params) -> object:
    """Give a Premium subscription for a person."""
    _text(turn, params)
    user, months = _receiver(turn, params["user_id"]), params["month_count"]
    if _PREMIUM.get(months) != params["star_count"]:
        raise bad_request("PREMIUM_GIFT_OPTION_INVALID")
    receiver: Json = {"type": "user", "transaction_type": "premium_purchase", "user": user}
    receiver["premium_subscription_duration"] = months
    _pay(turn, params["star_count"], receiver)
    turn.bot.users[user["id"]] = {**user, "is_premium": True}
    return True


# -- what somebody owns ----------------------------------------------------------------------------


def _owned(turn: Turn, number: int, params: Params) -> Json:
    gifts = turn.bot.keeps.gifts.get(number, [])[::-1]
    if params.get("exclude_unlimited"):  # all gifts of this shop are
        gifts = []
    if params.get("exclude_saved"):
        gifts = [gift for gift in gifts if not gift.get("is_saved")]
    if params.get("exclude_unsaved"):
        gifts = [gift for gift in gifts if gift.get("is_saved")]
    if params.get("sort_by_price"):
        gifts = sorted(gifts, key=lambda gift: -gift["gift"]["star_count"])
    offset = params.get("offset", "") or "0"
    if not offset.isdecimal():
        raise bad_request("OFFSET_INVALID")
    start, limit = int(offset), min(max(params.get("limit") or 100, 1), 100)
    shown_now: Json = {"total_count": len(gifts), "gifts": gifts[start : start + limit]}
    if start + limit < len(gifts):
        shown_now["next_offset"] = str(start + limit)
    return shown_now


def get_user_gifts(turn: Turn, params: Params) -> object:
    """Return the gifts that a person shows."""
    return _owned(turn, _receiver(turn, params["user_id"])["id"], params)


def get_chat_gifts(turn: Turn, params: Params) -> object:
    """Return the gifts of a channel."""
    return _owned(turn, find_chat(turn, params.get("chat_id")).id, params)


def get_account_gifts(turn: Turn, params: Params) -> object:
    """Return the gifts of a business account."""
    account = account_of(turn, params, "can_view_gifts_and_stars")
    return _owned(turn, account["user"]["id"], params)


def convert(turn: Turn, params: Params) -> object:
    """Sell a gift of a business account."""
    account = account_of(turn, params, "can_convert_gifts_to_stars")
    gifts = turn.bot.keeps.gifts.get(account["user"]["id"], [])
    gift = _named(gifts, params["owned_gift_id"])
    gifts.remove(gift)
    account["stars"] += gift["convert_star_count"]
    return True


def _named(gifts: list[Json], number: str) -> Json:
    for gift in gifts:
        if gift["owned_gift_id"] == number:
            return gift
    raise bad_request("invalid gift identifier specified")


def _for_unique_only(refusal: str) -> Method:
    def refuse(turn: Turn, params: Params) -> object:
        """Only unique gifts can be upgraded from or handed on, and there are none."""
        connection = connection_of(turn, params, "can_transfer_and_upgrade_gifts")
        gifts = turn.bot.keeps.gifts.get(connection["user"]["id"], [])
        _named(gifts, params["owned_gift_id"])
        raise bad_request(refusal)

    return refuse


METHODS: Mapping[str, Method] = {
    "getavailablegifts": get_available,
    "sendgift": send_gift,
    "giftpremiumsubscription": gift_premium,
    "getusergifts": get_user_gifts,
    "getchatgifts": get_chat_gifts,
    "getbusinessaccountgifts": get_account_gifts,
    "convertgifttostars": convert,
    "upgradegift": _for_unique_only("STARGIFT_UPGRADE_UNAVAILABLE"),
    "transfergift": _for_unique_only("STARGIFT_NOT_UNIQUE"),
}
