"""Treebanks, each with contractions taken apart and with them kept."""

from functools import partial

from alambique.tasks.datasets import Dataset, Files, Shipped
from alambique.tasks.formats import conllu

TASK = "part-of-speech"


def _treebank(
    name: str, prefix: str, sizes: tuple[int, int, int], about: str, words: conllu.Words
) -> Dataset:
    """Return a treebank of Universal Dependencies, whose three files begin with `prefix`."""
    contracted = "-contracted" if words is conllu.Words.CONTRACTED else ""
    train, dev, test = sizes
    return Dataset(
        name=f"{name}{contracted}",
        task=TASK,
        source=Files(
            {
                "train": f"{prefix}train.conllu",
                "dev": f"{prefix}dev.conllu",
                "test": f"{prefix}test.conllu",
            },
            partial(conllu.read, words=words),
        ),
        sizes={"train": train, "dev": dev, "test": test},
        about=f"{about}; {words} words",
        licence="CC BY 4.0" if name == "ancora" else "CC BY-SA 4.0",
        labels=words.tags,
    )


SETS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-speech",
        task=TASK,
        source=Shipped("speech"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated Spanish sentences with ambiguous words; part of this package",
        licence="Apache-2.0",
    ),
    *(
        _treebank(
            "ancora",
            "ancora/es_ancora-ud-",
            (14287, 1654, 1721),
            "UD Spanish AnCora, news",
            words,
        )
        for words in conllu.Words
    ),
    *(
        _treebank(
            "ud-gsd", "ud-gsd/", (1200, 200, 427), "part of UD Spanish GSD, web and news", words
        )
        for words in conllu.Words
    ),
)
