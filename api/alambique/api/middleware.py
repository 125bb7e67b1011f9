"""Middleware: HEAD without a body, headers that protect answers, too large a body as a problem."""

from anyio import CancelScope
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alambique.api.problems import PROTECTION, problem_of, problem_response

_ENDLESS = "text/event-stream"


class HeadAnswers:
    """Answers HEAD with the header of what GET would get."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an app that knows GET."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; of the answer to HEAD, send the header alone."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        over = False
        with CancelScope() as rest:

            async def send_header(message: Message) -> None:
                nonlocal over
                endless = False
                if message["type"] == "http.response.start":
                    await send(message)
                    endless = (
                        Headers(raw=message["headers"]).get("content-type", "").startswith(_ENDLESS)
                    )
                if not over and (endless or message["type"] == "http.response.body"):
                    over = True
                    await send({"type": "http.response.body", "body": b""})
                if endless or message.get("more_body", False):
                    rest.cancel()  # what is left of a stream would be made for nobody

            await self.app({**scope, "method": "GET"}, receive, send_header)


class ProtectionHeaders:
    """Sets the headers on all answers of an app."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an app."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(PROTECTION)
            await send(message)

        await self.app(scope, receive, send_on)


class BodyLimitProblem:
    """Rewrites the plain 413 of Starlette's body limit, which passes by every handler."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """Wrap an app with that limit, in bytes."""
        self.app = app
        self.detail = (
            f"the body is larger than {limit:,} bytes, the most that this server reads: leave out "
            "what is not needed, or split it into several requests"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and send a problem in place of a 413."""
        rewritten = False

        async def send_on(message: Message) -> None:
            nonlocal rewritten
            if message["type"] == "http.response.start" and message["status"] == 413:
                rewritten = True
                response = problem_response(problem_of(413, "too_large", self.detail))
                await response(scope, receive, send)
            elif not rewritten:
                await send(message)

        await self.app(scope, receive, send_on)
