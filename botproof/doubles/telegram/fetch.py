"""Files by URL: fetched by the double before the call runs, as Telegram's server fetches them.

Only addresses of this machine and its networks are fetched, so that no test ever leaves for the
internet; for any other URL the file is a stand-in whose content is the URL itself.

Source of the text: WEBPAGE_CURL_FAILED in `fail_query_with_error`, Client.cpp of the open-source
Bot API server; the sizes are those of https://core.telegram.org/bots/api#sending-files.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import msgspec

from botproof.doubles.telegram.params import BadBodyError
from botproof.doubles.telegram.spec import Upload

if TYPE_CHECKING:
    import aiohttp

_FILES = {
    "sendphoto": "photo",
    "senddocument": "document",
    "sendvideo": "video",
    "sendanimation": "animation",
    "sendaudio": "audio",
    "sendvoice": "voice",
    "sendvideonote": "video_note",
    "sendsticker": "sticker",
    "sendmediagroup": "media",
    "editmessagemedia": "media",
}
MAX_PHOTO = 5 * 1024 * 1024
MAX_FILE = 20 * 1024 * 1024
FAILED = "Bad Request: failed to get HTTP URL content"


def needed(method: str, params: Mapping[str, object]) -> bool:
    """Tell whether a call names a file by a URL that is fetched."""
    name = _FILES.get(method.lower())
    return name is not None and any(_is_fetched(url) for url in _urls(params.get(name)))


def _urls(value: object) -> list[str]:
    if isinstance(value, str) and not value.lstrip().startswith(("[", "{")):
        return [value]
    return [item["media"] for item in _items(value) if isinstance(item.get("media"), str)]


def _items(value: object) -> list[dict[str, Any]]:
    """Return the InputMedia objects of a `media` parameter; what does not parse is
    refused later."""
    try:
        decoded = msgspec.json.decode(value) if isinstance(value, str) else value
    except msgspec.DecodeError:
        return []
    found = decoded if isinstance(decoded, list) else [decoded]
    return [cast("dict[str, Any]", item) for item in found if isinstance(item, dict)]


def _is_fetched(url: str) -> bool:
    try:
        parts = urlsplit(url) if url.startswith(("http://", "https://")) else None
    except ValueError:
        return False  # refused where it is read
    if parts is None or not parts.hostname:
        return False
    try:
        return not ipaddress.ip_address(parts.hostname).is_global
    except ValueError:
        return "." not in parts.hostname or parts.hostname.endswith(".localhost")


async def files(params: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters with uploads in the place of URLs. BadBodyError when one
    cannot be had."""
    import aiohttp  # noqa: PLC0415 - 13 MB, which only calls with such files need

    fetched = dict(params)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        for name in {*_FILES.values()} & params.keys():
            value = params[name]
            if isinstance(value, str) and _is_fetched(value):
                fetched[name] = await _fetch(
                    session, value, MAX_PHOTO if name == "photo" else MAX_FILE
                )
            elif name == "media":
                await _fetch_items(session, fetched)
    return fetched


async def _fetch_items(session: aiohttp.ClientSession, fetched: dict[str, object]) -> None:
    items = _items(fetched["media"])
    for number, item in enumerate(items):
        url = item.get("media")
        if isinstance(url, str) and _is_fetched(url):
            limit = MAX_PHOTO if item.get("type") == "photo" else MAX_FILE
            fetched[f"fetched_{number}"] = await _fetch(session, url, limit)
            item["media"] = f"attach://fetched_{number}"
    text = isinstance(fetched["media"], str) and fetched["media"].lstrip().startswith("{")
    single = text or isinstance(fetched["media"], dict)
    fetched["media"] = items[0] if single else items


async def _fetch(session: aiohttp.ClientSession, url: str, limit: int) -> Upload:
    import aiohttp  # noqa: PLC0415 - it is there by now

    try:
        async with session.get(url) as response:
            data = await response.content.read(limit + 1)
            status, kind = response.status, response.content_type
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BadBodyError(FAILED) from error
    if status != 200 or not data or len(data) > limit:
        raise BadBodyError(FAILED)
    return Upload(urlsplit(url).path.rpartition("/")[2] or "file", kind, data)
