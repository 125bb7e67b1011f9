"""Examples without labels: from a data set of the task, or from plain texts."""

import json
from pathlib import Path
from typing import Any

import pytest

from alambique.runtime.words import words_of
from alambique.spec.data import Data, Limited
from alambique.spec.errors import BadData, BadSpec, UnknownName
from alambique.spec.outputs import Output
from alambique.tasks.all import ALL, find
from alambique.tasks.catalogue import DATASETS
from alambique.tasks.data import Splits, load
from alambique.tasks.examples import (
    Answer,
    Example,
    Labelled,
    Question,
    Sentence,
    content_hash,
    read,
    without_labels,
    write,
)
from alambique.tasks.formats import conll
from alambique.tasks.formats.conllu import Row
from alambique.tasks.task import Task

CONTEXT = {"context": "Uno.", "qas": [{"id": "q", "question": "¿Cuánto?"}]}
TEXT = "La OMS aprobó 3,5 millones.\n\n  Ana vive en «Lugo».  \n"


def of(unlabelled: object, /, task: str = "named-entities", **limit: int) -> Splits:
    name = next(one.name for one in DATASETS if one.task == task)
    sizes = {"train": 4, "dev": 2, "test": 2, **limit}
    data = Data.model_validate({"name": name, "limit": sizes, "unlabelled": str(unlabelled)})
    return load(data, task=find(task), root=None)


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_a_task_of_one_text_takes_texts_and_others_do_not(task: Task[Any, Any]) -> None:
    """One of general distillation has no use for them: all that it has is text."""
    taken = len(task.inputs) == 1 and task.output is not Output.STATES
    assert (task.of_text is not None) == taken


