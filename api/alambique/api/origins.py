"""Which requests are answered at all: those that name this server and come from no other site.

A browser sends a request of any page to any address. What it cannot be made to do is to lie about
the name under which it found the server (`Host`) and the site of the page (`Origin`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from alambique.api.problems import problem_of, problem_response
from alambique.api.views import Problem
from alambique.spec.hosts import Host, host_of

JSON = "application/json"
YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")

_LOOPBACK = (Host("localhost"), Host("127.0.0.1"), Host("[::1]"))
_SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing (RFC 9110, §9.2.1)."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What a request says of where it goes and where it comes from."""

    method: str
    host: str | None
    origin: str | None = None
    site: str | None = None
    """The header `Sec-Fetch-Site`, which only browsers send."""
    content_type: str | None = None
    has_body: bool = False


class OriginCheck:
    """Refuses requests to other names than the server's, and what pages of other sites send."""

    def __init__(
        self, app: ASGIApp, hosts: Sequence[str], media_types: Sequence[str] = (JSON, *YAML)
    ) -> None:
        """Wrap an app that is reached by these names, besides loopback and its own address.

        Args:
            app: the app.
            hosts: the names.
            media_types: of the bodies that it reads.
        """
        self.app = app
        self.known = (*_LOOPBACK, *_hosts_of(hosts))
        self.media_types = media_types

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer with the problem for which it is refused."""
        if scope["type"] == "http":
            known = (*self.known, *_server_address(scope))
            problem = origin_problem(_request_head(scope), known, self.media_types)
            if problem is not None:
                await problem_response(problem)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def origin_problem(
    head: RequestHead, known: Iterable[Host], media_types: Sequence[str] = (JSON, *YAML)
) -> Problem | None:
    """Return the problem for which a request is refused, or None if the server answers it."""
    host = host_of(head.host or "")
    if host is None or not any(_is_known_as(host, name) for name in known):
        return problem_of(
            421,
            "unknown_host",
            f"found Host {_short(head.host)}, by which this server is not known: ask it as "
            "localhost or by its address, or add the name to ALAMBIQUE_HOSTS where it runs",
        )
    if head.method in _SAFE:
        return None
    if not _is_own(head, host):
        return problem_of(
            403,
            "foreign_origin",
            f"found {_provenance(head)} in a request to {_short(head.host)}: pages of "
            "other sites may change nothing here; a proxy has to pass Host on with its port",
        )
    return _type_problem(head, media_types)


def media_type_of(content_type: str | None) -> str | None:
    """Return the media type without its parameters, in small letters.

    >>> media_type_of("Application/JSON; charset=utf-8"), media_type_of(" "), media_type_of(None)
    ('application/json', None, None)
    """
    return (content_type or "").partition(";")[0].strip().lower() or None


def bad_media_type(media_type: str | None, media_types: Sequence[str] = (JSON, *YAML)) -> Problem:
    """Return the problem of a body of a type that is not read, or of none."""
    found = media_type or "no Content-Type"
    wanted = f"{JSON} or {YAML[0]}" if YAML[0] in media_types else JSON
    detail = f"found {found[:80]}: send Content-Type: {wanted}"
    return problem_of(415, "unsupported_media_type", detail)


def _type_problem(head: RequestHead, media_types: Sequence[str]) -> Problem | None:
    """Return the problem of what a form of any page can send, also where nobody reads the body."""
    media_type = media_type_of(head.content_type)
    if media_type in media_types or (media_type is None and not head.has_body):
        return None
    return bad_media_type(media_type, media_types)


def _is_own(head: RequestHead, host: Host) -> bool:
    """Return whether the request comes from a page of this server, or from no page."""
    if head.origin is None:
        return head.site in (None, "same-origin", "none")
    scheme, _, rest = head.origin.partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    origin = host_of(rest)
    if origin is None or port is None or origin.name != host.name:
        return False
    # the scheme itself is not compared: TLS ends at a proxy
    return (origin.port or port) == (host.port or port)


def _is_known_as(host: Host, known: Host) -> bool:
    """Return whether it is the known one, which without a port is known at every port."""
    ports = (None, host.port) if host.port else (None, *_DEFAULT_PORTS.values())
    return host.name == known.name and known.port in ports


def _request_head(scope: Scope) -> RequestHead:
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    return RequestHead(
        method=scope["method"],
        host=_only(headers, "host"),
        origin=_only(headers, "origin"),
        site=_only(headers, "sec-fetch-site"),
        content_type=_only(headers, "content-type"),
        has_body="transfer-encoding" in headers or length.strip("0") != "",
    )


def _only(headers: Headers, name: str) -> str | None:
    """Return the header; several are joined, which gives no valid one."""
    values = headers.getlist(name)
    return ", ".join(values) if values else None


def _hosts_of(names: Iterable[str]) -> tuple[Host, ...]:
    """Return the hosts of names and bare addresses."""
    bracketed = (f"[{name}]" if _is_ipv6(name) else name for name in names)
    return tuple(host for name in bracketed if (host := host_of(name)))


def _server_address(scope: Scope) -> tuple[Host, ...]:
    """Return the address at which the connection came in, which no page can change."""
    server = scope.get("server")
    return _hosts_of([server[0]]) if server else ()


def _is_ipv6(name: str) -> bool:
    try:
        return ip_address(name).version == 6
    except ValueError:
        return False


def _provenance(head: RequestHead) -> str:
    """Return the header that says of which site the page is: Origin, else Sec-Fetch-Site."""
    if head.origin is None:
        return f"Sec-Fetch-Site {_short(head.site)}"
    return f"Origin {_short(head.origin)}"


def _short(header: str | None) -> str:
    return "none" if header is None else repr(header[:80])
