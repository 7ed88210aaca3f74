"""Files: uploads, ids, URLs, albums, getFile and download."""

import base64
import struct
import zlib
from typing import Any

import aiohttp
import pytest

from botproof.doubles.messages import Response
from botproof.doubles.telegram.images import image_size

pytestmark = pytest.mark.anyio


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(b"\0" * (width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + head + rows + chunk(b"IEND", b"")


async def upload(api: Any, method: str, files: dict[str, tuple[str, bytes]], **params: str) -> Any:
    form = aiohttp.FormData(params)
    for name, (file_name, data) in files.items():
        form.add_field(name, data, filename=file_name)
    url = f"{api.url}/bot{api.token}/{method}"
    async with api.http.post(url, data=form) as response:
        return await response.json()


async def test_an_uploaded_photo_can_be_downloaded_and_sent_again_by_id(
    api: Any, chat: int
) -> None:
    data = png(640, 480)
    answer = await upload(api, "sendPhoto", {"photo": ("p.png", data)}, chat_id="1", caption="hi")
    sizes = answer["result"]["photo"]
    assert [(s["width"], s["height"]) for s in sizes] == [(90, 68), (320, 240), (640, 480)]
    assert answer["result"]["caption"] == "hi"
    file = await api.ok("getFile", file_id=sizes[-1]["file_id"])
    assert file["file_size"] == len(data)
    async with api.http.get(f"{api.url}/file/bot{api.token}/{file['file_path']}") as response:
        assert await response.read() == data
    again = await api.ok("sendPhoto", chat_id=chat, photo=sizes[-1]["file_id"])
    assert again["photo"][-1]["file_unique_id"] == sizes[-1]["file_unique_id"]
    call = (await api.events("call"))[0]
    assert call["params"]["photo"] == {"file": "p.png", "size": len(data)}


@pytest.mark.parametrize(
    ("kind", "method", "file_name", "fields"),
    [
        (
            "document",
            "sendDocument",
            "r.pdf",
            {"file_name": "r.pdf", "mime_type": "application/pdf"},
        ),
        ("video", "sendVideo", "v.mp4", {"mime_type": "video/mp4", "duration": 3}),
        ("audio", "sendAudio", "a.mp3", {"mime_type": "audio/mpeg", "duration": 3}),
        ("voice", "sendVoice", "v.oga", {"duration": 3}),
        ("animation", "sendAnimation", "a.mp4", {"duration": 3}),
        ("video_note", "sendVideoNote", "n.mp4", {"duration": 3, "length": 240}),
        ("sticker", "sendSticker", "s.webp", {"type": "regular", "is_video": False}),
    ],
)
async def test_every_kind_of_file(
    api: Any, kind: str, method: str, file_name: str, fields: dict[str, object]
) -> None:
    await api.person(text="hi", chat_id=1)
    chat = 1
    files = {kind: (file_name, b"some bytes")}
    answer = await upload(api, method, files, chat_id=str(chat), duration="3")
    shown = answer["result"][kind]
    assert shown["file_size"] == 10
    assert {name: shown[name] for name in fields} == fields
    again = await api.ok(method, chat_id=chat, **{kind: shown["file_id"]})
    assert again[kind]["file_id"] == shown["file_id"]


async def test_a_file_by_url(api: Any, chat: int) -> None:
    sent = await api.ok("sendDocument", chat_id=chat, document="https://example.com/d/report.pdf")
    assert sent["document"]["file_name"] == "report.pdf"
    assert sent["document"]["mime_type"] == "application/pdf"


async def test_a_url_of_this_machine_is_fetched(api: Any, chat: int, hook: Any) -> None:
    data = png(30, 20)
    hook.answer = lambda _: Response(body=data, content_type="image/png")
    url = hook.url + "/pic.png"
    sent = await api.ok("sendPhoto", chat_id=chat, photo=url)
    assert sent["photo"][-1]["width"] == 30
    file = await api.ok("getFile", file_id=sent["photo"][-1]["file_id"])
    async with api.http.get(f"{api.url}/file/bot{api.token}/{file['file_path']}") as response:
        assert await response.read() == data
    media = [{"type": "photo", "media": url}, {"type": "photo", "media": url}]
    assert len(await api.ok("sendMediaGroup", chat_id=chat, media=media)) == 2
    call = {"chat_id": chat, "message_id": sent["message_id"], "media": {**media[0]}}
    assert (await api.ok("editMessageMedia", **call))["photo"][0]["width"] == 30
    hook.answer = lambda _: Response(status=404)
    assert await api.refused("sendPhoto", chat_id=chat, photo=url) == (
        "400 Bad Request: failed to get HTTP URL content"
    )


async def test_an_album(api: Any, chat: int) -> None:
    media = '[{"type":"photo","media":"attach://one","caption":"first"},{"type":"photo","media":"attach://two"}]'
    files = {"one": ("1.png", png(10, 10)), "two": ("2.png", png(20, 20))}
    answer = await upload(api, "sendMediaGroup", files, chat_id=str(chat), media=media)
    first, second = answer["result"]
    assert first["media_group_id"] == second["media_group_id"]
    assert (first["caption"], "caption" in second) == ("first", False)
    assert second["photo"][-1]["width"] == 20


async def test_media_and_captions_are_edited(api: Any, chat: int) -> None:
    sent = await api.ok("sendDocument", chat_id=chat, document="https://e.com/a.pdf", caption="one")
    call = {"chat_id": chat, "message_id": sent["message_id"]}
    edited = await api.ok("editMessageCaption", **call, caption="two")
    assert edited["caption"] == "two"
    media = {"type": "document", "media": "https://e.com/b.pdf", "caption": "three"}
    edited = await api.ok("editMessageMedia", **call, media=media)
    assert (edited["document"]["file_name"], edited["caption"]) == ("b.pdf", "three")
    assert "caption" not in await api.ok("editMessageCaption", **call)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "file must be non-empty"),
        (b"no picture", "IMAGE_PROCESS_FAILED"),
        (png(1, 300), "PHOTO_INVALID_DIMENSIONS"),
    ],
)
async def test_photos_that_are_none(api: Any, chat: int, data: bytes, says: str) -> None:
    answer = await upload(api, "sendPhoto", {"photo": ("p.png", data)}, chat_id=str(chat))
    assert answer["description"] == f"Bad Request: {says}"


