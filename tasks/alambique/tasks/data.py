"""The examples of a job's data set, checked before anything is spent on them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import combinations
from pathlib import Path
from typing import Any, assert_never

from alambique.spec.errors import BadData, BadSpec, NoData
from alambique.spec.excerpts import listed
from alambique.spec.general import NAME as GENERAL
from alambique.spec.job import Data, Split, SplitShares
from alambique.spec.outputs import Output
from alambique.tasks.catalogue import DATASETS, dataset
from alambique.tasks.classification import readers_of
from alambique.tasks.datasets import Articles, Dataset, Files, Generated, Hub, Paragraphs, Source
from alambique.tasks.examples import Example, Text
from alambique.tasks.formats import squad
from alambique.tasks.formats.columns import Rows, renamed
from alambique.tasks.formats.text import read_texts
from alambique.tasks.splitting import split_examples
from alambique.tasks.task import Task
from alambique.tasks.unlabelled import NONE, Unlabelled, chosen, of_texts, read_path


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


Fetch = Callable[[Hub, str], Path]
"""From a repository of the hub and the path of a file there to the file on this machine."""


def not_fetched(source: Hub, path: str) -> Path:
    """For who does not want to wait for the hub.

    Raises:
        BadSpec: always.
    """
    raise BadSpec(f"{source.repository} of the hub is fetched when the job runs")


def load(
    data: Data, *, task: Task[Any, Any], root: Path | None, fetch: Fetch = not_fetched
) -> Splits:
    """The examples of all splits, the first ones where the job limits them.

    Args:
        data: names of the catalogue; a name with a "/" is a folder with a file for each split, or
            one file, which is split as the job says.
        task: what the examples are for.
        root: the folder of data sets that ALAMBIQUE_DATA names, if it does.
        fetch: gets a file from the hub.

    Raises:
        UnknownName: no data set has that name.
        BadSpec: a data set is for another task, or lacks a split.
        NoData: its files are not there.
        BadData: a file is broken, a split is empty, or a tag is not among the labels.
    """
    task = _with_columns(task, data.columns)
    names: dict[Split, str] = {"train": data.name, "dev": data.name, "test": data.test or data.name}
    cut = _cut(data, data.split, task) if data.split else {}
    read = {
        split: cut.get(split) or _examples(name, split, task, root, fetch)
        for split, name in names.items()
    }
    splits = {split: rows.examples[: data.limit.get(split)] for split, rows in read.items()}
    for split, name in names.items():
        if not splits[split]:
            raise BadData(f"the {split} split of {name} has no examples: give it some")
    labels = _labels(data.name, splits, task)
    unlabelled = _unlabelled(data, splits, task, root, fetch)
    wrong = [_wrong_size(name, split, read[split]) for split, name in names.items()]
    return Splits(
        train=splits["train"],
        dev=splits["dev"],
        test=splits["test"],
        labels=labels,
        warnings=(*_left_out(read), *_overlaps(splits, task), *unlabelled.notes),
        wrong_sizes=tuple(filter(None, (*wrong, unlabelled.wrong_size))),
        unlabelled=unlabelled.examples,
    )


def _with_columns(task: Task[Any, Any], called: Mapping[str, str] | None) -> Task[Any, Any]:
    """The task, reading files at a path by what they call its columns."""
    if not called:
        return task
    if task.columns is None:
        raise BadSpec(
            f"data.columns: a file of {task.name} (*{', *'.join(task.readers)}) has no columns to "
            "be named: drop them"
        )
    return replace(task, readers=readers_of(renamed(task.columns, called, task.name)))


def _cut(data: Data, shares: SplitShares, task: Task[Any, Any]) -> dict[Split, Rows]:
    """The splits that are made of one file, each with the rows that were left out of it."""
    path = Path(data.name).expanduser()
    if path.is_dir():
        raise BadSpec(
            f"data.split: {path} is a folder, which holds a file for each split: drop the split, "
            "or name one file"
        )
    found = _of_file(path, task)
    parts = split_examples(found.examples, shares)
    for split, rows in parts.items():
        if not rows and (split != "test" or shares.test is not None):
            raise BadData(
                f"data.split: of the {len(found.examples)} examples of {path} none falls into "
                f"{split}: give more examples, or larger shares"
            )
    if shares.test is None:
        parts = {split: rows for split, rows in parts.items() if split != "test"}
    # what was left out is of no split: it is told once
    skipped = {"train": found.skipped}
    return {split: Rows(rows, skipped.get(split, 0)) for split, rows in parts.items()}


def _of_file(path: Path, task: Task[Any, Any]) -> Rows:
    if not path.is_file():
        raise NoData(f"there is no file {path}: correct the path, from the current folder on")
    if path.suffix not in task.readers:
        raise BadSpec(
            f"{path}: no file of {task.name} is called *{path.suffix}: give one of "
            f"*{', *'.join(task.readers)}"
        )
    return _rows(task.readers[path.suffix](path))


def _unlabelled(
    data: Data,
    splits: Mapping[Split, list[Any]],
    task: Task[Any, Any],
    root: Path | None,
    fetch: Fetch,
) -> Unlabelled:
    """What the job has beside the splits."""
    name, limit = data.unlabelled, data.limit.get("unlabelled")
    if name is None:
        return NONE
    if "/" in name:
        return chosen(name, read_path(Path(name).expanduser(), task), splits, task, limit)
    rows = _texts_or_examples(name, task, root, fetch)
    found = chosen(name, rows, splits, task, limit)
    return replace(found, wrong_size=_wrong_size(name, "train", rows))


def _texts_or_examples(name: str, task: Task[Any, Any], root: Path | None, fetch: Fetch) -> Rows:
    found = dataset(name)
    if found.task == task.name or found.task != GENERAL:
        return _examples(name, "train", task, root, fetch, labels=False)
    return Rows(of_texts(name, _of_catalogue(root, fetch, found, "train").examples, task))


def _examples(
    name: str,
    split: Split,
    task: Task[Any, Any],
    root: Path | None,
    fetch: Fetch,
    *,
    labels: bool = True,
) -> Rows:
    if "/" in name:
        path = Path(name).expanduser()
        if path.is_file() and split == "test":
            return _of_file(path, task)  # one file is a test set as it is
        if path.is_file():
            raise BadSpec(
                f"{path} is one file: say how it is split, split: {{dev: 0.1, test: 0.1}}, or give "
                "a folder with a train, a dev and a test file"
            )
        path = _present(path, split, tuple(task.readers))
        return _rows(task.readers[path.suffix](path))
    found = dataset(name)
    if found.task != task.name:
        raise BadSpec(f"data set {name} is for {found.task}, the job's task is {task.name}")
    if split not in found.splits:
        raise BadSpec(_lacks(found, split))
    return _of_catalogue(root, fetch, found, split, labels=labels)


def _wrong_size(name: str, split: Split, rows: Rows) -> str | None:
    """What to say where a split of the catalogue is not as large as it is known to be."""
    if "/" in name:
        return None
    found = dataset(name)
    count, expected = len(rows.examples) + rows.skipped, found.sizes[split]
    if count == expected:
        return None
    return (
        f"the {split} split of {name}{_place(found.source, split)} has {count} examples, expected "
        f"{expected}: the file is cut short, or of another release; to use it as it is, give its "
        "folder to `alambique run`"
    )


def _place(source: Source, split: Split) -> str:
    """The file that a split is read from, for an error."""
    match source:
        case Generated():
            return ""
        case Articles(path, _):
            return f" ({path})"
        case Paragraphs(paths):
            return f" ({', '.join(paths)})"
        case Files(paths, _):
            return f" ({paths[split]})"
        case Hub(repository, revision, paths, _):
            return f" ({repository}@{revision[:8]}, {paths[split]})"
        case _:
            assert_never(source)


def _of_catalogue(
    root: Path | None, fetch: Fetch, found: Dataset, split: Split, *, labels: bool = True
) -> Rows:
    source = found.source
    match source:
        case Generated(make):
            return Rows(list(make(split)))
        case Articles(path, turns):
            articles = squad.read_articles(_in_root(root, found.name, path), labels=labels)
            turn = [turns[n % len(turns)] for n in range(len(articles))]
            chosen = zip(turn, articles, strict=True)
            return Rows([one for to, article in chosen if to == split for one in article])
        case Paragraphs(paths, share):
            files = [_in_root(root, found.name, path) for path in paths]
            return Rows(_sampled([one for file in files for one in read_texts(file)], share, split))
        case Files(paths, read):
            return _rows(read(_in_root(root, found.name, paths[split]), labels=labels))
        case Hub(_, _, paths, read):
            return _rows(read(fetch(source, paths[split]), labels=labels))
        case _:
            assert_never(source)


def _sampled(texts: Sequence[Text], share: int, split: Split) -> list[Text]:
    """Those of a split, by the hash of each text."""
    turns: dict[int, Split] = {0: "test", 1: "dev"}
    hashed = ((blake2b(one.text.encode(), digest_size=8).digest(), one) for one in texts)
    chosen = [
        (digest, one)
        for digest, one in hashed
        if turns.get(int.from_bytes(digest, "big") % share, "train") == split
    ]
    return [one for _, one in sorted(chosen, key=lambda both: both[0])]


def _rows(found: Sequence[Any] | Rows) -> Rows:
    return found if isinstance(found, Rows) else Rows(list(found))


def _lacks(found: Dataset, split: Split) -> str:
    others = ", ".join(d.name for d in DATASETS if d.task == found.task and split in d.splits)
    here = f"data set {found.name} has no {split} split, only {', '.join(found.splits)}"
    if split == "test":
        return f"{here}: name a set to test on, data: {{name: …, test: …}}, one of {others}"
    return f"{here}: take one of {others}"


def _in_root(root: Path | None, name: str, path: str) -> Path:
    if root is None:
        raise NoData(
            f"data set {name} is read from files, and no folder of data sets is known: set "
            f"ALAMBIQUE_DATA to one that holds {path}"
        )
    if not (root / path).is_file():
        raise NoData(
            f"data set {name}: there is no file {root / path}: put it there, or set ALAMBIQUE_DATA "
            f"to a folder that holds {path}"
        )
    return root / path


def _present(folder: Path, split: Split, suffixes: Sequence[str]) -> Path:
    for suffix in suffixes:
        if (path := folder / f"{split}{suffix}").is_file():
            return path
    raise NoData(
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
    """A sentence for each pair of splits that share texts, or ids of questions.

    Those are the same in all that comes of SQuAD; ids of other files number the rows of a split.
    """
    ids = [("id", _id)] if task.output is Output.SPAN else []
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
