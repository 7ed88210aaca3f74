"""Files of a form and its texts are two lists; what is uploaded is kept, and told from then on."""

import struct
from typing import Any

import aiohttp
import pytest

from botproof.doubles.telegram.params import read_body
from botproof.doubles.telegram.sounds import measures
from botproof.doubles.telegram.spec import Form

pytestmark = [pytest.mark.anyio]

GROUP = -1_000_000_000_009


@pytest.fixture
async def chat(api: Any) -> None:
    await api.person(text="/start", chat_id=1)


async def upload(api: Any, path: str, files: dict[str, bytes], **texts: str) -> Any:
    form = aiohttp.FormData(texts)
    for name, data in files.items():
        form.add_field(name, data, filename=f"{name}.bin")
    async with api.http.post(f"{api.url}/bot{api.token}/{path}", data=form) as response:
        return await response.json()


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("sendPhoto?chat_id=1&photo=", {}),
        ("sendPhoto?chat_id=1", {"photo": ""}),
        ("sendPhoto?chat_id=1", {"photo": "attach://photo"}),
        ("sendPhoto?chat_id=1&photo=attach%3A%2F%2Fphoto", {}),
        ("sendPhoto", {"chat_id": "1"}),
    ],
)
@pytest.mark.usefixtures("chat")
async def test_a_text_of_the_same_name_hides_no_file(
    api: Any, jpeg: bytes, path: str, texts: dict[str, str]
) -> None:
    answer = await upload(api, path, {"photo": jpeg}, **texts)
    assert answer["ok"], answer
    assert answer["result"]["photo"]


@pytest.mark.usefixtures("chat")
async def test_an_id_goes_before_a_file_of_the_same_name(api: Any, jpeg: bytes) -> None:
    sent = (await upload(api, "sendPhoto?chat_id=1", {"photo": jpeg}))["result"]["photo"][0]
    other = await upload(api, "sendPhoto?chat_id=1", {"photo": b"none"}, photo=sent["file_id"])
    assert other["result"]["photo"][0]["file_unique_id"] == sent["file_unique_id"]


@pytest.mark.usefixtures("chat")
async def test_live_photos_name_two_files(api: Any, jpeg: bytes) -> None:
    files = {"live_photo": b"a film", "photo": jpeg}
    texts = {"live_photo": "attach://live_photo", "photo": "attach://photo"}
    message = (await upload(api, "sendLivePhoto?chat_id=1", files, **texts))["result"]
    assert message["live_photo"]["photo"] == message["photo"]
    assert (await upload(api, "sendLivePhoto?chat_id=1", {"photo": jpeg}))["description"] == (
        "Bad Request: there is no live photo in the request"
    )


@pytest.mark.usefixtures("chat")
async def test_pictures_of_chats_and_of_the_bot(api: Any, jpeg: bytes) -> None:
    await api.person(text="hi", chat_id=GROUP, user_id=1)
    own = {"id": GROUP, "bot": {"status": "creator"}}
    await api.control("POST", f"bots/{api.token}/chats", own)
    where = f"chat_id={GROUP}"
    by_id = await upload(api, f"setChatPhoto?{where}", {}, photo="AgAC")
    assert by_id["description"] == "Bad Request: photo must be uploaded as an InputFile"
    empty = await upload(api, f"setChatPhoto?{where}", {"photo": b""})
    assert empty["description"] == "Bad Request: file must be non-empty"
    assert (await upload(api, f"setChatPhoto?{where}", {"photo": jpeg}))["ok"]
    assert (await api.ok("getChat", chat_id=GROUP))["photo"]["small_file_id"]
    await api.ok("deleteChatPhoto", chat_id=GROUP)
    assert "photo" not in await api.ok("getChat", chat_id=GROUP)
    twice = await api.refused("deleteChatPhoto", chat_id=GROUP)
    assert twice == "400 Bad Request: CHAT_NOT_MODIFIED"
    me = (await api.ok("getMe"))["id"]
    own_photo = '{"type":"static","photo":"attach://photo"}'
    assert (await upload(api, "setMyProfilePhoto", {"photo": jpeg}, photo=own_photo))["ok"]
    assert (await api.ok("getUserProfilePhotos", user_id=me))["total_count"] == 1
    await api.ok("removeMyProfilePhoto")
    assert (await api.ok("getUserProfilePhotos", user_id=me))["total_count"] == 0


@pytest.mark.usefixtures("chat")
async def test_thumbnails_are_kept(api: Any, jpeg: bytes) -> None:
    for name in ("thumbnail", "thumb"):
        files = {"document": b"text", name: jpeg}
        shown = (await upload(api, "sendDocument?chat_id=1", files))["result"]["document"]
        assert (shown["thumbnail"]["width"], shown["thumbnail"]["height"]) == (9, 8)
        file = await api.ok("getFile", file_id=shown["thumbnail"]["file_id"])
        assert file["file_size"] == len(jpeg)


