"""Kinds of what people type, and of answers that are not Telegram's, on the real process."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from botproof.doubles.messages import Request, Response
from contract_tests.served import served

PATIENCE = 60.0

TYPED = {  # each another coin: the same at the same moment is asked once
    "/price b̶t̶ć": ["BTC"],
    "/price ЕТН": ["ETH"],
    "/price 🆂🅾🅻": ["SOL"],
    "/price ｘʀᴘ™": ["XRP"],
    "/price ¿「link」?": ["LINK"],
    "/price trx\u3164\u2800": ["TRX"],
    "/price_ada": ["ADA"],
    "/pricedoge": ["DOGE"],
    "//price ltc": ["LTC"],
    "\\price dot": ["DOT"],
    "/price @avax": ["AVAX"],
    "/price /near /atom": ["NEAR", "ATOM"],
    "/price uni\n/price aave": ["UNI", "AAVE"],
    "/price icp\n/oi hbar": ["ICP", "HBAR"],
    "/price xlm on binance": ["XLM"],
    "/price how much are 2.5 bnb today?": ["BNB"],
    "/price fil\\usdt": ["FIL/USDT"],
    "/price algo in eur": ["ALGO/EUR"],
    "/price bitcoin cash": ["BCH"],
    # what no test had before, as traders write in chats
    "/price INJUSDT.P": ["INJUSDT.P"],
    "/price BYBIT:SEIUSDT.P": ["BYBIT:SEIUSDT.P"],
    "/price sui/apt/arb": ["SUI", "APT", "ARB"],
    "/price op > 60k": ["OP"],
    "/price ldo at 2.50": ["LDO"],
    "/price alert mkr 1,500": ["MKR"],
    "/price wif\n\nthanks a lot, friend": ["WIF"],
    "/price 100 usd in pepe": ["USD", "PEPE"],
    "/price xau xag": ["XAU", "XAG"],
    "/price precio de tia": ["TIA"],
    "/price цена jup": ["JUP"],
    "/price 比特币 价格 多少": ["比特币"],
    "/price 🚀🚀 strk 💎🙌": ["STRK"],
    "/price pyth\n\n": ["PYTH"],
    "/price render, rndr": ["RENDER", "RNDR"],
    "/price dydx/usdt:usdt": ["DYDX/USDT:USDT"],
    "/price 0.75 ena pls": ["ENA"],
    "/price ondo 15m chart.": ["ONDO"],
    "/PRICE  kas": ["KAS"],
    "/price ½ grt": ["GRT"],
    "/price 1️⃣0️⃣0️⃣0️⃣ floki": ["FLOKI"],
    "/price 1'000 imx": ["IMX"],
    "/price 2’500 stx": ["STX"],
    "/price 3/4 flow": ["FLOW"],
    "/price\tmnt": ["MNT"],
    # links to a market's page, other keyboards, other words
    "/price https://www.tradingview.com/chart/?symbol=BINANCE%3AGMXUSDT.P": ["BINANCE:GMXUSDT.P"],
    "/price https://www.binance.com/en/trade/CAKE_USDT?type=spot": ["CAKE_USDT"],
    "/price https://www.okx.com/trade-swap/crv-usdt-swap": ["CRV-USDT-SWAP"],
    "/price https://www.coingecko.com/en/coins/official-trump": ["TRUMP"],
    "/price egld https://t.me/news/1": ["EGLD"],
    "/зкшсу xtz": ["XTZ"],
    "/pricе zec": ["ZEC"],
    "/price rune usdt binance futures": ["RUNE/USDT-PERP"],
    "/price qtum in euros": ["QTUM/EUR"],
    "/price 5 million lunc": ["LUNC"],
    "/price سعر theta": ["THETA"],
    "/price 2.5gold": ["GOLD"],
    "/price pls": ["PLS"],
    "/price tao→usdt": ["TAO/USDT"],
    "/price chz->usdc": ["CHZ/USDC"],
    "/price audnzd=x": ["AUDNZD"],
    "good morning, /price sand please": ["SAND"],
    "/price vet // thanks a lot": ["VET"],
    "hey, can you /price sushi for me": ["SUSHI"],
    "/price snx perpetual swap": ["SNX-PERP"],
    "/price symbol=comp": ["COMP"],
    "/price yfi for half an hour": ["YFI"],
}


def said_back() -> dict[str, str]:
    """Return what is no question that can be answered, and what it is told."""
    no_symbol = "is not a symbol: write it like BTC, BTCUSDT or BTC/USDT"
    return {
        "/prise btc": "I do not know /prise. Did you mean /price?",
        "/btc": "I do not know /btc. Did you mean /price BTC?",
        f"/price {'A' * 3500}": no_symbol,
        "/cvd 😀": no_symbol,
        "/price https://t.me/news/1": no_symbol,
        "/price btc 2024-01-01": "I only have current prices, not those of “2024-01-01”",
        "/price btc yesterday": "I only have current prices, not those of “yesterday”",
        "/price BTC1!": "“BTC1!” expires (a future or an option): I have spot and perpetuals",
        "/price btcusdt_250328": "expires (a future or an option)",
        "/cvd BTC/USDT:USDT-250328": "expires (a future or an option)",
        "/oi ETHUSDM25": "expires (a future or an option)",
        "/price BTC-28MAR25-100000-C": "expires (a future or an option)",
        "/price BTC.D": "“BTC.D” is an index over many coins: I have single coins and pairs",
        "/cvd btc 2h": "“2h” is not a timeframe: use one of 1m, 5m, 15m, 30m, 1h, 4h, 1d",
        "/pnl ytd": "“ytd” is not a period: use one of 1d, 7d, 30d, 90d",
    }


def test_what_cannot_be_answered_is_said(start_bot: Any, telegram: Any, market: Any) -> None:
    start_bot("polling").until_ready()
    wanted = said_back()
    telegram.say_each(wanted)
    told = [telegram.answers(chat)[0] for chat in range(1, len(wanted) + 1)]
    assert [
        text for text, word in zip(told, wanted.values(), strict=True) if word not in text
    ] == []
    assert market.asked == []


def test_a_pair_in_dollars_that_no_exchange_lists_is_answered_in_usdt_and_said(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    start_bot("polling").until_ready()
    market.unknown = {"BTCUSD", "ETH/USD", "NOCOIN/USD", "NOCOIN/USDT"}
    typed = ["/price btcusd", "/price sol/usd", "/price nocoin/usd", "/price eth/usd bnb"]
    telegram.say_each(typed)
    told = [telegram.answers(chat)[0] for chat in range(1, 5)]
    assert told[0].startswith("ℹ️ I have no prices of BTCUSD, so this is BTC/USDT.\n\n📊")
    assert told[1].startswith("📊")  # listed in dollars: nothing stands in for it
    assert told[2] == "⚠️ I do not know the symbol NOCOIN/USD. Did you mean LTC/USDT?"
    assert "I do not know" not in told[3]
    assert _refresh(_sent(telegram, 1)[0]) == "price BTC/USDT"


def test_a_command_for_another_bot_is_left_to_it_in_a_group(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    start_bot("polling").until_ready()
    group, person = -1001, 7
    telegram.say("/price@other_test_bot eth", chat=group, user=person)
    telegram.say("nice, btc is up", chat=group, user=person)
    telegram.say("/price btc", chat=group, user=person)
    telegram.answers(group)
    assert [one["symbol"] for one in market.asked] == ["BTC"]
    assert len(telegram.texts(group)) == 1


def test_a_command_in_the_middle_is_answered_in_a_group_where_it_names_the_bot(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    start_bot("polling").until_ready()
    group, person, me = -1001, 7, telegram.call("getMe")["username"]
    telegram.say("see /price eth for that", chat=group, user=person)
    telegram.say("and /price@other_test_bot eth", chat=group, user=person)
    telegram.say(f"look: /price@{me} mana", chat=group, user=person)
    telegram.say(f"/price@other_test_bot eth /price@{me} axs", chat=group, user=person)
    telegram.answers(group, 2)
    assert [one["symbol"] for one in market.asked] == ["MANA", "AXS"]


def test_what_is_typed_after_the_bots_name_in_another_chat_leads_to_its_own(
    start_bot: Any, telegram: Any
) -> None:
    start_bot("polling").until_ready()
    telegram.act(inline_query="btc", user_id=7, chat_id=7)
    [call] = telegram.until(lambda event: event.get("method") == "answerInlineQuery")
    assert call["status"] == 200
    assert "Ask me in a private chat" in str(call["params"])


def test_what_people_type_is_asked_as_it_was_meant(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    start_bot("polling").until_ready()
    telegram.say_each(TYPED)
    wanted = sorted(symbol for symbols in TYPED.values() for symbol in symbols)
    assert sorted(one["symbol"] for one in market.asked) == wanted


def test_each_command_of_a_message_is_answered_and_what_is_too_many_is_named(
    start_bot: Any, telegram: Any
) -> None:
    start_bot("polling").until_ready()
    telegram.say("/price btc\n/oi eth", chat=1)
    telegram.say("/oi btc /cvd eth\n/volume sol /price ada /pairs", chat=2)
    price, interest = telegram.answers(1, 2)
    assert price.startswith("📊 BTC/USDT")
    assert "for ETH" in interest  # the market of these tests tells prices alone
    *answers, left = telegram.answers(2, 4)
    assert len(answers) == 3
    assert left == (
        "✋ I answer up to 3 commands of one message. Not answered: /price /pairs. Send them again."
    )


def test_each_answer_of_a_message_has_its_own_buttons(start_bot: Any, telegram: Any) -> None:
    start_bot("polling").until_ready()
    telegram.say("/price btc\n/cvd btc\n/price eth", chat=1)
    telegram.say("/price sol /oi sol /cvd sol /pairs", chat=2)
    telegram.answers(1, 3)
    telegram.answers(2, 4)
    assert [_refresh(one) for one in _sent(telegram, 1)] == ["price BTC", "cvd BTC 1h", "price ETH"]
    assert [_refresh(one) for one in _sent(telegram, 2)] == [
        "price SOL",
        "oi SOL",
        "cvd SOL 1h",
        None,  # what is left out
    ]


def _sent(telegram: Any, chat: int) -> list[Any]:
    """Return the bot's messages in a chat, in their order."""
    told = telegram(f"bots/{telegram.token}/chats/{chat}/messages")["messages"]
    return [one for one in told if one["from"]["is_bot"]]


