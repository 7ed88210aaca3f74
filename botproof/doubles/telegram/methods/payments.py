"""Invoices, what people pay for them, and the bot's Telegram Stars.

Source of the texts: `get_input_message_invoice` in Client.cpp of the open-source Bot API server,
InputInvoice.cpp of td; what stands in capitals comes from Telegram itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.keeps import Invoice, keep
from botproof.doubles.telegram.methods.business import connection_of
from botproof.doubles.telegram.methods.common import Access, announce, find_chat, own_markup, post
from botproof.doubles.telegram.methods.queries import take
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Chat, Json

STARS = "XTR"
MONTH = 2_592_000
MAX_PAYLOAD = 128  # bytes
# core.telegram.org/bots/payments/currencies.json
_CURRENCIES = (
    "AED AFN ALL AMD ARS AUD AZN BAM BDT BGN BHD BND BOB BRL BYN CAD CHF CLP CNY COP CRC CZK "
    "DKK DOP DZD EGP ETB EUR GBP GEL GHS GTQ HKD HNL HRK HUF IDR ILS INR IQD IRR ISK JMD JOD "
    "JPY KES KGS KRW KZT LBP LKR MAD MDL MMK MNT MOP MUR MVR MXN MYR MZN NGN NIO NOK NPR NZD "
    "PAB PEN PHP PKR PLN PYG QAR RON RSD RUB SAR SEK SGD SYP THB TJS TRY TTD TWD TZS UAH UGX "
    "USD UYU UZS VEF VES VND XTR YER ZAR "
)
CURRENCIES = frozenset(_CURRENCIES.split())
_NOT_FOR_STARS = (
    "need_name",
    "need_phone_number",
    "need_email",
    "need_shipping_address",
    "send_phone_number_to_provider",
    "send_email_to_provider",
    "is_flexible",
    "max_tip_amount",
)


# -- invoices --------------------------------------------------------------------------------------


def invoice_of(params: Params) -> Invoice:
    """Return the invoice that a call describes; refused where Telegram refuses it."""
    title, description = params["title"], params["description"]
    if not 1 <= len(title.strip()) <= 32:
        raise bad_request("INVOICE_TITLE_INVALID")
    if not 1 <= len(description.strip()) <= 255:
        raise bad_request("INVOICE_DESCRIPTION_INVALID")
    if len(params["payload"].encode()) > MAX_PAYLOAD:
        raise bad_request("INVOICE_PAYLOAD_INVALID")
    prices = params["prices"]
    if not prices:
        raise bad_request("there must be at least one price")
    currency = params["currency"]
    if currency not in CURRENCIES:
        raise bad_request("CURRENCY_INVALID")
    _check_tips(params)
    total = sum(price["amount"] for price in prices)
    if total <= 0 or total > 99_999_999_999:
        raise bad_request("CURRENCY_TOTAL_AMOUNT_INVALID")
    if currency == STARS:
        _check_stars(params)
    elif not params.get("provider_token"):
        raise bad_request("PAYMENT_PROVIDER_INVALID")
    shown = {
        "title": title,
        "description": description,
        "start_parameter": params.get("start_parameter", ""),
        "currency": currency,
        "total_amount": total,
    }
    return Invoice(shown, dict(params))


def _check_tips(params: Params) -> None:
    most, tips = params.get("max_tip_amount", 0), params.get("suggested_tip_amounts") or []
    if most < 0:
        raise bad_request("invalid max_tip_amount of the currency specified")
    if any(tip <= 0 for tip in tips):
        raise bad_request("suggested tip amount must be positive")
    if any(tip > most for tip in tips):
        raise bad_request("suggested tip amount can't be bigger than max_tip_amount")
    if len(tips) > 4:
        raise bad_request("there can be at most 4 suggested tip amounts")
    if list(tips) != sorted(set(tips)):
        raise bad_request("SUGGESTED_TIP_AMOUNTS_INVALID")


def _check_stars(params: Params) -> None:
    if len(params["prices"]) != 1 or any(params.get(name) for name in _NOT_FOR_STARS):
        raise bad_request("STARS_INVOICE_INVALID")
    if params.get("provider_token"):
        raise bad_request("STARS_INVOICE_INVALID")


def send_invoice(turn: Turn, params: Params) -> object:
    """Send an invoice as a message; without a keyboard of its own it has a button to pay."""
    invoice = invoice_of(params)
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    markup = own_markup(params.get("reply_markup"))
    if not markup:
        label = f"Pay {invoice.shown['total_amount']} {invoice.shown['currency']}"
        markup = {"reply_markup": {"inline_keyboard": [[{"text": label, "pay": True}]]}}
    elif not markup["reply_markup"]["inline_keyboard"][0][0].get("pay"):
        raise bad_request("REPLY_MARKUP_BUY_EMPTY")
    content = {"invoice": invoice.shown, **markup}
    given = {name: value for name, value in params.items() if name != "reply_markup"}
    sent = post(turn, chat, given, content)
    keep(turn.bot.keeps.invoice_messages, (chat.id, sent["message_id"]), invoice)
    return sent


def create_invoice_link(turn: Turn, params: Params) -> object:
    """Make an invoice as a link."""
    invoice = invoice_of(params)
    if params.get("business_connection_id"):
        connection_of(turn, params)
    period = params.get("subscription_period", 0)
    if period:
        if invoice.shown["currency"] != STARS:
            raise bad_request("SUBSCRIPTION_CURRENCY_INVALID")
        if period != MONTH:
            raise bad_request("SUBSCRIPTION_PERIOD_INVALID")
    link = f"https://t.me/${turn.bot.id:x}{turn.core.number():06d}AAJ"
    keep(turn.bot.keeps.invoices, link, invoice)
    return link


# -- questions before a payment --------------------------------------------------------------------


def answer_shipping(turn: Turn, params: Params) -> object:
    """Offer ways of shipping, or say that there is none."""
    _need_reason(params)
    if params.get("ok") and not params.get("shipping_options"):
        raise bad_request("SHIPPING_OPTIONS_EMPTY" if "shipping_options" in params else _OPTIONS)
    query = take(turn, params.get("shipping_query_id", ""), "shipping_query")
    query["answer"] = {name: params[name] for name in params if name != "shipping_query_id"}
    return True


def answer_pre_checkout(turn: Turn, params: Params) -> object:
    """Agree to a payment, which then is made, or say why not."""
    _need_reason(params)
    query = take(turn, params.get("pre_checkout_query_id", ""), "pre_checkout_query")
    query["answer"] = {name: params[name] for name in params if name != "pre_checkout_query_id"}
    if params.get("ok") and "invoice" in query:
        chat = turn.bot.chats[query["chat_id"]]
        paid(turn, chat, query["query"]["from"], query["invoice"], dict(query["extra"]))
    return True


_OPTIONS = 'Parameter "shipping_options" is required'


def _need_reason(params: Params) -> None:
    if not params.get("ok") and not params.get("error_message"):
        raise bad_request('Parameter "error_message" is required')


# -- paying ----------------------------------------------------------------------------------------


def paid(turn: Turn, chat: Chat, user: Json, invoice: Invoice, extra: Json) -> Json:
    """Let a person have paid: the service message of it. `extra` are tip, shipping and
    order info."""
    number = turn.core.number()
    shown, stars = invoice.shown, invoice.shown["currency"] == STARS
    amount = extra.pop("total_amount", shown["total_amount"])
    payment: Json = {
        "currency": shown["currency"],
        "total_amount": amount,
        "invoice_payload": invoice.terms["payload"],
        "telegram_payment_charge_id": f"st{number:016d}" if stars else f"_{number:016d}",
        "provider_payment_charge_id": f"{user['id']}_{number}" if stars else f"ch_{number:012d}",
        **extra,
    }
    period = invoice.terms.get("subscription_period", 0)
    if period:
        payment |= {"is_recurring": True, "is_first_recurring": True}
        payment["subscription_expiration_date"] = turn.date + period
    kept = {**payment, "user": user, "chat_id": chat.id, "date": turn.date, "refunded": False}
    keep(turn.bot.keeps.payments, payment["telegram_payment_charge_id"], kept)
    if stars:
        source: Json = {"type": "user", "transaction_type": "invoice_payment", "user": user}
        source["invoice_payload"] = invoice.terms["payload"]
        if period:
            source["subscription_period"] = period
        star_transaction(turn, amount, payment["telegram_payment_charge_id"], source=source)
    return announce(turn, chat, {"successful_payment": payment}, by=user)


def star_transaction(turn: Turn, amount: int, number: str, **partner: Json) -> None:
    """Note Stars that came (`source`) or went (`receiver`)."""
    keeps = turn.bot.keeps
    keeps.stars += amount if "source" in partner else -amount
    keeps.transactions.append({"id": number, "amount": amount, "date": turn.date, **partner})


def get_balance(turn: Turn, _params: Params) -> object:
    """Return the bot's Stars."""
    return {"amount": turn.bot.keeps.stars}


