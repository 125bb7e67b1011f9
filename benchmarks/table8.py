"""What distilling takes with the teacher's outputs in the cache, and with the teacher beside.

`python benchmarks/table8.py`, which is Table 8 of Speedy Gonzales (Cañete and Bravo-Marquez, 2023):
pairs of texts, five epochs, six students. A teacher that answers each batch of each epoch costs
E (F_t + F_s), one whose outputs are kept F_t + E F_s, where F_t and F_s are what an epoch costs of
teacher and student. Beside the measured ratio of the two stands that of the formula,
(F_t + E F_s) / (E (F_t + F_s)), with what was measured for F and with multiply-accumulates, a step
of the student's training counted as three times its answer.

Both sides train the same network on the same batches, an epoch of each in turns. The cache is the
project's own, filled anew for each student. Networks have random weights, on which no time depends,
and the published shapes, each width divided by `--scale`. As published:

    python benchmarks/table8.py --scale 1 --data xnli --examples 392702 --precision bf16

on a GPU, with the folder of ALBETO's tokenizer as `--tokenizer`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch

from alambique.cache.keys import example_key
from alambique.cache.reader import Outputs
from alambique.distill.objective import objective_loss
from alambique.models.configs import Config
from alambique.models.counts import count
from alambique.models.distillation_model import DistillationModel
from alambique.models.networks import Network, new, save
from alambique.models.sources import SAMPLES
from alambique.runtime.windows import Encoder
from alambique.spec.data import Data
from alambique.spec.objective import Logits
from alambique.spec.outputs import Output
from alambique.spec.settings import Settings
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.tasks.data import load
from alambique.tasks.examples import Example, write
from alambique.workers.hub_data import HubFetcher
from alambique.workers.stages.filler import Filler
from alambique.workers.training.batches import Collator, InputTensors, forward
from alambique.workers.training.distributed import distributed_context, this_device
from alambique.workers.training.engines import make_engine
from alambique.workers.training.example_windows import ExampleWindow, loss_normalizers
from alambique.workers.training.inputs import make_windows, open_outputs
from alambique.workers.training.kinds.all import kind_of
from alambique.workers.training.kinds.kind import Record
from alambique.workers.training.schedule import epoch_batches
from alambique.workers.training.spec import FillTask, OutputsLocation

TASK = find("inference")
TERMS = (Logits(),)
TEACHERS = {"xxlarge": (12, 4096, 64), "base": (12, 768, 12)}
"""Layers, width and heads of ALBETO's; xxlarge taught XNLI in the paper."""
STUDENTS = {
    "tiny": (4, 312, 12),
    "base-2": (2, 768, 12),
    "base-4": (4, 768, 12),
    "base-6": (6, 768, 12),
    "base-8": (8, 768, 12),
    "base-10": (10, 768, 12),
}
HOURS = {
    "tiny": (16.2, 3.8),
    "base-2": (16.3, 3.8),
    "base-4": (16.6, 4.2),
    "base-6": (17.0, 4.5),
    "base-8": (17.3, 4.8),
    "base-10": (17.6, 5.3),
}
"""Of the paper, without and with its cache."""
_STEP = 3
"""What a step of training computes, in answers of the network: forward, and backward twice that."""
HEADER = (
    "| student | teacher beside, s | from the cache, s | of that filling, s | ratio measured "
    "| by measured F | by MACs | paper |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class BatchTeacher:
    """The teacher's outputs for the examples of one batch."""

    records: Mapping[int, Record]
    """By the number of the example."""
    weight: float = 1.0

    def record(self, example: int) -> Record:
        """Return the output for the example of that number."""
        return self.records[example]


@dataclass(frozen=True)
class Setting:
    """What all students have in common."""

    windows: Sequence[ExampleWindow]
    examples: Sequence[Example]
    labels: tuple[str, ...]
    pad_id: int
    train: Train
    teacher: Network
    folder: Path
    """Of the teacher and the file of examples."""


@dataclass
class Spent:
    """Seconds of one side, an epoch each."""

    epochs: list[float]
    teacher: list[float]
    """Of these, in the teacher."""


def main() -> None:
    """Print a line for each student."""
    said = arguments()
    config = shape(*TEACHERS[said.teacher], said.scale, said.tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        setting = prepared(said, config, Path(folder))
        mean = round(fmean(target.length for target in setting.windows))
        print(
            f"{len(setting.windows)} pairs of {mean} tokens, {said.epochs} epochs, batches of "
            f"{said.batch}, widths / {said.scale}, {said.precision}, {this_device()}, "
            f"{torch.get_num_threads()} threads\n\n{HEADER}",
            flush=True,
        )
        for name in said.students:
            student = shape(*STUDENTS[name], said.scale, said.tokenizer)
            print(line(name, setting, config, student, said.epochs, mean), flush=True)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=8, help="divides each width")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--data", default="sample-inferences", help="a data set of inference")
    parser.add_argument("--tokenizer", type=Path, default=SAMPLES["sample-encoder"])
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--teacher", choices=TEACHERS, default="xxlarge")
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=list(STUDENTS))
    return parser.parse_args()


