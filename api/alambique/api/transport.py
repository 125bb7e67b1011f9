"""Requests to a server of ours: its problems become errors; while it is away, it is waited for."""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import httpx2
from pydantic import BaseModel

from alambique.spec import errors
from alambique.spec.field_errors import BadField, BadFields
from alambique.spec.hosts import without_password

V = TypeVar("V", bound=BaseModel)

LONGEST_PAUSE = 5.0
"""Seconds between two tries, once a server has been away for a while."""

_log = logging.getLogger(__name__)


class NoServer(errors.AlambiqueError, ConnectionError):
    """Nobody answers at the URL, or the answer broke off."""

    code = "no_server"


class NoAnswer(NoServer):
    """A server was asked and did not say what came of that: it may have done it all the same."""

    code = "unavailable"


_KINDS: tuple[type[errors.AlambiqueError], ...] = (
    errors.BadSpec,
    errors.NoData,
    errors.UnknownName,
    errors.BadData,
    errors.BadTeacher,
    errors.LabelMismatch,
    errors.BadModel,
    errors.NotEnoughDisk,
    errors.Conflict,
    errors.Deleted,
    errors.Stale,
    errors.Unreachable,
    NoAnswer,
)


class Transport:
    """The connections to one server."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """Make a transport, which has no connection yet.

        Raises:
            BadSpec: the token cannot be sent in a header.
        """
        if token and not (token.isascii() and token.isprintable()):
            raise errors.BadSpec(
                "ALAMBIQUE_TOKEN holds characters that no header takes, such as ñ or a line break: "
                "give the token alone, as it was made"
            )
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = httpx2.Timeout(10.0, read=60.0)  # a silent stream is kept alive every 15 s
        self._url = without_password(url.rstrip("/"))
        self._http = httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout)
        self.answered = False
        """Whether a server of alambique has ever answered."""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Return the server's whole answer to a request with the `options` of httpx2.

        Raises:
            NoServer: nobody answered, or it is not known with what.
            AlambiqueError: the server refused; of the kind that its problem names.
        """
        with self._translate_errors():
            response = self._http.request(method, path, **options)
        return self._check_response(response)

    def get(self, kind: type[V], path: str, **query: Any) -> V:
        """Return the server's answer as a record of that kind; raises as `answer` does.

        Args:
            kind: of the record.
            path: of the request.
            query: its parameters, of which those that are None are not sent.
        """
        params = {name: value for name, value in query.items() if value is not None}
        return kind.model_validate_json(self.answer("GET", path, params=params).content)

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx2.Response]:
        """Yield the server's answer while it comes in; raises as `answer` does."""
        with self._translate_errors(), self._http.stream("GET", path, headers=headers) as response:
            if response.is_error:
                response.read()
            yield self._check_response(response)

    def _check_response(self, response: httpx2.Response) -> httpx2.Response:
        """Return a response that is a success of a server of alambique; raises as `answer` does."""
        accepted = response.is_success or response.status_code == 304
        if not accepted and response.headers.get("content-type") != "application/problem+json":
            kind = NoAnswer if response.is_server_error else NoServer  # a proxy's, say
            shown, status = without_password(str(response.url)), response.status_code
            raise kind(
                f"{shown} answered {status}, and not as a server of alambique does: a proxy may "
                "have answered; set ALAMBIQUE_URL to the address of the server"
            )
        self.answered = True
        if not accepted:
            _refuse(response)
        return response

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise NoServer(
                f"no server at {self._url}: start one with `alambique up` or set ALAMBIQUE_URL"
            ) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            # of the error only its kind: its sentence may quote the URL with its password
            kind = type(error).__name__
            raise NoServer(
                f"no server at {self._url} ({kind}): set ALAMBIQUE_URL to http://HOST:PORT"
            ) from None
        except httpx2.TransportError as error:
            raise NoAnswer(
                f"no answer from {self._url} ({error!r}): it may have carried out the request all "
                "the same; look there before you send it again"
            ) from error


class Outage:
    """The absence of one server, from the first request without an answer to the next answer.

    It is logged as a warning, which a program without logging of its own prints to stderr.
    """

    def __init__(self, transport: Transport, *, pause: float, patience: float = math.inf) -> None:
        """Begin with a server that is there, as far as is known.

        Args:
            transport: knows whether the server has ever answered.
            pause: seconds before the second try; doubled with each further one.
            patience: seconds after which the server is given up.
        """
        self._transport = transport
        self._pause = pause
        self._patience = patience
        self._tries = 0
        self._since = 0.0

    def wait(self, error: NoServer) -> None:
        """Sleep until the server is to be asked again.

        Raises:
            NoServer: it has never answered, or has been away for longer than the patience.
        """
        if not self._transport.answered:
            raise error
        if self._tries == 0:
            self._since = time.monotonic()
            _log.warning("%s; waiting until it answers (Ctrl-C ends the waiting)", error)
        elif time.monotonic() - self._since > self._patience:
            raise error
        time.sleep(pause_before(self._tries, first=self._pause))
        self._tries += 1

    def end(self) -> None:
        """Note that the server has answered."""
        if self._tries:
            _log.warning("the server answers again")
        self._tries = 0


def pause_before(tries: int, *, first: float, longest: float = LONGEST_PAUSE) -> float:
    """Return the seconds to wait after so many tries in vain besides the first one.

    >>> [pause_before(tries, first=1.0) for tries in (0, 1, 2, 3, 5000)]
    [1.0, 2.0, 4.0, 5.0, 5.0]
    """
    # the exponent is bounded: after days a float could not hold the power
    return float(min(longest, first * 2 ** min(tries, 32)))


def _refuse(response: httpx2.Response) -> NoReturn:
    """Raise the error that a problem of ours names, with the fields that are wrong."""
    problem = response.json()
    kinds = {kind.code: kind for kind in _KINDS}
    kind = kinds.get(problem["code"], errors.AlambiqueError)
    fields = [BadField(one["path"], one["found"], one["message"]) for one in _fields(problem)]
    raise kind(problem["detail"]).with_fields(BadFields(fields))


def _fields(problem: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return ({"found": None, **one} for one in problem.get("errors") or ())
