"""The Bot API's specification: methods, types, examples, and the reading of a call's parameters.

Everything here is a pure function of ``spec.json``; method names are looked up in lower case, as
the server does.

>>> parse_params("sendmessage", {"chat_id": "5", "text": "hi", "disable_notification": "1"})
{'chat_id': 5, 'text': 'hi', 'disable_notification': True}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import cast

import msgspec

from botproof.doubles.telegram.spec_examples import example
from botproof.doubles.telegram.spec_model import (
    MethodSpec,
    ParamSpec,
    methods,
    types,
)
from botproof.doubles.telegram.spec_structures import read_parameter
from botproof.doubles.telegram.spec_values import (
    Form,
    SpecError,
    Upload,
    bad_request,
    decode,
    files_of,
    text_of,
    to_boolean,
    to_chat_id,
    to_float,
    to_integer,
)

__all__ = [
    "Form",
    "MethodSpec",
    "SpecError",
    "Upload",
    "example",
    "methods",
    "parse_params",
    "types",
    "unknown_params",
]


Raw = Mapping[str, object]
_Convert = Callable[[object, Raw], object]


def parse_params(method: str, raw: Raw) -> dict[str, object]:
    """Return the parameters of a call to ``method`` (lower case), each in its own Python type.

    ``raw`` holds what came: JSON values from a JSON body, text from a form or a query; a Form with
    files from a multipart body. Numbers become int and float, flags bool, structures dict and list
    with only the fields that Telegram knows; files stay text (an id or a URL) or become Upload,
    also inside
    of structures, where ``attach://name`` is resolved. ``chat_id`` is an int, or ``"@name"``.
    Parameters unknown to the method, and those left empty, are left out; an empty text stays.

    Raises SpecError with Telegram's description, and KeyError for an unknown method.
    """
    plan = _plan(method)
    if method in _STICKER_METHODS and plan.stickers not in raw:
        raw = _with_old_sticker(plan.stickers, raw)
    converters = plan.converters
    parsed: dict[str, object] = {}
    for name, value in raw.items():
        convert = converters.get(name)
        if convert is None:
            continue
        if type(value) is str and not value:
            if name in plan.may_be_empty:
                parsed[name] = value
            continue
        parsed[name] = convert(value, raw)
    if plan.files:
        _add_files(plan, parsed, files_of(raw))
    for name, message in plan.required:
        if parsed.get(name) in _ABSENT:
            bad_request(message)
    if plan.refusal is not None:
        plan.refusal(parsed)
    return parsed


def _add_files(plan: _Plan, parsed: dict[str, object], files: Mapping[str, Upload]) -> None:
    """Add the parts of a form that are files, where no text says which file is meant."""
    for name in plan.files:
        found = parsed.get(name)
        if isinstance(found, Upload):
            continue
        part = files.get(name) or files.get(_OLD_NAMES.get(name, name))
        if part is not None and (not found or name in plan.uploads):
            parsed[name] = part
        elif found and name in plan.uploads:
            if name == "photo":
                bad_request("Photo must be uploaded as an InputFile")
            del parsed[name]


_STICKER_METHODS = frozenset({"createnewstickerset", "addstickertoset"})
_OLD_STICKERS = (
    ("png_sticker", "static", ""),
    ("tgs_sticker", "animated", "animated sticker must be uploaded as an InputFile"),
    ("webm_sticker", "video", "video sticker must be uploaded as an InputFile"),
)


def _with_old_sticker(name: str, raw: Raw) -> Raw:
    """Return the call with the sticker named as in older versions (`get_legacy_input_sticker`)."""
    files = files_of(raw)
    for old, kind, only_uploads in _OLD_STICKERS:
        value = raw.get(old, "")
        if old not in files and not value:
            continue
        if old not in files and only_uploads and not str(value).startswith("attach://"):
            bad_request(only_uploads)
        # A sticker takes one emoji or more there, all in one text.
        emoji = [
            letter for letter in text_of(raw.get("emojis", "")) if letter not in "\ufe0f\u200d"
        ]
        named = value if isinstance(value, str) and value else f"attach://{old}"
        sticker: dict[str, object] = {"sticker": named, "format": kind, "emoji_list": emoji}
        if raw.get("mask_position"):
            sticker["mask_position"] = decode(raw["mask_position"])
        made: dict[str, object] = {**raw, name: [sticker] if name == "stickers" else sticker}
        if str(raw.get("contains_masks", "")).lower() in {"true", "1", "yes"}:
            made["sticker_type"] = "mask"
        return Form(made, files)
    return raw


_OLD_NAMES: Mapping[str, str] = {"thumbnail": "thumb", "sticker": "png_sticker"}


def unknown_params(method: str, raw: Raw) -> list[str]:
    """Return names that Telegram would silently ignore: worth a line in the record,
    never an error."""
    converters = _plan(method).converters
    attached = {v[9:] for v in raw.values() if isinstance(v, str) and v.startswith("attach://")}
    return [
        name
        for name, value in raw.items()
        if name not in converters and name not in attached and not isinstance(value, Upload)
    ]


_ABSENT: tuple[object, ...] = (None, "")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do with a method's parameters, worked out once: parsing is on the hot path."""

    converters: Mapping[str, _Convert]
    files: tuple[str, ...]
    uploads: tuple[str, ...]
    stickers: str
    may_be_empty: frozenset[str]
    required: tuple[tuple[str, str], ...]
    refusal: Callable[[Mapping[str, object]], None] | None