def get_transactions(turn: Turn, params: Params) -> object:
    """Return the Stars that came and went, the newest first."""
    offset, limit = max(params.get("offset", 0), 0), params.get("limit") or 100
    newest = turn.bot.keeps.transactions[::-1]
    return {"transactions": newest[offset : offset + min(max(limit, 1), 100)]}


def _charged(turn: Turn, params: Params) -> Json:
    if params["user_id"] not in turn.bot.users:
        raise bad_request("USER_ID_INVALID")
    kept = turn.bot.keeps.payments.get(params["telegram_payment_charge_id"])
    if kept is None or kept["user"]["id"] != params["user_id"] or kept["currency"] != STARS:
        raise bad_request("CHARGE_ID_INVALID")
    return kept


def refund(turn: Turn, params: Params) -> object:
    """Give Stars back, once; a service message says so."""
    kept = _charged(turn, params)
    if kept["refunded"]:
        raise bad_request("CHARGE_ALREADY_REFUNDED")
    kept["refunded"] = True
    names = ("currency", "total_amount", "invoice_payload", "telegram_payment_charge_id")
    refunded = {name: kept[name] for name in names}
    receiver: Json = {"type": "user", "transaction_type": "invoice_payment", "user": kept["user"]}
    receiver["invoice_payload"] = kept["invoice_payload"]
    number = kept["telegram_payment_charge_id"]
    star_transaction(turn, kept["total_amount"], number, receiver=receiver)
    chat = turn.bot.chats[kept["chat_id"]]
    announce(turn, chat, {"refunded_payment": refunded}, by=kept["user"])
    return True


def edit_subscription(turn: Turn, params: Params) -> object:
    """End a subscription of a person, or let it go on."""
    kept = _charged(turn, params)
    if "subscription_expiration_date" not in kept:
        raise bad_request("CHARGE_ID_INVALID")
    kept["is_canceled"] = bool(params["is_canceled"])
    return True


METHODS: Mapping[str, Method] = {
    "sendinvoice": send_invoice,
    "createinvoicelink": create_invoice_link,
    "answershippingquery": answer_shipping,
    "answerprecheckoutquery": answer_pre_checkout,
    "getmystarbalance": get_balance,
    "getstartransactions": get_transactions,
    "refundstarpayment": refund,
    "edituserstarsubscription": edit_subscription,
}
