"""The chat page in the browser: `GET /` at the double's address.

Plain HTML, CSS and JavaScript from ``static``, no build step and nothing from elsewhere. The page
speaks to the control interface like any other client; what it needs beside that is here: its own
files, a stream of what there is (server-sent events), and the pictures in the chats.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from botproof.doubles.messages import Request, Response, Stream, error_response
from botproof.doubles.telegram.world import Bot, Chat, Json

if TYPE_CHECKING:
    from botproof.doubles.telegram.double import Double

PREFIX = "/_double/page/"
_FILES = {"": "index.html", **{name: name for name in ("page.css", "page.js", "view.js")}}
_FILES["entities.js"] = "entities.js"
# The page may load from itself alone, so that nothing in a message can call out.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_REPAINT_SECONDS = 0.1  # a bot under load makes thousands of events a second, an eye sees ten
_LOOK_AGAIN_SECONDS = 1.0
_SHOWN_CHATS = 200
_SHOWN_USERS = 200
_PREVIEW_CHARACTERS = 80


def is_for_page(path: str) -> bool:
    """Tell whether a request to ``path`` is the page's."""
    return path == "/" or path.startswith(PREFIX)


def answer(double: Double, request: Request) -> Response | Stream:
    """Answer a request of the page."""
    name = "" if request.path == "/" else request.path.removeprefix(PREFIX)
    if request.method not in {"GET", "HEAD"}:
        return error_response(405, f"the page takes no {request.method}")
    if name == "events":
        return Stream(_events(double))
    if name.startswith("file/"):
        return _picture(double, name.removeprefix("file/"))
    if name not in _FILES:
        return error_response(404, f"the page has no {request.path}")
    return _file(_FILES[name])


def _file(name: str) -> Response:
    body = resources.files(__package__).joinpath("static", name).read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(body=body, content_type=f"{kind}; charset=utf-8", headers=_HEADERS)


def _picture(double: Double, path: str) -> Response:
    """Return a file of a chat, if it is a picture: anything else could be made to run
    in the page."""
    token, _, file_id = path.partition("/")
    bot = double.machine.bots.get(token)
    file = None if bot is None else bot.files.get(file_id)
    if file is None:
        return error_response(404, "there is no such file")
    kind = _kind_of_picture(file.data)
    if kind not in _PICTURES:
        return error_response(415, "this file is no picture that the page shows")
    return Response(body=file.data, content_type=kind, headers=_HEADERS)


def _kind_of_picture(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


# -- what there is -------------------------------------------------------------------------------


async def _events(double: Double) -> AsyncIterator[bytes]:
    """Yield the overview, again whenever it or the transcript changed."""
    last, sent_at = b"", -1
    while True:
        seen = double.transcript.last
        now = msgspec.json.encode(overview(double))
        if now != last or seen != sent_at:
            last, sent_at = now, seen
            yield b"data: %b\n\n" % now
            await asyncio.sleep(_REPAINT_SECONDS)
        else:
            yield b": still here\n\n"  # finds out whether anybody still listens
        await double.transcript.wait_after(seen, _LOOK_AGAIN_SECONDS)


def overview(double: Double) -> Json:
    """Return all bots with their doors, people and chats, the chats that were written
    in last first."""
    return {"bots": [_bot(bot) for bot in double.machine.bots.values()]}


def _bot(bot: Bot) -> Json:
    people = [user for user in bot.users.values() if not user.get("is_bot")]
    chats = sorted(bot.chats.values(), key=_last_date, reverse=True)
    return {
        "token": bot.token,
        "user": bot.user,
        "door": _door(bot),
        "pending": len(bot.queue),
        "users": people[-_SHOWN_USERS:],
        "chats": [_chat(chat) for chat in chats[:_SHOWN_CHATS]],
    }


def _door(bot: Bot) -> Json:
    if bot.webhook is None:
        polled = bot.last_poll_at > float("-inf")
        return {"kind": "polling", "waits": bot.poll is not None, "polled": polled}
    webhook = bot.webhook
    return {
        "kind": "webhook",
        "url": webhook.target.url,
        "error": webhook.last_error,
        "error_date": int(webhook.last_error_at),
    }


def _last_date(chat: Chat) -> float:
    last = _last(chat)
    return float(last["date"]) if last else 0.0


def _last(chat: Chat) -> Json | None:
    return next(reversed(chat.messages.values()), None)


def _chat(chat: Chat) -> Json:
    last = _last(chat)
    members = [number for number in chat.members if number > 0]
    return {**chat.info, "members": members, "last": last and _preview(last)}


def _preview(message: Json) -> Json:
    text = message.get("text") or message.get("caption") or ""
    by_bot = bool(message.get("from", {}).get("is_bot"))
    kinds = (kind for kind in _KINDS if kind in message)
    return {
        "text": text[:_PREVIEW_CHARACTERS] or next(kinds, "").replace("_", " "),
        "by_bot": by_bot,
        "date": message["date"],
    }


_KINDS = (
    *("photo", "video", "animation", "audio", "voice", "video_note", "document", "sticker"),
    *("venue", "location", "contact", "poll", "dice", "invoice", "game"),
    *("new_chat_members", "left_chat_member", "pinned_message", "new_chat_title"),
)
