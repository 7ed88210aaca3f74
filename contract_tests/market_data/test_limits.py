"""Bans, rates and what a venue does not have: how often a venue is asked."""

import httpx
import pytest

from reference_bot.market_data.breaker import Breaker
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import VenueClient, nothing_special
from reference_bot.market_data.keeping import Field
from reference_bot.market_data.limits import (
    BUSY,
    QUESTION,
    REFRESH,
    Haste,
    Host,
    Pace,
    PaceRule,
    haste,
)
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.venues import bitget, bybit, gate, hyperliquid, okx
from reference_bot.market_data.venues.binance import explain, tells_weight

pytestmark = pytest.mark.anyio

NOW = 1_763_780_000_000
DATE = {"Date": "Sat, 22 Nov 2025 02:53:20 GMT"}
BANNED = (
    b'{"code":-1003,"msg":"Way too much request weight used; IP banned until %d. Please use '
    b'WebSocket Streams for live updates to avoid bans."}'
)


class Anything:
    def decode(self, body: bytes, /) -> bytes:
        return body


@pytest.fixture
def venue():
    """A client of Binance before answers given one after the other, and how many were."""

    def make(*answers: httpx.Response, **options) -> tuple[VenueClient, list[str]]:
        left, asked = list(answers), list[str]()

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path)
            return left.pop(0) if left else httpx.Response(200, content=b"{}", headers=DATE)

        pool = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        client = VenueClient("binance", "https://v.test", pool, 1.0, Metrics(), explain, **options)
        return client, asked

    return make


async def refused(client: VenueClient) -> VenueError:
    with pytest.raises(VenueError) as caught:
        await client.get("/x", Anything())
    return caught.value


@pytest.mark.parametrize("status", [418, 429, 403])
async def test_a_ban_is_believed_until_the_time_that_it_names(venue, status):
    told = httpx.Response(status, content=BANNED % (NOW + 7_200_000), headers=DATE)
    client, asked = venue(told)
    error = await refused(client)
    assert error.reason == "rate_limited"
    assert error.retry_after == pytest.approx(7200, abs=2)
    assert (await refused(client)).reason == "circuit_open"
    assert (await refused(client.apart())).reason == "circuit_open", "a ban is the address's"
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "90"}, b"{}", 90),
        ({"Retry-After": "7.5"}, b"{}", 7.5),
        ({"Retry-After": "Sat, 22 Nov 2025 02:55:20 GMT"}, b"{}", 120),
        ({"Retry-After": "Sat, 22 Nov 2025 02:00:00 GMT"}, b"{}", None),
        ({"Retry-After": "soon"}, b"{}", None),
        ({"X-Gate-RateLimit-Reset-Timestamp": "1763780010"}, b"{}", 10),
        ({"X-Gate-RateLimit-Reset-Timestamp": "1763780000"}, b"{}", None),  # the present one
        ({"X-Bapi-Limit-Reset-Timestamp": "1763780004000"}, b"{}", 4),
        ({"Retry-After": "1"}, BANNED % (NOW + 600_000), 600),
        ({}, b'{"code":-1003,"msg":"","data":{"retryAfter":1763780600000}}', 600),
    ],
    ids=str,
)
async def test_how_long_to_wait_is_read_where_venues_tell_it(venue, headers, body, seconds):
    client, _ = venue(httpx.Response(429, content=body, headers={**DATE, **headers}))
    error = await refused(client)
    assert error.reason == "rate_limited"
    if seconds is None:
        assert error.retry_after is None
    else:
        assert error.retry_after == pytest.approx(seconds, abs=2)


@pytest.mark.parametrize(
    ("module", "status", "body"),
    [
        (bybit, 200, b'{"retCode":10006,"retMsg":"Too many visits. Exceeded the API Rate Limit."}'),
        (bybit, 200, b'{"retCode":10018,"retMsg":"","time":1763780000000,"result":{}}'),
        (bybit, 403, b"access too frequent, please try again later"),
        (okx, 429, b'{"msg":"Too Many Requests","code":"50011"}'),
        (okx, 200, b'{"code":50011,"data":[],"msg":"Too Many Requests"}'),
        (gate, 429, b'{"label":"TOO_MANY_REQUESTS","message":"Request Rate Limit Exceeded"}'),
        (gate, 400, b'{"label":"TOO_FAST","message":""}'),
        (bitget, 429, b'{"code":"429","msg":"Too Many Requests","requestTime":1,"data":null}'),
        (bitget, 200, b'{"code":429,"msg":"Too Many Requests"}'),
        (hyperliquid, 429, b"null"),
    ],
    ids=str,
)
async def test_too_many_requests_in_each_venues_words_stop_the_asking(module, status, body):
    name = module.__name__.rsplit(".", 1)[1]
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(status, content=body, headers=DATE)

    pool = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    explain = getattr(module, "explain", nothing_special)
    client = VenueClient(name, "https://v.test", pool, 1.0, Metrics(), explain)
    adapter = getattr(module, name.capitalize())(client, Cache())
    reasons = []
    for _ in range(3):
        with pytest.raises(VenueError) as caught:
            await adapter.directory("perp")
        reasons.append(caught.value.reason)
    assert reasons == ["rate_limited", "circuit_open", "circuit_open"]
    assert len(asked) == 1


