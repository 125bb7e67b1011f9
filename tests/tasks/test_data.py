import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alambique.spec.data import Data, SplitShares
from alambique.spec.errors import BadData, BadSpec, NoData, UnknownName
from alambique.tasks import general, named_entities, question_answering
from alambique.tasks.all import ALL, find
from alambique.tasks.catalogue import DATASETS, dataset
from alambique.tasks.classification import DOCUMENT_CLASSIFICATION, PARAPHRASE
from alambique.tasks.data import load
from alambique.tasks.datasets import Dataset, Hub, Shipped
from alambique.tasks.examples import Answer, Labelled, Question, Sentence
from alambique.tasks.formats import conll, squad, tables
from alambique.tasks.formats.columns import Columns

QUESTIONS, ENTITIES = question_answering.TASK, named_entities.TASK


def _questions(name: str, count: int) -> list[Question]:
    return [
        Question(f"{name}{n}", "¿Dónde?", f"Nació en Jaén {name} {n}.", (Answer("Jaén", 9),))
        for n in range(count)
    ]


def _sentences(name: str, count: int, tag: str = "B-LOC") -> list[Sentence]:
    return [Sentence("", ("En", f"Jaén{name}{n}"), ("O", tag)) for n in range(count)]


def _write(folder: Path, splits: dict[str, int], write: Callable[..., None], make: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    suffix = ".json" if write is squad.write else ".conll"
    for split, count in splits.items():
        write(folder / f"{split}{suffix}", make(split, count))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two data sets of the catalogue, laid out as ALAMBIQUE_DATA is."""
    _write(tmp_path / "squad-es", {"train": 5, "dev": 2}, squad.write, _questions)
    _write(tmp_path / "mlqa", {"test": 3}, squad.write, _questions)
    _write(tmp_path / "conll2002", {"train": 5, "dev": 2, "test": 3}, conll.write, _sentences)
    return tmp_path


def test_a_data_set_of_the_catalogue_tested_on_another(root: Path) -> None:
    splits = load(Data(name="squad-es", test="mlqa"), task=QUESTIONS, root=root)
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (5, 2, 3)
    assert splits.test == _questions("test", 3)
    assert (splits.labels, splits.warnings) == (("start", "end"), ())
    assert splits.wrong_sizes[0].startswith(
        "the train split of squad-es (squad-es/train.json) has 5 examples, expected"
    )
    assert len(splits.wrong_sizes) == 3


def test_labels_are_in_the_catalogue_s_order(root: Path) -> None:
    splits = load(Data(name="conll2002"), task=ENTITIES, root=root)
    assert splits.labels[:3] == ("O", "B-PER", "I-PER")
    assert len(splits.labels) == 9
    assert splits.train[1] == Sentence("train.conll:4", ("En", "Jaéntrain1"), ("O", "B-LOC"))


def test_a_limit_takes_the_first_examples(root: Path) -> None:
    data = Data(name="conll2002", limit={"train": 2, "test": 99})
    splits = load(data, task=ENTITIES, root=root)
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (2, 2, 3)
    assert splits.train[0].words[1] == "Jaéntrain0"


def test_a_folder_is_read_by_the_task_s_format(tmp_path: Path, root: Path) -> None:
    folder = _write(tmp_path / "mine", {"train": 2, "dev": 1}, conll.write, _sentences)
    _write(folder, {"test": 1}, conll.write, lambda name, count: _sentences(name, count, "I-MISC"))
    splits = load(Data(name=str(folder)), task=ENTITIES, root=None)
    assert splits.labels == ("O", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
    other = load(Data(name="conll2002", test=str(folder)), task=ENTITIES, root=root)
    assert len(other.test) == 1


MINE = Data.model_validate(
    {
        "path": "mine.csv",
        "columns": {"text": "opinion", "label": "tono"},
        "split": {"dev": 0.2, "test": 0.2},
    }
)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of 60 rows in the current folder, under names of its own."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f'{n},"opinión, {n}",{"mala" if n % 3 else "buena"}\n' for n in range(60))
    (tmp_path / "mine.csv").write_text(f"id,opinion,tono\n{rows}", "utf-8")
    return tmp_path / "mine.csv"


def test_a_file_of_one_s_own_is_split(mine: Path) -> None:
    splits = load(MINE, task=DOCUMENT_CLASSIFICATION, root=None)
    assert (splits.labels, splits.warnings, splits.wrong_sizes) == (("buena", "mala"), (), ())
    parts = (splits.train, splits.dev, splits.test)
    assert sorted(one.texts[0] for some in parts for one in some) == sorted(
        f"opinión, {n}" for n in range(60)
    )
    assert all(parts)
    again = load(MINE, task=DOCUMENT_CLASSIFICATION, root=None)
    assert again == splits
    other = MINE.model_copy(update={"split": SplitShares(dev=0.4, test=0.2)})
    assert load(other, task=DOCUMENT_CLASSIFICATION, root=None).dev != splits.dev


def test_a_limit_of_a_split_file_is_a_sample_of_it(mine: Path) -> None:
    whole = load(MINE, task=DOCUMENT_CLASSIFICATION, root=None)
    some = load(
        MINE.model_copy(update={"limit": {"train": 10}}),
        task=DOCUMENT_CLASSIFICATION,
        root=None,
    )
    assert some.train == whole.train[:10]
    assert some.test == whole.test


def test_a_file_is_tested_on_another_one(mine: Path) -> None:
    (mine.parent / "held.csv").write_text("opinion,tono\nnueva,mala\n", "utf-8")
    data = MINE.model_copy(update={"test": "./held.csv", "split": SplitShares(dev=0.2)})
    splits = load(data, task=DOCUMENT_CLASSIFICATION, root=None)
    assert [one.texts for one in splits.test] == [("nueva",)]
    assert len(splits.train) + len(splits.dev) == 60


@pytest.mark.parametrize("suffix", [".tsv", ".jsonl", ".parquet"])
def test_pairs_under_their_names_in_every_kind_of_table(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pares{suffix}"
    columns = Columns(texts=("frase", "sentence2"), label="igual")
    rows = [Labelled("", (f"uno {n}", f"dos {n}"), str(n % 2)) for n in range(40)]
    tables.write(path, columns, rows)
    data = Data.model_validate(
        {
            "path": str(path),
            "columns": {"sentence1": "frase", "label": "igual"},
            "split": {"dev": 0.3, "test": 0.3},
        }
    )
    splits = load(data, task=PARAPHRASE, root=None)
    texts = {one.texts for some in (splits.train, splits.dev, splits.test) for one in some}
    assert texts == {one.texts for one in rows}


def test_columns_of_a_folder_are_named_too(mine: Path) -> None:
    for split in ("train", "dev", "test"):
        (mine.parent / f"{split}.csv").write_text(f"opinion,tono\n{split},mala\n", "utf-8")
    data = MINE.model_copy(update={"name": "./", "split": None})
    splits = load(data, task=DOCUMENT_CLASSIFICATION, root=None)
    assert [one.texts for one in splits.test] == [("test",)]


def test_one_file_of_another_format_is_split(tmp_path: Path) -> None:
    squad.write(tmp_path / "mine.json", _questions("q", 40))
    data = Data(name=str(tmp_path / "mine.json"), split=SplitShares(dev=0.3, test=0.3))
    splits = load(data, task=QUESTIONS, root=None)
    parts = [{one.context for one in some} for some in (splits.train, splits.dev, splits.test)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set().union(*parts))
    conll.write(tmp_path / "mine.conll", _sentences("s", 40))
    data = Data(name=str(tmp_path / "mine.conll"), split=SplitShares(dev=0.3, test=0.3))
    assert load(data, task=ENTITIES, root=None).labels == ("O", "B-LOC", "I-LOC")


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"name": "./none.csv"}, BadSpec, "no file none.csv"),
        ({"name": "./mine.txt"}, BadSpec, r"\*\.txt: give one of \*\.tsv, \*\.csv"),
        ({"name": "./"}, BadSpec, "data.split: .* is a folder"),
        ({"split": None}, BadSpec, "mine.csv is one file: say how it is split"),
        ({"columns": {"text": "Opinion"}}, BadData, "'id', 'opinion', 'tono': did you mean op"),
        ({"columns": {"txt": "opinion"}}, BadSpec, "data.columns.txt: .* reads text, label"),
        ({"columns": {"text": "tono", "label": "tono"}}, BadSpec, "'tono' is the column of two"),
        (
            {"split": SplitShares(dev=0.001, test=0.001)},
            BadData,
            "of the 60 examples of mine.csv none falls into dev: give more examples, or larger",
        ),
    ],
)
def test_a_file_that_cannot_be_split(
    mine: Path, change: dict[str, Any], kind: type[Exception], message: str
) -> None:
    (mine.parent / "mine.txt").write_text("hola")
    with pytest.raises(kind, match=message):
        load(MINE.model_copy(update=change), task=DOCUMENT_CLASSIFICATION, root=None)


def test_columns_of_what_is_no_table(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.conll").write_text("Ana B-PER\n")
    data = Data(name=f"{tmp_path}", columns={"words": "a"})
    with pytest.raises(BadSpec, match=r"data.columns: .*train.conll has no columns .*\*\.parquet"):
        load(data, task=ENTITIES, root=None)


def test_one_file_is_split_by_article(tmp_path: Path) -> None:
    folder = tmp_path / "squad-es"
    folder.mkdir()
    articles = []
    for n in range(16):
        squad.write(tmp_path / "one.json", _questions(f"a{n}-", 2))
        articles += json.loads((tmp_path / "one.json").read_text("utf-8"))["data"]
    (folder / "v2-dev.json").write_text(json.dumps({"data": articles}), "utf-8")
    splits = load(Data(name="squad-es-v2"), task=QUESTIONS, root=tmp_path)
    assert [e.id for e in splits.dev] == ["a3-0", "a3-1", "a11-0", "a11-1"]
    assert [e.id for e in splits.test] == ["a7-0", "a7-1", "a15-0", "a15-1"]
    assert len(splits.train) == 24


def test_running_text_is_split_by_what_it_says(tmp_path: Path) -> None:
    """In whichever file and place a paragraph stands, it is in one split."""
    said = [f"Párrafo {n % 900}." for n in range(1000)]
    splits, turned = [], []
    for folder, lines in (("one", said), ("other", said[::-1])):
        root = tmp_path / folder / "text"
        root.mkdir(parents=True)
        for name, part in (("un-news", lines[:400]), ("novels-1900-1920", lines[400:])):
            (root / f"{name}.txt").write_text("\n\n".join(part), "utf-8")
        found = load(Data(name="text"), task=general.TASK, root=root.parent)
        assert found.warnings == ()
        turned.append([[one.text for one in s] for s in (found.train, found.dev, found.test)])
        splits.append([len(part) for part in turned[-1]])
    assert turned[0] == turned[1]
    assert sum(splits[0]) == 1000
    assert all(0 < size < 50 for size in splits[0][1:])


def test_a_limit_of_running_text_is_a_sample_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    for name in ("un-news", "novels-1900-1920"):
        lines = "".join(f"{name} {n}\n" for n in range(500))
        (tmp_path / "text" / f"{name}.txt").write_text(lines)
    data = Data(name="text", limit={"train": 100})
    some = load(data, task=general.TASK, root=tmp_path).train
    assert 25 < sum(one.text.startswith("un-news") for one in some) < 75


def test_what_splits_share_is_told(root: Path) -> None:
    squad.write(root / "mlqa" / "test.json", [*_questions("train", 2), *_questions("x", 1)])
    splits = load(Data(name="squad-es", test="mlqa"), task=QUESTIONS, root=root)
    assert splits.warnings == (
        "2 of 3 test examples share their id with train, such as train0: scores on test may be "
        "too good",
        "2 of 3 test examples share their text with train, such as train0: scores on test may "
        "be too good",
    )


def test_ids_that_number_the_rows_of_a_split_are_not_told(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        rows = "".join(f"{n}\t{split} {n}\t{split} of {n}\t{n % 2}\n" for n in range(4))
        (tmp_path / f"{split}.tsv").write_text(f"id\tsentence1\tsentence2\tlabel\n{rows}")
    splits = load(Data(name=f"{tmp_path}/"), task=PARAPHRASE, root=None)
    assert (len(splits.test), splits.warnings) == (4, ())


def _refused(root: Path, what: str) -> tuple[Data, Path | None]:
    match what:
        case "unknown":
            return Data(name="conll2003"), root
        case "no root":
            return Data(name="conll2002"), None
        case "no file":
            (root / "conll2002" / "dev.conll").unlink()
        case "no folder":
            return Data(name="/nowhere/at/all"), root
        case "another task":
            return Data(name="conll2002", test="mlqa"), root
        case "empty":
            (root / "conll2002" / "dev.conll").write_text("\n\n", "utf-8")
        case "strange":
            some = [*_sentences("dev", 2), *_sentences("odd", 2, "B-EVENT")]
            conll.write(root / "conll2002" / "dev.conll", some)
    return Data(name="conll2002"), root


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("unknown", UnknownName, "no data set 'conll2003': did you mean conll2002"),
        ("no root", NoData, "set ALAMBIQUE_DATA to one that holds conll2002/train.conll"),
        ("no file", NoData, r"no file .*dev\.conll: put it there, or set ALAMBIQUE_DATA"),
        ("no folder", NoData, r"no file /nowhere/at/all/train\.conll: a folder of data holds"),
        ("another task", BadSpec, "mlqa is for question-answering, the job's task is named-ent"),
        ("empty", BadData, "the dev split of conll2002 has no examples"),
        (
            "strange",
            BadData,
            r"also \['B-EVENT', 'I-EVENT'\], first in dev, example dev\.conll:7: correct",
        ),
    ],
)
def test_data_that_cannot_be_loaded_is_refused(
    root: Path, what: str, kind: type[Exception], message: str
) -> None:
    data, folder = _refused(root, what)
    with pytest.raises(kind, match=message):
        load(data, task=ENTITIES, root=folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("squad-es", "squad-es has no test split, only train, dev: name a set to test on.* mlqa"),
        ("mlqa", "mlqa has no train split, only test: take one of sample-questions, squad-es"),
    ],
)
def test_a_split_that_is_not_there_is_named(root: Path, name: str, message: str) -> None:
    with pytest.raises(BadSpec, match=message):
        load(Data(name=name), task=QUESTIONS, root=root)


def test_every_task_and_data_set_is_found_by_its_name() -> None:
    assert [find(task.name) for task in ALL] == list(ALL)
    assert [dataset(found.name) for found in DATASETS] == list(DATASETS)
    assert {found.task for found in DATASETS} == {task.name for task in ALL}
    with pytest.raises(UnknownName, match="choose one of question-answering, named-entities"):
        find("translation")


@pytest.mark.parametrize("found", [d for d in DATASETS if isinstance(d.source, Shipped)])
def test_samples_need_no_files_and_share_nothing_between_splits(found: Dataset) -> None:
    splits = load(Data(name=found.name), task=find(found.task), root=None)
    sizes = {"train": len(splits.train), "dev": len(splits.dev), "test": len(splits.test)}
    assert (sizes, splits.warnings) == (found.sizes, ())
    assert bool(splits.labels) is (found.task != "general")


@pytest.mark.parametrize("found", [d for d in DATASETS if not isinstance(d.source, Shipped)])
def test_the_real_files_have_the_sizes_that_the_catalogue_tells(
    shared: Path, found: Dataset
) -> None:
    task = find(found.task)
    lends = "squad-es" if "train" not in found.splits else found.name
    test = found.name if "test" in found.splits else "mlqa"
    try:
        splits = load(Data(name=lends, test=test), task=task, root=shared / "data")
    except BadSpec as error:
        pytest.skip(str(error))  # no copy of it lies there
    assert splits.wrong_sizes == ()
    assert splits.train
    assert set(found.labels) <= set(splits.labels)


def test_rows_that_are_left_out_are_counted(shared: Path) -> None:
    splits = load(Data(name="paws-x-dev"), task=PARAPHRASE, root=shared / "data")
    assert len(splits.train) == 1470
    assert splits.warnings[0] == "30 rows of train are marked as missing something: left out"
    assert splits.wrong_sizes == ()


@pytest.mark.parametrize("found", [d for d in DATASETS if isinstance(d.source, Hub)])
def test_a_data_set_of_the_hub_is_at_a_commit(found: Dataset) -> None:
    assert isinstance(found.source, Hub)
    assert re.fullmatch("[0-9a-f]{40}", found.source.revision)
    assert set(found.source.paths) == set(found.sizes)
    with pytest.raises(BadSpec, match="is fetched when the job runs"):
        load(Data(name=found.name), task=find(found.task), root=None)
