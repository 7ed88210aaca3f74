"""The ways in which a call reaches the double: every kind of body, GET and POST, any case."""

import gzip
import json
import zlib
from typing import Any

import aiohttp
import pytest

pytestmark = pytest.mark.anyio

PART = (
    b'--b\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
)


async def test_json_form_multipart_and_query_say_the_same(api: Any, chat: int) -> None:
    url = f"{api.url}/bot{api.token}/sendMessage"
    params = {"chat_id": str(chat), "text": "<i>ü & ö</i>", "parse_mode": "HTML"}
    multipart = aiohttp.FormData(params)
    multipart.add_field("ignored", b"x", filename="x.txt")
    params["text"] = "<i>ü &amp; ö</i>"
    ways = (
        {"json": params},
        {"data": params},
        {"data": multipart},
        {"params": params},
        {"params": {"chat_id": "1", "parse_mode": "HTML"}, "data": {"text": params["text"]}},
    )
    for way in ways:
        async with api.http.post(url, **way) as response:
            answer = await response.json()
        assert answer["result"]["text"] == "ü & ö"
        assert answer["result"]["entities"] == [{"type": "italic", "offset": 0, "length": 5}]


async def test_null_is_text_as_everything_else_in_a_json_body(api: Any, chat: int) -> None:
    sent = await api.ok("sendMessage", chat_id=chat, text=None, disable_notification=None)
    assert sent["text"] == "null"
    says = "400 Bad Request: object expected as "
    for name, what in (
        ("reply_markup", "reply markup"),
        ("reply_parameters", "reply parameters"),
        ("link_preview_options", "link preview options"),
    ):
        answer = await api.refused("sendMessage", chat_id=chat, text="x", **{name: None})
        assert answer == says + what
    assert await api.refused("sendMessage", chat_id=None, text="x") == (
        "400 Bad Request: chat not found"
    )
    # What does not parse changes nothing here, entities as little as the kinds of updates.
    await api.ok("getUpdates", allowed_updates=["callback_query"])
    await api.ok("getUpdates", allowed_updates=None)
    assert (await api.ok("getWebhookInfo"))["allowed_updates"] == ["callback_query"]
    assert "entities" not in await api.ok("sendMessage", chat_id=chat, text="x", entities=None)


HALF = '"\\ud83d"'  # what JavaScript's slice() leaves of an emoji


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", f'{{"chat_id": 1, "text": {HALF}}}'.encode()),
        ("application/json", b'{"chat_id": 1, "text": "\xff"}'),
        ("application/x-www-form-urlencoded", b"chat_id=1&text=%ED%A0%BD"),
        ("application/x-www-form-urlencoded", b"chat_id=1&text=\xff"),
        ("multipart/form-data; boundary=b", PART % b"text" + b"\xff\r\n--b--\r\n"),
    ],
)
async def test_a_string_that_is_no_utf8_is_refused(
    api: Any, chat: int, kind: str, body: bytes
) -> None:
    """td's Requests.cpp, `CLEAN_INPUT_STRING`; bots that cut an emoji in two meet it."""
    assert chat == 1
    url = f"{api.url}/bot{api.token}/sendMessage"
    async with api.http.post(url, data=body, headers={"Content-Type": kind}) as response:
        answer = await response.json()
    assert answer["description"] == "Bad Request: strings must be encoded in UTF-8"
    assert (await api.ok("sendMessage", chat_id=chat, text="😀"))["text"] == "😀"
    keyboard = f'{{"keyboard": [[{HALF}]]}}'
    assert "400 Bad Request" in await api.refused(
        "sendMessage", chat_id=chat, text="x", reply_markup=keyboard
    )


@pytest.mark.parametrize("body", ['{"chat_id": 1, "text": "x",}', '{"chat_id": 1, "text": "x"'])
async def test_a_json_body_that_breaks_holds_what_comes_before(
    api: Any, chat: int, body: str
) -> None:
    assert chat == 1
    url = f"{api.url}/bot{api.token}/sendMessage"
    headers = {"Content-Type": "application/json"}
    async with api.http.post(url, data=body, headers=headers) as response:
        assert (await response.json())["result"]["text"] == "x"
    for nothing in ("[1]", "text", '{"chat_id": 1 "text": "x"}'):
        async with api.http.post(url, data=nothing, headers=headers) as response:
            said = (await response.json())["description"]
        assert said == "Bad Request: message text is empty"


async def test_bodies_may_be_packed(api: Any, chat: int) -> None:
    url = f"{api.url}/bot{api.token}/sendMessage"
    body = json.dumps({"chat_id": chat, "text": "packed"}).encode()

    async def post(encoding: str, data: bytes) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        async with api.http.post(url, data=data, headers=headers) as response:
            return response.status, await response.json()

    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        status, answer = await post(encoding, pack(body))
        assert (status, answer["result"]["text"]) == (200, "packed")
    status, answer = await post("br", body)
    assert (status, answer["description"]) == (
        415,
        "Unsupported Media Type: unsupported content-encoding",
    )
    assert (await post("gzip", body))[0] == 400


async def test_get_is_as_good_as_post_and_case_does_not_matter(api: Any, chat: int) -> None:
    url = f"{api.url}/bot{api.token}/SENDmessage"
    async with api.http.get(url, params={"chat_id": chat, "text": "x"}) as response:
        assert (await response.json())["result"]["text"] == "x"


async def test_get_me(api: Any) -> None:
    assert await api.ok("getMe") == {
        "id": 123456,
        "is_bot": True,
        "first_name": "Bot 123456",
        "username": "double_123456_bot",
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": True,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }
