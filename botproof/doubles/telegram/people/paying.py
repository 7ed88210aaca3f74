"""Paying an invoice: shipping, the last question to the bot, and Web Apps."""

from __future__ import annotations

from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.keeps import Invoice
from botproof.doubles.telegram.people.messages import make_message, push
from botproof.doubles.telegram.people.presses import open_query
from botproof.doubles.telegram.people.who import here, person
from botproof.doubles.telegram.world import Json

_ADDRESS = {
    "country_code": "DE",
    "state": "",
    "city": "Berlin",
    "street_line1": "Unter den Linden 1",
    "street_line2": "",
    "post_code": "10117",
}


def pay(turn: Turn, action: Json) -> Json:
    """Let the person pay: first the shipping is asked for, if it depends on the address.

    Raises ControlError for a tip beyond the limit.
    """
    user, chat = here(turn, action)
    asked: Json = action["pay"]
    invoice = _invoice(turn, chat.id, asked)
    terms = invoice.terms
    if terms.get("is_flexible") and "shipping_option_id" not in asked:
        address = {**_ADDRESS, **asked.get("shipping_address", {})}
        fields: Json = {"invoice_payload": terms["payload"], "shipping_address": address}
        return _ask(turn, "shipping_query", user, fields, {})
    tip = asked.get("tip_amount", 0)
    if not 0 <= tip <= terms.get("max_tip_amount", 0):
        raise ControlError(f"the tip can be up to {terms.get('max_tip_amount', 0)}; it is {tip}")
    total = invoice.shown["total_amount"] + tip + _shipping(turn, terms, asked)
    extra: Json = {
        name: asked[name] for name in ("shipping_option_id", "order_info") if name in asked
    }
    fields = {"currency": invoice.shown["currency"], "total_amount": total, **extra}
    fields["invoice_payload"] = terms["payload"]
    kept = {"invoice": invoice, "chat_id": chat.id, "extra": {**extra, "total_amount": total}}
    return _ask(turn, "pre_checkout_query", user, fields, kept)


def _invoice(turn: Turn, chat_id: int, asked: Json) -> Invoice:
    keeps = turn.bot.keeps
    if "invoice_link" in asked:
        found = keeps.invoices.get(asked["invoice_link"])
    else:
        found = keeps.invoice_messages.get((chat_id, asked["message_id"]))
    if found is None:
        raise ControlError(f"there is no invoice {asked}")
    return found


def _shipping(turn: Turn, terms: Json, asked: Json) -> int:
    """Return what the chosen way of shipping costs; the bot has offered it in its last answer."""
    if "shipping_option_id" not in asked:
        return 0
    for query in reversed(turn.bot.queries.values()):
        payload = query["query"].get("invoice_payload")
        if query["kind"] != "shipping_query" or payload != terms["payload"]:
            continue
        for option in (query["answer"] or {}).get("shipping_options", ()):
            if option["id"] == asked["shipping_option_id"]:
                return sum(price["amount"] for price in option["prices"])
    raise ControlError(f"the bot has not offered shipping {asked['shipping_option_id']!r}")


def _ask(turn: Turn, kind: str, user: Json, fields: Json, kept: Json) -> Json:
    number = str(4_000_000_000_000_000 + turn.core.number())
    query = {"id": number, "from": user, **fields}
    open_query(turn, kind, query)
    turn.bot.queries[number].update(kept)
    return {**push(turn, kind, query), f"{kind}_id": number}


def web_app_data(turn: Turn, action: Json) -> Json:
    """Let a Web App that a keyboard's button opened send data and close."""
    user, chat = here(turn, action)
    sent: Json = {"data": action["web_app_data"]["data"]}
    sent["button_text"] = action["web_app_data"].get("button_text", "")
    return make_message(turn, chat, user, action, {"web_app_data": sent})


def web_app_query(turn: Turn, action: Json) -> Json:
    """Let the person open a Web App from an inline button; its query may be answered once."""
    user = person(turn, action)
    number = f"{4_000_000_000_000_000 + turn.core.number()}"
    open_query(turn, "web_app", {"id": number, "from": user})
    return {"web_app_query_id": number}
