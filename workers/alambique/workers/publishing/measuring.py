"""The numbers of a published folder measured again, from its files and from data at hand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
import torch

from alambique.models.configs import depth, read_config
from alambique.models.counts import REFERENCE, REFERENCE_CONFIG, count
from alambique.models.sources import check_folder
from alambique.runtime.engines import ONNX_FILE, available_processors, open_onnx
from alambique.spec.data import Split
from alambique.spec.job import Job
from alambique.tasks.all import find
from alambique.tasks.examples import Example
from alambique.tasks.task import Task
from alambique.workers.publishing.data_at_hand import DataFolders, NotAtHand, examples_of
from alambique.workers.publishing.findings import (
    Finding,
    Verdict,
    compared,
    compared_speed,
    processor_note,
)
from alambique.workers.publishing.numbers import (
    BYTES,
    DIFFERENCE,
    EXAMPLES,
    LAYERS,
    MACS_FULL,
    MACS_LINEAR,
    PARAMETERS,
    SIMILARITY,
    SIZES,
    THIS,
    Measured,
    Number,
    form_name,
)
from alambique.workers.publishing.provenance import Provenance
from alambique.workers.publishing.published_files import PublishedFiles
from alambique.workers.publishing.tolerances import (
    EXACT,
    logit_amplitude,
    score_changes,
    tolerance_of,
)
from alambique.workers.scoring.loaded_model import EngineNetwork, LoadedModel
from alambique.workers.stages.compress import mean_cosine
from alambique.workers.stages.engine_race import (
    RACED_TEXTS,
    evenly_by_length,
    milliseconds_by_text,
    one_thread,
)
from alambique.workers.stages.evaluate import machine
from alambique.workers.training.batches import InputTensors

_CPU = torch.device("cpu")
_FILES = {THIS: "model.safetensors"}


@dataclass(frozen=True)
class Measurement:
    """A published folder whose numbers are measured, file by file and split by split."""

    files: PublishedFiles
    provenance: Provenance
    job: Job
    folders: DataFolders

    def findings(self, report: Callable[[str], None]) -> Iterator[Finding]:
        """Yield a finding on each number that the published files and data tell.

        Args:
            report: is told what is measured next.
        """
        check_folder(self.files.folder)
        numbers = self.provenance.numbers
        here = [number for number in numbers if number.measured is Measured.HERE]
        sized = [number for number in here if number.data is None]
        report("counting parameters and operations")
        yield from map(self._size_finding, sized)
        scored = [number for number in here if number.data is not None]
        yield from self._unmeasured_findings(numbers)
        for split in dict.fromkeys(number.split for number in scored):
            yield from self._score_findings(
                cast(Split, split), [each for each in scored if each.split == split], report
            )
        raced = [number for number in numbers if number.measured is Measured.RATIO]
        if raced:
            report("timing the published files beside each other")
        for number in raced:
            yield self._speed_finding(number)

    def _unmeasured_findings(self, numbers: Sequence[Number]) -> Iterator[Finding]:
        """Yield a finding on each test score that a publisher would not have measured again.

        Whoever signs a folder also writes how its numbers can be found: scores of the published
        files on the test split are always measured, and none of them is there twice.
        """
        form = self.provenance.model.form
        ours = {THIS, *([form_name(form.format)] if form else [])}
        scores = [each for each in numbers if each.model in ours and each.split == "test"]
        metrics = {each.metric for each in scores if each.measured is Measured.HERE}
        if self._task.output.has_head and self.provenance.model.primary not in metrics:
            note = "no number of it is to be measured here"
            yield Finding(f"{self.provenance.model.primary} of {THIS}", Verdict.FALSE, note=note)
        seen = set()
        for each in scores:
            if each.measured is Measured.NOT_HERE and each.metric in metrics:
                note = "the provenance says that it is not measured here, and it can be"
                yield Finding(str(each), Verdict.FALSE, each.value, note=note)
            if (key := (each.model, each.metric)) in seen:
                yield Finding(str(each), Verdict.FALSE, each.value, note="it is there twice")
            seen.add(key)

    @property
    def _task(self) -> Task[Any, Any]:
        return find(self.provenance.model.task)

    @cached_property
    def _weights(self) -> LoadedModel:
        """The published weights, run by torch."""
        model = self.provenance.model
        return LoadedModel.of(
            self._task,
            self.files.folder,
            model.labels,
            max_length=model.max_length,
            stride=model.stride,
            device=_CPU,
        )

    def _opened(self, model: str, threads: int | None = None) -> LoadedModel:
        """Return the weights, or the file of an engine in their place."""
        form = self.provenance.model.form
        if form is None or model != form_name(form.format):
            return self._weights
        threads = threads or available_processors()
        engine = open_onnx(self.files.folder / form.file, threads=threads)
        return self._weights.with_network(EngineNetwork(engine))

    def _examples(self, split: Split) -> list[Example] | NotAtHand:
        expected = self.provenance.example_hashes.get(split)
        if expected is None:
            return NotAtHand(f"the provenance has no hash of the {split} examples")
        return examples_of(self.job, split, expected, self.folders)

    def _size_finding(self, number: Number) -> Finding:
        """Return the finding on a number that the files alone tell."""
        measured = self._size(number)
        if measured is None:
            return _unknown(number)
        return compared(number, measured, EXACT)

    def _size(self, number: Number) -> float | None:
        folder, model = self.files.folder, self.provenance.model
        if number.metric == BYTES:
            name = _FILES.get(number.model, ONNX_FILE)
            return (folder / name).stat().st_size if name in self.files.hashes else None
        if number.metric not in SIZES or number.model not in (THIS, REFERENCE):
            return None
        config = read_config(folder) if number.model == THIS else REFERENCE_CONFIG
        if number.metric == LAYERS:
            return depth(config)
        length = number.settings.get("length")
        if not isinstance(length, int):
            return None
        cost = count(config, task=self._task.output, labels=len(model.labels), length=length)
        counted = {
            PARAMETERS: cost.parameters,
            MACS_LINEAR: cost.macs_linear,
            MACS_FULL: cost.macs_full,
        }
        return counted[number.metric]

    def _score_findings(
        self, split: Split, numbers: Sequence[Number], report: Callable[[str], None]
    ) -> Iterator[Finding]:
        """Yield the findings on the scores of a split, of each published file."""
        examples = self._examples(split)
        if isinstance(examples, NotAtHand):
            for number in numbers:
                yield Finding(str(number), Verdict.NO_DATA, number.value, note=examples.reason)
            return
        for model in dict.fromkeys(number.model for number in numbers):
            report(f"{model}: answering {len(examples)} {split} examples")
            measured = self._scores(model, examples)
            for number in numbers:
                if number.model != model:
                    continue
                if number.metric not in measured.scores:
                    yield _unknown(number)
                    continue
                tolerance = tolerance_of(
                    number,
                    change=measured.changes.get(number.metric, 0.0),
                    amplitude=measured.amplitude,
                    is_quantized=self._is_quantized(model),
                )
                yield compared(
                    number,
                    measured.scores[number.metric],
                    tolerance,
                    processor_note(number, machine(_CPU)),
                )

    def _scores(self, model: str, examples: Sequence[Example]) -> "_Scores":
        """Return the scores of a published file, and how far it is from the weights."""
        opened = self._opened(model)
        windows = opened.windows(examples)
        logits = opened.predict_logits(windows)
        scores: dict[str, float] = {EXAMPLES: len(examples)}
        differences = None
        if model != THIS:
            own = self._weights.predict_logits(windows)
            differences = [a - b for a, b in zip(own, logits, strict=True)]
            scores[DIFFERENCE] = max(float(np.abs(each).max()) for each in differences)
            scores[SIMILARITY] = mean_cosine(own, logits)
        amplitude = logit_amplitude(differences if self._is_quantized(model) else None)
        if not self._task.output.has_head:
            return _Scores(scores, {}, amplitude)
        test = partial(opened.test_logits, examples, windows)
        changes = score_changes(lambda moved: test(moved)[0], logits, amplitude)
        return _Scores(scores | test(logits)[0], changes, amplitude)

    def _is_quantized(self, model: str) -> bool:
        form = self.provenance.model.form
        return form is not None and model == form_name(form.format) and "int8" in form.format

    def _speed_finding(self, number: Number) -> Finding:
        """Return the finding on how many times as fast a published file is as the weights."""
        examples = self._examples("test")
        if isinstance(examples, NotAtHand):
            return Finding(str(number), Verdict.NO_DATA, number.value, note=examples.reason)
        texts = evenly_by_length(self._task, examples, RACED_TEXTS)
        with one_thread():
            opened = [self._weights, self._opened(number.model, threads=1)]
            times = milliseconds_by_text(
                [[_Answer(each, text) for text in texts] for each in opened]
            )
        weights, form = (float(np.quantile(each, 0.5)) for each in times)
        return compared_speed(number, weights / form, machine(_CPU))


@dataclass(frozen=True, slots=True)
class _Scores:
    """What a published file scores, and how much of that another processor may change."""

    scores: Mapping[str, float]
    changes: Mapping[str, float]
    amplitude: float
    """How far logits were moved for the changes."""


class _Answer:
    """A call that answers all windows of one example as a batch."""

    def __init__(self, model: LoadedModel, example: Example) -> None:
        windows = [each.window for each in model.windows([example])]
        self._model = model
        self._inputs = InputTensors.of(windows, model.encoder.pad_id)

    @torch.inference_mode()
    def __call__(self) -> object:
        """Return the logits."""
        return self._model.forward(self._inputs)


def _unknown(number: Number) -> Finding:
    return Finding(
        str(number),
        Verdict.FALSE,
        number.value,
        note="the provenance says that it can be measured here, and no measurement gives it",
    )