async def test_a_limits_end_that_stands_in_every_answer_is_no_request_to_wait():
    told = {**DATE, "X-Bapi-Limit-Reset-Timestamp": str(NOW + 4000)}
    pool = httpx.AsyncClient(
        transport=httpx.MockTransport(
            lambda _: httpx.Response(
                200,
                content=b'{"retCode":10001,"retMsg":"params error: symbol invalid"}',
                headers=told,
            )
        )
    )
    client = VenueClient("bybit", "https://v.test", pool, 1.0, Metrics(), bybit.explain)
    with pytest.raises(VenueError) as caught:
        await bybit.Bybit(client, Cache()).directory("perp")
    assert (caught.value.reason, caught.value.retry_after) == ("not_listed", None)
    assert not client.breaker.is_open


async def test_a_ban_that_says_nothing_is_longer_each_time(venue):
    silent = [httpx.Response(418, headers=DATE) for _ in range(3)]
    client, asked = venue(*silent)
    rests = []
    for _ in silent:
        rests.append((await refused(client)).retry_after)
        client.host.banned_until = client.breaker.open_until = 0.0  # waiting would be a sleep
    assert rests == [pytest.approx(120), pytest.approx(240), pytest.approx(480)]
    await client.get("/x", Anything())
    assert client.host.ban(None, 120.0, 1e9) == 120.0, "an answer begins anew"
    assert len(asked) == 4


async def test_a_ban_of_the_past_or_of_years_is_not_believed_as_told(venue):
    for until in (NOW - 1000, NOW + 40 * 86_400_000):
        client, _ = venue(httpx.Response(418, content=BANNED % until, headers=DATE))
        rest = (await refused(client)).retry_after
        assert rest == pytest.approx(120 if until < NOW else 3 * 86_400, abs=2)


def test_too_often_opens_the_circuit_at_once_and_longer_each_time():
    breaker = Breaker(threshold=5, pause=5, longest=60)
    breaker.failed(0, at_once=True)
    assert not breaker.allows(4.9)
    assert breaker.allows(5)
    breaker.failed(5, at_once=True)
    assert not breaker.allows(14.9)
    assert breaker.allows(15)


async def test_from_four_fifths_of_the_weight_on_background_work_waits(venue):
    told = {**DATE, "X-MBX-USED-WEIGHT-1M": "1920"}
    client, asked = venue(
        httpx.Response(200, content=b"{}", headers=told), tells_limit=tells_weight(2400), api="f"
    )
    await client.get("/x", Anything())
    unhurried = haste.set(REFRESH)
    assert "held back: 80%" in (await refused(client)).message
    haste.reset(unhurried)
    await client.get("/x", Anything())
    assert len(asked) == 2
    assert client.breaker.failures == 0
    text = client.metrics.text().decode()
    assert 'market_data_venue_limit_used_ratio{api="f",venue="binance"} 0.8' in text


@pytest.mark.parametrize(
    ("tells", "headers", "used"),
    [
        (bybit.tells_limit, {"x-bapi-limit": "600", "x-bapi-limit-status": "60"}, 0.9),
        (gate.tells_limit, {"x-gate-ratelimit-limit": "200",
                            "x-gate-ratelimit-requests-remain": "150"}, 0.25),
        (bitget.tells_limit, {"x-mbx-used-remain-limit": "5"}, 0.75),
        (bitget.tells_limit, {"x-mbx-used-remain-limit": "many"}, None),
        (tells_weight(6000), {"x-mbx-used-weight-1m": "3000"}, 0.5),
        (tells_weight(6000), {}, None),
        (gate.tells_limit, {"x-gate-ratelimit-limit": "0"}, None),
    ],
)  # fmt: skip
def test_what_venues_tell_of_their_limits(tells, headers, used):
    told = tells(httpx.Headers(headers), NOW)
    assert (told and pytest.approx(told[0])) == used


def test_an_endpoint_takes_no_more_than_is_documented():
    pace = Pace(bitget.RATES)
    path = "/api/v2/mix/market/taker-buy-sell"
    assert waits(pace, path, 10.0) == 0
    assert waits(pace, path, 10.2) == pytest.approx(0.8)  # takes the turn at 11.0
    assert waits(pace, path, 10.3) == pytest.approx(1.7)  # is not willing to wait for 12.0
    assert waits(pace, path, 11.5) == pytest.approx(0.5)
    assert pace.take("/api/v2/public/time", 11.5) is None


def test_a_rate_of_each_instrument_holds_up_no_other_one():
    """OKX, *Get contract taker volume*: 5 requests in 2 seconds, by "IP + Instrument ID"."""
    pace = Pace(okx.RATES)
    path = "/api/v5/rubik/stat/taker-volume-contract"
    for symbol in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
        asked = {"instId": symbol, "period": "15m"}
        turns = [pace.take(path, 10.0, params=asked) for _ in range(6)]
        assert [turn.at for turn in turns] == pytest.approx([10.0] * 5 + [12.0])
    candles = [pace.take("/api/v5/market/candles", 10.0, params=asked).at for _ in range(41)]
    assert candles[-1] == pytest.approx(12.0), "that of candles is one of the address"


