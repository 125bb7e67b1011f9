"""Headers of every answer that tell browsers to keep it from the pages of other sites."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROTECTION = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""It is what its Content-Type says, and is not loaded into a page of another site: without the
second, whether an image or a script can be loaded tells such a page what is there."""


class ProtectionHeaders:
    """Sets the headers on all answers of an app."""

    def __init__(self, app: ASGIApp) -> None:
        """Around all else."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, answers with the headers."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(PROTECTION)
            await send(message)

        await self.app(scope, receive, send_on)
