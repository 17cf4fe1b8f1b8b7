"""make_app: the routes of a server."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from plena_cosim.evaluate.recipe_text import recipe_text
from plena_cosim.golden import FormatError

from ..engine import Engine
from ..errors import RequestError
from ..model_maker import ModelMaker
from ..request import Request
from .answer import Answer, EventResponse
from .body import TOML, kind_of, read_body, read_json
from .error_body import error_body
from .fields import ChatFields, CompletionFields, Fields, read_fields
from .key import KeyGuard
from .metrics import Metrics
from .prompts import Prompts
from .shapes import ChatShape, Shape

_T = TypeVar("_T")
_SHORT = 16
"""Tokens of a completion that does not say how many, as OpenAI's."""


class Service:
    """What the routes do."""

    def __init__(
        self, maker: ModelMaker, engine: Engine, metrics: Metrics, *, max_body: int
    ) -> None:
        """Serve the model that the engine has.

        Args:
            maker: makes another one for a change.
            engine: writes.
            metrics: count.
            max_body: bytes that a body may have.
        """
        self._maker, self._engine, self._metrics = maker, engine, metrics
        self._max_body = max_body
        self._prompts = Prompts(maker.tokenizer, vocabulary=maker.vocabulary)
        self._begun = int(time.time())
        self._switching = asyncio.Lock()

    async def completions(self, http: HttpRequest) -> Response:
        """Write after prompts."""
        fields = read_fields(CompletionFields, await self._body(http))
        self._require_model(fields)
        if fields.max_tokens == 0 and not fields.echo:
            raise RequestError("max_tokens is 0, which goes with echo", param="max_tokens")
        prompts = await asyncio.to_thread(self._prompts.of_completion, fields.prompt)
        wanted = _SHORT if fields.max_tokens is None else fields.max_tokens
        request = Request(
            prompts=prompts,
            n=fields.n,
            max_tokens=self._fitting(prompts, wanted, given=fields.max_tokens is not None),
            sampling=fields.sampling,
            stop=fields.stops,
            logprobs=fields.logprobs,
            echo=fields.echo,
        )
        return await self._answer(http, request, fields, Shape)

    async def chat(self, http: HttpRequest) -> Response:
        """Write what an assistant says next."""
        fields = read_fields(ChatFields, await self._body(http))
        self._require_model(fields)
        if fields.top_logprobs is not None and not fields.logprobs:
            raise RequestError("top_logprobs goes with logprobs: true", param="top_logprobs")
        if fields.max_tokens == 0:
            raise RequestError("max_tokens must be 1 or more; got 0", param="max_tokens")
        prompts = (await asyncio.to_thread(self._prompts.of_chat, fields),)
        most = fields.max_completion_tokens or fields.max_tokens
        wanted = self._engine.limits.max_tokens if most is None else most
        request = Request(
            prompts=prompts,
            n=fields.n,
            max_tokens=self._fitting(prompts, wanted, given=most is not None),
            sampling=fields.sampling,
            stop=fields.stops,
            logprobs=(fields.top_logprobs or 0) if fields.logprobs else None,
        )
        return await self._answer(http, request, fields, ChatShape)

    async def models(self) -> dict[str, Any]:
        """List the model."""
        return {"object": "list", "data": [self._model()]}

    async def model(self, name: str) -> dict[str, Any]:
        """Show the model; RequestError for another name."""
        if name != self._maker.name:
            raise self._unknown(name)
        return self._model()

    async def config(self) -> dict[str, Any]:
        """Show how the model that serves now is quantised."""
        served = self._engine.current
        recipe = served.recipe
        return {
            "model": self._maker.name,
            "revision": served.revision,
            "fingerprint": served.fingerprint,
            "numerics": served.numerics,
            "recipe": None if recipe is None else recipe.tables,
            "toml": None if recipe is None else recipe_text(recipe.tables),
            "patches": [
                {"phase": phase.value, "layers": part.value, **vars(activations)}
                for (phase, part), activations in served.setting.patches.items()
            ],
            "in_flight": {str(key): count for key, count in self._engine.in_flight().items()},
            "switching": self._switching.locked(),
        }

    async def change(self, http: HttpRequest) -> dict[str, Any]:
        """Make the model of another recipe, and give it to requests that begin later."""
        if kind_of(http) == TOML:
            raw = await read_body(http, limit=self._max_body)
            body: dict[str, Any] = {"toml": raw.decode("utf-8", errors="replace")}
        else:
            body = await self._body(http)
        if self._switching.locked():
            raise RequestError(
                "another recipe is being brought in; try again when that is done", status=409
            )
        async with self._switching:
            try:
                setting = self._engine.current.setting.changed(body)
                served = await _in_thread(lambda: self._maker.make(setting))
            except FormatError as error:
                raise RequestError(str(error), code="recipe") from None
            self._engine.use(served)
        gc.collect()  # the model before, where nothing is in flight
        return await self.config()

    async def metrics(self) -> Response:
        """Show the counters."""
        return Response(self._metrics.text(self._engine), media_type="text/plain; version=0.0.4")

    async def _body(self, http: HttpRequest) -> dict[str, Any]:
        return await read_json(http, limit=self._max_body)

    async def _answer(
        self, http: HttpRequest, request: Request, fields: Fields, shape: type[Shape]
    ) -> Response:
        answer = Answer(self._engine, request, self._metrics, http.url.path)
        made = shape(self._maker.name, answer.stream.served.fingerprint, self._prompts.token)
        if not fields.stream:
            return JSONResponse(await answer.whole(http, made))
        return EventResponse(answer, made, include_usage=fields.include_usage)

    def _fitting(self, prompts: tuple[tuple[int, ...], ...], wanted: int, *, given: bool) -> int:
        """Return how many tokens are asked for; what nobody has asked for is what fits."""
        if given:
            return wanted
        limits = self._engine.limits
        longest = max(map(len, prompts), default=0)
        return max(1, min(wanted, limits.max_tokens, limits.max_model_len - longest))

    def _require_model(self, fields: Fields) -> None:
        if fields.model != self._maker.name:
            raise self._unknown(fields.model)

    def _unknown(self, name: str) -> RequestError:
        return RequestError(
            f"there is no model {name!r} here; this server has {self._maker.name!r}",
            status=404,
            param="model",
            code="model_not_found",
        )

    def _model(self) -> dict[str, Any]:
        return {
            "id": self._maker.name,
            "object": "model",
            "created": self._begun,
            "owned_by": "plena-cosim",
        }


