"""Parameters that are JSON: checked against the types' fields, refused in Telegram's words.

A structure is rebuilt from the fields that its type knows. What Telegram does not know, it drops,
and the double must not echo it back either. ``attach://name`` becomes the uploaded file itself.

Source of the texts: the ``get_*`` readers in Client.cpp of the open-source Bot API server. Types
that the server has no text for here are refused in the same pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import msgspec

from botproof.doubles.telegram.spec_model import FieldSpec, TypeSpec, members
from botproof.doubles.telegram.spec_texts import texts_of
from botproof.doubles.telegram.spec_values import (
    FieldError,
    Upload,
    bad_request,
    checked_field,
    decode,
    text_of,
    to_chat_id,
)

Uploads = Mapping[str, Upload]
"""The files of a call by the names of their parts, for ``attach://``."""

_SCALARS = ("String", "Integer", "Float", "Boolean")
MAX_IDENTIFIERS = 100


Types = Mapping[str, TypeSpec]


def read_parameter(reference: str, value: object, types: Types, raw: Uploads) -> object:
    """Return the structure in a parameter whose type ``reference`` names.

    Raises SpecError. ``raw`` holds the call's files, for ``attach://``.
    """
    texts = texts_of(reference)
    try:
        decoded = decode(value)
    except (msgspec.DecodeError, RecursionError):  # the server gives up on deep ones as well
        bad_request(texts.not_json)
    if not isinstance(decoded, list if reference.startswith("Array<") else dict):
        bad_request(texts.not_kind)
    if reference == "Array<MessageIdentifier>" and len(decoded) > MAX_IDENTIFIERS:
        bad_request("Too many message identifiers specified")
    try:
        return read_type(reference, decoded, types, raw)
    except FieldError as error:
        bad_request(texts.inside + str(error))
    except RecursionError:
        bad_request(texts.not_json)


def read_type(reference: str, value: object, types: Types, raw: Uploads) -> object:
    """``value`` rebuilt as one of the types in ``reference``. Raises FieldError."""
    if reference.startswith("Array<") and reference.endswith(">"):
        element = reference[6:-1]
        return [read_type(element, item, types, raw) for item in cast("list[object]", value)]
    if "Markup" in reference:
        return _markup(_object(value), types, raw)
    own = _READERS.get(reference)
    if own is not None:
        return own(value, types, raw)
    alternatives = members(reference)
    if len(alternatives) > 1:
        return _alternative(alternatives, value, types, raw)
    if reference in _SCALARS:
        return _scalar(reference, value)
    return _named(types[reference], value, types, raw)


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise FieldError("expected an Object")
    return value


def _scalar(reference: str, value: object) -> object:
    try:
        return checked_field({reference: value}, reference, reference)
    except FieldError:
        raise FieldError(f"expected a {reference}") from None


def _alternative(names: tuple[str, ...], value: object, types: Types, raw: Uploads) -> object:
    """Return a value where several types fit: told apart by kind, then by their constant field."""
    if isinstance(value, dict):
        objects = [name for name in names if name in types]
        if not objects:
            raise FieldError(f"expected a {names[0]}")
        return _one_of(objects, value, types, raw)
    if isinstance(value, list):
        arrays = [name for name in names if name.startswith("Array<")]
        if not arrays:
            raise FieldError("unexpected Array")
        return read_type(arrays[0], value, types, raw)
    if names == ("Integer", "String") and isinstance(value, (int, str)):
        return to_chat_id(value)  # a number as text is a number here as well; only @name is a name
    if "String" in names or "Integer" in names:
        return text_of(value) if not isinstance(value, (int, str)) else value
    raise FieldError("expected an Object")


def _named(spec: TypeSpec, value: object, types: Types, raw: Uploads) -> object:
    if not spec.subtypes:
        return _fields(spec, _object(value), types, raw)
    if isinstance(value, dict):
        return _one_of([name for name in spec.subtypes if name in types], value, types, raw)
    return _alternative(spec.subtypes, value, types, raw)


def _one_of(
    names: list[str], value: dict[str, object], types: Types, raw: Uploads
) -> dict[str, object]:
    flat = _flattened(names, types)
    tag = next((f.name for name in flat for f in types[name].fields.values() if f.constant), None)
    if tag is None:
        # Without a telling field (InputMessageContent) it is the type whose fields are all there.
        return _fields(_best_fit(flat, value, types), value, types, raw)
    kind = checked_field(value, tag, "String", required=True)
    fitting = [name for name in flat if _constant(types[name], tag) == kind]
    if not fitting:
        known = (text for prefix, text in _UNKNOWN_KIND.items() if flat[0].startswith(prefix))
        raise FieldError(next(known, f'{tag} "{kind}" is unsupported'))
    return _fields(_best_fit(fitting, value, types), value, types, raw)


