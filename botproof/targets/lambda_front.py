"""What AWS is to a Lambda function, as a target: a function URL in front of frozen processes.

    python -m botproof.targets.lambda_front --handler my_bot.aws.handler --port 8080

An HTTP request becomes an event (payload format 2.0) for a process of its own that asks for it
through the Lambda Runtime API; what the function returns is the HTTP answer. As on AWS:

* a process handles one event at a time; while all `--concurrency` are busy the answer is 429;
* between two events the process is frozen (SIGSTOP), so that work left for later does not happen;
* a process that ends, or takes longer than `--timeout`, costs its request a 502, and the next
  event starts a new one (a cold start).

`POST /_front/kill` kills one process with SIGKILL, a busy one if there is one, and answers
`{"killed": pid}` (null when none runs). `GET /_front/ready` answers 200 when events may come. With
`--telegram-api` the webhook is set at start, as whoever deploys a function does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec

from botproof.doubles.messages import Request, Response, json_response
from botproof.doubles.server import Server, serve
from botproof.targets import lambda_bootstrap
from botproof.targets.lambda_event import BadAnswerError, to_event, to_response

_API = "/2018-06-01/runtime"
_INIT_S = 10.0
_GRACE_S = 2.0
_THROTTLED = {"Reason": "ConcurrentInvocationLimitExceeded", "Message": "Rate Exceeded."}


class FunctionError(Exception):
    """The function gave no answer; the message says why."""


@dataclass(frozen=True, slots=True)
class Function:
    """What runs: `command` speaks the Runtime API; `environment` is its whole environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    timeout_s: float = 30.0


