"""The Lambda target: events as AWS makes them, processes as AWS treats them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from botproof.doubles.messages import Request
from botproof.doubles.server import serve
from botproof.targets import lambda_bootstrap
from botproof.targets.lambda_event import BadAnswerError, to_event, to_response
from botproof.targets.lambda_front import Front, Function

FUNCTION = """
import json, os, socket, threading

work = []

def told(path):
    with socket.socket(socket.AF_UNIX) as test:
        test.connect(path)
        test.recv(1)

def later(path):
    told(path)
    work.append("done")

def handler(event, context):
    body = json.loads(event.get("body") or "{}")
    if body.get("raise"):
        raise ValueError("as asked")
    if body.get("die"):
        os._exit(7)
    if body.get("work"):
        told(body["work"])
    if body.get("later"):
        threading.Thread(target=later, args=(body["later"],)).start()
    if body.get("await"):
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join()
    return {"statusCode": 201, "headers": {"X-Pid": str(os.getpid())}, "body": json.dumps({
        "method": event["requestContext"]["http"]["method"],
        "path": event["rawPath"],
        "left": context.get_remaining_time_in_millis(),
        "id": context.aws_request_id,
        "work": work,
    })}
"""


class Work:
    """What a function under test works on: it begins, and it ends when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "work")
        self.begun = asyncio.Event()
        self._end = asyncio.Event()

    async def handle(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.begun.set()
        await self._end.wait()
        writer.close()

    def end(self) -> None:
        self._end.set()


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Work]:
    made = Work(tmp_path)
    async with await asyncio.start_unix_server(made.handle, made.path):
        yield made
        made.end()


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async for made in _front(tmp_path, FUNCTION):
        yield made


async def _front(folder: Path, code: str, timeout_s: float = 10.0) -> AsyncIterator[Front]:
    (folder / "function_under_test.py").write_text(code)
    function = Function(
        command=(sys.executable, "-P", str(lambda_bootstrap.__file__)),
        environment={
            "_HANDLER": "function_under_test.handler",
            "LAMBDA_TASK_ROOT": str(folder),
            "AWS_LAMBDA_FUNCTION_NAME": "under-test",
        },
        timeout_s=timeout_s,
    )
    made = Front(function, concurrency=1)
    made.ready = True
    yield made
    await made.close()


def post(body: dict[str, Any]) -> Request:
    headers = {"content-type": "application/json"}
    return Request("POST", "/hook", headers=headers, body=json.dumps(body).encode())


@pytest.mark.anyio
async def test_a_request_becomes_an_event_and_the_return_value_an_answer(front: Front) -> None:
    response = await front.handle(post({}))
    answer = json.loads(response.body)

    assert response.status == 201
    assert (answer["method"], answer["path"]) == ("POST", "/hook")
    assert 0 < answer["left"] <= 10_000
    assert len(answer["id"]) == 36


@pytest.mark.anyio
async def test_the_process_is_kept_for_the_next_event(front: Front) -> None:
    first, second = await front.handle(post({})), await front.handle(post({}))

    assert first.headers["x-pid"] == second.headers["x-pid"]


@pytest.mark.anyio
async def test_what_a_function_raises_is_a_502_and_the_process_lives_on(front: Front) -> None:
    before = await front.handle(post({}))

    assert (await front.handle(post({"raise": True}))).status == 502
    after = await front.handle(post({}))
    assert before.headers["x-pid"] == after.headers["x-pid"]


@pytest.mark.anyio
async def test_a_process_that_ends_costs_its_request_and_is_started_anew(front: Front) -> None:
    before = await front.handle(post({}))

    assert (await front.handle(post({"die": True}))).status == 502
    after = await front.handle(post({}))
    assert after.status == 201
    assert before.headers["x-pid"] != after.headers["x-pid"]


@pytest.mark.anyio
async def test_a_kill_meets_the_process_at_work(front: Front, work: Work) -> None:
    working = asyncio.create_task(front.handle(post({"work": work.path})))
    await work.begun.wait()

    killed = json.loads((await front.handle(Request("POST", "/_front/kill"))).body)

    assert killed["killed"] > 0
    assert (await working).status == 502
    assert (await front.handle(post({}))).status == 201


@pytest.mark.anyio
async def test_without_a_process_there_is_nothing_to_kill(front: Front) -> None:
    answer = await front.handle(Request("POST", "/_front/kill"))

    assert json.loads(answer.body) == {"killed": None}


