"""What a link in formatted text may be, and what Telegram makes of it.

Source: ``LinkManager`` of td (``get_link_user_id``, ``get_link_custom_emoji_id``, ``check_link``)
and ``parse_url`` of its tdutils.
"""

from __future__ import annotations

import re

from botproof.doubles.telegram.entities._model import Entity, EntityError

_USER = re.compile(r"tg:(?://)?user/?\?(?P<query>[^#]*)", re.IGNORECASE)
_URL = re.compile(
    r"""(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?
        (?P<login>[^/?\#@]*@)?
        (?P<host>\[[0-9a-f:.]+\]|[^/?\#@:\s]+)
        (?::(?P<port>[0-9]+))?
        (?P<rest>[/?\#].*)?""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_TELEGRAM = re.compile(
    r"(?P<scheme>tg|ton|tonsite):(?://)?(?P<rest>[a-z0-9_-].*)", re.IGNORECASE | re.DOTALL
)


def link_entity(url: str, offset: int, length: int) -> Entity | None:
    """Return the entity for text that links to ``url``: a mention for
    ``tg://user?id=``, None for junk."""
    user = _user_id(url)
    if user:
        return Entity("text_mention", offset, length, user)
    link = checked_link(url)
    return Entity("text_link", offset, length, link) if link else None


def _user_id(url: str) -> str:
    found = _USER.fullmatch(url.partition("#")[0])
    if found is None:
        return ""
    for parameter in found["query"].split("&"):
        key, _, value = parameter.partition("=")
        if key.lower() == "id" and re.fullmatch(r"[0-9]{1,18}", value) and int(value):
            return str(int(value))
    return ""


def checked_link(url: str) -> str:
    """``url`` in full, with scheme and path, or nothing when it is no link that Telegram keeps."""
    telegram = _TELEGRAM.fullmatch(url)
    if telegram is not None:
        return f"{telegram['scheme'].lower()}://{telegram['rest']}"
    found = _URL.fullmatch(url)
    if found is None:
        return ""
    scheme = (found["scheme"] or "http").lower()
    host = found["host"].lower()
    if scheme not in ("http", "https") or not _is_host(host):
        return ""
    port = f":{found['port']}" if found["port"] else ""
    return f"{scheme}://{found['login'] or ''}{host}{port}{_path(found['rest'])}"


def _is_host(host: str) -> bool:
    return host.startswith("[") or ("." in host and not host.startswith(".") and ".." not in host)


def _path(rest: str | None) -> str:
    path = rest or "/"
    rooted = path if path.startswith("/") else "/" + path
    return re.sub(r"[\x00-\x20]", lambda found: f"%{ord(found[0]):02X}", rooted)


def image_entity(url: str, offset: int, length: int) -> Entity:
    """Return the entity for ``![text](url)``: a custom emoji or a time. Raises EntityError."""
    if re.match(r"tg:(?://)?time(?:[/?#]|$)", url, re.IGNORECASE):
        given = dict(_parameters(url))
        layout = given.get("format", "")
        return Entity("date_time", offset, length, checked_time(given.get("unix", ""), layout))
    return Entity("custom_emoji", offset, length, _custom_emoji_id(url))


def _custom_emoji_id(url: str) -> str:
    rest = url.lower()
    if not rest.startswith("tg:"):
        raise _refused("Custom emoji URL must have scheme tg")
    rest = rest.removeprefix("tg:").removeprefix("//")
    if not re.match(r"emoji(?:[/?#]|$)", rest):
        raise _refused('Custom emoji URL must have host "emoji"')
    for key, value in _parameters(rest.removeprefix("emoji").removeprefix("/")):
        if key == "id":
            return checked_emoji_id(value)
    raise _refused("Custom emoji URL must have an emoji identifier")


def _parameters(url: str) -> list[tuple[str, str]]:
    query = url.partition("#")[0].partition("?")[2]
    pairs = (parameter.partition("=") for parameter in query.split("&") if parameter)
    return [(key.lower(), value) for key, _, value in pairs]


def checked_emoji_id(value: str) -> str:
    """``value`` if it is a custom emoji's id. Raises EntityError."""
    if re.fullmatch(r"-?[0-9]{1,19}", value) and int(value):
        return str(int(value))
    raise _refused("Invalid custom emoji identifier specified")


def checked_time(unix: str, layout: str) -> str:
    """Return the argument of a date_time entity. Raises EntityError.

    The rules are those of the documentation; the published sources are older, so the text of this
    one refusal is a guess.
    """
    if re.fullmatch(r"[0-9]{1,10}", unix) is None:
        raise _refused("Invalid Unix time specified")
    return f"{int(unix)}|{layout}" if layout else str(int(unix))


def _refused(message: str) -> EntityError:
    return EntityError(f"Bad Request: can't parse entities: {message}")