_UNKNOWN_KIND: Mapping[str, str] = {
    "BotCommandScope": "Unsupported type specified",
    "MenuButton": "MenuButton has unsupported type",
    "ReactionType": "invalid reaction type specified",
}


def _flattened(names: list[str], types: Types) -> list[str]:
    flat: list[str] = []
    for name in names:
        subtypes = types[name].subtypes
        flat += _flattened([s for s in subtypes if s in types], types) if subtypes else [name]
    return flat


def _constant(spec: TypeSpec, tag: str) -> str | None:
    return spec.fields[tag].constant if tag in spec.fields else None


def _best_fit(names: list[str], value: dict[str, object], types: Types) -> TypeSpec:
    """Return the type with the fewest required fields missing, then with the most fields known."""

    def rank(name: str) -> tuple[int, int]:
        fields = types[name].fields
        missing = sum(f.required and f.name not in value for f in fields.values())
        return missing, -sum(key in fields for key in value)

    return types[min(names, key=rank)]


def _fields(
    spec: TypeSpec, value: dict[str, object], types: Types, raw: Uploads
) -> dict[str, object]:
    rebuilt: dict[str, object] = {}
    for field in spec.fields.values():
        if field.name in _FILES and spec.name.startswith(_HOLD_FILES):
            rebuilt[field.name] = _file(spec.name, field, value, raw)
        elif field.name in value:
            rebuilt[field.name] = _field(field, value, types, raw)
        elif field.required and field.constant is None and spec.name not in _ALL_OPTIONAL:
            raise FieldError(f'Can\'t find field "{field.name}"')
    for name in _OLD_FIELDS.get(spec.name, ()):
        if name in value:
            rebuilt[name] = checked_field(value, name, "Boolean")
    return {name: kept for name, kept in rebuilt.items() if kept is not None}


# Fields of older versions that the server still reads.
_OLD_FIELDS: Mapping[str, tuple[str, ...]] = {"ChatPermissions": ("can_send_media_messages",)}


# Documented as always there, which holds for what the server tells; what it is told may lack them.
_ALL_OPTIONAL = frozenset({"ChatAdministratorRights"})


def _field(field: FieldSpec, value: dict[str, object], types: Types, raw: Uploads) -> object:
    reference = "|".join(field.types)
    if field.name == "custom_emoji_id":
        checked_field(value, field.name, "Integer")  # a number in text, to keep all its digits
    if field.types[0] in _SCALARS and len(field.types) == 1:
        return checked_field(value, field.name, field.types[0])
    if len(field.types) == 1:
        kind = "Array" if reference.startswith("Array<") else "Object"
        if reference != "RichText":
            checked_field(value, field.name, kind)
    if field.types == ("Array<MessageEntity>",):
        return value[field.name]  # read where the text is, by entities.given
    return read_type(reference, value[field.name], types, raw)


# Fields that name a file, whatever type the documentation gives them.
_FILES = frozenset(
    {"media", "photo", "animation", "video", "sticker", "thumbnail", "cover", "live_photo"}
)
_HOLD_FILES = (
    "InputMedia",
    "InputPaidMedia",
    "InputProfilePhoto",
    "InputSticker",
    "InputStoryContent",
)
_MUST_BE_UPLOADED: Mapping[str, str] = {
    "InputProfilePhotoStatic": "Photo must be uploaded as a file",
    "InputProfilePhotoAnimated": "Photo must be uploaded as a file",
    "InputStoryContentPhoto": "Story photo must be uploaded as a file",
    "InputStoryContentVideo": "Story video must be uploaded as a file",
}


def _file(
    holder: str, field: FieldSpec, value: dict[str, object], raw: Uploads
) -> str | Upload | None:
    """Return a file's id, its URL, or the uploaded part that ``attach://`` names; None for none.

    Thumbnails are uploads only, and a part of their name is meant where nothing names one
    (``get_input_thumbnail``).
    """
    text = cast("str", checked_field(value, field.name, "String") or "")
    is_attached = text.startswith("attach://")
    part = raw.get(text.removeprefix("attach://")) if is_attached else None
    if part is not None:
        return part
    if field.name == "thumbnail":
        return raw.get("thumbnail") or raw.get("thumb")
    if holder in _MUST_BE_UPLOADED:
        raise FieldError(_MUST_BE_UPLOADED[holder])
    if text and not is_attached:
        return text
    if field.name == "cover":
        return None
    raise FieldError(f"{field.name} not found")


# Reply markup: the server reads the four kinds with one reader, and by the field that is there.

_Row = Callable[[object, Types, Uploads], dict[str, object]]