@pytest.mark.anyio
async def test_while_all_processes_are_busy_requests_are_throttled(
    front: Front, work: Work
) -> None:
    working = asyncio.create_task(front.handle(post({"work": work.path})))
    await work.begun.wait()

    assert (await front.handle(post({}))).status == 429
    work.end()
    assert (await working).status == 201


@pytest.mark.anyio
async def test_work_left_for_later_does_not_happen_between_events(front: Front, work: Work) -> None:
    """Lambda freezes the process once it has answered: a bot must not rely on what comes after."""
    answer = await front.handle(post({"later": work.path}))
    await until_frozen(int(answer.headers["x-pid"]))
    work.end()  # from here on it could go on, if it were not frozen

    thawed = await front.handle(post({"await": True}))
    assert thawed.headers["x-pid"] == answer.headers["x-pid"]
    assert json.loads(thawed.body)["work"] == ["done"]


async def until_frozen(pid: int) -> None:
    async with asyncio.timeout(60):
        # nothing tells when a signal has stopped a process
        while psutil.Process(pid).status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.anyio
async def test_a_function_that_cannot_be_loaded_is_a_502(tmp_path: Path) -> None:
    async for front in _front(tmp_path, "raise ImportError('no such thing')"):
        assert (await front.handle(post({}))).status == 502


@pytest.mark.anyio
async def test_an_event_that_takes_too_long_is_cut_off(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    async for front in _front(tmp_path, FUNCTION, timeout_s=0.2):
        monkeypatch.setattr("botproof.targets.lambda_front._INIT_S", 1.0)
        assert (await front.handle(post({"work": work.path}))).status == 502
        monkeypatch.undo()
        assert (await front.handle(post({}))).status == 201


@pytest.mark.anyio
async def test_it_is_not_ready_before_the_webhook_is_set(front: Front) -> None:
    front.ready = False
    client = httpx.AsyncClient(trust_env=False, timeout=60)
    async with await serve(front.handle) as server, client:
        assert (await client.get(f"{server.url}/_front/ready")).status_code == 503
        front.ready = True
        assert (await client.get(f"{server.url}/_front/ready")).status_code == 200


# the payload format 2.0


def test_an_event_holds_what_aws_documents() -> None:
    request = Request(
        "POST",
        "/a b",
        query={"x": "1"},
        headers={"content-type": "application/json", "x-telegram-bot-api-secret-token": "s"},
        body=b'{"update_id":1}',
        raw_query="x=1",
    )
    event = to_event(request, "id-1", 1_700_000_000_123)

    assert event["version"] == "2.0"
    assert event["rawPath"] == "/a%20b"
    assert event["rawQueryString"] == "x=1"
    assert event["queryStringParameters"] == {"x": "1"}
    assert event["headers"]["x-telegram-bot-api-secret-token"] == "s"
    assert event["body"] == '{"update_id":1}'
    assert event["isBase64Encoded"] is False
    assert event["requestContext"]["timeEpoch"] == 1_700_000_000_123
    assert event["requestContext"]["time"] == "14/Nov/2023:22:13:20 +0000"
    assert event["requestContext"]["http"]["method"] == "POST"


def test_a_body_that_is_no_text_travels_as_base64() -> None:
    request = Request("POST", "/", headers={"content-type": "image/png"}, body=b"\x89PNG")
    event = to_event(request, "id", 0)

    assert event["isBase64Encoded"] is True
    assert event["body"] == "iVBORw=="


@pytest.mark.parametrize(
    ("returned", "status", "body"),
    [
        (b'{"statusCode": 204}', 204, b""),
        (b'{"statusCode": "200", "body": "hi"}', 200, b"hi"),
        (b'{"statusCode": 200, "body": "aGk=", "isBase64Encoded": true}', 200, b"hi"),
        (b'{"no": "status"}', 200, b'{"no": "status"}'),
        (b'"just text"', 200, b"just text"),
    ],
)
def test_answers_are_read_as_aws_reads_them(returned: bytes, status: int, body: bytes) -> None:
    response = to_response(returned)

    assert (response.status, response.body) == (status, body)


@pytest.mark.parametrize(
    "returned",
    [
        b"no json",
        b'{"statusCode": "many"}',
        b'{"statusCode": 200, "body": {"a": 1}}',
        b'{"statusCode": 200, "body": "%%%", "isBase64Encoded": true}',
    ],
)
def test_what_is_no_answer_is_refused(returned: bytes) -> None:
    with pytest.raises(BadAnswerError):
        to_response(returned)
