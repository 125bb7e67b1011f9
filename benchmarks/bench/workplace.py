"""The folder that all sides of the benchmark read: data, a teacher, and where a student starts."""

from functools import cached_property
from pathlib import Path

import torch

from alambique.models.networks import Network, load
from alambique.models.weights import weights_hash
from alambique.runtime.windows import Encoder
from alambique.spec.data import Data
from alambique.spec.fields import Spec
from alambique.spec.job import Student
from alambique.spec.objective import Gold, Logits
from alambique.spec.sources import Architecture
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.tasks.data import Splits
from alambique.tasks.data import load as load_data
from alambique.tasks.examples import Example, read, write
from alambique.workers.scoring.loaded_model import score_of
from alambique.workers.training.distributed import SingleProcess
from alambique.workers.training.example_windows import ExampleWindow
from alambique.workers.training.initial_weights import write_from_scratch, write_student
from alambique.workers.training.inputs import make_windows
from alambique.workers.training.loop import train
from alambique.workers.training.spec import FillTask, OutputsLocation, TrainingSpec, read_result

TASK = find("named-entities")
TEACHER = Architecture(
    architecture="modernbert", layers=12, width=384, heads=12, ffn=768, vocabulary=8000
)
STUDENT = Student(start="random", layers=2, width=128, heads=4, ffn=256)
MAX_LENGTH, STRIDE = 256, 64
PADDED = 128
"""Tokens to which TextBrewer's batches are padded; batches of other lengths it would take too."""
FEW = 16
"""Sentences of a validation that is to take no time."""


class Workplace(Spec):
    """Where everything lies, and how every side trains."""

    folder: Path
    data: Path
    """The folder of data sets."""
    sentences: int | None
    """Of the training split, that students learn from; None: all."""
    dev: int | None
    """Sentences of the dev split, on which every epoch is validated; None: all."""
    test: int | None
    """Sentences of the test split; None: all."""
    epochs: int
    teacher_sentences: int | None
    teacher_epochs: int
    teacher_precision: str
    threads: int
    learning_rate: float = 1e-3
    batch_size: int = 32

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of every network."""
        return tuple((self.folder / "labels").read_text().split())

    @property
    def teacher(self) -> Path:
        """The folder of the fine-tuned teacher."""
        said = f"{self.teacher_sentences or 'all'}-{self.teacher_epochs}-{self.teacher_precision}"
        return self.folder / f"teacher-{said}" / "best"

    @property
    def start(self) -> Path:
        """The folder of the untrained student, with the teacher's tokenizer."""
        return self.folder / "start"

    def file(self, split: str) -> Path:
        """The examples of a split."""
        return self.folder / f"{split}.arrow"

    def examples(self, split: str) -> list[Example]:
        """What the file of a split holds."""
        return read(self.file(split))

    def encoder(self, max_length: int = MAX_LENGTH) -> Encoder:
        """The tokenizer of teacher and student."""
        return Encoder.from_folder(self.start, max_length=max_length, stride=STRIDE)

    def windows(self, split: str, max_length: int = MAX_LENGTH) -> list[ExampleWindow]:
        """The windows of a split, labelled: every side is fed the same pieces."""
        return make_windows(TASK, self.examples(split), self.encoder(max_length), self.labels)

    def network(self, folder: Path) -> Network:
        """A network, ready to answer."""
        return load(folder, TASK.output, self.labels).eval()

    def training(self, *, epochs: int | None = None, precision: str = "fp32") -> Train:
        """How a student is trained, without early stopping."""
        said = {
            "epochs": epochs or self.epochs,
            "patience": epochs or self.epochs,
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "max_length": MAX_LENGTH,
            "stride": STRIDE,
            "precision": precision,
        }
        return Train.model_validate(said)

    def order(self, near: Path, *, precision: str = "fp32") -> FillTask:
        """What fills the teacher's outputs into a folder."""
        outputs = OutputsLocation(
            near=near,
            shared=False,
            teacher=weights_hash(self.teacher),
            tokenizer=self.encoder().fingerprint,
            preprocessing="bench",
            dtype=precision,
        )
        return FillTask(
            task=TASK.name,
            labels=self.labels,
            teacher=self.teacher,
            examples=self.file("train"),
            max_length=MAX_LENGTH,
            stride=STRIDE,
            outputs=outputs,
        )

    def course(
        self,
        folder: Path,
        *,
        teacher: OutputsLocation | None,
        epochs: int | None = None,
        precision: str = "fp32",
        validation: str = "dev",
    ) -> TrainingSpec:
        """A student's training in a new folder: by a teacher's outputs, or by gold labels alone."""
        folder.mkdir()
        return TrainingSpec(
            task=TASK.name,
            labels=self.labels,
            start=self.start,
            training=self.file("train"),
            validation=self.file(validation),
            train=self.training(epochs=epochs, precision=precision),
            objective=(Logits(),) if teacher else (Gold(),),
            teachers=(teacher,) if teacher else (),
            folder=folder,
        )

    def f1(self, folder: Path) -> float:
        """The F1 of a network on the test split, in per cent, as seqeval counts it."""
        scores = score_of(
            TASK,
            folder,
            self.examples("test"),
            self.labels,
            max_length=MAX_LENGTH,
            stride=STRIDE,
        )
        return 100 * scores["f1"]


def prepare(place: Workplace) -> None:
    """Write the data and the student's start; train the teacher, unless it is there already."""
    place.folder.mkdir(parents=True, exist_ok=True)
    splits = load_data(Data(name="conll2002"), task=TASK, root=place.data)
    write(place.file("train"), splits.train[: place.sentences])
    write(place.file("dev"), splits.dev[: place.dev])
    write(place.file("few"), splits.dev[:FEW])
    write(place.file("test"), splits.test[: place.test])
    (place.folder / "labels").write_text(" ".join(splits.labels))
    _train_teacher(place, splits)
    drawn = place.training()
    write_student(STUDENT, place.teacher, TASK.output, splits.labels, place.start, seed=drawn.seed)


def _train_teacher(place: Workplace, splits: Splits) -> None:
    """Train the teacher from scratch on gold labels, with a tokenizer of the training texts.

    A training that is over is not done again, and one that was broken off goes on.
    """
    run = place.teacher.parent
    texts = [text for example in splits.train for text in TASK.texts(example)]
    if not (run / "start" / "config.json").exists():
        (run / "start").mkdir(parents=True, exist_ok=True)
        positions = MAX_LENGTH
        write_from_scratch(
            TEACHER, texts, TASK.output, splits.labels, run / "start", positions, seed=1
        )
    write(run / "train.arrow", splits.train[: place.teacher_sentences])
    course = TrainingSpec(
        task=TASK.name,
        labels=splits.labels,
        start=run / "start",
        training=run / "train.arrow",
        validation=place.file("dev"),
        train=Train.model_validate(
            {
                "epochs": place.teacher_epochs,
                "patience": place.teacher_epochs,
                "learning_rate": 5e-4,
                "batch_size": 32,
                "max_length": MAX_LENGTH,
                "stride": STRIDE,
                "precision": place.teacher_precision,
            }
        ),
        folder=run,
    )
    if read_result(course) is None:
        torch.set_num_threads(place.threads)
        train(course, SingleProcess(torch.device("cpu")))