async def test_a_document_is_no_photo(api: Any, chat: int) -> None:
    sent = await api.ok("sendDocument", chat_id=chat, document="https://e.com/a.pdf")
    answer = await api.refused("sendPhoto", chat_id=chat, photo=sent["document"]["file_id"])
    assert answer == "400 Bad Request: can't use file of type Document as Photo"


async def test_a_person_sends_a_photo_that_the_bot_downloads(api: Any) -> None:
    data = png(50, 40)
    media = {"kind": "photo", "data": base64.b64encode(data).decode(), "file_name": "me.png"}
    await api.person(media=media, caption="look", chat_id=1)
    (update,) = await api.ok("getUpdates")
    assert update["message"]["caption"] == "look"
    file = await api.ok("getFile", file_id=update["message"]["photo"][-1]["file_id"])
    async with api.http.get(f"{api.url}/file/bot{api.token}/{file['file_path']}") as response:
        assert await response.read() == data


async def test_a_file_that_is_not_there(api: Any) -> None:
    async with api.http.get(f"{api.url}/file/bot{api.token}/photos/file_9.jpg") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(3, 7), (3, 7)),
        (b"GIF89a" + struct.pack("<HH", 5, 6), (5, 6)),
        (
            b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 8, 9) + b"xx",
            (9, 8),
        ),
        (b"BM" + b"\0" * 16 + struct.pack("<ii", 4, -2), (4, 2)),
        (b"RIFF....WEBPVP8X" + b"\0" * 8 + b"\x01\0\0\x02\0\0", (2, 3)),
        (b"RIFF....WEBPVP8L" + b"\0" * 5 + struct.pack("<I", 3 | 4 << 14), (4, 5)),
        (b"RIFF....WEBPVP8 " + b"\0" * 10 + struct.pack("<HH", 6, 7), (6, 7)),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"plain", None),
    ],
)
def test_sizes_of_pictures(data: bytes, size: tuple[int, int] | None) -> None:
    assert image_size(data) == size
