"""The server of one model: queries over HTTP, batched, beside its health and its metrics.

It knows no database and no job: what a user installs to serve a model is small.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alambique.api.batcher import Batcher, BatchLimits
from alambique.api.middleware import BodyLimitProblem, HeadAnswers, ProtectionHeaders
from alambique.api.origins import JSON, OriginCheck
from alambique.api.predictions import BatchBody, BatchView, PredictionView, QueryBody
from alambique.api.problems import (
    Refusal,
    answer_with_problems,
    bad_fields,
    problem_of,
    problem_response,
)
from alambique.api.views import Health, Problem, View
from alambique.runtime.about import About
from alambique.runtime.model import Model
from alambique.spec.errors import AlambiqueError
from alambique.spec.field_errors import BadField
from alambique.spec.outputs import Output

BODY_LIMIT = 1 << 20
"""Bytes of the largest body that is read."""

_HEALTH = "/healthz"
_SECONDS = (*(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5), *(1.0, 2.5, 5.0, 10.0))
_SIZES = (1, 2, 4, 8, 16, 32, 64)
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "What is wrong, with a stable `code`", "model": Problem}
}
"""The answer of any route that is no success."""

router = APIRouter(responses=_PROBLEMS)


class ModelDescription(View):
    """What a model is for, and how it reads texts."""

    task: str
    output: Output
    inputs: list[str]
    """The names of the texts that it reads."""
    labels: list[str]
    max_length: int
    """Tokens of its windows; a longer context has several."""
    stride: int


class Metrics:
    """The metrics of one server for Prometheus, in a registry of the server's own."""

    def __init__(self) -> None:
        """Make metrics of which nothing is counted yet."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "alambique_requests",
            "Requests by their route and the status of their answer.",
            ("route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "alambique_request_seconds",
            "From a request's header to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "alambique_batch_queries",
            "Queries that the model was run on together.",
            buckets=_SIZES,
            registry=self.registry,
        )
        self.waiting = Gauge(
            "alambique_waiting_queries",
            "Queries that wait for the model.",
            registry=self.registry,
        )


@dataclass(frozen=True, slots=True)
class ModelContext:
    """What the routes need of the process."""

    about: About
    batcher: Batcher
    metrics: Metrics


# dependencies and routes are coroutines: they wait for nothing but the model


async def _context(request: Request) -> ModelContext:
    context = request.app.state.context
    assert isinstance(context, ModelContext)
    return context


Context = Annotated[ModelContext, Depends(_context)]


def create_model_app(
    model: Model,
    *,
    hosts: Sequence[str] = (),
    token: str | None = None,
    limits: BatchLimits | None = None,
) -> FastAPI:
    """Return the server of a model.

    Args:
        model: loaded.
        hosts: names by which clients reach it, besides loopback and its own address.
        token: that each request but those for health has to bear, if any.
        limits: of batches and of what waits.
    """
    metrics = Metrics()
    batcher = Batcher(model.run, limits, on_batch=metrics.batches.observe)
    metrics.waiting.set_function(lambda: len(batcher))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with batcher:
            yield

    app = FastAPI(
        title="alambique: one model",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        redirect_slashes=False,
    )
    app.state.context = ModelContext(model.about, batcher, metrics)
    app.include_router(router)
    answer_with_problems(app)
    app.add_middleware(HeadAnswers)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=BODY_LIMIT)
    app.add_middleware(BodyLimitProblem, limit=BODY_LIMIT)
    if token is not None:
        app.add_middleware(BearerToken, token=token)
    app.add_middleware(OriginCheck, hosts=hosts, media_types=(JSON,))
    app.add_middleware(RequestMetrics, metrics=metrics)
    app.add_middleware(ProtectionHeaders)
    return app


@router.post("/predict", responses={200: {"model": PredictionView}})
async def predict(context: Context, body: QueryBody) -> Response:
    """Return what the model says to a query."""
    (prediction,) = context.batcher.put([body.query])
    # as the runtime gives it: to check it against its description takes longer than a small model
    return JSONResponse(await prediction)


@router.post("/predict/batch", responses={200: {"model": BatchView}})
async def predict_batch(context: Context, body: BatchBody) -> Response:
    """Return what the model says to each query, in their order; nothing if one of them is bad."""
    futures = context.batcher.put([one.query for one in body.queries])
    results = await asyncio.gather(*futures, return_exceptions=True)
    _check_results(results)
    return JSONResponse({"predictions": results})


@router.get("/")
@router.get("/model")
async def describe_model(context: Context) -> ModelDescription:
    """Return what the model is for."""
    return ModelDescription.model_validate(context.about)


@router.get(_HEALTH)
async def healthz() -> Health:
    """Answer that the process lives; it listens once its model is loaded."""
    return Health(status="alive")


@router.get("/metrics", response_class=Response)
async def read_metrics(context: Context) -> Response:
    """Return what Prometheus reads."""
    content = generate_latest(context.metrics.registry)
    return Response(content, media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _check_results(results: Sequence[object]) -> None:
    """Raise what is wrong with a batch: each bad query, or else the first error."""
    failed = [(n, one) for n, one in enumerate(results) if isinstance(one, BaseException)]
    bad = [
        BadField(f"queries.{n}", None, str(error))
        for n, error in failed
        if isinstance(error, AlambiqueError)
    ]
    if len(bad) < len(failed):
        raise next(error for _, error in failed if not isinstance(error, AlambiqueError))
    if bad:
        raise Refusal(bad_fields("bad_spec", bad))


class BearerToken:
    """Refuses requests that do not bear the server's token; health is open to everybody."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Wrap an app."""
        self.app = app
        self.expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer that it lacks the token."""
        if scope["type"] == "http" and scope["path"] != _HEALTH:
            found = Headers(scope=scope).get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(found, self.expected):
                problem = problem_of(
                    401,
                    "unauthorized",
                    "the request does not have the token that this server was started with: "
                    "send it as Authorization: Bearer TOKEN",
                )
                response = problem_response(problem, {"WWW-Authenticate": "Bearer"})
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)


class RequestMetrics:
    """Counts and times all requests, each by the route that it is for."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an app."""
        self.app = app
        self.metrics = metrics
        self.routes = {route.path for route in router.routes if hasattr(route, "path")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # any other path would be a series of its own, of which a client can make any number
        route = scope["path"] if scope["path"] in self.routes else "other"
        began, status = time.perf_counter(), 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        finally:
            self.metrics.requests.labels(route, status).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - began)