@pytest.mark.usefixtures("chat")
async def test_a_poll_shows_pictures(api: Any, jpeg: bytes) -> None:
    media = '{"type":"photo","media":"attach://one"}'
    texts = {"question": "?", "options": '["a","b"]', "media": media, "description": "which"}
    poll = (await upload(api, "sendPoll?chat_id=1", {"one": jpeg}, **texts))["result"]["poll"]
    assert poll["media"]["photo"][0]["width"] == 9
    assert poll["description"] == "which"


@pytest.mark.usefixtures("chat")
async def test_the_kind_of_a_file_is_its_own(api: Any) -> None:
    film = mp4(320, 200, 4)
    sent = (await upload(api, "sendVideoNote?chat_id=1", {"video_note": film}))["result"]
    assert (sent["video"]["width"], sent["video"]["duration"]) == (320, 4)
    again = await api.ok("sendDocument", chat_id=1, document=sent["video"]["file_id"])
    assert again["video"]["file_id"] == sent["video"]["file_id"]
    gif = b"GIF89a" + struct.pack("<HH", 5, 6)
    sent = (await upload(api, "sendDocument?chat_id=1", {"document": gif}))["result"]
    assert sent["animation"]["width"] == 5
    kept = {"disable_content_type_detection": "true"}
    sent = (await upload(api, "sendDocument?chat_id=1", {"document": gif}, **kept))["result"]
    assert "animation" not in sent


def box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def mp4(width: int, height: int, seconds: int) -> bytes:
    head = box(b"mvhd", bytes(12), struct.pack(">II", 1000, seconds * 1000), bytes(80))
    track = box(b"tkhd", bytes(76), struct.pack(">II", width << 16, height << 16))
    return box(b"ftyp", b"isom") + box(b"moov", head, box(b"trak", track))


def ogg(seconds: int) -> bytes:
    head = b"OggS" + bytes(24) + b"OpusHead\x01\x01" + struct.pack("<H", 312)
    return head + b"OggS" + bytes(2) + struct.pack("<q", 48_000 * seconds + 312)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (mp4(640, 480, 7), {"width": 640, "height": 480, "duration": 7}),
        (ogg(3), {"duration": 3}),
        ((b"\xff\xfb\x90\x00" + bytes(413)) * 77, {"duration": 2}),  # 128 kbit/s, 44.1 kHz
        (b"ID3\x04\0\0\0\0\0\x02ab" + (b"\xff\xfb\x90\x00" + bytes(413)) * 39, {"duration": 1}),
        (b"plain", {}),
        (b"", {}),
        (box(b"ftyp", b"isom") + b"\0\0\0\x01moov", {}),
        (b"OggS", {}),
    ],
)
def test_what_a_file_says_of_itself(data: bytes, found: dict[str, int]) -> None:
    assert measures(data) == found


@pytest.mark.parametrize(
    ("disposition", "name", "file_name"),
    [
        ('form-data; name="photo"; filename="a b.png"', "photo", "a b.png"),
        ("form-data; name=photo; filename=a.png", "photo", "a.png"),
        (r'form-data; filename="a\"b.png"; name="photo"', "photo", 'a"b.png'),
        ('form-data; name="photo"; filename="%D1%84.png"', "photo", "ф.png"),
    ],
)
def test_how_a_part_is_named(disposition: str, name: str, file_name: str) -> None:
    head = f"--x\r\nContent-Disposition: {disposition}\r\n\r\n"
    form = read_body("multipart/form-data; boundary=x", f"{head}data\r\n--x--".encode())
    assert isinstance(form, Form)
    assert form.files[name].filename == file_name


def test_a_part_may_hold_further_arguments() -> None:
    head = '--x\r\nContent-Disposition: form-data; name="a"\r\n'
    kind = "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    body = f"{head}{kind}b=1&c=2\r\n--x--"
    assert read_body("multipart/form-data; boundary=x", body.encode()) == {"b": "1", "c": "2"}


@pytest.mark.usefixtures("chat")
async def test_each_size_of_a_photo_has_an_id_of_its_own(api: Any) -> None:
    wide = b"\xff\xd8\xff\xc0\x00\x11\x08" + struct.pack(">HH", 600, 800) + bytes(20)
    sizes = (await upload(api, "sendPhoto?chat_id=1", {"photo": wide}))["result"]["photo"]
    for key in ("file_id", "file_unique_id"):
        assert len({size[key] for size in sizes}) == len(sizes) == 3
    small = await api.ok("getFile", file_id=sizes[0]["file_id"])
    assert small["file_unique_id"] == sizes[0]["file_unique_id"]
    again = await api.ok("sendPhoto", chat_id=1, photo=sizes[0]["file_id"])
    assert again["photo"] == sizes