def make_app(service: Service, guard: KeyGuard, metrics: Metrics) -> FastAPI:
    """Return the application.

    Args:
        service: what the routes do.
        guard: lets requests in; /health is open.
        metrics: count what was refused.
    """
    app = FastAPI(title="plena serve", docs_url=None, redoc_url=None, openapi_url=None)

    async def refused(http: HttpRequest, error: Exception) -> Response:
        assert isinstance(error, RequestError)
        metrics.ended(http.url.path if http.url.path in _PATHS else "other", error.status)
        return JSONResponse(error_body(error), status_code=error.status, headers=error.headers)

    async def lost(http: HttpRequest, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        what = f"{http.method} {http.url.path}: {error.detail}"
        given = RequestError(f"{what}; known: {', '.join(_PATHS)}", status=error.status_code)
        return JSONResponse(error_body(given), status_code=error.status_code)

    app.add_exception_handler(RequestError, refused)
    app.add_exception_handler(HTTPException, lost)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    router = APIRouter(dependencies=[Depends(guard.check)])
    routes: tuple[tuple[str, str, Callable[..., Any]], ...] = (
        ("POST", "/v1/completions", service.completions),
        ("POST", "/v1/chat/completions", service.chat),
        ("GET", "/v1/models", service.models),
        ("GET", "/v1/models/{name:path}", service.model),
        ("GET", "/v1/config", service.config),
        ("PUT", "/v1/config", service.change),
        ("GET", "/metrics", service.metrics),
    )
    for method, path, function in routes:
        router.add_api_route(path, function, methods=[method], response_model=None)
    app.include_router(router)
    return app


_PATHS = (
    "/v1/completions",
    "/v1/chat/completions",
    "/v1/models",
    "/v1/config",
    "/metrics",
    "/health",
)


async def _in_thread(work: Callable[[], _T]) -> _T:
    """Return what long work gives, done in a thread that does not hold up the end of the server."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as caught:
            error = caught
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="plena-switch", daemon=True).start()
    return await future
