"""Each distilled student as smaller and faster files: made, and checked against the student."""

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import torch

from alambique.models.networks import Network, load
from alambique.models.weights import TOKENIZER_FILES, model_hash
from alambique.runtime.engines import ONNX_FILE, OPENVINO_FILE, OPENVINO_WEIGHTS, open_engine
from alambique.runtime.windows import Inputs, pad
from alambique.spec.compression import Format
from alambique.spec.states import StageName, StudentRole
from alambique.tasks.examples import Example, read
from alambique.workers.compression.low_precision import write_low_precision
from alambique.workers.compression.onnx_files import (
    export_onnx,
    quantize_dynamic,
    quantize_static,
)
from alambique.workers.compression.openvino_files import write_openvino, write_openvino_int8
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import CompressedModel, TrainedModel
from alambique.workers.pipeline.stage import StagePart, run_stage
from alambique.workers.scoring.loaded_model import EngineNetwork, LoadedModel
from alambique.workers.training.example_windows import ExampleWindow
from alambique.workers.training.kinds.kind import WindowLogits

MODEL_FILES = ("model.safetensors", ONNX_FILE, OPENVINO_FILE, OPENVINO_WEIGHTS)
"""What the files of a network may be called, whatever its format."""
_FILES_VERSION = 2
"""Raised when a format's files change, so that those of earlier jobs are not taken for them: since
2 embeddings in int8 have a scale for each column, and attention is written without a check."""
_CALIBRATION_BATCH = 8
_SIMILARITY = "cosine"


@dataclass(frozen=True, slots=True)
class Compress:
    """The stage that makes one file of a network, and finds out what it costs in score."""

    model: TrainedModel
    format: Format
    tolerance: float
    calibration_texts: int
    part: StagePart
    exported: CompressedModel | None = None
    """The network in ONNX, from which the other formats of engines are made.

    None for ONNX itself and for formats that torch runs.
    """
    result_type: type[CompressedModel] = CompressedModel

    def key_inputs(self, context: JobContext) -> Mapping[str, Any]:
        """Return what the file and its figures depend on."""
        texts = {"texts": [self.calibration_texts, context.data.hashes["train"]]}
        return {
            "compress": self.format,
            "files": _FILES_VERSION,
            "network": [model_hash(self.model.folder), self.model.max_length, self.model.stride],
            "task": context.job.task,
            "labels": context.data.labels,
            "examples": [context.data.hashes["dev"], context.data.hashes["test"]],
            "tolerance": self.tolerance,
            **(texts if self.format.is_calibrated else {}),
        }

    def run(self, context: JobContext, folder: Path) -> CompressedModel:
        """Make the file, and score it as its network is scored.

        What fails is no failure of the job: the record says why there is no such file.
        """
        if self.exported and self.exported.failure:
            return self._failed(folder, self.exported.failure)
        message = f"making {self.format} of the {self.model.role}"
        context.report(self.part.stage, self.part.fraction(), message=message)
        began = time.monotonic()
        files = folder / "model"
        shutil.rmtree(files, ignore_errors=True)  # what an attempt left that was broken off
        files.mkdir()
        loaded = load_model(context, self.model)
        try:
            for name in ("config.json", *TOKENIZER_FILES):
                if (self.model.folder / name).is_file():
                    shutil.copyfile(self.model.folder / name, files / name)
            self._write(context, loaded, files)
            converted = loaded.with_network(open_network(context, files, self.format))
        except Exception as error:  # of four libraries, which have no kind of error in common
            reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:500]
            context.log(f"warning: {self.format} of the {self.model.role} failed: {reason}")
            return self._failed(files, reason)
        dev, test = (read(context.data.files[split]) for split in ("dev", "test"))
        windows = loaded.windows(dev)
        ours, theirs = loaded.predict_logits(windows), converted.predict_logits(windows)
        primary = context.task.primary
        if context.task.output.has_head:
            own = loaded.scores(dev, windows, ours)[primary]
            score = converted.scores(dev, windows, theirs)[primary]
            metrics, _ = converted.test(test, converted.windows(test))
        else:
            primary = _SIMILARITY
            own, score = 1.0, mean_cosine(ours, theirs)
            metrics = {primary: _test_similarity(loaded, converted, test)}
        return CompressedModel(
            format=self.format,
            model=self.model,
            folder=files,
            content=content_hash(files),
            bytes=sum(path.stat().st_size for path in model_files(files)),
            metric=primary,
            score=score,
            own_score=own,
            accepted=bool(score >= own - self.tolerance * abs(own)),
            difference=max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)),
            metrics=metrics,
            seconds=time.monotonic() - began,
        )

    def _write(self, context: JobContext, loaded: LoadedModel, files: Path) -> None:
        """Write the network's files in this format."""
        source = self.exported.folder / ONNX_FILE if self.exported else files / ONNX_FILE
        match self.format:
            case Format.ONNX:
                network = load(self.model.folder, context.task.output, context.data.labels)
                export_onnx(network, files / ONNX_FILE)
            case Format.ONNX_INT8:
                quantize_dynamic(source, files / ONNX_FILE)
            case Format.ONNX_INT8_STATIC:
                quantize_static(
                    source, files / ONNX_FILE, self._calibration_batches(context, loaded)
                )
            case Format.OPENVINO:
                write_openvino(source, files)
            case Format.OPENVINO_INT8:
                write_openvino_int8(source, files, self._calibration_batches(context, loaded))
            case Format.BF16 | Format.FP16:
                write_low_precision(self.model.folder, files, _dtype(self.format))
            case _:
                assert_never(self.format)

    def _calibration_batches(self, context: JobContext, loaded: LoadedModel) -> list[Inputs]:
        """Return batches of the first training texts, each of similar lengths."""
        examples = read(context.data.files["train"])[: self.calibration_texts]
        windows = sorted((each.window for each in loaded.windows(examples)), key=len)
        return [
            pad(windows[start : start + _CALIBRATION_BATCH], loaded.encoder.pad_id)
            for start in range(0, len(windows), _CALIBRATION_BATCH)
        ]

    def _failed(self, files: Path, reason: str) -> CompressedModel:
        return CompressedModel(
            format=self.format,
            model=self.model,
            folder=files,
            content="",
            bytes=0,
            metric="",
            score=0.0,
            own_score=0.0,
            accepted=False,
            difference=0.0,
            metrics={},
            seconds=0.0,
            failure=reason,
        )


