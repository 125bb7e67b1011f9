"""A job with a trial's values, as the stages see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from alambique.spec.job import Job
from alambique.spec.space import laid_over
from alambique.spec.states import StageName
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import CachedOutputs, JobInputs, SelectedTeacher
from alambique.workers.pipeline.stage import StageLocation, locate_stage
from alambique.workers.pipeline.training_runs import placement
from alambique.workers.search.trial_spec import TrialSpec
from alambique.workers.stages import distil
from alambique.workers.stages.fitting import check_head
from alambique.workers.training.spec import TrainingSpec


@dataclass(frozen=True)
class Variant:
    """What one trial makes of the job."""

    work: JobContext
    """Whose job has the trial's values, and no search."""
    checked: JobInputs
    taught: Sequence[SelectedTeacher]
    cached: Sequence[CachedOutputs]

    @cached_property
    def place(self) -> StageLocation:
        """Where its student is: another job that asks for just this one finds it there."""
        return locate_stage(self.work, StageName.DISTIL, self.reads("distilled"))

    @property
    def courses(self) -> tuple[TrainingSpec, ...]:
        """How its student is trained."""
        start = self.place.folder / "start"
        return distil.courses_of(
            self.work, self.checked, self.taught, self.cached, "distilled", start
        )

    def reads(self, kind: distil.Kind) -> Mapping[str, Any]:
        """What a student of that kind depends on."""
        return distil.key_inputs(self.work, self.checked, self.taught, self.cached, kind)

    def order(self, number: int) -> TrialSpec:
        """What its process is told."""
        resources = placement(self.work.job.resources, distilled=True)
        return TrialSpec(
            number=number,
            courses=self.courses,
            student=self.work.job.student,
            source=self._source,
            resources=resources if resources and resources.workers > 1 else None,
        )

    @property
    def _source(self) -> Path:
        return distil.source_of_start(self.work, self.checked, self.taught, "distilled")

    def with_seed(self, seed: int) -> "Variant":
        """Return the same under another seed."""
        work = replace(self.work, job=self.work.job.with_seed(seed))
        return Variant(work, self.checked, self.taught, self.cached)


@dataclass(frozen=True)
class Shared:
    """What all trials of a job have in common: its teachers, and one pass of each."""

    work: JobContext
    checked: JobInputs
    taught: Sequence[SelectedTeacher]
    cached: Sequence[CachedOutputs]

    @property
    def job(self) -> Job:
        """The job that is searched for."""
        return self.work.job

    def variant(self, values: Mapping[str, Any]) -> Variant:
        """The job with these values, under the first of its seeds.

        Raises:
            BadSpec: it cannot be.
        """
        job, *_ = laid_over(self.work.job, values).seeded
        check_head(job, self.checked.student)
        # a model of its own is the same for all trials: the space may leave it, and name no other
        own = job.student.start not in ("teacher", "random")
        checked = self.checked if own else self.checked.model_copy(update={"student": None})
        # one that learns from labels alone is keyed as the plain job is, which has no cache then
        cached = self.cached if job.needs_outputs else ()
        return Variant(replace(self.work, job=job), checked, self.taught, cached)
