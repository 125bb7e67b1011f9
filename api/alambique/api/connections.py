"""The server's connections: how long a client may take over each step, and how many there may be.

uvicorn bounds the time between two requests and nothing else. A client that sends a byte now and
then would hold a connection for ever, and a few hundred of them the server.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from alambique.api.problems import problem_of, problem_response
from alambique.api.views import Problem

_HEALTH = ("/healthz", "/readyz")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server grants; times are in seconds."""

    header: float = 10.0
    """From the beginning of a connection, or of a later request, to the end of the header."""
    body: float = 30.0
    """From there to the end of the body."""
    idle: float = 75.0
    """Between two requests. Above the 60 of common proxies, so that it is they who close."""
    stalled: float = 60.0
    """How long a client may read nothing of what is waiting for it."""
    connections: int = 800
    """Above it, only the routes of health are answered."""
    reserve: int = 100
    """Connections above those, for that; all further ones are closed at once. A process may have
    1,024 open files where nobody raised it."""


PIECES = 16_384
"""Of a body: chunks, or what came in at once. Each is taken up by itself, which costs as much for
one byte as for a thousand; the largest body that is read has room for so many of 64 bytes."""
_EVENT = 1 << 16
"""Bytes of the longest header, as uvicorn has it."""


class _Step(Enum):
    IDLE = auto()
    HEADER = auto()
    BODY = auto()
    ANSWER = auto()


class LimitedProtocol(H11Protocol):
    """A connection of uvicorn that is closed where its client exceeds the limits.

    Each step has one deadline for the whole of it, which no single byte puts off. An answer may
    take any time, as an event stream does, as long as the client reads it.
    """

    limits = Limits()

    _step: tuple[_Step, RequestResponseCycle | None] | None = None
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection; above the limits answer health alone, or close it at once."""
        self.conn = _BoundedConnection(h11.SERVER, _EVENT)
        super().connection_made(transport)
        crowd = len(self.connections) - self.limits.connections
        if crowd > self.limits.reserve:
            transport.abort()
        elif crowd > 0:
            self.app = _HealthOnly(self.app)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Read what came in, and set the deadline of the step after it."""
        super().data_received(data)
        self._set_deadline()

    def send_400_response(self, msg: str) -> None:
        """Close a connection by which no HTTP came in, with a problem where one can be sent."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(_too_many_pieces() if self._has_many_pieces() else _no_http())
            if self.cycle is not None:
                self._tell_gone(self.cycle)
        self.transport.close()

    def on_response_complete(self) -> None:
        """Set the deadline of what follows the answer."""
        super().on_response_complete()
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadlines of a connection that is closed."""
        for timer in (self._deadline, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Set a deadline for the client to read what waits for it."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.limits.stalled, self.transport.abort)

    def resume_writing(self) -> None:
        """Cancel the deadline of a client that reads again."""
        if self._stalled is not None:
            self._stalled.cancel()
        super().resume_writing()

    def _set_deadline(self) -> None:
        """Set the deadline of the step that the connection is in, where that is a new one."""
        step = (self._current_step(), self.cycle)
        if step == self._step or self.transport.is_closing():
            return
        self._step = step
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if seconds := self._seconds(step[0]):
            self._deadline = self.loop.call_later(seconds, self._give_up)

    def _current_step(self) -> _Step:
        if self.conn.their_state is h11.SEND_BODY:
            return _Step.BODY
        if self.conn.their_state is not h11.IDLE:
            return _Step.ANSWER
        first, begun = self.cycle is None, bool(self.conn.trailing_data[0])
        return _Step.HEADER if first or begun else _Step.IDLE

    def _seconds(self, step: _Step) -> float | None:
        match step:
            case _Step.HEADER:
                return self.limits.header
            case _Step.BODY:
                return self.limits.body
            case _Step.IDLE:
                return self.limits.idle
            case _Step.ANSWER:
                return None

    def _give_up(self) -> None:
        """Close a connection whose deadline has passed, with an answer where one is awaited."""
        assert self._step is not None
        step, cycle = self._step
        if step is _Step.HEADER and self.conn.trailing_data[0]:
            self._refuse(_timeout("header", self.limits.header))
        elif step is _Step.BODY and cycle is not None and not cycle.response_started:
            self._refuse(_timeout("body", self.limits.body))
            self._tell_gone(cycle)
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # the client does not read either
        else:
            self.transport.close()

    def _has_many_pieces(self) -> bool:
        return isinstance(self.conn, _BoundedConnection) and self.conn.pieces > PIECES

    def _tell_gone(self, cycle: RequestResponseCycle) -> None:
        """Tell who reads the body that the client has gone."""
        cycle.disconnected = True
        cycle.message_event.set()

    def _refuse(self, problem: Problem) -> None:
        response = problem_response(problem, {"Connection": "close"})
        status = response.status_code
        for event in (
            h11.Response(status_code=status, headers=response.raw_headers),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")


class _BoundedConnection(h11.Connection):
    """The reading of HTTP, up to so many pieces of a body."""

    pieces = 0
    """Of the body that is being read."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next part of what came in.

        Raises:
            RemoteProtocolError: it is no HTTP, or in too many pieces.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.pieces = 0
        elif isinstance(event, h11.Data):
            self.pieces += 1
            if self.pieces > PIECES:
                raise h11.RemoteProtocolError("too many pieces of a body")
        return event


class _HealthOnly:
    """Answers health, and refuses all else."""

    def __init__(self, app: object) -> None:
        self.app: ASGIApp = app  # type: ignore[assignment]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in _HEALTH:
            await self.app(scope, receive, send)
            return
        detail = "the server has all the connections that it takes: try again in a moment"
        problem = problem_of(503, "unavailable", detail)
        response = problem_response(problem, {"Connection": "close"})
        await response(scope, receive, send)


def _timeout(part: str, seconds: float) -> Problem:
    return problem_of(
        408,
        "request_timeout",
        f"the {part} of the request did not come in whole within {seconds:g} s: send it again",
    )


def _too_many_pieces() -> Problem:
    return problem_of(
        413,
        "too_large",
        f"the body came in more than {PIECES:,} pieces: send it in larger chunks, or with its "
        "Content-Length",
    )


def _no_http() -> Problem:
    return problem_of(
        400,
        "bad_request",
        "what came in is no request of HTTP/1.1: send one, and no more bytes than its header says "
        "(HTTPS and HTTP/2 are a proxy's part)",
    )
