"""What the API answers about the trials of a search, as JSON. Free of HTTP, for clients too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from alambique.api.views import View
from alambique.distill.front import front_of
from alambique.registry.records import Trial
from alambique.spec.search import Search
from alambique.spec.states import Reason, TrialState


class TrialView(View):
    """A trial of a job's search."""

    number: int
    """From 1, in the order in which they were begun."""
    values: dict[str, Any]
    """By the path of the field of the job."""
    state: TrialState
    front: bool
    """Whether no other trial is better by all goals of the search, of those that have finished."""
    epochs: int
    """That are whole."""
    metrics: dict[str, float]
    """On the validation examples, of its best epoch; and what the student costs."""
    curve: list[dict[str, float]]
    """The best loss and metric after each epoch; at the last one `stopped`, where it was that."""
    reason: Reason | None
    error: str | None
    """Of one that failed."""
    started_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, trial: Trial, front: Iterable[int]) -> TrialView:
        """The trial as clients see it; `front` has the numbers of those on the front."""
        return cls.model_validate(asdict(trial) | {"front": trial.number in front})


def front_numbers(search: Mapping[str, Any] | None, trials: Iterable[Trial]) -> frozenset[int]:
    """The numbers of the trials on the front: of all trials of a job, whose search is given."""
    if search is None:
        return frozenset()
    goals = Search.model_validate(search).targets
    finished = {one.number: one.metrics for one in trials if one.state is TrialState.FINISHED}
    return frozenset(front_of(goals, finished))
