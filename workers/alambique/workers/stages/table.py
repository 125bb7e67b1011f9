"""The table that a job ends with: networks side by side, means over seeds, and what was gained."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev

import numpy as np

from alambique.distill.front import retention
from alambique.registry.job_result import (
    DeviceSpeed,
    Gain,
    Macs,
    ResultRow,
    SeedResult,
    SpeedFigures,
    Validation,
    busy_note,
    role_of,
)
from alambique.spec.job import Job
from alambique.spec.states import StudentRole
from alambique.tasks.bootstrap import Floats, difference, pack_fractions
from alambique.workers.pipeline.records import (
    Evaluation,
    Score,
    Speed,
    SpeedResult,
    TrainedModel,
)

ENOUGH_SEEDS = 5
"""Of fewer seeds the bootstrap's interval holds the true gain clearly less often than it says."""


@dataclass(frozen=True, slots=True)
class TableLine:
    """A network of the table, or the networks that differ in their seed alone."""

    models: tuple[TrainedModel, ...]
    """In the order of their seeds."""
    evaluations: tuple[Evaluation, ...]
    """Of each of them."""

    @property
    def name(self) -> str:
        """Which of the job's networks it is: teacher, a baseline or distilled."""
        return self.models[0].name

    @property
    def trial(self) -> int | None:
        """The trial that it is the student of, or a baseline of."""
        return self.models[0].trial

    @property
    def best_index(self) -> int:
        """The index of the network with the lowest validation loss, which is registered."""
        losses = [0.0 if model.loss is None else model.loss for model in self.models]
        return losses.index(min(losses))

    @property
    def model(self) -> TrainedModel:
        """The network that is registered."""
        return self.models[self.best_index]

    @property
    def evaluation(self) -> Evaluation:
        """The evaluation of the registered network."""
        return self.evaluations[self.best_index]

    @property
    def score(self) -> Score:
        """The score of the registered network."""
        return self.evaluation.score

    @property
    def means(self) -> dict[str, float]:
        """Each metric's mean over the seeds."""
        scores = [evaluation.score.metrics for evaluation in self.evaluations]
        return {name: fmean(score[name] for score in scores) for name in scores[0]}

    @property
    def deviations(self) -> dict[str, float]:
        """Each metric's standard deviation over the seeds; nothing where there is one."""
        scores = [evaluation.score.metrics for evaluation in self.evaluations]
        if len(scores) < 2:
            return {}
        return {name: stdev(score[name] for score in scores) for name in scores[0]}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Layers, parameters and MACs: networks that share them take equally long."""
        return self.score.layers, self.score.parameters, self.score.macs_full


def table_lines(
    models: Sequence[TrainedModel], evaluations: Sequence[Evaluation]
) -> list[TableLine]:
    """Return the lines of a job's table, in the order in which its networks were trained."""
    groups: dict[tuple[str, int | None], list[int]] = {}
    for number, model in enumerate(models):
        groups.setdefault((model.name, model.trial), []).append(number)
    return [
        TableLine(tuple(models[n] for n in group), tuple(evaluations[n] for n in group))
        for group in groups.values()
    ]


def gains_of(line: TableLine, lines: Sequence[TableLine]) -> list[Gain]:
    """Return what a distilled student gained over each of its baselines, the better one first.

    Seeds that one of the two lacks are left out, and the better one is so over those that are left.
    A network without a head has no scores of single examples, so it has no gain.

    Args:
        line: of the student; a line of another role gained nothing.
        lines: all of the table.
    """
    if line.name != StudentRole.DISTILLED:
        return []
    roles = (StudentRole.GOLD_ONLY, StudentRole.SAME_START)
    baselines = [each for each in lines if each.trial == line.trial and each.name in roles]
    gains = []
    ours = _fractions_by_seed(line)
    for baseline in baselines:
        theirs = _fractions_by_seed(baseline)
        if seeds := [seed for seed in ours if seed in theirs]:
            both = [np.stack([some[seed] for seed in seeds]) for some in (ours, theirs)]
            gains.append(Gain(over=baseline.name, **asdict(difference(*both))))
    return sorted(gains, key=lambda gain: gain.value)


def job_notes(job: Job) -> Iterator[str]:
    """Yield what a reader of the table should not miss about how its students came about."""
    if job.search is not None and job.compare:
        yield (
            "the students on the front were chosen among the trials, and their baselines, which "
            "have the same settings, were not: a part of what is gained may be that choice"
        )
    if job.search is not None and "latency_ms" in [goal.name for goal in job.search.targets]:
        yield (
            "trials were compared by milliseconds that each was timed for by itself, beside what "
            "else ran; those of the table were taken in turns"
        )
    if "gold-only" not in job.compare or job.student.start != "teacher":
        return
    came_fine_tuned = job.teachers[0].spec.training is None and not job.teachers[0].spec.candidates
    if came_fine_tuned:
        yield (
            "the teacher came fine-tuned, and nobody here knows the encoder that it was before: "
            "gold-only starts from the teacher's own layers, as same-start does"
        )
    elif "same-start" not in job.compare:
        yield (
            "a part of the gain is the student's head start: it begins with its teacher's "
            "fine-tuned layers, and gold-only with the encoder's; compare: [gold-only, same-start] "
            "tells how much"
        )


def line_notes(line: TableLine, gains: Sequence[Gain], primary: str) -> Iterator[str]:
    """Yield what a reader should not miss about a line: its scores, its training, its gain."""
    yield from line.evaluation.notes
    yield from diverged_notes(line)
    yield from gain_notes(line, gains, primary)


