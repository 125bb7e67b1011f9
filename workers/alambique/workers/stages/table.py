"""The table that a job ends with: networks side by side, means over seeds, and what was gained."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np

from alambique.distill.front import retention
from alambique.tasks.bootstrap import Floats, Interval, difference, packed
from alambique.workers.pipeline.records import Evaluation, Score, Speed, TrainedModel


@dataclass(frozen=True, slots=True)
class TableLine:
    """A network of the table, or the networks that differ in their seed alone."""

    trained: tuple[TrainedModel, ...]
    """In the order of their seeds."""
    evaluated: tuple[Evaluation, ...]
    """Of each of them."""

    @property
    def name(self) -> str:
        """Which of the job's networks it is: teacher, a baseline or distilled."""
        return self.trained[0].name

    @property
    def trial(self) -> int | None:
        """The trial that it is of, or stands beside."""
        return self.trained[0].trial

    @property
    def best(self) -> int:
        """Which of them is registered: the one with the lowest validation loss."""
        losses = [0.0 if one.loss is None else one.loss for one in self.trained]
        return losses.index(min(losses))

    @property
    def network(self) -> TrainedModel:
        """The one that is registered."""
        return self.trained[self.best]

    @property
    def score(self) -> Score:
        """Of the one that is registered."""
        return self.evaluated[self.best].score

    @property
    def means(self) -> dict[str, float]:
        """Each metric's mean over the seeds."""
        scores = [one.score.metrics for one in self.evaluated]
        return {name: fmean(score[name] for score in scores) for name in scores[0]}

    @property
    def deviations(self) -> dict[str, float]:
        """Each metric's standard deviation over the seeds; nothing where there is one."""
        scores = [one.score.metrics for one in self.evaluated]
        if len(scores) < 2:
            return {}
        return {name: stdev(score[name] for score in scores) for name in scores[0]}

    @property
    def shape(self) -> tuple[int, int, int]:
        """What decides how long the network takes."""
        return self.score.layers, self.score.parameters, self.score.macs_full


def table_lines(
    trained: Sequence[TrainedModel], evaluated: Sequence[Evaluation]
) -> list[TableLine]:
    """Return the lines of a job's table, in the order in which its networks were trained."""
    groups: dict[tuple[str, int | None], list[int]] = {}
    for number, one in enumerate(trained):
        groups.setdefault((one.name, one.trial), []).append(number)
    return [
        TableLine(tuple(trained[n] for n in group), tuple(evaluated[n] for n in group))
        for group in groups.values()
    ]


@dataclass(frozen=True, slots=True)
class Gain:
    """What distilling gained over a baseline, in the primary metric on the test split."""

    over: str
    """The baseline."""
    interval: Interval

    def as_dict(self) -> dict[str, Any]:
        """As the job's result has it."""
        return {"over": self.over, **asdict(self.interval)}


def gains_of(line: TableLine, lines: Sequence[TableLine], primary: str) -> list[Gain]:
    """Return what a distilled student gained over each of its baselines, the better one first.

    Seeds that one of the two lacks are left out. A network without a head has no score of single
    examples, and nothing that could be drawn from.
    """
    if line.name != "distilled":
        return []
    beside = [one for one in lines if one.trial == line.trial and _is_baseline(one)]
    beside.sort(key=lambda one: -one.means[primary])
    found = []
    for one in beside:
        theirs, ours = _fractions_by_seed(one), _fractions_by_seed(line)
        if seeds := [seed for seed in ours if seed in theirs]:
            both = [np.stack([some[seed] for seed in seeds]) for some in (ours, theirs)]
            found.append(Gain(one.name, difference(*both)))
    return found


def diverged_notes(line: TableLine) -> Iterator[str]:
    """Which trainings broke off and left the weights of an earlier epoch."""
    for one in line.trained:
        if one.diverged:
            seed = "" if one.seed is None or len(line.trained) == 1 else f", seed {one.seed}"
            yield (
                f"{one.role}{seed}: a loss stopped being finite; measured are the weights of the "
                f"best epoch before, after {one.steps} steps at most"
            )


