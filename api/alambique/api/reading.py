"""The body of what is posted: from the bytes of a client to a `Job` or a `Suite`."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from alambique.api.origins import JSON, YAML, bad_type, media_type_of
from alambique.spec.documents import Unreadable, from_json, from_yaml
from alambique.spec.errors import BadSpec
from alambique.spec.fields import Spec
from alambique.spec.job import Job
from alambique.spec.reading import job_of, mapping
from alambique.spec.suite import NEEDS, Suite, suite_of


@dataclass(frozen=True, slots=True)
class Posted:
    """The body of a request, as it came."""

    content: bytes
    content_type: str | None


def read(posted: Posted) -> Job:
    """The job that a body describes.

    Raises:
        Refusal: it is not said to be JSON or YAML.
        BadSpec: it cannot be read, or a field is wrong.
    """
    return job_of(mapping(_content(posted), "a job"))


def read_suite(posted: Posted) -> Suite:
    """The suite that a body describes.

    Raises:
        Refusal: it is not said to be JSON or YAML.
        BadSpec: it cannot be read, or a field is wrong.
    """
    return suite_of(mapping(_content(posted), "a suite", NEEDS))


async def _posted(request: Request) -> Posted:
    return Posted(await request.body(), request.headers.get("content-type"))


Body = Annotated[Posted, Depends(_posted)]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Sent again with the same body, the answer is what it made then.",
        min_length=1,
        max_length=200,
    ),
]


def described_body(model: type[Spec]) -> dict[str, Any]:
    """What /openapi.json says of a body that is read by hand: FastAPI cannot know."""
    schema = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    content = {kind: schema for kind in (JSON, YAML[0])}
    return {"requestBody": {"required": True, "content": content}}


def _content(posted: Posted) -> Any:
    media_type = media_type_of(posted.content_type)
    try:
        if media_type == JSON:
            return from_json(posted.content)
        if media_type in YAML:
            return from_yaml(posted.content.decode(), aliases=False)
    except (Unreadable, UnicodeDecodeError) as error:
        raise BadSpec(f"the body cannot be read as {media_type}: {error}") from error
    raise bad_type(media_type)