def shape(layers: int, width: int, heads: int, scale: int, tokenizer: Path) -> Config:
    """Return the config of an ALBERT of these sizes, each width divided by `scale`."""
    narrow = width // scale
    encoder = Encoder.from_folder(tokenizer, max_length=128, stride=0)
    return {
        "model_type": "albert",
        "vocab_size": encoder.tokenizer.get_vocab_size(),
        "embedding_size": max(8, 128 // scale),
        "hidden_size": narrow,
        "num_hidden_layers": layers,
        # the most that divide the width
        "num_attention_heads": max(n for n in range(1, heads + 1) if narrow % n == 0),
        "intermediate_size": 4 * narrow,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "pad_token_id": encoder.pad_id,
    }


def prepared(said: argparse.Namespace, config: Config, folder: Path) -> Setting:
    """Read the examples, and make the teacher."""
    data = Data(name=said.data, limit={"train": said.examples})
    settings = Settings()
    fetch = HubFetcher(settings.home.absolute(), log=print).fetch
    splits = load(data, task=TASK, root=settings.data, fetch=fetch)
    train = Train(
        epochs=said.epochs,
        batch_size=said.batch,
        max_length=said.max_length,
        stride=0,
        precision=said.precision,
    )
    encoder = Encoder.from_folder(said.tokenizer, max_length=train.max_length, stride=0)
    teacher = new(config, Output.CLASSES, splits.labels, seed=1)
    save(teacher, folder / "teacher", tokenizer=said.tokenizer)
    write(folder / "examples", splits.train)
    return Setting(
        windows=make_windows(TASK, splits.train, encoder, splits.labels),
        examples=splits.train,
        labels=splits.labels,
        pad_id=encoder.pad_id,
        train=train,
        teacher=teacher.to(this_device()),
        folder=folder,
    )


def line(
    name: str, setting: Setting, config: Config, student: Config, epochs: int, mean: int
) -> str:
    """Train one student by both sides, and return its line of the table."""
    beside, cached = Spent([], []), Spent([], [])
    with tempfile.TemporaryDirectory() as store:
        kept = outputs_of(Path(store), setting.train.precision)
        filling = seconds(lambda: fill(setting, kept))
        live = Side(setting, student, lambda windows: answered(setting, windows))
        reader = open_outputs(kept, TASK, None)
        stored = Side(setting, student, lambda windows: read(setting, reader, windows))
        turns = [(live, beside), (stored, cached)]
        for epoch in range(epochs):
            for side, spent in turns if epoch % 2 else turns[::-1]:
                side.epoch(epoch, spent)
    without, with_cache = sum(beside.epochs), filling + sum(cached.epochs)
    measured = formula(fmean(beside.teacher), fmean(cached.epochs), epochs)
    macs = [
        count(one, task=Output.CLASSES, labels=len(setting.labels), length=mean).macs_full
        for one in (config, student)
    ]
    hours, hours_cached = HOURS[name]
    ratios = (
        with_cache / without,
        measured,
        formula(macs[0], _STEP * macs[1], epochs),
        hours_cached / hours,
    )
    told = " | ".join(f"{ratio:.3f}" for ratio in ratios)
    return f"| {name} | {without:.1f} | {with_cache:.1f} | {filling:.1f} | {told} |"


def formula(teacher: float, student: float, epochs: int) -> float:
    """Return (F_t + E F_s) / (E (F_t + F_s)).

    >>> formula(1.0, 0.0, 5), formula(1.0, 1.0, 5)
    (0.2, 0.6)
    """
    return (teacher + epochs * student) / (epochs * (teacher + student))


def outputs_of(store: Path, dtype: str) -> OutputsLocation:
    """Say where the outputs of the teacher are kept."""
    return OutputsLocation(
        near=store, shared=False, teacher="random", tokenizer="t", preprocessing="p", dtype=dtype
    )


def fill(setting: Setting, kept: OutputsLocation) -> None:
    """Compute all outputs into the store, as a job does."""
    order = FillTask(
        task=TASK.name,
        labels=setting.labels,
        teacher=setting.folder / "teacher",
        examples=setting.folder / "examples",
        max_length=setting.train.max_length,
        stride=setting.train.stride,
        outputs=kept,
    )
    filler = Filler(order)
    for group in filler.bucket_groups(list(filler.missing())):
        filler.fill(group)


def answered(setting: Setting, windows: Sequence[ExampleWindow]) -> BatchTeacher:
    """Let the teacher answer a batch."""
    inputs = InputTensors.of([each.window for each in windows], setting.pad_id).to(this_device())
    bf16 = setting.train.precision == "bf16"
    with torch.inference_mode(), torch.autocast(this_device().type, torch.bfloat16, enabled=bf16):
        logits_B1C = forward(setting.teacher, inputs).float().cpu().numpy()
    return BatchTeacher(
        {target.example: logits for target, logits in zip(windows, logits_B1C, strict=True)}
    )


def read(setting: Setting, reader: Outputs, windows: Sequence[ExampleWindow]) -> BatchTeacher:
    """Read what the teacher has answered from the store."""
    records: dict[int, Record] = {}
    for target in windows:
        key = example_key(reader.namespace, TASK.texts(setting.examples[target.example]))
        record = reader.get(key)
        assert record is not None
        records[target.example] = record
    return BatchTeacher(records)


class Side:
    """A student in training, with one way to the teacher's outputs."""

    def __init__(
        self,
        setting: Setting,
        student: Config,
        teach: Callable[[Sequence[ExampleWindow]], BatchTeacher],
    ) -> None:
        """Begin with a network of that config, the same one each time."""
        self._setting = setting
        self._teach = teach
        network = new(student, Output.CLASSES, setting.labels, seed=2)
        self._engine = make_engine(
            DistillationModel(network), setting.train, None, distributed_context()
        )
        self._engine.train_mode()

    def epoch(self, number: int, spent: Spent) -> None:
        """Train for an epoch, and note its seconds."""
        teacher = 0.0
        began = clock()
        lengths = [target.length for target in self._setting.windows]
        for batch in epoch_batches(lengths, self._setting.train, number):
            windows = [self._setting.windows[n] for n in batch]
            asked = clock()
            outputs = self._teach(windows)
            teacher += clock() - asked
            self._step(windows, outputs)
        spent.epochs.append(clock() - began)
        spent.teacher.append(teacher)

    def _step(self, windows: Sequence[ExampleWindow], teacher: BatchTeacher) -> None:
        setting = self._setting
        collator = Collator(
            kind=kind_of(TASK.output),
            pad_id=setting.pad_id,
            teachers=[teacher],
            device=this_device(),
        )
        batch = collator.collate(windows, stand_in=windows[0])
        rows = batch.prediction_rows(self._engine.forward(batch.inputs))
        self._engine.backward(
            objective_loss(rows, TERMS, normalizers=loss_normalizers(windows)).total
        )
        self._engine.step(setting.train.learning_rate)


def clock() -> float:
    """Return the seconds of a clock, once the device has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(act: Callable[[], None]) -> float:
    """Return what acting takes."""
    began = clock()
    act()
    return clock() - began


if __name__ == "__main__":
    main()
