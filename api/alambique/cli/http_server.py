"""The HTTP server of this process: bound first, then served until a signal comes."""

import signal
import socket
import threading
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from alambique.api.connections import LimitedProtocol
from alambique.spec.errors import Conflict

GRACE = 5
"""Seconds that requests have to end once the server is to stop."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at the address and port.

    Raises:
        Conflict: another process has the port, or the address is not of this machine.
    """
    try:
        addresses = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        family, kind, protocol, _, address = addresses[0]
        return _bind(socket.socket(family, kind, protocol), (str(address[0]), port))
    except OSError as error:
        raise Conflict(
            f"cannot listen on {host}:{port} ({error.strerror}): stop what has the port, "
            "or choose another with --port"
        ) from error


def _bind(listener: socket.socket, address: tuple[str, int]) -> socket.socket:
    """Return the socket, listening at the address.

    It has been made with TCP as its protocol, which `socket.create_server` leaves unsaid. For
    asyncio the connections of such a socket are not TCP's, and Nagle's algorithm stays on: each
    answer on a kept connection waits 40 ms for an acknowledgement that the client delays.
    """
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    stop: threading.Event,
    ready: str,
    grace: int = GRACE,
) -> None:
    """Answer requests until SIGTERM or Ctrl-C.

    Args:
        app: what answers.
        listener: where it listens.
        stop: set once the server is about to stop.
        ready: printed once it answers, with the {url}.
        grace: seconds that requests have to end after the signal.
    """
    address, port = listener.getsockname()[:2]
    url = f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
    config = uvicorn.Config(
        app,
        log_config=None,  # its records go where ours go
        log_level="warning",
        http=LimitedProtocol,
        timeout_keep_alive=int(LimitedProtocol.limits.idle),
        ws="none",
        timeout_graceful_shutdown=grace,
    )
    # uvicorn raises the signal again once it is done, which would end this process too early
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _AnnouncingServer(config, stop, ready.format(url=url)).run(sockets=[listener])


class _AnnouncingServer(uvicorn.Server):
    """A server that says when it is ready, and tells the app when it is about to stop."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event, ready: str) -> None:
        super().__init__(config)
        self._stop = stop
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._ready, flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stop.set()
        super().handle_exit(sig, frame)
