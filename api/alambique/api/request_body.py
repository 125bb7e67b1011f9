"""The body of a posted job or suite: reads it, and describes it for OpenAPI."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from alambique.api.origins import JSON, YAML, bad_media_type, media_type_of
from alambique.api.problems import Refusal
from alambique.spec.documents import Unreadable, from_json, from_yaml
from alambique.spec.errors import BadSpec
from alambique.spec.fields import Spec
from alambique.spec.job import Job
from alambique.spec.reading import job_of, mapping
from alambique.spec.suite import REQUIRED, Suite, suite_of

SCHEMA_REFERENCE = "#/components/schemas/{model}"


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The body of a request, unread."""

    content: bytes
    content_type: str | None


def read_job(body: RequestBody) -> Job:
    """Return the job that a body describes.

    Raises:
        Refusal: its media type is neither JSON nor YAML.
        BadSpec: it cannot be read, or a field is wrong.
    """
    return job_of(mapping(_content(body), "a job"))


def read_suite(body: RequestBody) -> Suite:
    """Return the suite that a body describes.

    Raises:
        Refusal: its media type is neither JSON nor YAML.
        BadSpec: it cannot be read, or a field is wrong.
    """
    return suite_of(mapping(_content(body), "a suite", REQUIRED))


async def _request_body(request: Request) -> RequestBody:
    return RequestBody(await request.body(), request.headers.get("content-type"))


Body = Annotated[RequestBody, Depends(_request_body)]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Sent again with the same body, the answer is what it made then.",
        min_length=1,
        max_length=200,
    ),
]


def body_description(model: type[Spec]) -> dict[str, Any]:
    """Return the OpenAPI description of a body that no parameter of the route has."""
    schema = {"schema": {"$ref": SCHEMA_REFERENCE.format(model=model.__name__)}}
    content = {kind: schema for kind in (JSON, YAML[0])}
    return {"requestBody": {"required": True, "content": content}}


def _content(body: RequestBody) -> Any:
    media_type = media_type_of(body.content_type)
    try:
        if media_type == JSON:
            return from_json(body.content)
        if media_type in YAML:
            return from_yaml(body.content.decode(), aliases=False)
    except (Unreadable, UnicodeDecodeError) as error:
        raise BadSpec(f"the body cannot be read as {media_type}: {error}") from error
    raise Refusal(bad_media_type(media_type))
