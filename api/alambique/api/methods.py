"""Methods that no route has of its own: HEAD is GET without a body, OPTIONS says what there is."""

from anyio import CancelScope
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ENDLESS = "text/event-stream"


def allowed_methods(request: Request) -> str:
    """Return the methods that the path of a request takes, as the header Allow has them."""
    routes = request.app.routes
    taken = [
        method
        for method in _METHODS
        if any(
            route.matches(request.scope | {"method": method})[0] is Match.FULL for route in routes
        )
    ]
    return ", ".join([*taken, *(["HEAD"] if "GET" in taken else []), "OPTIONS"])


class HeadAnswers:
    """Answers HEAD with the header of what GET would get."""

    def __init__(self, app: ASGIApp) -> None:
        """Around an app that knows GET."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; of the answer to HEAD the header alone."""
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
