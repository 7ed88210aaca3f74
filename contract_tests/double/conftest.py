"""A running Telegram double, as a bot sees it and as a person does, and a webhook to post to."""

import asyncio
import importlib.util
import shutil
import struct
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NoReturn

import aiohttp
import pytest

from botproof.doubles.kit.clock import Clock
from botproof.doubles.messages import Request, Response
from botproof.doubles.server import Server, serve
from botproof.doubles.telegram.app import RunningDouble, start
from botproof.doubles.telegram.context import Settings
from botproof.doubles.telegram.spec import methods, types
from botproof.doubles.telegram.spec_model import members

TOKEN = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
Json = dict[str, Any]


SCALARS: Mapping[str, type | tuple[type, ...]] = {
    "Integer": int,
    "Float": (int, float),
    "String": str,
    "Boolean": bool,
}


@pytest.fixture(name="missing", scope="session")
def what_is_missing() -> Callable[[str], NoReturn]:
    """Skips and says why; fails in CI, where everything has to run."""
    return missing


def missing(reason: str) -> NoReturn:
    pytest.skip(reason)  # in CI the suites' shared hook makes that a failure


@pytest.fixture(name="need", scope="session")
def what_is_needed() -> Callable[..., None]:
    """Names of programs without which a test cannot run; `module` of a Python module."""
    return need


def need(*programs: str, module: str = "") -> None:
    absent = [name for name in programs if shutil.which(name) is None]
    if module and importlib.util.find_spec(module) is None:
        absent.append(module)
    if absent:
        missing(f"not installed: {', '.join(absent)}")


@pytest.fixture
def jpeg() -> bytes:
    """The head of a JPEG of 9 by 8 pixels, which is what anybody here reads of one."""
    return b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 8, 9) + b"xx"


@pytest.fixture(name="breaches")
def checker() -> Callable[[Any, str, str], list[str]]:
    """Tells where a result is not as the specification's type says."""
    return breaches


def breaches(value: Any, reference: str, where: str) -> list[str]:
    """Where a result is not as the specification's type says."""
    kinds = members(reference)
    if reference.startswith("Array<") and len(kinds) == 1:
        inner = reference[6:-1]
        if not isinstance(value, list):
            return [f"{where} is no array: {value!r}"]
        return [b for n, item in enumerate(value) for b in breaches(item, inner, f"{where}[{n}]")]
    subtypes = [s for k in kinds for s in (types()[k].subtypes if k in types() else ()) or (k,)]
    if len(subtypes) > 1:
        found = [breaches(value, kind, where) for kind in subtypes]
        return [] if [] in found else min(found, key=len)
    if reference in SCALARS:
        wrong = not isinstance(value, SCALARS[reference])
        return [f"{where} is no {reference}: {value!r}"] if wrong else []
    return object_breaches(value, reference, where)


def object_breaches(value: Any, reference: str, where: str) -> list[str]:
    fields = types()[reference].fields
    if not isinstance(value, dict):
        return [f"{where} is no {reference}: {value!r}"]
    found = [f"{where}.{key} is unknown to {reference}" for key in value if key not in fields]
    found += [f"{where}.{k} is missing" for k, f in fields.items() if f.required and k not in value]
    for key in fields.keys() & value.keys():
        field = fields[key]
        if field.constant is not None and value[key] != field.constant:
            found.append(f"{where}.{key} must be {field.constant!r}; it is {value[key]!r}")
        found += breaches(value[key], "|".join(field.types), f"{where}.{key}")
    return found


class Client:
    """The double as a bot sees it, and as a test controls it."""

    def __init__(self, url: str, http: aiohttp.ClientSession, token: str = TOKEN) -> None:
        self.url = url
        self.http = http
        self.token = token

    async def call(self, method: str, **params: object) -> Json:
        """A call with a JSON body; the whole answer, accepted or refused."""
        url = f"{self.url}/bot{self.token}/{method}"
        async with self.http.post(url, json=params) as response:
            answer: Json = await response.json()
            assert response.status == (200 if answer["ok"] else answer["error_code"])
            return answer

    async def ok(self, method: str, **params: object) -> Any:
        """A call that must be accepted; its result."""
        answer = await self.call(method, **params)
        assert answer["ok"], answer
        returns = methods()[method.lower()].returns
        assert breaches(answer["result"], returns, returns) == []
        return answer["result"]

    async def refused(self, method: str, **params: object) -> str:
        """A call that must be refused; the code and the description."""
        answer = await self.call(method, **params)
        assert not answer["ok"], answer
        return f"{answer['error_code']} {answer['description']}"

    async def control(self, verb: str, path: str, body: object = None) -> Any:
        """A request to the control interface that must succeed; its result."""
        url = f"{self.url}/_double/{path}"
        async with self.http.request(verb, url, json=body) as response:
            answer = await response.json()
            assert answer["ok"], answer
            return answer["result"]

    async def person(self, **action: object) -> Json:
        """What a person does; what came of it."""
        made: Json = await self.control("POST", f"bots/{self.token}/updates", action)
        return made

    async def chat(self, chat_id: int = 1) -> Json:
        """The chat as its people see it."""
        seen: Json = await self.control("GET", f"bots/{self.token}/chats/{chat_id}/messages")
        return seen

    async def advance(self, seconds: float) -> None:
        """Move the double's clock."""
        await self.control("POST", "clock", {"advance": seconds})

    async def events(self, kind: str) -> list[Json]:
        """The events of one type in the transcript."""
        page = await self.control("GET", "transcript?after=0")
        return [event for event in page["events"] if event["type"] == kind]

    async def wait_for(self, kind: str, count: int) -> list[Json]:
        """The first `count` events of a type, as soon as they are there."""
        found: list[Json] = []
        after = 0
        while len(found) < count:
            page = await self.control("GET", f"transcript?after={after}&timeout=20")
            after = page["next"]
            found += [event for event in page["events"] if event["type"] == kind]
        return found[:count]


class Hook:
    """A bot's webhook: what it got, and what it answers."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.answer: Callable[[Request], Response] = lambda _: Response(body=b"")
        self.hold: asyncio.Event | None = None
        self.server: Server | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"{self.server.url}/hook"

    async def handle(self, request: Request) -> Response:
        self.requests.put_nowait(request)
        answer = self.answer(request)
        if self.hold is not None:
            await self.hold.wait()
        return answer


@pytest.fixture
def settings() -> Settings:
    """No flood control; tests of it override this."""
    return Settings(seed=1, flood=None)


@pytest.fixture
async def double(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunningDouble]:
    """Its clock stands still until a test moves it, however long a busy machine takes."""
    began = time.time()
    monkeypatch.setattr(Clock, "now", lambda clock: began + clock.moved)
    running = await start(settings)
    yield running
    await running.close()


@pytest.fixture
async def api(double: RunningDouble) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as http:
        yield Client(double.url, http)


@pytest.fixture
async def chat(api: Client) -> int:
    """Ann has started the bot in chat 1."""
    await api.person(text="/start", chat_id=1, first_name="Ann", username="ann")
    return 1


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    sink = Hook()
    sink.server = await serve(sink.handle)
    yield sink
    if sink.hold is not None:
        sink.hold.set()
    await sink.server.close()
