"""A double that fails inside: the run is an ERROR, whatever the target made of its HTTP 500."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from botproof import history
from botproof.checks import judging
from botproof.checks.registry import CHECKS
from botproof.config import Config, Mode, Process
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.server import ExchangeDouble
from botproof.doubles.exchanges.wire import Call
from botproof.doubles.kit.transcript import describe_failure
from botproof.doubles.messages import Request, Response
from botproof.doubles.telegram import app as telegram
from botproof.doubles.telegram.machine import Machine
from botproof.history import HistoryWriter, read_history
from botproof.targets.doubles import DoubleControl, Follower
from botproof.targets.guarding import Guard
from botproof.targets.launch import BrokenHarnessError
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Stack, Surroundings
from botproof.verdict import Verdict, combine

pytestmark = pytest.mark.anyio

TOKEN = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"


class BrokenVenue:
    """A venue with a mistake in it."""

    name = "binance"

    def answer(self, market: Market, call: Call) -> Response:
        raise ArithmeticError(f"{len(market.coins)} coins and no ticker for {call.path}")

    def error(self, status: int) -> object:
        return {"code": status}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as opened:
        yield opened


def broken_call(*_: object) -> None:
    raise LookupError(f"no table for {TOKEN}")


async def failed_inside(
    follower: Follower, fail: Callable[[], Awaitable[httpx.Response]]
) -> tuple[httpx.Response, Exception]:
    """What the target got, and what the harness was told without asking."""
    told: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
    follower.start(told.set_result)
    answer = await fail()
    async with asyncio.timeout(60):
        return answer, await told


async def test_a_venue_that_raises_is_told_to_the_harness(client, tmp_path) -> None:
    double = ExchangeDouble(Market(1), venues=(BrokenVenue(),))
    with HistoryWriter(tmp_path / "h.jsonl") as writer:
        recorder = Recorder(writer)
        async with await double.listen() as server:
            control = DoubleControl("exchange_double", server.url, client)
            follower = Follower(control, recorder, {"stack": "polling", "mode": "polling"})
            url = f"{server.url}/binance/spot/api/v3/ping?signature=verysecret"
            answer, error = await failed_inside(follower, lambda: client.get(url))
            await follower.finish()  # each failure is told once
        await double.aclose()
    assert answer.status_code == 500
    assert isinstance(error, BrokenHarnessError)
    assert "exchange_double failed inside on GET /binance/spot/api/v3/ping" in str(error)
    assert "ArithmeticError" in str(error)
    assert "no ticker for /spot/api/v3/ping at test_failing_doubles.py:" in str(error)
    kept = recorder.history().of(history.DoubleEvent)
    assert [(event.double, event.kind) for event in kept] == [("exchange_double", "internal_error")]
    assert "verysecret" not in (tmp_path / "h.jsonl").read_text()


async def test_a_bot_api_that_raises_is_told_to_the_harness(client, tmp_path, monkeypatch) -> None:
    running = await telegram.start()
    monkeypatch.setattr(Machine, "call", broken_call)
    with HistoryWriter(tmp_path / "h.jsonl") as writer:
        control = DoubleControl("telegram_double", running.url, client)
        follower = Follower(control, Recorder(writer), {})
        url = f"{running.url}/bot{TOKEN}/getMe"
        answer, error = await failed_inside(follower, lambda: client.post(url))
        await follower.finish()
        await running.close()
    assert answer.status_code == 500
    assert isinstance(error, BrokenHarnessError)
    assert "telegram_double failed inside on POST /bot<token>/getMe: LookupError" in str(error)
    assert "no table for <token>" in str(error)
    assert TOKEN not in (tmp_path / "h.jsonl").read_text()


async def test_what_fails_in_a_timer_of_the_telegram_double_is_told_as_well(
    client, tmp_path, monkeypatch
) -> None:
    running = await telegram.start()
    with HistoryWriter(tmp_path / "h.jsonl") as writer:
        control = DoubleControl("telegram_double", running.url, client)
        follower = Follower(control, Recorder(writer), {})
        follower.start(lambda _: None)
        waiting = asyncio.create_task(
            client.post(f"{running.url}/bot{TOKEN}/getUpdates", json={"timeout": 30})
        )
        while (await control.transcript(0, 5))["next"] == 0:
            pass  # the transcript itself waits for the poll to begin
        await follower.cancel()
        monkeypatch.setattr(Machine, "wake", broken_call)
        moved = await client.post(f"{running.url}/_double/clock", json={"advance": 60})
        assert moved.status_code == 200
        with pytest.raises(BrokenHarnessError, match="failed inside on its own work: LookupError"):
            await follower.finish()
        await running.close()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_many_failures_are_read_to_the_end_and_told_in_one_line(client, tmp_path) -> None:
    double = ExchangeDouble(Market(1), venues=(BrokenVenue(),))
    with HistoryWriter(tmp_path / "h.jsonl") as writer:
        recorder = Recorder(writer)
        async with await double.listen() as server:
            for _ in range(3):
                await client.get(f"{server.url}/binance/x")
            control = DoubleControl("exchange_double", server.url, client)
            with pytest.raises(BrokenHarnessError, match=r"\(and 2 more\)"):
                await Follower(control, recorder, {}).finish()
        await double.aclose()
    assert len(recorder.history().of(history.DoubleEvent)) == 3


async def test_a_run_in_which_a_double_failed_inside_is_an_error_not_a_fail(
    client, tmp_path, judged
) -> None:
    """A target that cannot start on a broken double must not be blamed for it."""
    double = ExchangeDouble(Market(1), venues=(BrokenVenue(),))
    path = tmp_path / "h.jsonl"
    with HistoryWriter(path) as writer:
        recorder = Recorder(writer)
        recorder.record(history.Run(t=0.0, modes=("polling",)))
        async with Guard() as guard, await double.listen() as server:
            around = Surroundings(
                config=Config(bot=Process(command=("x",)), modes={"polling": Mode()}),
                base=tmp_path,
                report_dir=tmp_path,
                recorder=recorder,
                guard=guard,
                client=client,
                say=lambda _: None,
                users=(),
            )
            stack = Stack(around, "polling")
            follower = Follower(
                DoubleControl("exchange_double", server.url, client), recorder, stack.labels
            )
            follower.start(stack.fail)
            service = asyncio.Event()  # a service that never becomes ready
            ready = asyncio.create_task(stack.run(service.wait()))
            await client.get(f"{server.url}/binance/spot/api/v3/exchangeInfo")
            with pytest.raises(BrokenHarnessError, match="failed inside"):
                async with asyncio.timeout(60):
                    await ready
            await follower.finish()
            await stack.stop()
        await double.aclose()
        recorder.end()
    who = {"process": "market_data", "role": "service", "stack": "polling", "mode": "polling"}
    record = read_history(path)
    events = [*record, history.ProcessNotReady(t=9.0, after_s=30.0, reason="not ready", **who)]
    results = judging.run_checks(CHECKS, ["boot"], history.History(events), judged)
    assert combine(result.verdict for result in results) is Verdict.ERROR
    assert results[0].check == "harness"
    assert results[0].evidence[0].startswith("polling: double: exchange_double failed inside on")
    assert len(record.of(history.HarnessError)) == 1


def test_a_failure_is_described_without_secrets() -> None:
    request = Request(
        "GET",
        f"/bot{TOKEN}/getMe",
        query={"signature": "c0ffee99", "symbol": "BTCUSDT"},
        headers={"x-mbx-apikey": "mykey-123", "accept": "text/html"},
    )
    with pytest.raises(ValueError, match="c0ffee99") as caught:
        raise ValueError(f"{TOKEN} c0ffee99 mykey-123 BTCUSDT text/html" + "x" * 1_000)
    said = describe_failure(caught.value, request)
    assert said["where"] == "GET /bot<token>/getMe"
    assert said["error"].startswith("ValueError: <token> <secret> <secret> BTCUSDT text/htmlxxx")
    assert len(said["error"]) == 500
    assert said["at"].startswith("test_failing_doubles.py:")


def answering(events: list[dict[str, object]]) -> httpx.AsyncClient:
    """A client whose double has these events in its record."""
    page = {"events": events, "next": len(events) and events[-1]["seq"], "dropped": 0}

    def answer(request: httpx.Request) -> httpx.Response:
        after = int(request.url.params["after"])
        rest = [event for event in events if int(str(event["seq"])) > after]
        return httpx.Response(200, json={"ok": True, "result": {**page, "events": rest}})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def test_no_event_of_a_doubles_record_is_left_out() -> None:
    recorder = Recorder()
    events: list[dict[str, object]] = [
        {"seq": number, "t": float(number), "type": "call", "method": f"m{number}", "params": {}}
        for number in range(1, 201)
    ]
    async with answering(events) as client:
        await Follower(DoubleControl("double", "http://double", client), recorder, {}).finish()
    calls = recorder.history().of(history.BotApiCall)
    assert [call.method for call in calls] == [f"m{number}" for number in range(1, 201)]


async def test_a_record_with_a_hole_in_it_is_an_error() -> None:
    events: list[dict[str, object]] = [
        {"seq": number, "t": float(number), "type": "call", "method": "getMe"}
        for number in range(1, 101)
        if number % 50
    ]
    async with answering(events) as client:
        follower = Follower(DoubleControl("double", "http://double", client), Recorder(), {})
        with pytest.raises(BrokenHarnessError, match="event 50 of its record never came"):
            await follower.finish()


def test_everything_that_is_recorded_is_in_the_file_and_with_its_subscribers(tmp_path) -> None:
    path = tmp_path / "history.jsonl"
    with HistoryWriter(path) as writer:
        recorder = Recorder(writer)
        with recorder.subscribe(lambda _: True) as queue:
            recorder.record(history.Run(t=0.0))
            for number in range(1, 200):
                recorder.record(history.BotApiCall(t=float(number), method=f"m{number}"))
            recorder.end()
            told = [queue.get_nowait() for _ in range(queue.qsize())]
    assert len(told) == len(recorder.history()) == len(read_history(path)) == 201
