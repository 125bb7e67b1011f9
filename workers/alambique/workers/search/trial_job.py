"""The jobs of a search: the searched one, and for each trial the same one with its values."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from alambique.models.configs import longest_text, read_config
from alambique.models.counts import count
from alambique.spec.job import Job
from alambique.spec.space import job_with_values
from alambique.spec.states import StageName, StudentRole
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import user_message
from alambique.workers.pipeline.stage import StageLocation, StagePart, locate_stage
from alambique.workers.pipeline.training_runs import ray_workers
from alambique.workers.scoring.loaded_model import LoadedModel
from alambique.workers.stages.distil import TrainStudent
from alambique.workers.stages.evaluate import latency_of
from alambique.workers.stages.fitting import check_head
from alambique.workers.training.spec import TrainingSpec
from alambique.workers.training.trial import TrialSpec


@dataclass(frozen=True)
class TrialJob:
    """The job of one trial, under one seed."""

    context: JobContext
    """The context of the search, with a job that has the values of the trial and no search."""

    @property
    def stage(self) -> TrainStudent:
        """The stage that trains the student of the trial."""
        return TrainStudent(StudentRole.DISTILLED, StagePart(StageName.DISTIL, "trial"))

    @cached_property
    def location(self) -> StageLocation:
        """Where the student is kept, for any other job that trains the same one."""
        return locate_stage(self.context, self.stage)

    @property
    def trainings(self) -> tuple[TrainingSpec, ...]:
        """The trainings of the student, in their order."""
        return self.stage.trainings(self.context, self.location.folder)

    def trial_spec(self, number: int) -> TrialSpec:
        """Return the trial as its process receives it."""
        job = self.context.job
        resources = ray_workers(job.resources, distilled=True)
        return TrialSpec(
            number=number,
            trainings=self.trainings,
            student=job.student,
            source_folder=self.stage.source_folder(self.context),
            resources=resources if resources and resources.workers > 1 else None,
        )


@dataclass(frozen=True)
class SearchJob:
    """A job with a search: makes the jobs of its trials, and measures what their students cost."""

    context: JobContext

    @property
    def job(self) -> Job:
        """The spec of the job, with its search."""
        return self.context.job

    def trial_job(self, values: Mapping[str, Any]) -> TrialJob:
        """Return the job of the trial with these values, under the first seed.

        Raises:
            BadSpec: no job can have these values together.
        """
        context = self.context
        job, *_ = job_with_values(self.job, values).per_seed
        check_head(job, context.inputs.initial_student)
        # a value of the space may replace the named model by these, and never by another model
        if job.student.start in ("teacher", "random"):
            inputs = context.inputs.model_copy(update={"initial_student": None})
            context = replace(context, check_result=inputs)
        # a job without a term that needs outputs has none, also in its stage keys
        outputs = context.outputs if job.needs_outputs else ()
        return TrialJob(replace(context, job=job, outputs=outputs))

    def measure_costs(self, folder: Path) -> dict[str, float]:
        """Return the MACs and parameters of a student, and its latency if that is a goal."""
        return self._count_sizes(folder) | self._measure_latency(folder)

    def measure_possible_costs(self, folder: Path) -> dict[str, float]:
        """Return the costs of a student that can be measured, and log why the others cannot.

        A trial that was stopped early may have left an incomplete student.
        """
        costs: dict[str, float] = {}
        try:
            costs |= self._count_sizes(folder)
            costs |= self._measure_latency(folder)
        except Exception as error:
            self.context.log(
                f"warning: not all costs of the student in {folder} could be measured: "
                f"{user_message(error)}"
            )
        return costs

    def _count_sizes(self, folder: Path) -> dict[str, float]:
        """Return the parameters, and the MACs for a text of the searched job's window length.

        One length for all trials makes their MACs comparable, whatever their own windows are.
        """
        counts = count(
            read_config(folder),
            task=self.context.task.output,
            labels=len(self.context.data.labels),
            length=self._text_length(folder),
        )
        return {"macs": float(counts.macs_full), "parameters": float(counts.parameters)}

    def _measure_latency(self, folder: Path) -> dict[str, float]:
        """Return the latency for a text of the job's window length; empty if no goal asks for it.

        It is measured in this process, while other trials may load the machine.
        """
        goals = self.job.search.targets if self.job.search else ()
        if "latency_ms" not in [goal.name for goal in goals]:
            return {}
        model = LoadedModel.of(
            self.context.task,
            folder,
            self.context.data.labels,
            max_length=self.job.train.max_length,
            stride=self.job.train.stride,
        )
        return {"latency_ms": latency_of(model, folder, self._text_length(folder)).mean_ms}

    def _text_length(self, folder: Path) -> int:
        """Return the tokens of a window, or of the longest text that the student can read."""
        longest = longest_text(read_config(folder))
        return min(self.job.train.max_length, longest or self.job.train.max_length)
