"""ETags: what a client has already is not sent again, and what it has not seen it cannot change."""

from typing import Annotated, Any

from fastapi import Depends, Header, Response

UNCHANGED: dict[str, Any] = {"description": "The client has what there is (`If-None-Match`)"}
"""The description of the answer 304."""

IfNoneMatch = Annotated[str | None, Header(description="An ETag that the client has.")]
_IfMatch = Annotated[
    str | None, Header(description="An ETag; where the thing has another one by now, it stays.")
]


def not_modified(response: Response, tag: str, if_none_match: str | None) -> Response | None:
    """Set the ETag of a response; return the 304 to send in its place if the client has that ETag.

    Args:
        response: what the route answers with.
        tag: the ETag without its quotes.
        if_none_match: the header of the request.
    """
    response.headers["ETag"] = f'"{tag}"'
    if is_unchanged(f'"{tag}"', if_none_match):
        return Response(status_code=304, headers={"ETag": f'"{tag}"'})
    return None


def is_unchanged(tag: str, if_none_match: str | None) -> bool:
    """Return whether the client has the answer of that ETag already.

    >>> is_unchanged('"3"', 'W/"2", "3"'), is_unchanged('"3"', '"4"'), is_unchanged('"3"', None)
    (True, False, False)
    """
    return if_none_match is not None and tag in (
        known.strip().removeprefix("W/") for known in if_none_match.split(",")
    )


def tags_of(if_match: str | None) -> set[str] | None:
    """Return the ETags of which a thing has to have one to be changed; None: any will do.

    >>> tags_of(None), tags_of("*"), tags_of('"3"'), tags_of('W/"3"')
    (None, None, {'3'}, set())
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (tag.strip() for tag in if_match.split(","))
    # a weak one never matches (RFC 9110, §13.1.1)
    return {tag[1:-1] for tag in tags if len(tag) > 1 and tag[0] == tag[-1] == '"'}


async def _expected_tags(if_match: _IfMatch = None) -> set[str] | None:
    return tags_of(if_match)


ExpectedTags = Annotated[set[str] | None, Depends(_expected_tags)]
"""The ETags of the header If-Match, of which the thing to change has to have one; None: any."""
