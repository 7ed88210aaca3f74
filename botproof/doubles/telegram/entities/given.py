"""Entities that a call gives instead of a parse mode. Source: ``get_text_entity`` of Client.cpp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from botproof.doubles.telegram.entities._links import checked_link, checked_time
from botproof.doubles.telegram.entities._model import Entity, EntityError, utf16_len
from botproof.doubles.telegram.spec_values import FieldError, checked_field

_FOUND_BY_TELEGRAM = frozenset(
    [
        "mention",
        "hashtag",
        "cashtag",
        "bot_command",
        "url",
        "email",
        "phone_number",
        "bank_card_number",
    ]
)
_WITHOUT_ARGUMENT = frozenset(
    [
        "bold",
        "italic",
        "underline",
        "strikethrough",
        "spoiler",
        "code",
        "blockquote",
        "expandable_blockquote",
    ]
)


def read(text: str, given: Sequence[object]) -> list[Entity]:
    """Return the entities in ``given``, as far as they count. Raises EntityError.

    Kinds that Telegram finds by itself are passed over, as the server does.
    """
    entities = []
    for value in given:
        try:
            entity = _entity(value)
        except FieldError as error:
            raise EntityError(f"Bad Request: can't parse MessageEntity: {error}") from None
        if entity is not None:
            entities.append(entity)
    _check_places(text, entities)
    return [e for e in entities if e.length > 0 and (e.type != "text_link" or e.argument)]


def _entity(value: object) -> Entity | None:
    if not isinstance(value, dict):
        raise FieldError("expected an Object")
    offset = int(str(checked_field(value, "offset", "Integer", required=True)))
    length = int(str(checked_field(value, "length", "Integer", required=True)))
    kind = str(checked_field(value, "type", "String", required=True))
    if not kind:
        raise FieldError("Type is not specified")
    if kind in _FOUND_BY_TELEGRAM:
        return None
    return Entity(kind, offset, length, _argument(kind, value))


def _argument(kind: str, value: Mapping[str, object]) -> str:
    if kind == "pre":
        return str(checked_field(value, "language", "String") or "")
    if kind == "text_link":
        return checked_link(str(checked_field(value, "url", "String", required=True)))
    if kind == "text_mention":
        user = checked_field(value, "user", "Object", required=True)
        assert isinstance(user, dict)  # noqa: S101 - checked_field has just seen to it
        return str(checked_field(user, "id", "Integer", required=True))
    if kind == "custom_emoji":
        return str(checked_field(value, "custom_emoji_id", "Integer", required=True))
    if kind == "date_time":
        unix = str(checked_field(value, "unix_time", "Integer", required=True))
        return checked_time(unix, str(checked_field(value, "date_time_format", "String") or ""))
    if kind not in _WITHOUT_ARGUMENT:
        raise FieldError("Unsupported type specified")
    return ""


def _check_places(text: str, entities: Sequence[Entity]) -> None:
    """Source: ``fix_formatted_text`` and ``clean_input_string_with_entities`` of td."""
    size = utf16_len(text)
    for entity in sorted(entities, key=lambda e: e.offset):
        if not 0 <= entity.offset <= 1_000_000:
            raise _refused(f"receive an entity with incorrect offset {entity.offset}")
        if not 0 <= entity.length <= 1_000_000:
            raise _refused(f"receive an entity with incorrect length {entity.length}")
        if entity.length and entity.offset > size:
            raise _refused(
                f"entity begins after the end of the text at UTF-16 offset {entity.offset}"
            )
        if entity.end > size:
            raise _refused(
                f"entity beginning at UTF-16 offset {entity.offset} ends after the end of the text "
                f"at UTF-16 offset {entity.end}"
            )
    if not text.isascii():
        _check_pairs(text, entities)


def _check_pairs(text: str, entities: Sequence[Entity]) -> None:
    """Refuse an entity that would cut a character of two UTF-16 units in half."""
    middles: dict[int, int] = {}
    units = size = 0
    for char in text:
        if char > "\uffff":
            middles[units + 1] = size + len(char.encode())
        units += 1 + (char > "\uffff")
        size += len(char.encode("utf-8", "surrogatepass"))
    for entity in entities:
        if entity.offset in middles:
            place = middles[entity.offset]
            raise _refused(f"entity begins in a middle of a UTF-16 symbol at byte offset {place}")
        if entity.end in middles:
            raise _refused(
                f"entity beginning at UTF-16 offset {entity.offset} ends in a middle of a UTF-16 "
                f"symbol at byte offset {middles[entity.end]}"
            )


def _refused(message: str) -> EntityError:
    return EntityError(f"Bad Request: {message}")
