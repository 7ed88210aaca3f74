"""The HTTP face: routes, the envelope, statuses and the API's description.

Answers are encoded by msgspec from the structs of `model`; the same structs make the schemas.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_bot import api
from reference_bot.market_data.access_policy import DEEPEST, AccessPolicy, nesting
from reference_bot.market_data.describe import DESCRIPTION, describe, failures, successes
from reference_bot.market_data.errors import AnswerError
from reference_bot.market_data.facade import Api
from reference_bot.market_data.routes import ROUTES, Route
from reference_bot.market_data.slim import PYDANTIC_V1, without

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode
_JSON: Final = "application/json"
_NO_CACHE: Final = (
    "the shared cache (REDIS_URL) is unreachable; until it is back, answers come from this "
    "process's own cache and from the venues"
)
_LARGEST_BODY: Final = 64 * 1024


def make_app(
    open_api: Callable[[], AbstractAsyncContextManager[Api]],
    policy: AccessPolicy | None = None,
) -> FastAPI:
    """Return the application; ``open_api`` opens what it works with, for as long as it runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_api() as api:
            app.state.api = api
            yield

    app = FastAPI(
        title="market-data",
        version="1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        # nothing on the wire is made by pydantic; the description is made on demand
        openapi_url="/openapi.json",
        docs_url="/docs",
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # /metrics is the one
    )
    with without(PYDANTIC_V1):
        _add_routes(app)
    _add_failures(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's documented way
    app.add_middleware(Edge, policy=policy or AccessPolicy())
    return app


class Edge:
    """Refuses who may not ask and bodies that are no question, and counts every answer.

    By route and status; unknown paths share one name.
    """

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and look at the status that goes by."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 500
        body = bytearray()

        async def bounded() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            if len(body) > _LARGEST_BODY:
                raise HTTPException(413, f"the body is over {_LARGEST_BODY} bytes")
            whole = message["type"] == "http.request" and not message.get("more_body", False)
            if whole and nesting(body) > DEEPEST:
                raise AnswerError(
                    422, "bad_request", f"the body is nested over {DEEPEST} levels deep"
                )
            return message

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            refusal = self._policy.refusal(scope)
            if refusal is None:
                await self._app(scope, bounded, watch)
            else:
                refused, code, message = refusal
                answer = _failure(refused, api.Error(code, message))
                await answer(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            metrics = scope["app"].state.api.metrics
            metrics.request(route, status, time.monotonic() - began)


def _add_routes(app: FastAPI) -> None:
    @app.get("/health", tags=["operation"], summary="The process is alive.")
    async def health(request: Request) -> Response:
        uptime = round(_api(request).uptime(), 3)
        return _json({"success": True, "data": {"status": "alive", "uptime_s": uptime}})

    @app.get(
        "/ready",
        tags=["operation"],
        summary="It can answer: a venue and the cache are reachable.",
        responses=failures(503),
    )
    async def ready(request: Request) -> Response:
        api = _api(request)
        store = api.cache.store
        signs = await api.signs_of_life()
        if "ok" not in signs.values():
            reasons = "; ".join(f"{name}: {sign}" for name, sign in signs.items())
            raise AnswerError(503, "not_ready", f"no venue is reachable ({reasons})")
        if store is not None and not await store.reachable():
            raise AnswerError(503, "not_ready", _NO_CACHE)
        kind = "memory" if store is None else "redis"
        return _json({"success": True, "data": {"status": "ready", "venues": signs, "cache": kind}})

    @app.get(
        "/metrics",
        tags=["operation"],
        summary="Prometheus metrics.",
        response_class=PlainTextResponse,
    )
    async def metrics(request: Request) -> Response:
        api = _api(request)
        api.metrics.cache_hits.set(api.cache.hits)
        api.metrics.cache_stale.set(api.cache.stale)
        if api.cache.store is not None:
            api.metrics.shared_up(up=api.cache.store.up)
        api.metrics.cache_misses.set(api.cache.misses)
        return Response(api.metrics.text(), media_type=api.metrics.content_type)

    for route in ROUTES:
        app.post(
            route.path,
            tags=[route.tag],
            summary=route.summary,
            responses=successes(route) | failures(413, *route.statuses),
        )(_handler(route))


def _handler(route: Route) -> Callable[..., Awaitable[Response]]:
    async def handler(request: Request, query: Any) -> Response:
        api = _api(request)
        key = (route.path, query.model_dump_json())
        body, age = await api.answer(
            key, lambda: route.ask(api, query), stale_if_error=route.stale_if_error
        )
        return Response(body, headers={"Age": str(int(age))}, media_type=_JSON)

    # FastAPI reads what to parse from here
    handler.__annotations__ = {"request": Request, "query": route.request, "return": Response}
    handler.__name__ = route.path.strip("/")
    return handler


def _api(request: Request) -> Api:
    api = request.app.state.api
    assert isinstance(api, Api)  # noqa: S101 - the lifespan put it there
    return api


def _json(value: object, status: int = 200) -> Response:
    return Response(_encode(value), status, media_type=_JSON)


# -- failures --------------------------------------------------------------------------------


def _add_failures(app: FastAPI) -> None:
    @app.exception_handler(AnswerError)
    async def answer_error(_: Request, error: AnswerError) -> Response:
        return _failure(
            error.status,
            api.Error(
                error.code,
                error.message,
                field=error.field or msgspec.UNSET,
                near=msgspec.UNSET if error.near is None else error.near,
                missing=msgspec.UNSET if error.missing is None else error.missing,
            ),
        )

    @app.exception_handler(RequestValidationError)
    async def bad_request(request: Request, error: RequestValidationError) -> Response:
        return _failure(422, _bad_request(error, request))

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # FastAPI's own, for bytes that are no text
            message = "the body is not JSON: it is not UTF-8 text"
            return _failure(422, api.Error("bad_request", message))
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
        message = f"{request.method} {request.url.path}: {error.detail}"
        headers = dict(error.headers or {})
        return _failure(error.status_code, api.Error(code, message), headers)

    @app.exception_handler(Exception)
    async def internal(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _failure(500, api.Error("internal", "the service failed; its log says how"))


def _failure(status: int, error: api.Error, headers: dict[str, str] | None = None) -> Response:
    body = _encode(api.Failure(success=False, error=error))
    return Response(body, status, headers, media_type=_JSON)


def _bad_request(error: RequestValidationError, request: Request) -> api.Error:
    """Say all that is wrong; ``field`` names the first."""
    lines, fields = [], []
    for one in error.errors():
        if one["loc"] == ("body",) and one["type"] in _NO_OBJECT:
            return api.Error("bad_request", _what_to_send(one["type"], request))
        where = ".".join(str(part) for part in one["loc"] if part != "body")
        if one["type"] == "json_invalid":
            lines.append(f"the body is not JSON: {one.get('ctx', {}).get('error', one['msg'])}")
            continue
        fields.append(where or "body")
        lines.append(f"{where or 'body'}: {one['msg']}")
    return api.Error("bad_request", "; ".join(lines), field=fields[0] if fields else msgspec.UNSET)


_NO_OBJECT: Final = frozenset({"missing", "model_type", "model_attributes_type"})


def _what_to_send(problem: str, request: Request) -> str:
    """FastAPI reads a body as JSON only when its Content-Type says so."""
    example = '{"symbol": "BTC"}' if request.url.path in _ABOUT_SYMBOLS else "{}"
    advice = f"send a JSON object such as {example} with the header Content-Type: application/json"
    if problem == "missing":
        return f"the request has no body; {advice}"
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return f"the body is JSON, but no object; {advice}"
    came = f"came with Content-Type: {content_type}" if kind else "came without a Content-Type"
    return f"the body {came}; {advice}"


_ABOUT_SYMBOLS: Final = {route.path for route in ROUTES if "symbol" in route.request.model_fields}