def compress_students(context: JobContext, models: Sequence[TrainedModel]) -> list[CompressedModel]:
    """Return each distilled student in each format of the job, each made once for a project.

    Args:
        context: the job.
        models: the networks that are registered.
    """
    compression, made = context.job.compress, []
    students = [model for model in models if model.name == StudentRole.DISTILLED]
    pairs = [(model, each) for model in students for each in compression.formats]
    exports: dict[str, CompressedModel] = {}
    for number, (model, form) in enumerate(pairs):
        name = f"{form} of the {model.role}"
        part = StagePart(StageName.COMPRESS, name, number, len(pairs) + 1)
        if form.has_engine_file and model.role not in exports:
            exports[model.role] = export_model(context, model, part)
        if form is Format.ONNX:
            made.append(exports[model.role])
            continue
        made.append(
            run_stage(
                context,
                Compress(
                    model,
                    form,
                    compression.tolerance,
                    compression.calibration,
                    part,
                    exported=exports[model.role] if form.has_engine_file else None,
                ),
            )
        )
    return made


def export_model(context: JobContext, model: TrainedModel, part: StagePart) -> CompressedModel:
    """Return a network of the job as ONNX in float32, which is made once for a project."""
    compression = context.job.compress
    stage = Compress(model, Format.ONNX, compression.tolerance, compression.calibration, part)
    return run_stage(context, stage)


def load_model(context: JobContext, model: TrainedModel) -> LoadedModel:
    """Return a network of the job, loaded onto the CPU."""
    return LoadedModel.of(
        context.task,
        model.folder,
        context.data.labels,
        max_length=model.max_length,
        stride=model.stride,
        device=torch.device("cpu"),
    )


def open_network(context: JobContext, files: Path, form: Format) -> Network | EngineNetwork:
    """Return the network of compressed files: run by its engine, or by torch in 16 bits."""
    if form.has_engine_file:
        return EngineNetwork(open_engine(files, threads=torch.get_num_threads()))
    return load(files, context.task.output, context.data.labels).to(_dtype(form)).eval()


def _dtype(form: Format) -> torch.dtype:
    return torch.bfloat16 if form is Format.BF16 else torch.float16


def model_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a network that are there, in a fixed order."""
    yield from (folder / name for name in MODEL_FILES if (folder / name).is_file())


def content_hash(folder: Path) -> str:
    """Return a hash of the files of a network in any format."""
    digest = hashlib.sha256()
    for path in model_files(folder):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def mean_cosine(ours: Sequence[WindowLogits], theirs: Sequence[WindowLogits]) -> float:
    """Return the mean cosine between the states of two networks at each piece of each window."""
    cosines = []
    for a_NC, b_NC in zip(ours, theirs, strict=True):
        lengths_N = np.linalg.norm(a_NC, axis=1) * np.linalg.norm(b_NC, axis=1)
        cosines.append((a_NC * b_NC).sum(axis=1) / np.maximum(lengths_N, 1e-12))
    return float(np.concatenate(cosines).mean())


def _test_similarity(
    loaded: LoadedModel, converted: LoadedModel, examples: Sequence[Example]
) -> float:
    windows: list[ExampleWindow] = loaded.windows(examples)
    return mean_cosine(loaded.predict_logits(windows), converted.predict_logits(windows))