def waits(pace: Pace, path: str, now: float, hurry: Haste = QUESTION) -> float:
    """How long a call waits. A question goes out when it may, a scan's if that is at once."""
    turn = pace.take(path, now, hurry)
    if turn.at == now or hurry is QUESTION:
        turn.go(turn.at)
    return turn.at - now


def test_a_question_goes_before_the_turns_that_a_scan_has_taken_ahead():
    rule = PaceRule("/candles", 20, 1.0)
    pace, scan = Pace((rule,)), Haste(BUSY, 1.2)
    found = [waits(pace, "/candles", 10.0, scan) for _ in range(40)]
    assert found[:32] == pytest.approx([0.0] * 16 + [1.1] * 16)
    assert found[32:] == pytest.approx([2.2] * 8), "not willing to wait for these, nor takes them"
    # a fifth of every second is left to questions, which wait for no turn of a scan
    assert [waits(pace, "/candles", 10.5) for _ in range(5)] == pytest.approx([0.0] * 4 + [0.5])


def test_a_call_counts_from_when_it_went_out():
    """Connections take their time: those that come after it must not meet it at the venue."""
    pace = Pace((PaceRule("/candles", 3, 1.0),))
    first, second, third = (pace.take("/candles", 10.0) for _ in range(3))
    first.go(10.0)
    second.go(10.8)
    assert waits(pace, "/candles", 11.0) == 0.0  # the third may go any moment
    assert waits(pace, "/candles", 11.1) == pytest.approx(0.7), "that of 10.8 counts until 11.8"
    third.go(11.2)
    given = pace.take("/candles", 20.0)
    assert given is not None
    pace.give_back(given)
    assert [waits(pace, "/candles", 20.0) for _ in range(3)] == [0.0, 0.0, 0.0]


async def test_questions_wait_for_no_scan_whose_calls_are_held_up():
    """Its calls are on their way, and may arrive any moment; the rest of it stands back."""
    pace, scan = Pace((PaceRule("/candles", 40, 2.0),)), Haste(BUSY, 29.0)
    turns = [pace.take("/candles", 10.0, scan) for _ in range(60)]
    assert [turn.at for turn in turns] == pytest.approx([10.0] * 32 + [12.1] * 28)
    assert [waits(pace, "/candles", 10.5) for _ in range(8)] == [0.0] * 8
    assert waits(pace, "/candles", 10.5) == pytest.approx(2.0)


async def test_a_scan_waits_where_a_venue_tells_that_its_limit_is_nearly_used(venue):
    told = {**DATE, "X-MBX-USED-WEIGHT-1M": "2000"}
    client, asked = venue(
        httpx.Response(200, content=b"{}", headers=told), tells_limit=tells_weight(2400)
    )
    await client.get("/x", Anything())
    scan = haste.set(Haste(BUSY, 1.3))
    error = await refused(client)
    haste.reset(scan)
    assert (error.reason, len(asked)) == ("queued", 1)
    assert error.retry_after == pytest.approx(40, abs=2), "the venue's minute ends in 40 s"


async def test_who_would_have_to_wait_long_is_told_so_and_nobody_is_asked(venue):
    rule = PaceRule("/x", 1, 60.0)
    client, asked = venue(host=Host(Pace((rule,))))
    await client.get("/x", Anything())
    error = await refused(client)
    assert (error.reason, len(asked)) == ("queued", 1)
    assert "takes 1 calls in 60 s" in error.message
    assert not client.breaker.is_open


async def test_what_a_venue_does_not_have_is_remembered():
    now, asked = [0.0], []

    def gone(failure: BaseException) -> float:
        return 300.0 if isinstance(failure, VenueError) else 0.0

    field: Field[int] = Field("takers", 60.0, lacking=gone)
    cache = Cache(clock=lambda: now[0])

    async def fetch() -> int:
        asked.append(now[0])
        raise VenueError("bitget", "unavailable", "The data fetched by DOGEUSDT is empty")

    for now[0] in (0.0, 1.0, 299.0, 301.0):
        with pytest.raises(VenueError, match="DOGEUSDT is empty"):
            await cache.get(field, ("DOGE",), fetch)
    assert asked == [0.0, 301.0]


async def test_ten_questions_about_doge_ask_bitgets_statistics_once(open_stack):
    async with open_stack(EXCHANGES="bitget") as stack:
        for _ in range(10):
            data = (await stack.ask("/combined_price", symbol="DOGE")).json()["data"]
            stack.api.service.cache._entries.clear()
            assert data["perp"]["flow_15m"] is None
        told = {row["section"]: row["reason"] for row in data["missing"]}
        assert told["perp.takers"] == told["perp.accounts"] == "unavailable"
        calls = stack.calls()
    for path in ("taker-buy-sell", "account-long-short"):
        assert sum(call.endswith(path) for call in calls) == 1