@dataclass(slots=True)
class _Invocation:
    """One event on its way through a process."""

    id: str
    body: bytes
    deadline_ms: int
    answer: asyncio.Future[bytes] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def fail(self, why: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(FunctionError(why))


class Worker:
    """One process with its own Runtime API; made by `start`."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._events: asyncio.Queue[_Invocation] = asyncio.Queue()
        self._current: _Invocation | None = None
        self._api: Server | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.ended: asyncio.Task[None] | None = None
        self._killed = False
        self.taken = False
        """Whether it has an event to handle; one at a time."""

    async def start(self) -> None:
        """Start the process."""
        self._api = await serve(self._answer)
        environment = {
            **self._function.environment,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.port}",
        }
        self._process = await asyncio.create_subprocess_exec(
            *self._function.command, stdin=asyncio.subprocess.DEVNULL, env=environment
        )
        self.ended = asyncio.create_task(self._wait(self._process, self._api))

    @property
    def gone(self) -> bool:
        """Whether the process was started and has ended, or is about to."""
        return self._killed or (self._process is not None and not self.running)

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.returncode is None

    async def invoke(self, event: Mapping[str, object], request_id: str) -> bytes:
        """Return what the function returns for `event`, as JSON. Raises FunctionError."""
        limit = self._function.timeout_s
        deadline = int((time.time() + limit) * 1000)
        invocation = _Invocation(request_id, msgspec.json.encode(event), deadline)
        self._current = invocation
        self._events.put_nowait(invocation)
        self._signal(signal.SIGCONT)
        try:
            async with asyncio.timeout(limit + _INIT_S):
                return await invocation.answer
        except TimeoutError as error:
            self.kill()
            raise FunctionError(f"no answer within {limit:g} s: the process was ended") from error
        finally:
            self._current = None

    def kill(self) -> int | None:
        """SIGKILL; the process id, None when it has ended already."""
        if self._process is None or not self.running:
            return None
        self._killed = True
        self._signal(signal.SIGKILL)
        return self._process.pid

    async def end(self) -> None:
        """SIGTERM, then SIGKILL."""
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        if self.ended is not None:
            await asyncio.wait({self.ended}, timeout=_GRACE_S)
            self.kill()
            await self.ended

    async def _wait(self, process: asyncio.subprocess.Process, api: Server) -> None:
        code = await process.wait()
        if self._current is not None:
            self._current.fail(f"the process ended with code {code}")
        await api.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    # the Runtime API

    async def _answer(self, request: Request) -> Response:
        if request.path == f"{_API}/invocation/next":
            return await self._next()
        if request.path == f"{_API}/init/error":
            self._fail_current(f"it could not be loaded: {_message_of(request.body)}")
            return Response(202, b"{}")
        return self._result(request)

    async def _next(self) -> Response:
        """Return the next event; until there is one the process stands still."""
        if self._events.empty():
            self._signal(signal.SIGSTOP)
        invocation = await self._events.get()
        self._signal(signal.SIGCONT)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:local:0:function:botproof",
        }
        return Response(200, invocation.body, headers=headers)

    def _result(self, request: Request) -> Response:
        current = self._current
        _, _, rest = request.path.partition(f"{_API}/invocation/")
        request_id, _, kind = rest.partition("/")
        if current is None or current.id != request_id or kind not in ("response", "error"):
            return json_response({"errorMessage": f"no invocation {rest!r}"}, 400)
        if kind == "error":
            current.fail(f"it raised {_message_of(request.body)}")
        elif not current.answer.done():
            current.answer.set_result(request.body)
        return Response(202, b"{}")

    def _fail_current(self, why: str) -> None:
        if self._current is not None:
            self._current.fail(why)


def _message_of(body: bytes) -> str:
    try:
        value = msgspec.json.decode(body)
        return f"{value['errorType']}: {value['errorMessage']}"
    except (msgspec.DecodeError, KeyError, TypeError):
        return repr(body[:200])


class Front:
    """The function URL: requests in, events to workers, answers out."""

    def __init__(self, function: Function, concurrency: int) -> None:
        self._function = function
        self._concurrency = concurrency
        self._workers: list[Worker] = []
        self._under_way: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self.ready = False

    async def handle(self, request: Request) -> Response:
        """Answer one HTTP request."""
        if request.path == "/_front/ready":
            return json_response({"ready": self.ready}, 200 if self.ready else 503)
        if request.path == "/_front/kill":
            return json_response({"killed": self._kill_one()})
        if self._closing:
            return json_response({"Message": "the front is stopping"}, 503)
        return await self._invoke(request)

    async def close(self) -> None:
        """Let what is under way finish, take nothing new, end the processes."""
        self._closing = True
        await self._idle.wait()
        await asyncio.gather(*(worker.end() for worker in self._workers))

    async def _invoke(self, request: Request) -> Response:
        worker = await self._take_worker()
        if worker is None:
            return json_response(_THROTTLED, 429)
        request_id = str(uuid.uuid4())
        self._under_way.add(request_id)
        self._idle.clear()
        try:
            event = to_event(request, request_id, int(time.time() * 1000))
            return to_response(await worker.invoke(event, request_id))
        except (FunctionError, BadAnswerError) as error:
            print(f"lambda_front: 502: {error}", file=sys.stderr, flush=True)
            return json_response({"Message": "Internal Server Error"}, 502)
        finally:
            worker.taken = False
            self._under_way.discard(request_id)
            if not self._under_way:
                self._idle.set()

    async def _take_worker(self) -> Worker | None:
        """Return a worker for one event, started if need be; None when all are at work."""
        self._workers = [w for w in self._workers if w.ended is None or not w.ended.done()]
        living = [worker for worker in self._workers if not worker.gone]
        for worker in living:
            if not worker.taken:
                worker.taken = True
                return worker
        if len(living) >= self._concurrency:
            return None
        worker = Worker(self._function)
        worker.taken = True
        self._workers.append(worker)
        await worker.start()
        return worker

    def _kill_one(self) -> int | None:
        running = sorted(self._workers, key=lambda worker: not worker.taken)
        return next((pid for worker in running if (pid := worker.kill()) is not None), None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m botproof.targets.lambda_front",
        description="Runs a Lambda function behind a function URL, as AWS would.",
    )
    parser.add_argument(
        "--handler", required=True, help="package.module.function, as the function is configured"
    )
    parser.add_argument("--port", type=int, default=0, help="of the function URL; 0 is any")
    parser.add_argument("--python", default=sys.executable, help="the Python of the function")
    parser.add_argument("--root", type=Path, default=Path(), help="where its code lies (.)")
    parser.add_argument("--concurrency", type=int, default=1, help="processes at most (1)")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds an event (30)")
    parser.add_argument("--memory", type=int, default=256, help="MB, told to the function (256)")
    parser.add_argument("--telegram-api", default="", metavar="URL", help="set the webhook there")
    parser.add_argument("--webhook-path", default="/webhook", help="(/webhook)")
    parser.add_argument(
        "--token-env", default="TELEGRAM_BOT_TOKEN", help="variable that holds the bot's token"
    )
    parser.add_argument(
        "--secret-env", default="WEBHOOK_SECRET", help="variable that holds the webhook's secret"
    )
    parser.add_argument(
        "runtime", nargs="*", help="after --: a runtime of another language, and its arguments"
    )
    return parser


def _function(options: argparse.Namespace) -> Function:
    # -P: the bootstrap's own directory must not be where the function finds modules.
    python = (options.python, "-P", str(lambda_bootstrap.__file__))
    return Function(
        command=tuple(options.runtime) or python,
        environment={
            **os.environ,
            "_HANDLER": options.handler,
            "LAMBDA_TASK_ROOT": str(options.root.resolve()),
            "AWS_LAMBDA_FUNCTION_NAME": "botproof",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(options.memory),
            "AWS_EXECUTION_ENV": "AWS_Lambda_botproof",
        },
        timeout_s=options.timeout,
    )


async def _set_webhook(options: argparse.Namespace, url: str) -> None:
    parameters: dict[str, object] = {
        "url": f"{url}{options.webhook_path}",
        "max_connections": options.concurrency,
    }
    if secret := os.environ.get(options.secret_env):
        parameters["secret_token"] = secret
    token = os.environ.get(options.token_env, "")
    async with httpx.AsyncClient(trust_env=False, timeout=10.0) as client:
        answer = await client.post(f"{options.telegram_api}/bot{token}/setWebhook", json=parameters)
    if answer.status_code != httpx.codes.OK:
        raise FunctionError(f"setWebhook was refused: HTTP {answer.status_code} {answer.text}")


async def _run(options: argparse.Namespace) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    front = Front(_function(options), options.concurrency)
    async with await serve(front.handle, port=options.port) as server:
        try:
            if options.telegram_api:
                await _set_webhook(options, server.url)
            front.ready = True
            await stopped.wait()
        finally:
            await front.close()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM; 0, or 1 when it could not begin."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_run(options))
    except (FunctionError, OSError, httpx.HTTPError) as error:
        print(f"lambda_front: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
