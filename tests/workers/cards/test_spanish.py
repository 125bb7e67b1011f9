"""The Spanish part of a card is in Spanish, whatever the platform has noted of the job."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.workers.cards.test_card import CHAIN, card, part

from alambique.registry.job_result import busy_note
from alambique.spec.compression import Format
from alambique.spec.reading import job_of
from alambique.tasks.all import find
from alambique.workers.publishing.card import documents
from alambique.workers.publishing.licences import LicenceClass
from alambique.workers.publishing.release import Release
from alambique.workers.publishing.spanish import SENTENCES, WORDS, sentence
from alambique.workers.stages.table import job_notes

ROOT = Path(__file__).parents[3]
Released = Callable[..., Release]
WORDS_OF_ENGLISH = """
the of and with by for from which that not only first at as it its is are was were be been this
these those than there where who what one two many much more most other others each every all any
some without into over beside while once text texts batch random turns seed seeds layer layers
network networks teacher student trained training test train file files folder catalogue read found
none license licence model data says could such word words rows examples share split splits scores
score loss validation run runs gain gains interval holds machine busy trial trials steps epoch
weights measured registered published class window longer cut piece likeliest threshold answer
length padded states tokens outputs evaluation unlabelled permissive unknown
"""
ENGLISH = frozenset(WORDS_OF_ENGLISH.split())
NOTES = (
    "12 of 437 test examples share their id with train, such as s7: scores on test may be too good",
    "3 rows of dev are marked as missing something: left out",
    "3 unlabelled rows are marked as missing something: left out",
    "4 of 90 unlabelled examples have the text of one of train and dev: left out",
    "the tokenizer of the distilled has no piece for 2 words of test, such as word 3 of s1, 'ñu': "
    "no network can tag them, and they count as untagged; clean the data, or take a model whose "
    "tokenizer knows them",
    "student, seed 2: a loss stopped being finite; measured are the weights of the best epoch "
    "before, after 40 steps at most",
    "student: a loss stopped being finite; measured are the weights of the best epoch before, "
    "after 40 steps at most",
    "trial 3: distilling did not help here: f1 -1.56 points against same-start (interval -5.42 to "
    "+1.85)",
    "what distilling gained may be chance: f1 +0.50 points over gold-only, interval -0.10 to +1.20 "
    "holds 0",
    "one seed: the interval of the gain is over examples alone; give seeds to see how much the "
    "training itself varies",
    "2 seeds: of so few the interval of the gain is narrow, and holds the true gain less often "
    "than 95 times of 100",
    "collapsed: team/base, epochs 3: validation loss 0.6931, accuracy on the validation examples "
    "is 0.5000, that of the commonest class 0.7000; the difference is -0.2000 (-0.3000 to "
    "-0.1000), and has to be more than half the width of its interval, 0.1000",
    "the teacher would not pass the gate, which the job has off: f1 on the validation examples is "
    "0.1000, less than 70% of 0.8000, the median of the 3 other runs",
    "the teacher could not be made an ONNX file (the log says why): speed-ups of the engines are "
    "over it by torch",
    "the processor of this race has no instructions for products of bytes (VNNI or the like): int8 "
    "may be slow there, and its products may overflow, which costs score",
)
LONG = 12
"""Letters of a part of a sentence that stands in the code as it is."""
SIX = {
    "question-answering": "sample-questions",
    "named-entities": "sample-entities",
    "part-of-speech": "sample-speech",
    "inference": "sample-inferences",
    "paraphrase": "sample-paraphrases",
    "document-classification": "sample-documents",
    "similarity": "sample-similarities",
}


def english_words(text: str) -> set[str]:
    """The English words of a text of Markdown, outside of code and of names of files and models."""
    text = re.sub(r"^```.*?^```", " ", text, flags=re.M | re.S)
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|\[(?:Limits|LICENSES\.md)", " ", text)
    plain = (token.strip(".,;:()[]«»*|\\'") for token in text.split())
    return {token for token in plain if token.lower() in ENGLISH}


def engines() -> list[dict[str, Any]]:
    """The race of every format, accepted or not."""
    fields = {"engine": "onnxruntime", "p50_ms": 1.5, "metric": 0.5, "per_second": {8: 90.0}}
    raced = [{"model": "teacher", "format": "fp32"}, {"model": "student", "format": "fp32"}]
    raced += [{"model": "teacher", "format": "fp32", "engine": "torch, padded"}]
    raced += [{"model": "student", "format": str(each)} for each in Format]
    notes = ("a bug: its file cannot be opened", NOT_REGISTERED)
    refused = [
        {"model": "student", "engine": "torch", "format": str(each), "note": note}
        for each, note in zip(Format, notes, strict=False)
    ]
    return [*(fields | each for each in raced), *refused]


NOT_REGISTERED = (
    "not registered: f1 on validation 0.6100, the network's own 0.8000; compress.tolerance says "
    "how much less is accepted"
)


@pytest.mark.parametrize("name", SIX)
def test_the_spanish_part_has_no_english_words(released: Released, name: str) -> None:
    task = find(name)
    about = {
        "task": name,
        "output": task.output.value,
        "inputs": list(task.inputs),
        "settings": dict(task.settings(())) | ({"null_threshold": 0.0} if "ques" in name else {}),
    }
    job = {"task": name, "data": {"name": SIX[name], "unlabelled": SIX[name]}}
    release = released(about=about, job=job, notes=NOTES, engines=engines())
    text = card(release)
    assert english_words(part(text, "Español")) == set()
    assert len(english_words(part(text, "English"))) > 40
    assert "Otras notas del registro" not in text
    for path, content in documents(release, CHAIN).items():
        if path.endswith(".es.svg"):
            told = re.findall(r">([^<]+)</text>", content.decode())
            assert english_words(" ".join(told)) == set()


def test_a_note_that_nobody_has_translated_is_in_the_english_part(released: Released) -> None:
    text = card(released(notes=("the moon was full",)))
    assert "the moon was full" in part(text, "English")
    spanish = part(text, "Español")
    assert "moon" not in spanish
    assert "Otras notas del registro están solo en inglés" in spanish


@pytest.mark.parametrize("note", [*NOTES, NOT_REGISTERED])
def test_a_note_has_its_figures_in_spanish_too(note: str) -> None:
    spanish = sentence(note)
    assert spanish is not None
    figures = re.compile(r"[-+]?\d[\d.]*\d|\d")
    assert sorted(figures.findall(spanish)) == sorted(figures.findall(note))


@pytest.mark.parametrize(
    "job",
    [
        {"teacher": {"model": "sample-encoder", "train": {"epochs": 1}}, "compare": ["gold-only"]},
        {"teacher": {"model": "sample-encoder"}, "compare": ["gold-only"]},
        {
            "teacher": {"model": "sample-encoder", "train": {"epochs": 1}},
            "compare": ["same-start"],
            "search": {
                "space": {"student.layers": [1, 2]},
                "trials": 2,
                "goals": ["f1 max", "latency_ms min"],
            },
        },
    ],
)
def test_the_notes_on_a_job_are_known(job: dict[str, Any]) -> None:
    shared = {"task": "named-entities", "data": "sample-entities", "student": {"layers": 1}}
    notes = list(job_notes(job_of(shared | job)))
    assert notes
    assert all(map(sentence, notes))


@pytest.mark.parametrize("device", ["cpu", None])
def test_the_note_on_a_busy_machine_is_known(device: str | None) -> None:
    assert sentence(busy_note([(1.0, "distilled"), (9.5, "same-start")], device))


def test_each_sentence_is_one_that_the_platform_writes() -> None:
    """A part of a sentence that stands nowhere in the code has been changed there."""
    roots = [ROOT / name / "alambique" for name in ("platform", "tasks", "workers")]
    files = {file for root in roots for file in root.rglob("*.py") if file.name != "spanish.py"}
    written = "".join(file.read_text() for file in sorted(files))
    joined = re.sub(r"\{[^{}\n\"]*\}", "{}", re.sub(r'"\s*\n\s*f?"', "", written))
    for english, _ in SENTENCES:
        for literal in re.split(r"\{\w+\}", english.replace("README.md", "{readme}")):
            if len(literal) >= LONG:
                assert literal.strip(" :;,.()") in joined, english


def test_each_class_of_a_licence_has_a_word() -> None:
    assert {each.value for each in LicenceClass} <= set(WORDS)
