"""The job of a trial: the searched job with the values of the trial, as the stages see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from alambique.models.configs import longest_text, read_config
from alambique.models.counts import count
from alambique.spec.job import Job
from alambique.spec.space import job_with_values
from alambique.spec.states import StageName
from alambique.tasks.all import find
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import user_message
from alambique.workers.pipeline.records import CachedOutputs, JobInputs, SelectedTeacher
from alambique.workers.pipeline.stage import StageLocation, locate_stage
from alambique.workers.pipeline.training_runs import placement
from alambique.workers.scoring import LoadedModel
from alambique.workers.search.trial import TrialSpec
from alambique.workers.stages import distil
from alambique.workers.stages.fitting import check_head
from alambique.workers.stages.speed import latency_of
from alambique.workers.training.spec import TrainingSpec


@dataclass(frozen=True)
class TrialJob:
    """The job of one trial, under one seed, with the teachers and outputs that it learns from."""

    work: JobContext
    """Whose job has the values of the trial, and no search."""
    checked: JobInputs
    taught: Sequence[SelectedTeacher]
    cached: Sequence[CachedOutputs]

    @cached_property
    def location(self) -> StageLocation:
        """Where its student is: another job that asks for just this one finds it there."""
        return locate_stage(self.work, StageName.DISTIL, self.key_inputs("distilled"))

    @property
    def trainings(self) -> tuple[TrainingSpec, ...]:
        """How its student is trained, one after the other."""
        start = self.location.folder / "start"
        return distil.courses_of(
            self.work, self.checked, self.taught, self.cached, "distilled", start
        )

    def key_inputs(self, kind: distil.Kind) -> Mapping[str, Any]:
        """Return what a student of that kind depends on."""
        return distil.key_inputs(self.work, self.checked, self.taught, self.cached, kind)

    def trial_spec(self, number: int) -> TrialSpec:
        """Return what the process of the trial is given."""
        resources = placement(self.work.job.resources, distilled=True)
        return TrialSpec(
            number=number,
            trainings=self.trainings,
            student=self.work.job.student,
            source=distil.source_of_start(self.work, self.checked, self.taught, "distilled"),
            resources=resources if resources and resources.workers > 1 else None,
        )

    def with_seed(self, seed: int) -> "TrialJob":
        """Return the same under another seed."""
        return replace(self, work=replace(self.work, job=self.work.job.with_seed(seed)))


@dataclass(frozen=True)
class SearchInputs:
    """What all trials of a search have in common: its job, the teachers, and one pass of each."""

    work: JobContext
    checked: JobInputs
    taught: Sequence[SelectedTeacher]
    cached: Sequence[CachedOutputs]

    @property
    def job(self) -> Job:
        """The job that has the search."""
        return self.work.job

    def trial_job(self, values: Mapping[str, Any]) -> TrialJob:
        """Return the job with these values, under the first of its seeds.

        Raises:
            BadSpec: a job cannot have these values together.
        """
        job, *_ = job_with_values(self.job, values).seeded
        check_head(job, self.checked.student)
        # a model of its own is the same for all trials: the space may leave it, and name no other
        own = job.student.start not in ("teacher", "random")
        checked = self.checked if own else self.checked.model_copy(update={"student": None})
        # one that learns from labels alone is keyed as the plain job is, which has no cache then
        cached = self.cached if job.needs_outputs else ()
        return TrialJob(replace(self.work, job=job), checked, self.taught, cached)

    def measure_costs(self, folder: Path) -> dict[str, float]:
        """Return what the student in a folder costs: its sizes, and its latency if it is a goal."""
        return self._count_sizes(folder) | self._measure_latency(folder)

    def measure_possible_costs(self, folder: Path) -> dict[str, float]:
        """Return those costs of the student in a folder that can be measured; log why others not.

        A trial that was stopped early may have left no whole student.
        """
        costs: dict[str, float] = {}
        try:
            costs |= self._count_sizes(folder)
            costs |= self._measure_latency(folder)
        except Exception as error:
            self.work.log(
                f"warning: not all costs of the student in {folder} could be measured: "
                f"{user_message(error)}"
            )
        return costs

    def _count_sizes(self, folder: Path) -> dict[str, float]:
        """Return parameters, and operations for a text as long as the searched job's windows.

        All trials are counted for one length, whatever their own windows are.
        """
        counts = count(
            read_config(folder),
            task=find(self.job.task).output,
            labels=len(self.checked.data.labels),
            length=self._text_length(folder),
        )
        return {"macs": float(counts.macs_full), "parameters": float(counts.parameters)}

    def _measure_latency(self, folder: Path) -> dict[str, float]:
        """Return milliseconds for such a text, in this process, beside what else the machine does.

        Empty where no goal asks for it.
        """
        goals = self.job.search.targets if self.job.search else ()
        if "latency_ms" not in [goal.name for goal in goals]:
            return {}
        model = LoadedModel.of(
            find(self.job.task),
            folder,
            self.checked.data.labels,
            max_length=self.job.train.max_length,
            stride=self.job.train.stride,
        )
        return {"latency_ms": latency_of(model, folder, self._text_length(folder)).mean_ms}

    def _text_length(self, folder: Path) -> int:
        """Return the tokens of a window, or of the longest text that the student reads."""
        longest = longest_text(read_config(folder))
        return min(self.job.train.max_length, longest or self.job.train.max_length)
