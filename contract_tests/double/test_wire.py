"""What goes wrong between a bot and Telegram: each kind, as both of them see it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from botproof.doubles.telegram.app import start
from botproof.doubles.telegram.context import Settings
from botproof.doubles.telegram.wire import WireError, read_wires

pytestmark = pytest.mark.anyio

Wired = Callable[..., Awaitable[Any]]


@pytest.fixture
async def wired(api: Any, tmp_path: Path) -> AsyncIterator[Wired]:
    """A double behind wires, as a bot and a person see it."""
    async with AsyncExitStack() as stack:

        async def make(*wires: dict[str, Any]) -> Any:
            path = tmp_path / "wires.json"
            path.write_text(json.dumps(wires))
            running = await start(Settings(seed=1, flood=None), wires=read_wires(path))
            stack.push_async_callback(running.close)
            http = await stack.enter_async_context(aiohttp.ClientSession())
            client = type(api)(running.url, http)
            for chat in (1, 2):
                await client.person(text="hello", chat_id=chat)
            return client

        yield make


async def texts(client: Any, chat: int = 1) -> list[str]:
    """What the bot wrote in a chat, as its people see it."""
    seen = await client.chat(chat)
    return [m["text"] for m in seen["messages"] if m["from"]["is_bot"]]


async def test_without_wires_that_fit_all_passes_as_it_is(wired: Wired) -> None:
    client = await wired({"kind": "drop", "text": "never said"})
    await client.ok("sendMessage", chat_id=1, text="a &lt; b", parse_mode="HTML")
    assert await texts(client) == ["a < b"]


async def test_a_dropped_call_looks_accepted_and_never_arrives(wired: Wired) -> None:
    client = await wired({"kind": "drop", "every": 2})
    for text in ("one", "two", "three"):
        assert (await client.call("sendMessage", chat_id=1, text=text))["ok"]
    assert await texts(client) == ["two"]
    sent = [call for call in await client.events("call") if call["method"] == "sendMessage"]
    assert len(sent) == 1


async def test_a_repeated_call_arrives_twice(wired: Wired) -> None:
    client = await wired({"kind": "repeat", "after": 1})
    await client.ok("sendMessage", chat_id=1, text="one")
    await client.ok("sendMessage", chat_id=1, text="two")
    assert await texts(client) == ["one", "two", "two"]


async def test_a_refused_call_took_effect_all_the_same(wired: Wired) -> None:
    client = await wired({"kind": "refuse", "text": "two"})
    await client.ok("sendMessage", chat_id=1, text="one")
    assert await client.refused("sendMessage", chat_id=1, text="two") == "502 Bad Gateway"
    assert await texts(client) == ["one", "two"]


async def test_a_misdirected_call_goes_to_the_chat_before(wired: Wired) -> None:
    client = await wired({"kind": "misdirect", "text": "mine"})
    await client.ok("sendMessage", chat_id=1, text="yours")
    await client.ok("sendMessage", chat_id=2, text="mine")
    assert (await texts(client, 1), await texts(client, 2)) == (["yours", "mine"], [])


async def test_what_is_unescaped_is_refused_as_telegram_refuses_it(wired: Wired) -> None:
    client = await wired({"kind": "unescape"})
    said = await client.refused("sendMessage", chat_id=1, text="a &lt;b", parse_mode="HTML")
    assert said.startswith("400 Bad Request: can't parse entities")


@pytest.mark.parametrize(
    ("wire", "text", "shown"),
    [
        ({"kind": "truncate"}, "one\ntwo\nthree", "one\ntwo"),
        ({"kind": "truncate", "lines": 2}, "one\ntwo\nthree", "one"),
        ({"kind": "alter", "find": r"\d", "put": "9"}, "1 of 23", "9 of 99"),
        ({"kind": "strip", "fields": ["parse_mode"]}, "<b>x</b>", "<b>x</b>"),
        ({"kind": "set", "values": {"text": "other"}}, "mine", "other"),
    ],
)
async def test_what_a_bot_says_is_altered(
    wired: Wired, wire: dict[str, Any], text: str, shown: str
) -> None:
    client = await wired(wire)
    await client.ok("sendMessage", chat_id=1, text=text, parse_mode="HTML")
    assert await texts(client) == [shown]


async def test_a_wire_of_one_door_leaves_the_other_alone(wired: Wired, hook: Any) -> None:
    client = await wired({"kind": "drop", "door": "webhook"})
    await client.ok("sendMessage", chat_id=1, text="by polling")
    await client.ok("setWebhook", url=hook.url)
    await client.call("sendMessage", chat_id=1, text="by webhook")
    assert await texts(client) == ["by polling"]


async def given(client: Any) -> list[dict[str, Any]]:
    """The updates that getUpdates gives."""
    found: list[dict[str, Any]] = await client.ok("getUpdates", timeout=0)
    return found


async def test_a_lost_update_never_reaches_the_bot(wired: Wired, hook: Any) -> None:
    client = await wired({"kind": "drop", "side": "updates", "text": "second"})
    for text in ("first", "second", "third"):
        await client.person(text=text, chat_id=1)
    told = [update["message"]["text"] for update in await given(client)]
    assert told == ["hello", "hello", "first", "third"]
    await client.ok("setWebhook", url=hook.url)
    posted = [json.loads((await hook.requests.get()).body)["message"]["text"] for _ in told]
    assert sorted(posted) == sorted(told)


async def test_a_repeated_update_is_another_to_who_knows_ids(wired: Wired) -> None:
    client = await wired({"kind": "repeat", "side": "updates", "after": 2})
    made = await client.person(text="once", chat_id=1)
    *_, twin, update = await given(client)
    assert (twin["message"], twin["update_id"] < update["update_id"]) == (update["message"], True)
    assert update["update_id"] == made["update_id"]


async def test_everybody_looks_like_the_first_who_wrote(wired: Wired) -> None:
    client = await wired({"kind": "as_first", "side": "updates"})
    senders = {update["message"]["from"]["id"] for update in await given(client)}
    assert senders == {1}


async def test_a_kind_of_update_is_altered(wired: Wired) -> None:
    alter = {"kind": "alter", "side": "updates", "find": '"message":', "put": '"channel_post":'}
    client = await wired(alter)
    assert all("channel_post" in update for update in await given(client))


async def test_an_answer_of_the_webhook_that_is_lost_brings_the_update_again(
    wired: Wired, hook: Any
) -> None:
    client = await wired({"kind": "refuse", "side": "updates", "every": 100})
    await client.ok("setWebhook", url=hook.url)
    first, second = [json.loads((await hook.requests.get()).body) for _ in range(2)]
    again = json.loads((await hook.requests.get()).body)
    assert again in (first, second)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"kind": "explode"}]', "explode"),
        ('[{"kind": "delay"}]', "needs `seconds`"),
        ('[{"kind": "alter", "find": "("}]', "is no regular expression"),
        ('[{"kind": "as_first"}]', 'side = "updates"'),
        ('[{"kind": "misdirect", "side": "updates"}]', 'side = "calls"'),
        ('[{"kind": "drop", "every": 0}]', "at least 1"),
    ],
)
def test_wires_that_cannot_be_are_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "wires.json"
    path.write_text(text)
    with pytest.raises(WireError, match=r"wires\.json") as refused:
        read_wires(path)
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WireError, match=r"none\.json: cannot be read"):
        read_wires(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("wire", "altered"),
    [
        ({"kind": "drop"}, 1),
        ({"kind": "drop", "after": 5}, 0),
        ({"kind": "alter", "find": "1", "put": "2"}, 1),
        ({"kind": "alter", "find": "7", "put": "8"}, 0),
        ({"kind": "strip", "fields": ["parse_mode"]}, 1),
        ({"kind": "strip", "fields": ["reply_markup"]}, 0),
        ({"kind": "unescape"}, 1),
        ({"kind": "unescape", "text": "no such answer"}, 0),
        ({"kind": "as_first", "side": "updates"}, 1),
        ({"kind": "alter", "side": "updates", "find": "edited_message", "put": "message"}, 0),
        ({"kind": "delay", "side": "updates", "seconds": 0.01}, 1),
    ],
)
async def test_the_double_tells_once_of_a_wire_that_altered_something(
    wired: Wired, wire: dict[str, Any], altered: int
) -> None:
    client = await wired(wire)
    await client.ok("getUpdates")
    for _ in range(2):
        await client.call("sendMessage", chat_id=1, text="1 &lt; 3", parse_mode="HTML")
    told = [(each["what"], each["side"]) for each in await client.events("altered")]
    assert told == [(wire["kind"], wire.get("side", "calls"))] * altered
