"""What a version's files say of sentences and texts, beside what plain transformers says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from alambique.models.configs import labels_of, read_config
from alambique.runtime.about import ABOUT
from alambique.runtime.words import words_of
from alambique.spec.errors import BadModel, BadSpec
from alambique.workers.scoring.predicting import predict

Made = Callable[[str], Path]

SENTENCE = "Ana Ruiz nació en Lugo, a orillas del Miño."


@pytest.fixture
def version(folder_of: Callable[..., Path]) -> Made:
    """The folder of a version for a task, its weights drawn."""

    def made(task: str) -> Path:
        folder = folder_of(task, task=task)
        labels = labels_of(read_config(folder))
        about = {"task": task, "labels": labels, "max_length": 64, "stride": 16}
        (folder / ABOUT).write_text(json.dumps(about | {"settings": {}}))
        return folder

    return made


def plain(folder: Path, model: Any, *texts: str) -> tuple[Any, torch.Tensor]:
    """Pieces with their places in the text, and logits."""
    pieces = AutoTokenizer.from_pretrained(folder)(
        *texts, return_tensors="pt", return_offsets_mapping=True
    )
    with torch.inference_mode():
        logits: torch.Tensor = (
            model.from_pretrained(folder)
            .eval()(input_ids=pieces["input_ids"], attention_mask=pieces["attention_mask"])
            .logits
        )
    return pieces, logits[0]


def test_each_word_has_the_tag_of_its_first_piece(version: Made) -> None:
    folder = version("named-entities")
    pieces, logits_NC = plain(folder, AutoModelForTokenClassification, SENTENCE)
    names = labels_of(read_config(folder)) or ()
    classes = logits_NC.argmax(-1).tolist()
    places = pieces["offset_mapping"][0].tolist()
    beginning = {a: names[n] for (a, b), n in zip(places, classes, strict=True) if a < b}
    words = predict(folder, texts=[SENTENCE])["words"]
    expected = [(SENTENCE[a:b], beginning[a]) for a, b in words_of(SENTENCE).tolist()]
    assert [(row["word"], row["tag"]) for row in words] == expected
    assert len({row["tag"] for row in words}) > 1


@pytest.mark.parametrize(
    ("task", "texts"),
    [
        ("document-classification", ["El río Ebro nace en Fontibre."]),
        ("paraphrase", ["Nació en Lugo.", "Lugo es su ciudad natal."]),
    ],
)
def test_a_class_has_its_probability(version: Made, task: str, texts: list[str]) -> None:
    folder = version(task)
    _, logits_C = plain(folder, AutoModelForSequenceClassification, *texts)
    names = labels_of(read_config(folder)) or ()
    chances = dict(zip(names, logits_C.softmax(-1).tolist(), strict=True))
    found = predict(folder, texts=texts)
    assert found["scores"] == pytest.approx(chances, abs=1e-6)
    assert found["label"] == max(chances, key=lambda name: chances[name])
    assert list(found["scores"].values()) == sorted(found["scores"].values(), reverse=True)


def test_a_score_is_said_as_it_is(version: Made) -> None:
    folder, texts = version("similarity"), ["Nació en Lugo.", "Lugo es su ciudad natal."]
    _, logits_1 = plain(folder, AutoModelForSequenceClassification, *texts)
    assert predict(folder, texts=texts) == {"score": pytest.approx(logits_1.item(), abs=1e-6)}


@pytest.mark.parametrize(
    ("task", "texts", "sentence"),
    [
        ("named-entities", ["uno", "dos"], "tags words: give one text"),
        ("paraphrase", ["uno"], "reads .* and .*: give a text for each, in this order"),
        ("similarity", ["uno"], "reads .* and .*: give a text for each, in this order"),
        ("document-classification", ["uno", "dos"], "reads text: give a text for each"),
        ("question-answering", ["uno"], "answers questions: give a question and a context"),
    ],
)
def test_other_input_than_the_task_s_is_refused(
    version: Made, task: str, texts: list[str], sentence: str
) -> None:
    with pytest.raises(BadSpec, match=sentence):
        predict(version(task), texts=texts)


def test_a_folder_that_is_no_version_is_refused(version: Made) -> None:
    folder = version("named-entities")
    (folder / ABOUT).unlink()
    with pytest.raises(BadModel, match=r"has no readable alambique\.json: download the version"):
        predict(folder, texts=["uno"])
