"""The splits of data sets, read from wherever they are: the catalogue, the hub, a path."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, assert_never

from alambique.spec.data import Data, Limited, Split, SplitShares
from alambique.spec.data_sources import AtPath, Catalogued, HubData, data_source_of, is_own
from alambique.spec.errors import BadData, BadSpec, NoData
from alambique.tasks.catalogue import DATASETS, dataset
from alambique.tasks.datasets import (
    Articles,
    Dataset,
    Files,
    Hub,
    HubSplit,
    Paragraphs,
    Shipped,
    Source,
)
from alambique.tasks.examples import Text
from alambique.tasks.formats import parquet, squad
from alambique.tasks.formats.columns import Rows
from alambique.tasks.formats.tables import Format
from alambique.tasks.formats.text import read_texts
from alambique.tasks.samples import read_sample, sample_file
from alambique.tasks.splitting import split_examples
from alambique.tasks.task import Task
from alambique.tasks.unlabelled import read_file

Fetch = Callable[[HubSplit], Path]
"""From a split of a data set of the hub to the Parquet file of it on this machine, which has at
least the rows that are asked for, and the same ones before any others."""

_HUB_SPLITS: Mapping[Limited, str] = {
    "train": "train",
    "dev": "validation",
    "test": "test",
    "unlabelled": "train",
}
"""What `datasets` calls them where a repository does not say otherwise."""


class NotFetched(BadSpec):
    """Data of the hub that nobody has asked for yet."""


def refuse_fetch(source: HubSplit) -> Path:
    """Refuse to fetch a split, in place of a fetch that waits for the hub.

    Raises:
        NotFetched: always.
    """
    raise NotFetched(f"{source.repository} of the hub is fetched when the job runs")


def _count(rows: Rows) -> int:
    return len(rows.examples)


class DataSets:
    """The data sets that a job names, with what it says of them."""

    def __init__(self, data: Data, task: Task[Any, Any], root: Path | None, fetch: Fetch) -> None:
        self._data = data
        self.task = task
        self._root = root
        self._fetch = fetch
        self.readers = task.readers_for(data.columns or {}, data.labels or ())
        """The readers of the user's own data, by suffix."""

    def rows(
        self,
        name: str,
        split: Split,
        *,
        limit: int | None = None,
        labels: bool = True,
        counted: Callable[[Rows], int] = _count,
    ) -> Rows:
        """Return the examples of a split: all, or of the hub's at least as many as the limit.

        Args:
            name: of the data set.
            split: which one.
            limit: how many are wanted.
            labels: whether they are looked at.
            counted: how many of some examples count towards the limit.
        """
        source = data_source_of(name)
        match source:
            case AtPath(path):
                return self._read_path(Path(path).expanduser(), split)
            case HubData():
                read = partial(self.readers[".parquet"], labels=labels)
                return self._read_hub(self._hub_split(source, split), read, limit, counted)
            case Catalogued():
                known = dataset(source.name)
                if known.task != self.task.name:
                    raise BadSpec(
                        f"data set {name} is for {known.task}, the job's task is {self.task.name}"
                    )
                if split not in known.splits:
                    raise BadSpec(_missing_split_text(known, split))
                return self.of_catalogue(known, split, limit, labels=labels, counted=counted)
            case _:
                assert_never(source)

    def split_file(self, shares: SplitShares) -> dict[Split, Rows]:
        """Return the splits made of one file, each with the number of rows left out."""
        source = data_source_of(self._data.name)
        if isinstance(source, HubData):
            whole, name = self.rows(self._data.name, "train"), str(source)
        else:
            path = Path(self._data.name).expanduser()
            if path.is_dir():
                raise BadSpec(
                    f"data.split: {path} is a folder, which holds a file for each split: drop the "
                    "split, or name one file"
                )
            whole, name = self._read_one_file(path), str(path)
        parts = split_examples(whole.examples, shares)
        for split, rows in parts.items():
            if not rows and (split != "test" or shares.test is not None):
                raise BadData(
                    f"data.split: of the {len(whole.examples)} examples of {name} none falls "
                    f"into {split}: give more examples, or larger shares"
                )
        if shares.test is None:
            parts = {split: rows for split, rows in parts.items() if split != "test"}
        # what was left out is of no split: it is logged once
        skipped = {"train": whole.skipped}
        return {
            split: Rows(rows, skipped.get(split, 0), whole.labels) for split, rows in parts.items()
        }

    def unlabelled_of_hub(
        self, source: HubData, limit: int | None, counted: Callable[[Rows], int]
    ) -> Rows:
        """Return examples or texts of a data set of the hub: all, or at least `limit` of them."""
        data = self._data
        # columns that are named and are of nothing else are of this one
        named = data.columns and not any(map(is_own, filter(None, (data.name, data.test))))
        read = partial(
            read_file,
            name=str(source),
            task=self.task,
            readers=self.readers,
            or_texts=not named,
        )
        return self._read_hub(self._hub_split(source, "unlabelled"), read, limit, counted)

    def _hub_split(self, source: HubData, split: Limited) -> HubSplit:
        """Return a split of a data set of the hub, by what the job says it is called there."""
        data, mine = self._data, str(source) == self._data.name
        called = {**_HUB_SPLITS, **(data.splits or {})}
        assert source.revision is not None, "a job is pinned before its data is read"
        subset = source.subset or (data.subset if mine else None)
        # all splits come at once where all of them are wanted whole
        alone = bool(data.limit) or data.split is not None or not mine or split == "unlabelled"
        repository, revision = source.repository, source.revision
        return HubSplit(repository, revision, called[split], subset, alone=alone)

    def _read_hub(
        self,
        source: HubSplit,
        read: Callable[[Path], Sequence[Any] | Rows],
        limit: int | None,
        counted: Callable[[Rows], int],
    ) -> Rows:
        """Return the rows of a split of the hub: all, or the first ones, at least `limit` of them.

        Where rows are left out, or do not count, more of them are asked for.
        """
        if limit is None or source.field is not None:
            return _as_rows(read(self._fetch(source)))
        asked = limit
        while True:
            path = self._fetch(replace(source, first=asked))
            rows = _as_rows(read(path))
            # another number of rows: it is all of the split
            if counted(rows) >= limit or parquet.row_count(path) != asked:
                return rows
            asked = max(asked + 2 * (limit - counted(rows)), asked * 5 // 4)

    def of_catalogue(
        self,
        known: Dataset,
        split: Split,
        limit: int | None = None,
        *,
        labels: bool = True,
        counted: Callable[[Rows], int] = _count,
    ) -> Rows:
        """Return the examples of a split of a data set of the catalogue, as `rows` does."""
        source = known.source
        match source:
            case Shipped(folder):
                return Rows(read_sample(sample_file(folder, split)))
            case Articles(path, turns):
                articles = squad.read_articles(self._data_file(known, path), labels=labels)
                turn = [turns[n % len(turns)] for n in range(len(articles))]
                chosen = zip(turn, articles, strict=True)
                return Rows([one for to, article in chosen if to == split for one in article])
            case Paragraphs(paths, share):
                files = [self._data_file(known, path) for path in paths]
                texts = [one for file in files for one in read_texts(file)]
                return Rows(_texts_of_split(texts, share, split))
            case Files(paths, read):
                return _as_rows(read(self._data_file(known, paths[split]), labels=labels))
            case Hub():
                read = partial(source.read, labels=labels)
                return self._read_hub(source.split(split), read, limit, counted)
            case _:
                assert_never(source)

    def _read_path(self, path: Path, split: Split) -> Rows:
        if path.is_file() and split == "test":
            return self._read_one_file(path)  # one file is a test set as it is
        if path.is_file():
            raise BadSpec(
                f"{path} is one file: say how it is split, split: {{dev: 0.1, test: 0.1}}, or give "
                "a folder with a train, a dev and a test file"
            )
        path = _split_file(path, split, tuple(self.readers))
        return self._read_file(path)

    def _read_one_file(self, path: Path) -> Rows:
        if not path.is_file():
            raise NoData(f"there is no file {path}: correct the path, from the current folder on")
        if path.suffix not in self.readers:
            raise BadSpec(
                f"{path}: no file of {self.task.name} is called *{path.suffix}: give one of "
                f"*{', *'.join(self.readers)}"
            )
        return self._read_file(path)

    def _read_file(self, path: Path) -> Rows:
        if self._data.columns and path.suffix not in tuple(Format):
            raise BadSpec(
                f"data.columns: {path} has no columns to be named: drop them, or give a table "
                f"(*{', *'.join(set(self.readers).intersection(Format))})"
            )
        return _as_rows(self.readers[path.suffix](path))

    def _data_file(self, dataset: Dataset, path: str) -> Path:
        root = self._root
        if root is None:
            raise NoData(
                f"data set {dataset.name} is read from files, and no folder of data sets is known: "
                f"set ALAMBIQUE_DATA to one that holds {path}"
            )
        if not (root / path).is_file():
            raise NoData(
                f"data set {dataset.name}: there is no file {root / path}: put it there, or set "
                f"ALAMBIQUE_DATA to a folder that holds {path}"
            )
        return root / path


def wrong_size(name: str, split: Split, rows: Rows, limit: int | None) -> str | None:
    """Return a message if a split is not as large as the catalogue says; else None."""
    if is_own(name):
        return None
    known = dataset(name)
    count, expected = len(rows.examples) + rows.skipped, known.sizes[split]
    # of the hub no more are got than are asked for
    least = min(limit or expected, expected) if isinstance(known.source, Hub) else expected
    if least <= count <= expected:
        return None
    where = _source_text(known.source, split)
    return (
        f"the {split} split of {name}{where} has {count} examples, expected "
        f"{expected}: the file is cut short, or of another release; to use it as it is, give its "
        "folder to `alambique run`"
    )


def _source_text(source: Source, split: Split) -> str:
    """Return the file that a split is read from, for an error."""
    match source:
        case Shipped():
            return ""
        case Articles(path, _):
            return f" ({path})"
        case Paragraphs(paths):
            return f" ({', '.join(paths)})"
        case Files(paths, _):
            return f" ({paths[split]})"
        case Hub(repository, revision, paths):
            return f" ({repository}@{revision[:8]}, {paths[split]})"
        case _:
            assert_never(source)


def _texts_of_split(texts: Sequence[Text], share: int, split: Split) -> list[Text]:
    """Return the texts of a split, which the hash of each text decides."""
    turns: dict[int, Split] = {0: "test", 1: "dev"}
    hashed = ((blake2b(one.text.encode(), digest_size=8).digest(), one) for one in texts)
    chosen = [
        (digest, one)
        for digest, one in hashed
        if turns.get(int.from_bytes(digest, "big") % share, "train") == split
    ]
    return [one for _, one in sorted(chosen, key=lambda both: both[0])]


def _as_rows(examples: Sequence[Any] | Rows) -> Rows:
    return examples if isinstance(examples, Rows) else Rows(list(examples))


def _missing_split_text(dataset: Dataset, split: Split) -> str:
    others = ", ".join(d.name for d in DATASETS if d.task == dataset.task and split in d.splits)
    here = f"data set {dataset.name} has no {split} split, only {', '.join(dataset.splits)}"
    if split == "test":
        return f"{here}: name a set to test on, data: {{name: …, test: …}}, one of {others}"
    return f"{here}: take one of {others}"


def _split_file(folder: Path, split: Split, suffixes: Sequence[str]) -> Path:
    for suffix in suffixes:
        if (path := folder / f"{split}{suffix}").is_file():
            return path
    raise NoData(
        f"there is no file {folder / split}{suffixes[0]}: a folder of data holds a train, a dev "
        f"and a test file, here named *{' or *'.join(suffixes)}"
    )
