"""What the server says of a parameter that is JSON and wrong, by the parameter's type.

Source of the texts: the ``get_*`` readers in Client.cpp of the open-source Bot API server. Types
that the server has no text for are refused in the same pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Texts:
    """What the server says of a parameter of one type: not JSON, of another kind, wrong inside."""

    not_json: str
    not_kind: str
    inside: str = ""


_TEXTS: Mapping[str, Texts] = {
    "ReplyMarkup": Texts(
        "Can't parse reply keyboard markup JSON object", "Object expected as reply markup"
    ),
    "LinkPreviewOptions": Texts(
        "Can't parse link preview options JSON object", "Object expected as link preview options"
    ),
    "ReplyParameters": Texts(
        "Can't parse reply parameters JSON object", "Object expected as reply parameters"
    ),
    "InputMedia": Texts(
        "Can't parse input media JSON object",
        "Can't parse InputMedia: expected an Object",
        "Can't parse InputMedia: ",
    ),
    "Array<InputMedia>": Texts(
        "Can't parse media JSON object",
        "Expected an Array of InputMedia",
        "Can't parse InputMedia: ",
    ),
    "Array<BotCommand>": Texts(
        "Can't parse commands JSON object",
        "Expected an Array of BotCommand",
        "Can't parse BotCommand: ",
    ),
    "BotCommandScope": Texts(
        "Can't parse BotCommandScope JSON object",
        "Can't parse BotCommandScope: BotCommandScope must be an Object",
        "Can't parse BotCommandScope: ",
    ),
    "MenuButton": Texts(
        "Can't parse menu button JSON object",
        "Can't parse menu button: MenuButton must be an Object",
        "Can't parse menu button: ",
    ),
    "ChatAdministratorRights": Texts(
        "Can't parse ChatAdministratorRights JSON object",
        "Can't parse ChatAdministratorRights: ChatAdministratorRights must be an Object",
        "Can't parse ChatAdministratorRights: ",
    ),
    "ChatPermissions": Texts(
        "Can't parse permissions JSON object",
        "Object expected as permissions",
        "Can't parse chat permissions: ",
    ),
    "Array<ReactionType>": Texts(
        "Can't parse reaction types JSON object",
        "Expected an Array of ReactionType",
        "Can't parse ReactionType: ",
    ),
    "Array<InlineQueryResult>": Texts(
        "Can't parse JSON encoded inline query results",
        "Expected an Array of inline query results",
        "Can't parse inline query result: ",
    ),
    "InlineQueryResult": Texts(
        "Can't parse JSON encoded web view query results",
        "Inline query result must be an object",
    ),
    "InlineQueryResultsButton": Texts(
        "Can't parse inline query results button JSON object",
        "Can't parse inline query results button: InlineQueryResultsButton must be an Object",
        "Can't parse inline query results button: ",
    ),
    "Array<LabeledPrice>": Texts(
        "Can't parse prices JSON object",
        "Expected an Array of labeled prices",
        "Can't parse labeled price: ",
    ),
    "Array<ShippingOption>": Texts(
        "Can't parse shipping options JSON object",
        "Expected an Array of shipping options",
        "Can't parse shipping option: ",
    ),
    "Array<InputPollOption|String>": Texts(
        "Can't parse options JSON object", "Expected an Array of String as options"
    ),
    "Array<InputSticker>": Texts(
        "Can't parse stickers JSON object",
        "Expected an Array of InputSticker",
        "Can't parse InputSticker: ",
    ),
    "MaskPosition": Texts(
        "Can't parse mask position JSON object",
        "Can't parse mask position: MaskPosition must be an Object",
        "Can't parse mask position: ",
    ),
    "Array<PassportElementError>": Texts(
        "Can't parse errors JSON object",
        "Expected an Array of PassportElementError",
        "Can't parse PassportElementError: ",
    ),
    "Array<MessageIdentifier>": Texts(
        "Can't parse message_ids JSON object", "Expected an Array of message identifiers"
    ),
}


def texts_of(reference: str) -> Texts:
    """Return the words for a parameter of this type."""
    key = "ReplyMarkup" if "Markup" in reference else reference
    if reference.startswith("Array<InputMedia"):
        key = "Array<InputMedia>"
    return _TEXTS.get(key) or _patterned(reference)


def _patterned(reference: str) -> Texts:
    """Return the same words for the types that the published server has no reader of."""
    element = reference.removeprefix("Array<").removesuffix(">")
    is_array = element != reference
    return Texts(
        f"Can't parse {element} JSON object",
        f"Expected an Array of {element}" if is_array else f"{element} must be an Object",
        f"Can't parse {element}: ",
    )
