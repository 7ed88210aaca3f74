"""The API's description: schemas from the structs that are sent, examples from a recorded run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from reference_bot.api import AnswerData, Failure, Missing
from reference_bot.market_data.answers import LAST_GOOD_FOR
from reference_bot.market_data.lifetimes import LIFETIMES
from reference_bot.market_data.routes import ROUTES, Route
from reference_bot.market_data.slim import PYDANTIC_V1, without
from reference_bot.market_data.venues.base import Venue

_JSON: Final = "application/json"

DESCRIPTION: Final = (
    "Market data from exchanges. Times are epoch milliseconds, volumes in base units, prices in "
    "the quote asset. What is not known is null and named in `missing`; no number is invented.\n\n"
    "`age` is how many seconds ago the oldest part of the answer came from its venue (0 when all "
    "was fetched for this answer), `stale` is what is given beyond its lifetime. When no venue can "
    f"be asked, the last good answer, at most {LAST_GOOD_FOR:.0f} s old, is given: all of it in "
    "`stale`, the reasons in `missing`. Questions about an account are never answered so.\n\n"
    "How long each field may be given out again: "
    + "; ".join(f"{name} {life}" for name, life in LIFETIMES.items())
    + "."
)

_MEANINGS = {
    403: "`forbidden`: the account is for who has the token of the service.",
    404: "`unknown_symbol`: no venue lists it; `near` has those that may have been meant. "
    "`not_offered`: what is asked is not told of such a symbol, or not by the venues in use.",
    413: "The body is over 64 KiB.",
    422: "Bad request; `field` names what is wrong.",
    502: "Every venue failed; `missing` says how.",
    503: "`busy`: the service has no time for more questions. `not_ready`, or a question about an "
    "account without keys.",
    504: "Nothing came before the deadline.",
}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def successes(route: Route) -> dict[int | str, dict[str, Any]]:
    """Return the description of a route's 200."""
    one, *others = (kind.__name__ for kind in route.answers)
    answer: dict[str, Any] = _reference(one)
    if others:
        answer = {"anyOf": [_reference(name) for name in (one, *others)]}
    # unset only in an answer that is a part of another one
    data = {"allOf": [answer, {"required": list(AnswerData.__struct_fields__)}]}
    schema = {
        "type": "object",
        "properties": {
            "success": {"const": True},
            "data": data,
        },
        "required": ["success", "data"],
    }
    age = {"description": "The data's `age` in whole seconds.", "schema": {"type": "integer"}}
    return {
        200: {
            "description": "The data.",
            "headers": {"Age": age},
            "content": {_JSON: {"schema": schema}},
        }
    }


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of a route's failures."""
    body = {_JSON: {"schema": _reference("Failure")}}
    return {status: {"description": _MEANINGS[status], "content": body} for status in statuses}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, made once."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    with without(PYDANTIC_V1):
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
    kinds = {kind for route in ROUTES for kind in route.answers} | {Missing, Failure}
    _, components = msgspec.json.schema_components(
        sorted(kinds, key=lambda kind: kind.__name__),
        ref_template="#/components/schemas/{name}",
    )
    known = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, not sent from here
        known.pop(name, None)
    for component in components.values():
        _require_what_may_be_null(component)
    known.update(components)
    _name_exchanges(known, app.state.api.service.by_name)
    for path, example in _examples().items():
        content = schema["paths"][path]["post"]["responses"]["200"]["content"]
        content[_JSON]["example"] = {"success": True, "data": example}
    app.openapi_schema = schema
    return schema


def _require_what_may_be_null(schema: dict[str, Any]) -> None:
    """Say that a member which may be null is always there: its default is the reader's."""
    members = schema.get("properties", {})
    always = {*schema.get("required", ())}
    for name, member in members.items():
        if member.get("default", ...) is None:
            del member["default"]
            always.add(name)
    if always:
        schema["required"] = [name for name in members if name in always]


def _name_exchanges(schemas: dict[str, Any], venues: Mapping[str, Venue]) -> None:
    """Say which exchanges there are: settings decide. Those without volumes rank nothing."""
    for schema in schemas.values():
        properties = schema.get("properties", {})
        exchange = properties.get("exchange")
        if exchange is not None and "anyOf" in exchange:
            names = [
                n for n, venue in venues.items() if "symbol" in properties or not venue.currencies
            ]
            exchange["anyOf"] = [{"type": "string", "enum": names}, {"type": "null"}]
            exchange["examples"] = names[:1]


def _examples() -> dict[str, Any]:
    """Read the recorded answers; only when the description is asked for."""
    found = resources.files(__package__ or __name__).joinpath("examples.json").read_bytes()
    examples: dict[str, Any] = msgspec.json.decode(found)
    return examples