def test_texts_are_split_into_words_as_they_are_when_answered(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text(TEXT)
    first, second = of(tmp_path / "more.txt").unlabelled
    assert first.words == ("La", "OMS", "aprobó", "3", ",", "5", "millones", ".")
    assert (second.id, second.tags) == ("more.txt:3", ())
    assert len(second.words) == len(words_of("Ana vive en «Lugo»."))


def test_a_document_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text(TEXT)
    found = of(tmp_path, "document-classification")
    assert found.unlabelled == (
        Labelled("more.txt:1", ("La OMS aprobó 3,5 millones.",), ""),
        Labelled("more.txt:3", ("Ana vive en «Lugo».",), ""),
    )


def test_a_folder_has_texts_in_the_order_of_their_files_or_else_a_train_file(
    tmp_path: Path,
) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.txt").write_text(f"De {name}.\n")
    assert [one.id for one in of(tmp_path).unlabelled] == ["a.txt:1", "b.txt:1"]
    conll.write(tmp_path / "train.conll", [Sentence("", ("De", "c"), ("O", "B-LOC"))])
    assert [one.words for one in of(tmp_path).unlabelled] == [("De", "c")]


def test_of_a_folder_with_splits_of_texts_the_train_texts_are_read(tmp_path: Path) -> None:
    for split in ("dev", "test", "train"):
        (tmp_path / f"{split}.txt").write_text(f"De {split}.\n")
    assert [one.id for one in of(tmp_path).unlabelled] == ["train.txt:1"]


def test_the_rest_of_the_training_examples(tmp_path: Path) -> None:
    """Those that the job uses already are left out before any are counted."""
    found = of("sample-entities", unlabelled=3)
    assert [one.id for one in found.unlabelled] == ["train-0004", "train-0005", "train-0006"]
    assert found.warnings == (
        "4 of 2400 unlabelled examples have the text of one of train: left out",
    )
    assert found.wrong_sizes == ()
    assert {one.tags for one in found.unlabelled} == {()}


def test_a_set_of_texts_of_the_catalogue() -> None:
    found = of("sample-text", task="document-classification", unlabelled=2)
    texts = load(Data(name="sample-text"), task=find("general"), root=None).train
    assert [one.texts for one in found.unlabelled] == [(one.text,) for one in texts[:2]]
    assert {one.label for one in found.unlabelled} == {""}


def test_labels_that_nobody_knows_are_no_fault(tmp_path: Path) -> None:
    conll.write(tmp_path / "more.conll", [Sentence("", ("De", "c"), ("O", "B-NEVER"))])
    found = of(tmp_path / "more.conll")
    assert found.labels == of("sample-entities").labels
    assert found.unlabelled == (Sentence("more.conll:1", ("De", "c"), ()),)


@pytest.mark.parametrize(
    ("task", "name", "content"),
    [
        ("paraphrase", "train.tsv", "sentence1\tsentence2\nUno\tDos\n"),
        ("inference", "train.jsonl", '{"premise": "Uno", "hypothesis": "Dos"}\n'),
        ("document-classification", "train.csv", "text\nUno\n"),
        ("named-entities", "train.conll", "Uno\nDos\n"),
        ("part-of-speech", "train.conllu", Row("1", "Uno").text),
        ("question-answering", "train.json", json.dumps({"data": [{"paragraphs": [CONTEXT]}]})),
    ],
)
def test_files_of_every_task_need_no_labels(
    tmp_path: Path, task: str, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    (in_folder,) = of(tmp_path, task).unlabelled
    (alone,) = of(tmp_path / name, task).unlabelled
    assert in_folder == alone == without_labels(alone)
    assert "Uno" in "".join(find(task).texts(alone))


def test_labels_of_a_set_of_the_catalogue_are_not_looked_up(tmp_path: Path) -> None:
    (tmp_path / "inferes").mkdir()
    rows = "ID,Premise,Hypothesis,Label\n1,Uno,Dos,never\n2,Uno,Tres,\n"
    (tmp_path / "inferes" / "train.csv").write_text(rows)
    few: dict[Limited, int] = {"train": 2, "dev": 2, "test": 2}
    data = Data(name="sample-inferences", limit=few, unlabelled="inferes")
    found = load(data, task=find("inference"), root=tmp_path)
    assert [(one.id, one.texts) for one in found.unlabelled] == [
        ("1", ("Uno", "Dos")),
        ("2", ("Uno", "Tres")),
    ]


def test_a_text_of_the_test_split_is_left_out_and_told(tmp_path: Path) -> None:
    (test,) = of("sample-entities", test=1).test
    shared = Sentence("", test.words, ("O",) * len(test.words))
    conll.write(tmp_path / "more.conll", [shared, Sentence("", ("De", "c"), ("O", "O"))])
    found = of(tmp_path / "more.conll")
    assert len(found.unlabelled) == 1
    assert found.warnings[-1] == (
        "1 of 2 unlabelled examples have the text of one of test: left out"
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("EE.UU. aprobó 3,5 millones .", "EE.UU.\u00a0aprobó 3,5 millones."),
        ("De el norte a el sur , dando le la mano .", "Del norte al sur, dándole la mano."),
        ("Del De el norte al a el sur .", "Del norte al sur."),
    ],
)
def test_a_sentence_of_a_corpus_is_recognised_in_plain_text(
    tmp_path: Path, words: str, text: str
) -> None:
    """Though its words are others there."""
    said = tuple(words.split())
    for split, some in {"train": said[-2:], "dev": said[-1:], "test": said}.items():
        conll.write(tmp_path / f"{split}.conll", [Sentence("", some, ("O",) * len(some))])
    (tmp_path / "more.txt").write_text(f"{text}\nDe c.\n")
    data = Data(name=str(tmp_path), unlabelled=str(tmp_path / "more.txt"))
    found = load(data, task=find("named-entities"), root=None)
    assert [one.words for one in found.unlabelled] == [("De", "c", ".")]
    assert found.warnings[-1].startswith("1 of 2 ")


@pytest.mark.parametrize(
    ("task", "unlabelled", "kind", "sentence"),
    [
        ("paraphrase", "FOLDER/more.txt", BadSpec, "an example of paraphrase is sentence1 and sen"),
        ("question", "FOLDER/more.txt", BadSpec, "is question and context: give a data set of"),
        (
            "named-entities",
            "FOLDER/none",
            BadSpec,
            "called *.conll or *.parquet or *.txt nor a folder with a",
        ),
        ("named-entities", "sample-questions", BadSpec, "is for question-answering"),
        ("named-entities", "none", UnknownName, "there is no data set 'none'"),
        ("named-entities", "mlqa", BadSpec, "mlqa is for question-answering"),
        ("named-entities", "FOLDER/bad.txt", BadData, "bad.txt:2: byte 0xff is not UTF-8"),
    ],
)
def test_what_cannot_be_is_told(
    tmp_path: Path, task: str, unlabelled: str, kind: type[Exception], sentence: str
) -> None:
    (tmp_path / "more.txt").write_text(TEXT)
    (tmp_path / "bad.txt").write_bytes(b"uno\n\xff\n")
    name = "question-answering" if task == "question" else task
    sets = {"question-answering": "sample-questions", "paraphrase": "sample-paraphrases"}
    data = Data(
        name=sets.get(name, "sample-entities"),
        unlabelled=unlabelled.replace("FOLDER", str(tmp_path)),
    )
    with pytest.raises(kind) as caught:
        load(data, task=find(name), root=None)
    assert sentence in str(caught.value)


def test_examples_of_each_kind_are_the_same_whatever_is_right(tmp_path: Path) -> None:
    """Also in their files."""
    right: list[Example] = [
        Question("1", "¿Quién?", "Ana.", (Answer("Ana", 0),)),
        Sentence("1", ("Ana",), ("B-PER",)),
        Labelled("1", ("Ana.",), "x"),
    ]
    wrong: list[Example] = [
        Question("1", "¿Quién?", "Ana."),
        Sentence("1", ("Ana",), ("O",)),
        Labelled("1", ("Ana.",), "y"),
    ]
    for one, other in zip(right, wrong, strict=True):
        assert without_labels(one) == without_labels(other)
        digest = write(tmp_path / "one.arrow", [without_labels(one)])
        assert digest == content_hash([without_labels(other)])
        assert read(tmp_path / "one.arrow") == [without_labels(one)]
