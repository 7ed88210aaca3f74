"""Who asks for what is not theirs, and where secrets of a trial are looked for."""

import asyncio
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from botproof import history
from botproof.checks import security
from botproof.checks.judging import Judging
from botproof.config import load_config
from botproof.credentials import carried
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Stack
from botproof.verdict import CheckResult, Verdict
from botproof.workloads.exposure import (
    keys_sent,
    naming,
    secrets_on_pages,
    secrets_shown,
)
from botproof.workloads.security import Asker
from botproof.workloads.ways import OPERATOR

CONFIG = load_config(Path("botproof.toml"))
KEY = str(CONFIG.services["market_data"].env["BINANCE_API_KEY"])


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A trial's stack whose service has written an account's key into its log."""
    log = tmp_path / "market_data.log"
    log.write_text(f"GET /api/v3/account X-MBX-APIKEY: {KEY}\n", encoding="utf-8")
    launch = SimpleNamespace(name="market_data", log=log)
    made: Any = SimpleNamespace(
        around=SimpleNamespace(config=CONFIG, recorder=Recorder()),
        name="webhook-security",
        mode="webhook",
        values=defaultdict(lambda: "127.0.0.1:1", token="42:" + "A" * 33),
        targets=lambda: [SimpleNamespace(launch=launch)],
    )
    return cast("Stack", made)


def test_a_key_in_a_log_of_a_trial_is_seen_in_its_mode(stack: Stack) -> None:
    (seen,) = secrets_shown(stack, "while strangers asked")
    assert seen.secret == "BINANCE_API_KEY of market_data"
    assert seen.place == "the log of market_data while strangers asked"
    assert (seen.stack, KEY in seen.line) == ("webhook", False)


def test_a_token_in_a_reply_of_a_trial_is_seen(stack: Stack) -> None:
    stack.around.recorder.record(
        history.BotApiCall(
            t=1.0,
            method="sendMessage",
            params={"chat_id": 7, "text": f"failed: /bot{stack.values['token']}/getMe"},
            status=200,
            stack=stack.name,
            mode=stack.mode,
        )
    )
    seen = {(each.secret, each.place) for each in secrets_shown(stack, "while strangers asked")}
    assert ("bot token", "replies while strangers asked") in seen


def test_ids_like_the_operators_ask_by_a_plain_message(stack: Stack) -> None:
    """A path by which nobody is told anything would hide that they are let in."""
    asker = Asker(stack, "", CONFIG)
    ways = list(asker.approaches({"/price BTC": ["1"], "/balance": ["2"]}, {}, {}))
    alike = [
        one.update["message"]["from"]["id"]
        for one in ways
        if one.path == "a message" and one.text == "/price BTC"
    ]
    assert any(str(OPERATOR).startswith(str(user)) for user in alike)
    assert any(str(user).startswith(str(OPERATOR)) and user != OPERATOR for user in alike)
    every = [chat for one in ways for chat in one.chats]
    assert all(every.count(user) == 1 for user in alike), "what comes there is another's answer"


def test_strangers_ask_beside_the_operator_s_name(stack: Stack) -> None:
    """After he has written in their group, as a reply to him, and with his contact."""
    asker = Asker(stack, "", CONFIG)
    ways = {one.path: one for one in asker.approaches({"/price BTC": ["1"]}, {}, {})}
    after = ways["a message in a group in which the operator has written"]
    first, then = after.before["message"], after.update["message"]
    assert (first["from"]["id"], first["chat"]) == (OPERATOR, then["chat"])
    shared = ways["a message after the operator's contact was shared"]
    first, then = shared.before["message"], shared.update["message"]
    assert (first["contact"]["user_id"], "text" in first) == (OPERATOR, False)
    assert first["from"] == then["from"]
    reply = ways["a reply to the operator's message in a group"].update["message"]
    assert reply["reply_to_message"]["from"]["id"] == OPERATOR
    assert all(one.update["message"]["from"]["id"] != OPERATOR for one in (after, shared))


def test_strangers_ask_after_they_have_let_themselves_in(stack: Stack) -> None:
    """By /start, which registers people in many bots, and by adding the bot to a group."""
    asker = Asker(stack, "", CONFIG)
    ways = {one.path: one for one in asker.approaches({"/price BTC": ["1"]}, {}, {"id": 42})}
    started = ways["a message after /start"]
    first, then = started.before["message"], started.update["message"]
    assert (first["text"], first["from"], first["chat"]) == ("/start", then["from"], then["chat"])
    added = ways["a message in a group to which the stranger has added the bot"]
    change, then = added.before["my_chat_member"], added.update["message"]
    assert (change["from"], change["chat"]) == (then["from"], then["chat"])
    member = change["new_chat_member"]
    assert (member["user"]["id"], member["user"]["is_bot"], member["status"]) == (
        42,
        True,
        "member",
    )


def test_guests_are_asked_of_by_ids_that_are_unlike_the_operators(stack: Stack) -> None:
    asker = Asker(stack, "public", CONFIG)
    ways = asker.approaches({"/balance": ["2"]}, {}, {})
    people = {chat for one in ways for chat in one.chats if chat > 0}
    assert not any(str(OPERATOR) in str(user) for user in people)


def test_a_page_that_names_its_users_is_told() -> None:
    writers = {1_001, 1_002, 1_003, 1_500_000_001}
    series = "".join(f'updates{{chat="{each}"}} 4\n' for each in sorted(writers)[:3])
    pages = {
        "GET /metrics of bot": series,
        "GET /ready of bot": "ready since 1500000001, 1001 updates",
        "GET /health of bot": "1001.5 11002 1003.25",
    }
    assert list(naming(pages, writers)) == ["GET /metrics of bot names 3 users by their ids"]
    assert not list(naming(pages, {*writers, *range(5_000, 5_010)})), "they are few among many"


def test_a_page_that_names_its_users_turns_security_red() -> None:
    page = "GET /metrics of bot names 2 users by their ids"
    for naming_pages, verdict in (((), Verdict.PASS), ((page,), Verdict.FAIL)):
        seen = history.PortsSeen(t=1.0, naming=naming_pages, stack="polling", mode="polling")
        result = security.check(history.History([seen]), Judging())
        assert result.verdict is verdict
    assert f"polling: {page}: whoever reads it learns who writes" in result.measurement


def test_a_page_that_tells_too_much_of_a_failure_is_seen(stack: Stack) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = f"/bot{stack.values['token']}/getUpdates failed".encode()
        head = f"HTTP/1.1 503 No\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async def look() -> list[history.SecretSeen]:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            stack.values["url:bot"] = f"http://127.0.0.1:{port}"
            return await secrets_on_pages(stack, "while Telegram failed")

    seen = asyncio.run(look())
    assert ("bot token", "GET /ready of bot while Telegram failed") in {
        (each.secret, each.place) for each in seen
    }


def venue_call(venue: str, headers: dict[str, str], query: dict[str, str]) -> history.VenueCall:
    given = carried(headers, query)
    return history.VenueCall(
        t=1.0, venue=venue, path="/x", carried=given, stack="webhook-security", mode="webhook"
    )


def judge_keys(*sent: history.KeySent) -> CheckResult:
    looked = history.PortsSeen(t=1.0, stack="webhook", mode="webhook")
    return security.check(history.History([looked, *sent]), Judging())


def test_a_key_that_reaches_another_exchange_is_named_by_its_setting(stack: Stack) -> None:
    for venue in ("binance", "bybit", "bybit"):
        stack.around.recorder.record(venue_call(venue, {"x-mbx-apikey": KEY}, {}))
    sent = keys_sent(stack)
    result = judge_keys(*sent)
    assert result.verdict is Verdict.FAIL
    assert (
        "webhook: BINANCE_API_KEY of market_data, which is for binance, was sent to bybit as "
        "x-mbx-apikey (2 calls)"
    ) in result.measurement
    assert KEY not in str(sent), "the record holds the key itself"


def test_a_key_at_its_own_exchange_and_what_no_setting_holds_pass(stack: Stack) -> None:
    stack.around.recorder.record(venue_call("binance", {"x-mbx-apikey": KEY}, {}))
    stack.around.recorder.record(venue_call("bybit", {"x-bapi-sign": "ab12"}, {"token": "BTC"}))
    assert judge_keys(*keys_sent(stack)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("sent", "verdict"),
    [
        ((("okx", "ok-access-key", ()), ("gate", "ok-access-key", ())), Verdict.FAIL),
        ((("okx", "apikey", ("A_KEY",)), ("gate", "apikey", ("A_KEY",))), Verdict.FAIL),
        ((("gate", "key", ("GATEIO_KEY",)), ("okx", "ok-access-key", ("OKX_KEY",))), Verdict.PASS),
        # the same words for each, as whoever tries a bot gives them:
        ((("gate", "key", ("GATE_KEY", "OKX_KEY")), ("okx", "x", ("GATE_KEY", "OKX_KEY"))),
         Verdict.PASS),
    ],
)  # fmt: skip
def test_whose_a_key_is_its_setting_says_or_else_its_header(
    sent: tuple[tuple[str, str, tuple[str, ...]], ...], verdict: Verdict
) -> None:
    result = judge_keys(
        *(
            history.KeySent(t=2.0 + at, venue=venue, name=name, settings=settings, stack="webhook")
            for at, (venue, name, settings) in enumerate(sent)
        )
    )
    assert result.verdict is verdict, result
