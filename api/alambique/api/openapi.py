"""What FastAPI cannot know for /openapi.json: the schemas of what is posted, and of problems."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from alambique.api.origins import JSON, YAML
from alambique.api.problems import MEDIA_TYPE
from alambique.api.views import Problem
from alambique.spec.fields import Spec
from alambique.spec.job import Job
from alambique.spec.suite import Suite

_REFERENCE = "#/components/schemas/{model}"

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What is wrong, with a stable `code`",
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
    }
}
"""The answer of any route that is no success."""


def add_schemas(app: FastAPI) -> None:
    """Add these schemas to the description of the app."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = describe()["components"]["schemas"]
            schemas |= {**_schemas(Job), **_schemas(Suite), **_schemas(Problem)}
        return describe()

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's own pages do


def body_description(model: type[Spec]) -> dict[str, Any]:
    """Return what the description of a route says of its body, which is read by hand."""
    schema = {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}
    content = {kind: schema for kind in (JSON, YAML[0])}
    return {"requestBody": {"required": True, "content": content}}


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_REFERENCE)
    return {**schema.pop("$defs", {}), model.__name__: schema}
