"""The body of what is posted: from the bytes of a client to a `Job` or a `Suite`."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from alambique.api.problems import refused
from alambique.spec.documents import Unreadable, from_json, from_yaml
from alambique.spec.errors import BadSpec
from alambique.spec.fields import Spec
from alambique.spec.job import Job
from alambique.spec.reading import job_of, mapping
from alambique.spec.suite import NEEDS, Suite, suite_of

_JSON = "application/json"
_YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


@dataclass(frozen=True, slots=True)
class Posted:
    """The body of a request, as it came."""

    content: bytes
    content_type: str | None


def read(posted: Posted) -> Job:
    """The job that a body describes.

    Raises:
        Refused: it is neither JSON nor YAML.
        BadSpec: it cannot be read, or a field is wrong.
    """
    return job_of(mapping(_content(posted), "a job"))


def read_suite(posted: Posted) -> Suite:
    """The suite that a body describes.

    Raises:
        Refused: it is neither JSON nor YAML.
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
    content = {kind: schema for kind in (_JSON, _YAML[0])}
    return {"requestBody": {"required": True, "content": content}}


def _content(posted: Posted) -> Any:
    media_type = (posted.content_type or _JSON).partition(";")[0].strip().lower()
    try:
        if media_type == _JSON:
            return from_json(posted.content)
        if media_type in _YAML:
            return from_yaml(posted.content.decode(), aliases=False)
    except (Unreadable, UnicodeDecodeError) as error:
        raise BadSpec(f"the body cannot be read as {media_type}: {error}") from error
    expected = f"post it as {_JSON} or {_YAML[0]}"
    raise refused(415, "unsupported_media_type", f"found {media_type}: {expected}")