def _markup(value: dict[str, object], types: Types, raw: Uploads) -> dict[str, object]:
    keyboard = _rows(value, "keyboard", 'Field "keyboard" must be an Array of Arrays', types, raw)
    inline = _rows(
        value,
        "inline_keyboard",
        'Field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays',
        types,
        raw,
    )
    rest = _flags(value)
    if keyboard:
        return {"keyboard": keyboard, **rest}
    if inline:
        return {"inline_keyboard": inline}
    if rest.pop("remove_keyboard", False):
        return {"remove_keyboard": True, **_only(rest, "selective")}
    if rest.pop("force_reply", False):
        return {"force_reply": True, **_only(rest, "selective", "input_field_placeholder")}
    # Nothing in it: to the server that is no markup at all, so {} takes a keyboard away.
    return {}


def _only(values: dict[str, object], *names: str) -> dict[str, object]:
    return {name: values[name] for name in names if name in values}


_FLAGS = (
    "remove_keyboard",
    "selective",
    "force_reply",
    "resize_keyboard",
    "one_time_keyboard",
    "is_persistent",
)


def _flags(value: dict[str, object]) -> dict[str, object]:
    found = {name: checked_field(value, name, "Boolean") for name in _FLAGS if name in value}
    if "input_field_placeholder" in value:
        found["input_field_placeholder"] = checked_field(value, "input_field_placeholder", "String")
    return found


def _rows(
    value: dict[str, object], name: str, not_rows: str, types: Types, raw: Uploads
) -> list[list[dict[str, object]]]:
    rows = cast("list[object]", checked_field(value, name, "Array") or [])
    read: _Row = _inline_button if name == "inline_keyboard" else _button
    what = "inline keyboard button" if name == "inline_keyboard" else "keyboard button"
    result = []
    for row in rows:
        if not isinstance(row, list):
            raise FieldError(not_rows)
        try:
            result.append([read(button, types, raw) for button in row])
        except FieldError as error:
            raise FieldError(f"Can't parse {what}: {error}") from None
    return result


def _button(value: object, types: Types, raw: Uploads) -> dict[str, object]:
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, dict):
        raise FieldError("KeyboardButton must be a String or an Object")
    return _fields(types["KeyboardButton"], value, types, raw)


def _inline_button(value: object, types: Types, raw: Uploads) -> dict[str, object]:
    if not isinstance(value, dict):
        raise FieldError("InlineKeyboardButton must be an Object")
    text = checked_field(value, "text", "String", required=True)
    spec = types["InlineKeyboardButton"]
    for name in _ACTIONS:
        # An empty url or callback_data is as good as none; the others count when they are there.
        if value.get(name) or (name in value and name not in ("url", "callback_data")):
            action = {name: _field(spec.fields[name], value, types, raw)}
            return {"text": text, **action, **_looks(spec, value)}
    raise FieldError("Text buttons are unallowed in the inline keyboard")


# In the server's order: the first action that is there is the button's, the others are dropped.
_ACTIONS = (
    "url",
    "callback_data",
    "callback_game",
    "pay",
    "switch_inline_query",
    "switch_inline_query_chosen_chat",
    "switch_inline_query_current_chat",
    "login_url",
    "web_app",
    "copy_text",
    "disabled",
)
_LOOKS = ("icon_custom_emoji_id", "style")


def _looks(spec: TypeSpec, value: dict[str, object]) -> dict[str, object]:
    known = (name for name in _LOOKS if name in spec.fields and name in value)
    return {name: checked_field(value, name, "String") for name in known}


def _poll_option(value: object, types: Types, raw: Uploads) -> object:
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, dict):
        raise FieldError("Expected an option to be of type String")
    return _fields(types["InputPollOption"], value, types, raw)


def _message_id(value: object, _types: Types, _raw: Uploads) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise FieldError("Message identifier must be a Number")
    text = text_of(value)
    if not text.removeprefix("-").isdecimal():
        raise FieldError("Can't parse message identifier as Number")
    if int(text) <= 0:
        raise FieldError("Invalid message identifier specified")
    return int(text)


def _inline_result(value: object, types: Types, raw: Uploads) -> object:
    if not isinstance(value, dict):
        raise FieldError("Inline query result must be an object")
    kind = str(checked_field(value, "type", "String", required=True)).lower()
    lowered = {**value, "type": kind}
    try:
        return _named(types["InlineQueryResult"], lowered, types, raw)
    except FieldError as error:
        if str(error) == f'type "{kind}" is unsupported':
            raise FieldError(f"{error} for the inline query result") from None
        raise


_READERS: Mapping[str, Callable[[object, Types, Uploads], object]] = {
    "InputPollOption|String": _poll_option,
    "MessageIdentifier": _message_id,
    "InlineQueryResult": _inline_result,
}