@cache
def _plan(method: str) -> _Plan:
    params = methods()[method].params
    required = [p.name for p in params.values() if p.required and not _optional(method, p.name)]
    # The server looks at the content of a message first and at the chat last.
    required.sort(key=lambda name: name == "chat_id")
    return _Plan(
        files=tuple(p.name for p in params.values() if "InputFile" in p.types),
        # Files that cannot be named by an id or a URL: `force_file` of the server's readers.
        stickers="stickers" if method == "createnewstickerset" else "sticker",
        uploads=tuple(p.name for p in params.values() if p.types == ("InputFile",)),
        converters={**{name: _converter(param) for name, param in params.items()}, **_LEGACY},
        may_be_empty=frozenset(p.name for p in params.values() if p.types == ("String",)),
        required=tuple((name, _refusal(method, name)) for name in required),
        refusal=_further_refusal(params),
    )


# Required by the documentation, but the server takes a call without them: an empty url removes the
# webhook, no commands are an empty list, an unknown query or message is answered as not found.
_OPTIONAL = frozenset(
    {
        ("setwebhook", "url"),
        ("setmycommands", "commands"),
        ("answerinlinequery", "results"),
        ("setchattitle", "title"),
        ("sendpoll", "question"),
        ("createforumtopic", "name"),
        ("editgeneralforumtopic", "name"),
        ("sendvenue", "title"),
        ("sendvenue", "address"),
    }
)
_OPTIONAL_EVERYWHERE = frozenset(
    {
        "callback_query_id",
        "inline_query_id",
        "pre_checkout_query_id",
        "shipping_query_id",
        "message_id",
        "message_thread_id",
    }
)


def _optional(method: str, name: str) -> bool:
    return name in _OPTIONAL_EVERYWHERE or (method, name) in _OPTIONAL


_REFUSALS: Mapping[str, str] = {
    "chat_id": "chat_id is empty",
    "text": "Message text is empty",
    "user_id": "Invalid user_id specified",
    "message_ids": "Message identifiers are not specified",
    "latitude": "latitude is empty",
    "longitude": "longitude is empty",
    "action": "Wrong parameter action in request",
    "file_id": "file_id not specified",
    "options": "Can't parse options JSON object",
    "errors": "Can't parse errors JSON object",
    "permissions": "Can't parse permissions JSON object",
    "result": "Result isn't specified",
    "live_photo": "There is no live photo in the request",
    "content": "Story content isn't specified",
    "video_note": "There is no video note in the request",
    **{
        kind: f"There is no {kind} in the request"
        for kind in ("animation", "audio", "document", "photo", "sticker", "video", "voice")
    },
}


