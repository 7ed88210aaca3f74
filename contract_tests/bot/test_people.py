"""Kinds of what people type, and of answers that are not Telegram's, on the real process."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from botproof.doubles.server import Request, Response
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
}


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
    proxy.odd = {1: refusal(413, "Request Entity Too Large"), 2: page(504)}
    bot = start_bot("polling", TELEGRAM_API_BASE_URL=proxy.url).until_ready()
    for chat in (1, 2):
        telegram.say("/help", chat=chat)
        telegram.say("/start", chat=chat)
    for chat in (1, 2):
        assert telegram.answers(chat)[0].startswith("👋 Welcome.")
    bot.until_metric('bot_updates_handled_total{outcome="refused"}', 1)
    assert bot.metric('bot_telegram_errors_total{code="unknown"}') >= 1
