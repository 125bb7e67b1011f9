"""The query of a list of models: the parameters of /v1/models, as keywords for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from alambique.registry.model_search import VersionFilter


class ModelQuery(TypedDict, total=False):
    """What a version has to be for its model to be listed; what is left out is not filtered."""

    tag: str | None
    data: str | None
    """The data set of its test split."""
    min_parameters: float | None
    max_parameters: float | None
    min_macs: float | None
    max_macs: float | None
    """For a text of its job's length."""
    min_ms: float | None
    max_ms: float | None
    """Milliseconds for one text."""
    metric: list[str] | None
    """Bounds of scores on the test split, as f1>=0.8."""
    pareto: bool | None
    """Only those on the front of score over cost, of their task and data set."""
    cost: Literal["macs", "ms"] | None
    """Of that front."""


def version_filter(project: str | None, task: str | None, query: ModelQuery) -> VersionFilter:
    """Return the registry's filter for a query.

    Raises:
        BadSpec: a bound of a score has another form.
    """
    # not on top: clients have no registry
    from alambique.registry.model_search import Range, VersionFilter, score_bound

    return VersionFilter(
        project=project,
        task=task,
        tag=query.get("tag"),
        data=query.get("data"),
        parameters=Range(query.get("min_parameters"), query.get("max_parameters")),
        macs=Range(query.get("min_macs"), query.get("max_macs")),
        ms=Range(query.get("min_ms"), query.get("max_ms")),
        scores=tuple(map(score_bound, query.get("metric") or ())),
    )
