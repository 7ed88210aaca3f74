"""The HTTP face: routes, the envelope, statuses and the API's description.

Answers are encoded by msgspec from the structs of `model`; the same structs make the schemas.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Literal

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_bot.market_data import model
from reference_bot.market_data.cache import Cache, Entry
from reference_bot.market_data.cache import Field as Kept
from reference_bot.market_data.errors import AnswerError
from reference_bot.market_data.examples import COMBINED_PRICE, PRICE
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.service import LIFETIMES, Answer, MarketService

__all__ = ["Api", "make_app"]

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode
_JSON: Final = "application/json"
_READY_FOR: Final = 5.0
_PING_WITHIN: Final = 1.0
_LARGEST_BODY: Final = 64 * 1024


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    symbol: str = Field(
        min_length=1,
        max_length=40,
        description="any usual spelling: BTC, btc-usdt, BTC/USDT, BTCUSDT",
        examples=["BTC"],
    )
    exchange: str | None = Field(
        default=None,
        max_length=40,
        description="one venue; null takes the first of EXCHANGES that lists the pair",
        examples=[None, "binance"],
    )


class CombinedPriceRequest(_Request):
    """What to ask /combined_price."""


class PriceRequest(_Request):
    """What to ask /price."""

    market: Literal["spot", "perp"] = Field(default="spot", description="which of the two markets")


class Api:
    """Answers by route. Whole answers are shared between concurrent askers and kept briefly."""

    def __init__(self, service: MarketService, cache: Cache, metrics: Metrics) -> None:
        self.service = service
        self.metrics = metrics
        self.cache = cache
        self._started = time.monotonic()
        self._signs: Kept[dict[str, str]] = Kept("reachable", self._sign_lifetime)

    async def answer(
        self, route: str, key: tuple[str, ...], make: Callable[[], Awaitable[Answer[Any]]]
    ) -> bytes:
        """Return the encoded answer, made once for all who ask at the same time."""

        async def encoded() -> tuple[float, bytes]:
            answer = await make()
            envelope: dict[str, object] = {"success": True, "data": answer.data}
            if answer.missing and not hasattr(answer.data, "missing"):
                envelope["missing"] = answer.missing
            return answer.lifetime, _encode(envelope)

        entry: Entry[tuple[float, bytes]] = await self.cache.get(_ANSWER, (route, *key), encoded)
        return entry.value[1]

    async def signs_of_life(self) -> dict[str, str]:
        """Return each venue's state, asked at most once in a few seconds."""
        entry = await self.cache.get(self._signs, (), lambda: self.service.reachable(_PING_WITHIN))
        return entry.value

    @staticmethod
    def _sign_lifetime(signs: dict[str, str]) -> float:
        return _READY_FOR if "ok" in signs.values() else 1.0

    def uptime(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._started


_ANSWER: Final[Kept[tuple[float, bytes]]] = Kept("answer", lambda value: value[0])


def make_app(open_api: Callable[[], AbstractAsyncContextManager[Api]], metrics: Metrics) -> FastAPI:
    """Return the application; ``open_api`` opens what it works with, for as long as it runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_api() as api:
            app.state.api = api
            yield

    app = FastAPI(
        title="market-data",
        version="1.0",
        description=_DESCRIPTION,
        lifespan=lifespan,
        # nothing on the wire is made by pydantic; the description is made on demand
        openapi_url="/openapi.json",
        docs_url="/docs",
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # /metrics is the one
    )
    _add_routes(app)
    _add_failures(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way
    app.add_middleware(Edge, metrics=metrics)
    return app


class Edge:
    """Refuses bodies that are too large, and counts every answer by route and status.

    Unknown paths share one name.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and look at the status that goes by."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status, size = 500, 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > _LARGEST_BODY:
                raise HTTPException(413, f"the body is over {_LARGEST_BODY} bytes")
            return message

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, bounded, watch)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.request(route, status, time.monotonic() - began)


