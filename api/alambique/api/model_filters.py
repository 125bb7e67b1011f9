"""The query of a list of models, as parameters of a URL."""

from typing import Annotated

from fastapi import Depends, Query

from alambique.api.model_query import ModelQuery, version_filter
from alambique.registry.model_search import Cost, VersionFilter

Least = Annotated[float | None, Query(ge=0, description="At least so many.")]
Most = Annotated[float | None, Query(ge=0, description="At most so many.")]


async def _filter(
    project: str | None = None,
    task: str | None = None,
    tag: Annotated[str | None, Query(description="A word that the version is tagged with.")] = None,
    data: Annotated[str | None, Query(description="The data set of its test split.")] = None,
    min_parameters: Least = None,
    max_parameters: Most = None,
    min_macs: Least = None,
    max_macs: Most = None,
    min_ms: Least = None,
    max_ms: Most = None,
    metric: Annotated[
        list[str] | None, Query(description="A bound of a score on the test split, as f1>=0.8.")
    ] = None,
) -> VersionFilter:
    query = ModelQuery(
        tag=tag,
        data=data,
        min_parameters=min_parameters,
        max_parameters=max_parameters,
        min_macs=min_macs,
        max_macs=max_macs,
        min_ms=min_ms,
        max_ms=max_ms,
        metric=metric,
    )
    return version_filter(project, task, query)


async def _front(
    pareto: Annotated[bool, Query(description="Only on the front of score over cost.")] = False,
    cost: Annotated[Cost, Query(description="The cost of that front.")] = "macs",
) -> Cost | None:
    return cost if pareto else None


Filter = Annotated[VersionFilter, Depends(_filter)]
"""What a version has to be for its model to be listed."""
Front = Annotated[Cost | None, Depends(_front)]
"""The cost of the front that is asked for; None: not the front alone."""