def _refresh(message: Any) -> str | None:
    """Return what the last button under a message asks for."""
    markup = message.get("reply_markup")
    return None if markup is None else str(markup["inline_keyboard"][-1][-1]["callback_data"])


def test_the_market_that_is_asked_for_is_the_one_that_is_told(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    start_bot("polling").until_ready()
    typed = ["/cvd btc 4h spot", "/volume spot eth-1h", "/cvd sol perp", "/volume doge"]
    telegram.say_each(typed)
    asked = {one["symbol"]: (one["timeframe"], one.get("market")) for one in market.asked}
    assert asked == {
        "BTC-SPOT": ("4h", "spot"),
        "ETH-SPOT": ("1h", "spot"),
        "SOL-PERP": ("1h", None),
        "DOGE": ("15m", None),
    }


class Proxy:
    """Something on the way to Telegram: it answers some calls itself, each once."""

    def __init__(self, upstream: str) -> None:
        self.odd: dict[int, Response] = {}
        """Answers to the next sendMessage, by chat."""
        self._upstream = upstream
        self.client = httpx.AsyncClient(timeout=PATIENCE, trust_env=False)
        self.url = ""

    async def handle(self, request: Request) -> Response:
        if request.path.endswith("/sendMessage"):
            odd = self.odd.pop(json.loads(request.body)["chat_id"], None)
            if odd is not None:
                return odd
        answer = await self.client.request(
            request.method,
            self._upstream + request.path,
            content=request.body,
            headers={"Content-Type": request.headers.get("content-type", "application/json")},
        )
        return Response(answer.status_code, answer.content)


@pytest.fixture
def proxy(telegram: Any) -> Iterator[Proxy]:
    made = Proxy(telegram.url)
    with served(made.handle, made.client.aclose) as made.url:
        yield made


def page(status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, b"<html><body>no</body></html>", "text/html", named)


def refusal(status: int, description: str) -> Response:
    body = {"ok": False, "error_code": status, "description": description}
    return Response(status, json.dumps(body).encode())


def test_what_is_not_telegrams_own_answer_says_nothing_of_the_chat_or_the_token(
    start_bot: Any, telegram: Any, proxy: Proxy
) -> None:
    """Pages of a firewall or proxy; a 429 that tells the seconds elsewhere, or nowhere."""
    odd = [
        page(400),
        page(401),
        page(403),
        page(404),
        page(502),
        page(429, Retry_After="1"),
        refusal(429, "Too Many Requests: retry after 1"),
        refusal(429, "Too Many Requests"),
        refusal(400, "Bad Request: SLOWMODE_WAIT_1"),
    ]
    proxy.odd = dict(enumerate(odd, start=1))
    bot = start_bot("polling", TELEGRAM_API_BASE_URL=proxy.url).until_ready()
    for chat in range(1, len(odd) + 1):
        telegram.say("/help", chat=chat)
    for chat in range(1, len(odd) + 1):
        assert len(telegram.answers(chat)) == 1
    assert proxy.odd == {}
    assert bot.metric('bot_telegram_errors_total{code="401"}') == 0
    bot.until_metric('bot_updates_handled_total{outcome="answered"}', len(odd))


def test_what_is_refused_for_good_by_another_status_holds_no_chat(
    start_bot: Any, telegram: Any, proxy: Proxy
) -> None:
    """And what a gateway gave up waiting for may have arrived: it counts as sent."""
    gateways = (504, 520, 524)
    proxy.odd = {1: refusal(413, "Request Entity Too Large")}
    proxy.odd |= {chat: page(status) for chat, status in enumerate(gateways, start=2)}
    bot = start_bot("polling", TELEGRAM_API_BASE_URL=proxy.url).until_ready()
    for chat in range(1, 5):
        telegram.say("/help", chat=chat)
        telegram.say("/start", chat=chat)
    for chat in range(1, 5):
        assert telegram.answers(chat)[0].startswith("👋 Welcome.")
    bot.until_metric('bot_updates_handled_total{outcome="refused"}', 1)
    assert bot.metric('bot_telegram_errors_total{code="unknown"}') == len(gateways)
