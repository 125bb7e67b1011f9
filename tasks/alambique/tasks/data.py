"""The examples of a job's data set, checked before anything is spent on them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, assert_never

from alambique.spec.errors import BadData, BadSpec
from alambique.spec.job import Data, Split
from alambique.tasks.catalogue import DATASETS, Articles, Dataset, Files, Generated, dataset
from alambique.tasks.examples import Example
from alambique.tasks.formats import squad
from alambique.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Splits:
    """The examples that a job trains on, chooses by and is measured on."""

    train: list[Any]
    dev: list[Any]
    test: list[Any]
    labels: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """What does not stop the job but weakens what its numbers say."""


def load(data: Data, *, task: Task[Any, Any], root: Path | None) -> Splits:
    """The examples of all splits, the first ones where the job limits them.

    Args:
        data: names of the catalogue; a name with a "/" is a folder with a file for each split.
        task: what the examples are for.
        root: the folder of data sets that ALAMBIQUE_DATA names, if it does.

    Raises:
        UnknownName: no data set has that name.
        BadSpec: a data set is for another task, lacks a split, or its files are not there.
        BadData: a file is broken, a split is empty, or a tag is not among the labels.
    """
    names: dict[Split, str] = {"train": data.name, "dev": data.name, "test": data.test or data.name}
    splits = {
        split: _examples(name, split, task, root)[: data.limit.get(split)]
        for split, name in names.items()
    }
    for split, name in names.items():
        if not splits[split]:
            raise BadData(f"the {split} split of {name} has no examples: give it some")
    labels = _labels(data.name, splits, task)
    warnings = tuple(_overlaps(splits, task))
    return Splits(splits["train"], splits["dev"], splits["test"], labels, warnings)


def _examples(name: str, split: Split, task: Task[Any, Any], root: Path | None) -> list[Any]:
    if "/" in name:
        path = _present(Path(name).expanduser(), split, tuple(task.readers))
        return task.readers[path.suffix](path)
    found = dataset(name)
    if found.task != task.name:
        raise BadSpec(f"data set {name} is for {found.task}, the job's task is {task.name}")
    if split not in found.splits:
        raise BadSpec(_lacks(found, split))
    match found.source:
        case Generated(make):
            return list(make(split))
        case Files(folder, files):
            return task.read(_in_root(root, name, folder, files[split]))
        case Articles(folder, file, turns):
            articles = squad.read_articles(_in_root(root, name, folder, file))
            turn = [turns[n % len(turns)] for n in range(len(articles))]
            chosen = zip(turn, articles, strict=True)
            return [example for to, article in chosen if to == split for example in article]
        case _:
            assert_never(found.source)


def _lacks(found: Dataset, split: Split) -> str:
    others = ", ".join(d.name for d in DATASETS if d.task == found.task and split in d.splits)
    here = f"data set {found.name} has no {split} split, only {', '.join(found.splits)}"
    if split == "test":
        return f"{here}: name a set to test on, data: {{name: …, test: …}}, one of {others}"
    return f"{here}: take one of {others}"


def _in_root(root: Path | None, name: str, folder: str, file: str) -> Path:
    if root is None:
        raise BadSpec(
            f"data set {name} is read from files, and no folder of data sets is known: set "
            f"ALAMBIQUE_DATA to one that holds {folder}/{file}"
        )
    path = root / folder / file
    if not path.is_file():
        raise BadSpec(
            f"data set {name}: there is no file {path}: put it there, or set ALAMBIQUE_DATA to a "
            f"folder that holds {folder}/{file}"
        )
    return path


def _present(folder: Path, split: Split, suffixes: Sequence[str]) -> Path:
    for suffix in suffixes:
        if (path := folder / f"{split}{suffix}").is_file():
            return path
    raise BadSpec(
        f"there is no file {folder / split}{suffixes[0]}: a folder of data holds a train, a dev "
        f"and a test file, here named *{' or *'.join(suffixes)}"
    )


def _labels(name: str, splits: Mapping[Split, list[Any]], task: Task[Any, Any]) -> tuple[str, ...]:
    """Those of the catalogue, else those found; no example may have others."""
    every = [example for examples in splits.values() for example in examples]
    found = task.labels(every)
    known = () if "/" in name else dataset(name).labels
    strange = sorted(set(found) - set(known)) if known else []
    if strange:
        raise BadData(
            f"data set {name} has labels {list(known)}, its examples also {strange}: correct "
            "their tags, or take a test set with the same labels"
        )
    return known or found


def _overlaps(splits: Mapping[Split, list[Any]], task: Task[Any, Any]) -> Iterator[str]:
    """A sentence for each pair of splits that share ids or texts."""
    for one, other in combinations(splits, 2):
        for what, key in (("id", _id), ("text", task.texts)):
            seen = {key(example) for example in splits[one]}
            again = [example for example in splits[other] if key(example) in seen]
            if again:
                yield (
                    f"{len(again)} of {len(splits[other])} {other} examples share their {what} "
                    f"with {one}, such as {again[0].id}: scores on {other} may be too good"
                )


def _id(example: Example) -> str:
    return example.id
