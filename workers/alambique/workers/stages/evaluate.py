"""Every network is tested, and all of a job's table are timed in turns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alambique.models.configs import depth, longest_text, read_config
from alambique.models.counts import count
from alambique.models.weights import model_hash
from alambique.spec.states import StageName
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Example, read
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import Evaluation, Score, SpeedResult, TrainedModel
from alambique.workers.pipeline.stage import StagePart, run_stage
from alambique.workers.scoring.cka_score import cka_score, live_teacher_of
from alambique.workers.scoring.loaded_model import LoadedModel
from alambique.workers.stages.speed import MeasureSpeeds, devices
from alambique.workers.training.kinds.all import kind_of
from alambique.workers.training.target_windows import TargetWindow, lost_words

_FRACTIONS = "fractions.npy"


@dataclass(frozen=True, slots=True)
class Evaluate:
    """The stage that tests one network: its scores on the test split, and its size.

    Teacher and students are tested alike and one by one, so that jobs with the same teacher need
    not test it again.
    """

    model: TrainedModel
    length: int
    """Tokens of the text that its operations are counted for."""
    part: StagePart
    result_type: type[Evaluation] = Evaluation

    def key_inputs(self, context: JobContext) -> Mapping[str, Any]:
        """Return what the scores depend on."""
        model, training = self.model, self.model.training
        live = training and [model_hash(live_teacher_of(training)), training.objective]
        return {
            "task": context.job.task,
            "test": context.data.hashes["test"],
            "labels": context.data.labels,
            "network": [model_hash(model.folder), model.max_length, model.stride],
            "length": self.length,
            **({"beside": live} if live else {}),
        }

    def run(self, context: JobContext, folder: Path) -> Evaluation:
        """Test the network; write what each example adds to its score into the folder."""
        message = f"testing the {self.part.name}"
        context.report(self.part.stage, self.part.fraction(), message=message)
        model, task, labels = self.model, context.task, context.data.labels
        examples = read(context.data.files["test"])
        loaded = LoadedModel.of(
            task, model.folder, labels, max_length=model.max_length, stride=model.stride
        )
        windows = loaded.windows(examples)
        notes = tuple(_untagged_notes(context, model, examples, windows))
        if notes:
            context.log(*(f"warning: {note}" for note in notes))
        metrics, fractions_E2 = _score(model, loaded, examples, windows)
        if fractions_E2 is not None:
            np.save(folder / _FRACTIONS, fractions_E2)
        config = read_config(model.folder)
        cost = count(config, task=task.output, labels=len(loaded.labels), length=self.length)
        return Evaluation(
            score=Score(
                layers=depth(config),
                parameters=cost.parameters,
                macs_linear=cost.macs_linear,
                macs_full=cost.macs_full,
                metrics=metrics,
            ),
            settings=dict(task.settings(examples))
            | {"examples": len(examples), "length": self.length},
            fractions=None if fractions_E2 is None else folder / _FRACTIONS,
            notes=notes,
        )


def evaluate_models(context: JobContext, models: Sequence[TrainedModel]) -> list[Evaluation]:
    """Return the scores of each network, tested by whichever job of the project was first."""
    length = text_length(context, models)
    of = len(models) + 1  # the speeds of all are the last part of the stage
    return [
        run_stage(
            context,
            Evaluate(model, length, StagePart(StageName.EVALUATE, model.role, number, of)),
        )
        for number, model in enumerate(models)
    ]


def measure_speeds(context: JobContext, models: Sequence[TrainedModel]) -> SpeedResult:
    """Return the speeds of the networks of a job's table."""
    part = StagePart(StageName.EVALUATE, "speeds", len(models), len(models) + 1)
    length = text_length(context, models)
    return run_stage(context, MeasureSpeeds(tuple(models), length, devices(), part))


def text_length(context: JobContext, models: Sequence[TrainedModel]) -> int:
    """Return the tokens of the text that all networks are measured on.

    It is as long as the students' windows, or as long as every network has positions for.
    """
    longest = [longest_text(read_config(model.folder)) for model in models]
    return min([context.job.train.max_length, *(length for length in longest if length)])


def _score(
    model: TrainedModel,
    loaded: LoadedModel,
    examples: Sequence[Example],
    windows: Sequence[TargetWindow],
) -> tuple[dict[str, float], Floats | None]:
    """Return the metrics of the task, and what each example adds to the primary one, (E, 2).

    Without a head there is only how alike a student is to its teacher, which no example tells.
    """
    if kind_of(loaded.task.output).has_head:
        return loaded.test(examples, windows)
    if model.training is None:
        return {loaded.task.primary: 1.0}, None
    return cka_score(loaded, model.training, examples, windows), None


def _untagged_notes(
    context: JobContext,
    model: TrainedModel,
    examples: Sequence[Example],
    windows: Sequence[TargetWindow],
) -> Iterator[str]:
    """Yield a note where the network's tokenizer drops words that it should tag."""
    task = context.task
    lost = list(lost_words(task, examples, windows)) if kind_of(task.output).is_per_word else []
    if not lost:
        return
    first = examples[lost[0].example]
    word = task.texts(first)[lost[0].word]
    yield (
        f"the tokenizer of the {model.name} has no piece for {len(lost)} words of test, such as "
        f"word {lost[0].word + 1} of {first.id}, {word!r}: no network can tag them, and they count "
        "as untagged; clean the data, or take a model whose tokenizer knows them"
    )
