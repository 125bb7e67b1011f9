"""Files over HTTP: by https alone, in pieces, with a token that its own host alone is sent."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from alambique.spec.errors import BadModel, BadSpec, UnknownName, Unreachable
from alambique.spec.hosts import without_password

SECONDS = 60
"""Without a byte, after which a server counts as away."""
_PIECE = 2**20
_HERE = ("127.0.0.1", "localhost", "::1")
_AUTHORIZATION = "Authorization"


class Downloader:
    """Fetches files in the name of one user.

    The token, or the user and password of a URL, go to the host of that URL alone, wherever it
    redirects to; and nothing is fetched without encryption but from this machine itself.
    """

    def __init__(self, token: str | None) -> None:
        """Make it; nothing is asked for before the first file is."""
        self._token = token
        self._opener = build_opener(_SafeRedirects())

    def read_json(self, url: str, *, most_bytes: int) -> Any:
        """Return what a URL answers with, as JSON.

        Raises:
            BadModel: it is larger, or no JSON.
            BadSpec, UnknownName, Unreachable: as `pieces` has them.
        """
        content = b""
        for piece in self.pieces(url):
            content += piece
            if len(content) > most_bytes:
                raise BadModel(
                    f"{without_password(url)} answers with more than {most_bytes:,} bytes: "
                    "it is no version of a model"
                )
        try:
            return json.loads(content)
        except ValueError as error:
            raise BadModel(
                f"{without_password(url)} does not answer with JSON: it is no version of a model"
            ) from error

    def pieces(self, url: str) -> Iterator[bytes]:
        """Yield the bytes of a file, as they come in.

        Raises:
            BadSpec: the URL is not of https.
            UnknownName: there is no such file, or not for this user.
            Unreachable: no answer, or not a whole one.
        """
        request = _request(url, self._token)
        with _translated_errors(url), self._opener.open(request, timeout=SECONDS) as response:
            while piece := response.read(_PIECE):
                yield piece


class _SafeRedirects(HTTPRedirectHandler):
    """Follows redirections to https; who asks is said to the same host only."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """Return the request that a redirection leads to."""
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if not _is_safe(new):
            raise BadModel(
                f"{without_password(req.full_url)} redirects to {without_password(newurl)}, and "
                "models are fetched by https alone"
            )
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        credentials = req.unredirected_hdrs.get(_AUTHORIZATION)
        if request is not None and credentials and old[:2] == new[:2]:
            request.add_unredirected_header(_AUTHORIZATION, credentials)
        return request


def _request(url: str, token: str | None) -> Request:
    parts = urlsplit(url)
    if not _is_safe(parts):
        raise BadSpec(
            f"{without_password(url)!r}: models are fetched by https alone, except from this "
            "machine itself"
        )
    user, at, host = parts.netloc.rpartition("@")
    request = Request(urlunsplit(parts._replace(netloc=host)))
    if token:
        request.add_unredirected_header(_AUTHORIZATION, f"Bearer {token}")
    elif at:
        basic = b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header(_AUTHORIZATION, f"Basic {basic}")
    return request


def _is_safe(parts: SplitResult) -> bool:
    """Return whether what a URL names is fetched unseen by others."""
    if parts.scheme == "https":
        return parts.hostname is not None
    return parts.scheme == "http" and parts.hostname in _HERE


@contextmanager
def _translated_errors(url: str) -> Iterator[None]:
    """Raise what a user can act on for what urllib raises."""
    shown = without_password(url)
    try:
        yield
    except HTTPError as error:
        with error:  # it is the response, which holds a connection
            refused = 400 <= error.code < 500 and error.code != 429
            kind = UnknownName if refused else Unreachable
            raise kind(
                f"{shown} answers {error.code} {error.reason}: check URL and token"
            ) from error
    except (OSError, HTTPException) as error:
        raise Unreachable(f"{shown} does not answer ({error}): try again") from error