def gain_notes(line: TableLine, gains: Sequence[Gain], primary: str) -> Iterator[str]:
    """What a reader of the table should not miss about a gain."""
    for gain in gains[:1]:
        found = gain.interval
        trial = "" if line.trial is None else f"trial {line.trial}: "
        sure = f"interval {_points(found.low)} to {_points(found.high)}"
        if found.value <= 0:
            yield (
                f"{trial}distilling did not help here: {primary} {_points(found.value)} points "
                f"against {gain.over} ({sure})"
            )
        elif found.holds_zero:
            yield (
                f"{trial}what distilling gained may be chance: {primary} {_points(found.value)} "
                f"points over {gain.over}, {sure} holds 0"
            )
        if found.seeds == 1:
            yield (
                f"{trial}one seed: the interval of the gain is over examples alone; give seeds to "
                "see how much the training itself varies"
            )


def example_scores(lines: Sequence[TableLine]) -> dict[tuple[str, int], bytes]:
    """Return what each test example adds to each student's score, packed, by role and seed."""
    return {
        (one.role, one.seed): packed(np.load(found.fractions))
        for line in lines
        for one, found in zip(line.trained, line.evaluated, strict=True)
        if one.seed is not None and found.fractions is not None
    }


def row_of(
    line: TableLine,
    version: str,
    speeds: Sequence[Speed],
    gains: Sequence[Gain],
    *,
    teachers: Sequence[TableLine],
    primary: str,
) -> dict[str, Any]:
    """Return a row of the job's result.

    Args:
        line: what it is of.
        version: the network that is registered, as name@number.
        speeds: of that one, on each device.
        gains: of a distilled student.
        teachers: of the job.
        primary: the metric that models are compared by.
    """
    first, *also = speeds
    return {
        "name": line.name,
        **({} if line.trial is None else {"trial": line.trial}),
        "layers": line.score.layers,
        "parameters": line.score.parameters,
        "macs": {"linear": line.score.macs_linear, "full": line.score.macs_full},
        "metrics": line.means,
        "deviations": line.deviations,
        "retention": _retention(line, teachers, primary),
        "gains": [gain.as_dict() for gain in gains],
        "steps": line.network.steps,
        "validation": {"loss": line.network.loss, "metric": line.network.metric},
        "seeds": [
            {
                "seed": one.seed,
                "metrics": found.score.metrics,
                "validation": {"loss": one.loss, "metric": one.metric},
                "steps": one.steps,
                "diverged": one.diverged,
                "registered": number == line.best,
            }
            for number, (one, found) in enumerate(zip(line.trained, line.evaluated, strict=True))
        ],
        **speed_figures(first),
        "version": version,
        "maps": maps_of_row(line.network),
        **(
            {"also": [{"device": one.device, **speed_figures(one)} for one in also]} if also else {}
        ),
    }


def speed_figures(speed: Speed) -> dict[str, float]:
    """Return what is told of a speed, by the names that the registry has for it."""
    return {
        "latency_ms": speed.latency_ms,
        "latency_low_ms": speed.latency_low_ms,
        "latency_high_ms": speed.latency_high_ms,
        "inferences_per_second": 1000 / speed.latency_ms,
        "throughput": speed.throughput,
    }


def maps_of_row(one: TrainedModel) -> dict[str, Any]:
    """Which layers of the teacher the student learnt from, by the term that compared them."""
    return {term: found.model_dump(mode="json") for term, found in one.maps.items()}


def _retention(line: TableLine, teachers: Sequence[TableLine], primary: str) -> float | None:
    """The part of the best teacher's score that a student keeps; None of a teacher itself."""
    if any(line is teacher for teacher in teachers):
        return None
    return retention(line.means[primary], max(one.means[primary] for one in teachers))


def _is_baseline(line: TableLine) -> bool:
    return line.name in ("gold-only", "same-start")


def _fractions_by_seed(line: TableLine) -> Mapping[int | None, Floats]:
    return {
        one.seed: np.load(found.fractions)
        for one, found in zip(line.trained, line.evaluated, strict=True)
        if found.fractions is not None
    }


def _points(part: float) -> str:
    """A difference of scores of 0 to 1, in points of percent."""
    return f"{100 * part:+.2f}"