_PICTURES_OF_PROFILES = frozenset({"setmyprofilephoto", "setbusinessaccountprofilephoto"})


def _refusal(method: str, name: str) -> str:
    if method in _PICTURES_OF_PROFILES and name == "photo":
        return "Photo isn't specified"
    return _REFUSALS.get(name, f'Parameter "{name}" is required')


def _further_refusal(
    params: Mapping[str, ParamSpec],
) -> Callable[[Mapping[str, object]], None] | None:
    if "inline_message_id" in params and not params["chat_id"].required:
        return partial(_refuse_no_message, needs_text="text" in params)
    if "user_id" in params and params["user_id"].required:
        return _refuse_bad_user
    return None


def _refuse_no_message(parsed: Mapping[str, object], *, needs_text: bool) -> None:
    """Refuse an edit without a message: it names one of a chat, or an inline message."""
    if parsed.get("text") in _ABSENT and "rich_message" not in parsed and needs_text:
        bad_request("Message text is empty")
    if parsed.get("chat_id") in _ABSENT:
        if parsed.get("message_id"):
            bad_request("chat_id is empty")
        if not parsed.get("inline_message_id"):
            bad_request("Message identifier is not specified")


def _refuse_bad_user(parsed: Mapping[str, object]) -> None:
    if cast("int", parsed["user_id"]) <= 0:
        bad_request("Invalid user_id specified")


def _converter(param: ParamSpec) -> _Convert:
    if param.types == ("Integer", "String"):
        return lambda value, _raw: to_chat_id(value)
    if "InputFile" in param.types:
        return _file_or_text
    if param.name == "allowed_updates":
        return _list_or_none
    if param.name in _ENTITIES:
        return _entities
    if param.types == ("String",):
        return _text
    scalar = _SCALARS.get(param.types[0]) if len(param.types) == 1 else None
    return scalar or _structure(_reference(param))


def _text(value: object, _raw: Raw) -> str:
    return value if type(value) is str else text_of(value)


_SCALARS: Mapping[str, _Convert] = {
    "Integer": lambda value, _raw: to_integer(value),
    "Float": lambda value, _raw: to_float(value),
    "Boolean": lambda value, _raw: to_boolean(value),
}

# What does not parse here, the server takes for not given.
_ENTITIES = frozenset(
    {
        "entities",
        "caption_entities",
        "explanation_entities",
        "question_entities",
        "quote_entities",
        "text_entities",
    }
)


def _entities(value: object, raw: Raw) -> list[object]:
    return _list_or_none(value, raw) or []


def _list_or_none(value: object, _raw: Raw) -> list[object] | None:
    try:
        decoded = decode(value)
    except msgspec.DecodeError:
        return None
    return cast("list[object]", decoded) if isinstance(decoded, list) else None


def _file_or_text(value: object, raw: Raw) -> object:
    if isinstance(value, str) and value.startswith("attach://"):
        return files_of(raw).get(value.removeprefix("attach://"), "")
    return value if isinstance(value, Upload) else text_of(value)


def _reference(param: ParamSpec) -> str:
    return "Array<MessageIdentifier>" if param.name == "message_ids" else "|".join(param.types)


def _structure(reference: str) -> _Convert:
    def convert(value: object, raw: Raw) -> object:
        return read_parameter(reference, value, types(), files_of(raw))

    return convert


# Parameters of older versions of the Bot API that the server still reads everywhere.
_LEGACY: Mapping[str, _Convert] = {
    "reply_to_message_id": _SCALARS["Integer"],
    "allow_sending_without_reply": _SCALARS["Boolean"],
    "disable_web_page_preview": _SCALARS["Boolean"],
}
