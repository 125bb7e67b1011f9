"""The HTTP server of this process: bound first, then served until a signal comes."""

import signal
import socket
import threading
from types import FrameType

import uvicorn

from alambique.api.app import create_app
from alambique.spec.errors import Conflict
from alambique.spec.settings import Settings


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        Conflict: another process has the port, or the address is not of this machine.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((str(address[0]), port), family=family)
    except OSError as error:
        raise Conflict(
            f"cannot listen on {host}:{port} ({error.strerror}): stop what has the port, "
            "or choose another with --port"
        ) from error


def serve(settings: Settings, listener: socket.socket, *, ready: str) -> None:
    """Answer requests until SIGTERM or Ctrl-C; `ready` is printed once, with the {url}."""
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    stop = threading.Event()
    config = uvicorn.Config(
        create_app(settings, stop=stop),
        log_config=None,  # its records go where ours go
        log_level="warning",
        ws="none",
        timeout_graceful_shutdown=5,
    )
    # uvicorn raises the signal again once it is done, which would end this process too early
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Announced(config, stop, ready.format(url=url)).run(sockets=[listener])


class _Announced(uvicorn.Server):
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
