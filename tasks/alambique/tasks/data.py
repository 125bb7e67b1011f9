"""The examples of a job's data set, checked before anything is spent on them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from alambique.spec.data import Data, Split
from alambique.spec.data_sources import AtPath, HubData, data_source_of, is_own
from alambique.spec.errors import BadData
from alambique.spec.excerpts import listed
from alambique.spec.general import NAME as GENERAL
from alambique.tasks.catalogue import dataset
from alambique.tasks.examples import Example, Question
from alambique.tasks.formats.columns import Rows
from alambique.tasks.reading import DataSets, Fetch, refuse_fetch, wrong_size
from alambique.tasks.task import Task
from alambique.tasks.unlabelled import (
    NONE,
    Unlabelled,
    count_new,
    of_texts,
    read_path,
    select_unlabelled,
)


@dataclass(frozen=True, slots=True)
class Splits:
    """The examples that a job trains on, chooses by and is measured on."""

    train: list[Any]
    dev: list[Any]
    test: list[Any]
    labels: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """What does not stop the job but weakens what its numbers say."""
    wrong_sizes: tuple[str, ...] = ()
    """What to say of splits that are not as large as the catalogue knows them."""
    unlabelled: tuple[Any, ...] = ()
    """Examples without labels, which are taught by a teacher alone."""


def load(
    data: Data, *, task: Task[Any, Any], root: Path | None, fetch: Fetch = refuse_fetch
) -> Splits:
    """Return the examples of all splits, the first ones where the job limits them.

    Args:
        data: names of the catalogue, of the hub, or of paths: a folder with a file for each split,
            or one file, which is split as the job says.
        task: what the examples are for.
        root: the folder of data sets that ALAMBIQUE_DATA names, if it does.
        fetch: gets a split from the hub.

    Raises:
        UnknownName: no data set has that name.
        BadSpec: a data set is for another task, or lacks a split; what is said of columns or
            labels does not suit the task.
        NoData: its files are not there.
        BadData: a file is broken, a split is empty, or a tag is not among the labels.
    """
    sets = DataSets(data, task, root, fetch)
    names: dict[Split, str] = {"train": data.name, "dev": data.name, "test": data.test or data.name}
    cut = sets.split_file(data.split) if data.split else {}
    read = {
        split: cut.get(split) or sets.rows(name, split, limit=data.limit.get(split))
        for split, name in names.items()
    }
    splits = {split: rows.examples[: data.limit.get(split)] for split, rows in read.items()}
    for split, name in names.items():
        if not splits[split]:
            raise BadData(f"the {split} split of {name} has no examples: give it some")
    labels = _labels(data, splits, task, read["train"].labels)
    unlabelled = _unlabelled(data, splits, sets)
    wrong = [
        wrong_size(name, split, read[split], data.limit.get(split)) for split, name in names.items()
    ]
    return Splits(
        train=splits["train"],
        dev=splits["dev"],
        test=splits["test"],
        labels=labels,
        warnings=(*_left_out(read), *_overlaps(splits, task), *unlabelled.notes),
        wrong_sizes=tuple(filter(None, (*wrong, unlabelled.wrong_size))),
        unlabelled=unlabelled.examples,
    )


def check_description(data: Data, task: Task[Any, Any]) -> None:
    """Check that what a job says of columns and labels suits the task.

    Raises:
        BadSpec: the task has no such column, or no labels.
    """
    task.readers_for(data.columns or {}, data.labels or ())


def _unlabelled(data: Data, splits: Mapping[Split, list[Any]], sets: DataSets) -> Unlabelled:
    """Return the unlabelled examples of the job."""
    name, limit, task = data.unlabelled, data.limit.get("unlabelled"), sets.task
    if name is None:
        return NONE
    source = data_source_of(name)
    if isinstance(source, AtPath):
        path = Path(source.path).expanduser()
        return select_unlabelled(name, read_path(path, task, sets.readers), splits, task, limit)
    counted = partial(count_new, known=splits, task=task)
    if isinstance(source, HubData):
        rows = sets.unlabelled_of_hub(source, limit, counted)
        return select_unlabelled(name, rows, splits, task, limit)
    known = dataset(name)
    if known.task == task.name or known.task != GENERAL:
        rows = sets.rows(name, "train", limit=limit, labels=False, counted=counted)
    else:
        rows = Rows(of_texts(name, sets.of_catalogue(known, "train").examples, task))
    found = select_unlabelled(name, rows, splits, task, limit)
    return replace(found, wrong_size=wrong_size(name, "train", rows, limit))


def _labels(
    data: Data, splits: Mapping[Split, list[Any]], task: Task[Any, Any], told: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the labels that the job or the catalogue names, else the file, else the examples.

    Examples with other labels are refused.
    """
    every = [example for examples in splits.values() for example in examples]
    found, name = task.labels(every), data.name
    if data.labels and told and set(data.labels) != set(told):
        raise BadData(
            f"data.labels: {name} names its labels itself, {listed(told)}, and the job says "
            f"{listed(data.labels)}: give those of the data, in the order that models should have"
        )
    known = (data.labels or told) if is_own(name) else dataset(name).labels
    strange = sorted(set(found) - set(known)) if known else []
    if strange:
        where = next(
            f"{split}, example {example.id}"
            for split, examples in splits.items()
            for example in examples
            if not set(strange).isdisjoint(task.labels([example]))
        )
        raise BadData(
            f"data set {name} has labels {listed(known)}, its examples also {listed(strange)}, "
            f"first in {where}: correct their tags, or take a test set with the same labels"
        )
    return known or found


def _overlaps(splits: Mapping[Split, list[Any]], task: Task[Any, Any]) -> Iterator[str]:
    """Yield a sentence for each pair of splits that share texts, or ids of questions.

    Those are the same in all that comes of SQuAD; ids of other files number the rows of a split.
    """
    ids = [("id", _id)] if isinstance(splits["train"][0], Question) else []
    for one, other in combinations(splits, 2):
        for what, key in (*ids, ("text", task.texts)):
            seen = {key(example) for example in splits[one]}
            again = [example for example in splits[other] if key(example) in seen]
            if again:
                yield (
                    f"{len(again)} of {len(splits[other])} {other} examples share their {what} "
                    f"with {one}, such as {again[0].id}: scores on {other} may be too good"
                )


def _left_out(read: Mapping[Split, Rows]) -> Iterator[str]:
    for split, rows in read.items():
        if rows.skipped:
            yield f"{rows.skipped} rows of {split} are marked as missing something: left out"


def _id(example: Example) -> str:
    return example.id
