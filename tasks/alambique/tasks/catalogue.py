"""The data sets known by name: where their files lie under ALAMBIQUE_DATA, and what they are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from alambique.spec.errors import UnknownName
from alambique.spec.job import Split
from alambique.tasks.examples import Example
from alambique.tasks.sample import entities, questions

QUESTIONS = "question-answering"
ENTITIES = "named-entities"


@dataclass(frozen=True, slots=True)
class Files:
    """A file for each split, in the data set's folder."""

    folder: str
    files: Mapping[Split, str]

    @property
    def paths(self) -> tuple[str, ...]:
        """Of its files, from the folder of data sets."""
        return tuple(f"{self.folder}/{file}" for file in self.files.values())


@dataclass(frozen=True, slots=True)
class Articles:
    """One file, split by article: the n-th goes where n modulo the length of `turns` points."""

    folder: str
    file: str
    turns: tuple[Split, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Of its file, from the folder of data sets."""
        return (f"{self.folder}/{self.file}",)


@dataclass(frozen=True, slots=True)
class Generated:
    """Made by a program of this package, from a seed."""

    make: Callable[[Split], Sequence[Example]]


Source = Files | Articles | Generated


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set: what it is for, where it lies, what it holds."""

    name: str
    task: str
    source: Source
    sizes: Mapping[Split, int]
    """Examples of each split that there is."""
    about: str
    """Where it comes from."""
    licence: str
    labels: tuple[str, ...] = field(default=())
    """Names in their order; empty: as the task finds them in the examples."""

    @property
    def splits(self) -> tuple[Split, ...]:
        """Those that there are."""
        return tuple(self.sizes)


DATASETS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-questions",
        task=QUESTIONS,
        source=Generated(questions.questions),
        sizes=questions.SIZES,
        about="questions on generated Spanish passages; part of this package",
        licence="Apache-2.0",
    ),
    Dataset(
        name="sample-entities",
        task=ENTITIES,
        source=Generated(entities.sentences),
        sizes=entities.SIZES,
        about="generated Spanish sentences with names; part of this package",
        licence="Apache-2.0",
    ),
    Dataset(
        name="squad-es",
        task=QUESTIONS,
        source=Files("squad-es", {"train": "train.json", "dev": "dev.json"}),
        sizes={"train": 5416, "dev": 1167},
        about="SQuAD 1.1 dev in Spanish (ccasimiro88/TranslateAlignRetrieve), split by article",
        licence="CC BY 4.0",
    ),
    Dataset(
        name="squad-es-v2",
        task=QUESTIONS,
        source=Articles(
            "squad-es", "v2-dev.json", ("train",) * 3 + ("dev",) + ("train",) * 3 + ("test",)
        ),
        sizes={"train": 5643, "dev": 596, "test": 895},
        about="SQuAD 2.0 dev in Spanish, with questions that have no answer, split by article",
        licence="CC BY 4.0",
    ),
    Dataset(
        name="mlqa",
        task=QUESTIONS,
        source=Files("mlqa", {"test": "test.json"}),
        sizes={"test": 500},
        about="MLQA, Spanish questions on Spanish contexts (facebookresearch/MLQA), dev",
        licence="CC BY-SA 3.0",
    ),
    Dataset(
        name="xquad",
        task=QUESTIONS,
        source=Files("xquad", {"test": "test.json"}),
        sizes={"test": 1190},
        about="XQuAD in Spanish (google-deepmind/xquad); its paragraphs come from SQuAD dev",
        licence="CC BY-SA 4.0",
    ),
    Dataset(
        name="conll2002",
        task=ENTITIES,
        source=Files(
            "conll2002", {"train": "train.conll", "dev": "dev.conll", "test": "test.conll"}
        ),
        sizes={"train": 8323, "dev": 1915, "test": 1517},
        about="CoNLL-2002, Spanish news",
        licence="research use",
        labels=("O", *(f"{p}-{t}" for t in ("PER", "ORG", "LOC", "MISC") for p in "BI")),
    ),
)


def dataset(name: str) -> Dataset:
    """The data set of that name.

    Raises:
        UnknownName: there is none; the message lists those there are.
    """
    for found in DATASETS:
        if found.name == name:
            return found
    names = ", ".join(found.name for found in DATASETS)
    raise UnknownName(
        f"there is no data set {name!r}: choose one of {names}; `alambique run` also takes a folder"
    )