def _add_routes(app: FastAPI) -> None:
    @app.get("/health", tags=["operation"], summary="The process is alive.")
    async def health(request: Request) -> Response:
        uptime = round(_api(request).uptime(), 3)
        return _json({"success": True, "data": {"status": "alive", "uptime_s": uptime}})

    @app.get(
        "/ready",
        tags=["operation"],
        summary="It can answer: a venue and the cache are reachable.",
        responses=_failures(503),
    )
    async def ready(request: Request) -> Response:
        api = _api(request)
        signs = await api.signs_of_life()
        if "ok" not in signs.values():
            reasons = "; ".join(f"{name}: {sign}" for name, sign in signs.items())
            raise AnswerError(503, "not_ready", f"no venue is reachable ({reasons})")
        return _json(
            {"success": True, "data": {"status": "ready", "venues": signs, "cache": "memory"}}
        )

    @app.get("/metrics", tags=["operation"], summary="Prometheus metrics.")
    async def metrics(request: Request) -> Response:
        api = _api(request)
        api.metrics.cache_hits.set(api.cache.hits)
        api.metrics.cache_misses.set(api.cache.misses)
        return Response(api.metrics.text(), media_type=api.metrics.content_type)

    @app.post(
        "/combined_price",
        tags=["prices"],
        summary="Spot and perpetual of a pair, with what takers did, open interest and funding.",
        responses=_success("CombinedPrice", COMBINED_PRICE) | _failures(404, 422, 502, 504),
    )
    async def combined_price(request: Request, wish: CombinedPriceRequest) -> Response:
        api = _api(request)
        exchange = _lower(wish.exchange)
        return Response(
            await api.answer(
                "combined_price",
                (wish.symbol, exchange or ""),
                lambda: api.service.combined_price(wish.symbol, exchange),
            ),
            media_type=_JSON,
        )

    @app.post(
        "/price",
        tags=["prices"],
        summary="One market of a pair.",
        responses=_success("PerpBlock", PRICE, "Block") | _failures(404, 422, 502, 504),
    )
    async def price(request: Request, wish: PriceRequest) -> Response:
        api = _api(request)
        exchange = _lower(wish.exchange)
        return Response(
            await api.answer(
                "price",
                (wish.symbol, wish.market, exchange or ""),
                lambda: api.service.price(wish.symbol, wish.market, exchange),
            ),
            media_type=_JSON,
        )


def _api(request: Request) -> Api:
    api = request.app.state.api
    assert isinstance(api, Api)  # noqa: S101 - the lifespan put it there
    return api


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _json(value: object, status: int = 200) -> Response:
    return Response(_encode(value), status, media_type=_JSON)


# -- failures --------------------------------------------------------------------------------


def _add_failures(app: FastAPI) -> None:
    @app.exception_handler(AnswerError)
    async def answer_error(_: Request, error: AnswerError) -> Response:
        return _failure(
            error.status,
            model.Error(
                error.code,
                error.message,
                field=error.field or msgspec.UNSET,
                near=msgspec.UNSET if error.near is None else error.near,
                missing=msgspec.UNSET if error.missing is None else error.missing,
            ),
        )

    @app.exception_handler(RequestValidationError)
    async def bad_request(_: Request, error: RequestValidationError) -> Response:
        return _failure(422, _bad_request(error))

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
        message = f"{request.method} {request.url.path}: {error.detail}"
        headers = dict(error.headers or {})
        return _failure(error.status_code, model.Error(code, message), headers)

    @app.exception_handler(Exception)
    async def internal(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _failure(500, model.Error("internal", "the service failed; its log says how"))


def _failure(status: int, error: model.Error, headers: dict[str, str] | None = None) -> Response:
    body = _encode(model.Failure(success=False, error=error))
    return Response(body, status, headers, media_type=_JSON)


def _bad_request(error: RequestValidationError) -> model.Error:
    """Say all that is wrong; ``field`` names the first."""
    lines, fields = [], []
    for one in error.errors():
        where = ".".join(str(part) for part in one["loc"] if part != "body")
        if one["type"] == "json_invalid":
            lines.append(f"the body is not JSON: {one.get('ctx', {}).get('error', one['msg'])}")
            continue
        fields.append(where or "body")
        lines.append(f"{where or 'body'}: {one['msg']}")
    return model.Error(
        "bad_request", "; ".join(lines), field=fields[0] if fields else msgspec.UNSET
    )


# -- the API's description -------------------------------------------------------------------

_DESCRIPTION = (
    "Market data from exchanges. Times are epoch milliseconds, volumes in base units, prices in "
    "the quote asset. What is not known is null and named in `missing`; no number is invented.\n\n"
    "How long each field may be given out again: "
    + "; ".join(f"{name} {life}" for name, life in LIFETIMES.items())
    + "."
)


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _success(name: str, example: object, *others: str) -> dict[int | str, dict[str, Any]]:
    data: dict[str, Any] = (
        {"anyOf": [_reference(one) for one in (name, *others)]} if others else _reference(name)
    )
    schema = {
        "type": "object",
        "properties": {
            "success": {"const": True},
            "data": data,
            "missing": {"type": "array", "items": _reference("Missing")},
        },
        "required": ["success", "data"],
    }
    body = {"schema": schema, "example": {"success": True, "data": example}}
    return {200: {"description": "The data.", "content": {_JSON: body}}}


_MEANINGS = {
    404: "Unknown symbol: none of the venues lists it; `near` has those that may have been meant.",
    422: "Bad request; `field` names what is wrong.",
    502: "Every venue failed; `missing` says how.",
    503: "Not ready.",
    504: "Nothing came before the deadline.",
}


def _failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    body = {_JSON: {"schema": _reference("Failure")}}
    return {status: {"description": _MEANINGS[status], "content": body} for status in statuses}


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        _, components = msgspec.json.schema_components(
            [model.CombinedPrice, model.PerpBlock, model.Block, model.Missing, model.Failure],
            ref_template="#/components/schemas/{name}",
        )
        known = schema.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, not sent from here
            known.pop(name, None)
        known.update(components)
        app.openapi_schema = schema
    return app.openapi_schema