def diverged_notes(line: TableLine) -> Iterator[str]:
    """Yield a note for each training that broke off and left the weights of an earlier epoch."""
    for model in line.models:
        if model.diverged:
            is_one = model.seed is None or len(line.models) == 1
            seed = "" if is_one else f", seed {model.seed}"
            yield (
                f"{model.role}{seed}: a loss stopped being finite; measured are the weights of the "
                f"best epoch before, after {model.steps} steps at most"
            )


def gain_notes(line: TableLine, gains: Sequence[Gain], primary: str) -> Iterator[str]:
    """Yield what a reader of the table should not miss about the gain over the better baseline."""
    for gain in gains[:1]:
        trial = "" if line.trial is None else f"trial {line.trial}: "
        interval = f"interval {_points(gain.low)} to {_points(gain.high)}"
        if gain.value <= 0:
            yield (
                f"{trial}distilling did not help here: {primary} {_points(gain.value)} points "
                f"against {gain.over} ({interval})"
            )
        elif gain.holds_zero:
            yield (
                f"{trial}what distilling gained may be chance: {primary} {_points(gain.value)} "
                f"points over {gain.over}, {interval} holds 0"
            )
        if gain.seeds == 1:
            yield (
                f"{trial}one seed: the interval of the gain is over examples alone; give seeds to "
                "see how much the training itself varies"
            )
        elif gain.seeds < ENOUGH_SEEDS:
            yield (
                f"{trial}{gain.seeds} seeds: of so few the interval of the gain is narrow, and "
                "holds the true gain less often than 95 times of 100"
            )


def busy_notes(
    names: Sequence[str], shapes: Sequence[object], speeds: SpeedResult
) -> Iterator[str]:
    """Yield a note where networks of one shape did not take equally long on a device.

    Args:
        names: of the networks.
        shapes: what decides how long each takes; equal ones should take equally long.
        speeds: of the networks.
    """
    for on_device in zip(*speeds.networks, strict=True):
        for shape in dict.fromkeys(shapes):
            same_shape = [
                (speed.latency_ms, name)
                for speed, name, its in zip(on_device, names, shapes, strict=True)
                if its == shape
            ]
            if note := busy_note(same_shape, on_device[0].device):
                yield note


def example_scores(lines: Sequence[TableLine]) -> dict[tuple[str, int], bytes]:
    """Return what each test example adds to each student's score, packed, by role and seed."""
    return {
        (role_of(model.name, model.trial), model.seed): pack_fractions(
            np.load(evaluation.fractions)
        )
        for line in lines
        for model, evaluation in zip(line.models, line.evaluations, strict=True)
        if model.seed is not None and evaluation.fractions is not None
    }


def result_row(
    line: TableLine,
    version: str,
    speeds: Sequence[Speed],
    gains: Sequence[Gain],
    *,
    teachers: Sequence[TableLine],
    primary: str,
) -> ResultRow:
    """Return a row of the job's result.

    Args:
        line: what the row is of.
        version: the network that is registered, as name@number.
        speeds: of that one, on each device.
        gains: of a distilled student.
        teachers: of the job.
        primary: the metric that models are compared by.
    """
    first, *others = speeds
    return ResultRow(
        name=line.name,
        trial=line.trial,
        layers=line.score.layers,
        parameters=line.score.parameters,
        macs=Macs(linear=line.score.macs_linear, full=line.score.macs_full),
        metrics=line.means,
        deviations=line.deviations,
        retention=_retention(line, teachers, primary),
        gains=tuple(gains),
        steps=line.model.steps,
        validation=_validation(line.model),
        seeds=tuple(
            SeedResult(
                seed=model.seed,
                metrics=evaluation.score.metrics,
                validation=_validation(model),
                steps=model.steps,
                diverged=model.diverged,
                registered=number == line.best_index,
            )
            for number, (model, evaluation) in enumerate(
                zip(line.models, line.evaluations, strict=True)
            )
        ),
        version=version,
        maps=line.model.maps,
        also=tuple(
            DeviceSpeed(device=speed.device, **speed_figures(speed).model_dump())
            for speed in others
        ),
        **speed_figures(first).model_dump(),
    )


def speed_figures(speed: Speed) -> SpeedFigures:
    """Return a speed in the fields that the job's result has for it."""
    return SpeedFigures(
        latency_ms=speed.latency_ms,
        latency_low_ms=speed.latency_low_ms,
        latency_high_ms=speed.latency_high_ms,
        inferences_per_second=1000 / speed.latency_ms,
        throughput=speed.throughput,
    )


def _validation(model: TrainedModel) -> Validation:
    return Validation(loss=model.loss, metric=model.metric)


def _retention(line: TableLine, teachers: Sequence[TableLine], primary: str) -> float | None:
    """Return the part of the best teacher's score that a student keeps; None of a teacher."""
    if any(line is teacher for teacher in teachers):
        return None
    return retention(line.means[primary], max(teacher.means[primary] for teacher in teachers))


def _fractions_by_seed(line: TableLine) -> Mapping[int | None, Floats]:
    return {
        model.seed: np.load(evaluation.fractions)
        for model, evaluation in zip(line.models, line.evaluations, strict=True)
        if evaluation.fractions is not None
    }


def _points(part: float) -> str:
    """Return a difference of scores of 0 to 1 in points of percent."""
    return f"{100 * part:+.2f}"
