"""Sentences with a tag for each word: named entities and parts of speech."""

from functools import partial

from alambique.tasks.datasets import Dataset, Files, Shipped
from alambique.tasks.formats import conll, conllu

_NAMED_ENTITIES = "named-entities"

_ENTITIES: tuple[Dataset, ...] = (
    Dataset(
        name="sample-entities",
        task=_NAMED_ENTITIES,
        source=Shipped("entities"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="generated Spanish sentences with names; part of this package",
        licence="Apache-2.0",
    ),
    Dataset(
        name="conll2002",
        task=_NAMED_ENTITIES,
        source=Files(
            {
                "train": "conll2002/train.conll",
                "dev": "conll2002/dev.conll",
                "test": "conll2002/test.conll",
            },
            conll.read,
        ),
        sizes={"train": 8323, "dev": 1915, "test": 1517},
        about="CoNLL-2002, Spanish news",
        licence="LicenseRef-Research-Only",
        labels=("O", *(f"{p}-{t}" for t in ("PER", "ORG", "LOC", "MISC") for p in "BI")),
    ),
)

_PART_OF_SPEECH = "part-of-speech"


def _treebank(
    name: str, prefix: str, sizes: tuple[int, int, int], about: str, words: conllu.Words
) -> Dataset:
    """Return a treebank of Universal Dependencies, whose three files begin with `prefix`."""
    contracted = "-contracted" if words is conllu.Words.CONTRACTED else ""
    train, dev, test = sizes
    return Dataset(
        name=f"{name}{contracted}",
        task=_PART_OF_SPEECH,
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
        licence="CC-BY-4.0" if name == "ancora" else "CC-BY-SA-4.0",
        labels=words.tags,
    )


_TREEBANKS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-speech",
        task=_PART_OF_SPEECH,
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

SETS = (*_ENTITIES, *_TREEBANKS)
