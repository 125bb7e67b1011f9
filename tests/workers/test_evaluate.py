"""What the scores of a job say: of words that a tokenizer drops, and of each example."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alambique.registry import jobs
from alambique.spec.states import StageName
from alambique.tasks.bootstrap import ratio
from alambique.tasks.data import Splits
from alambique.tasks.examples import Sentence
from alambique.tasks.formats import conll
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import Evaluation, TrainedModel
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.stages.evaluate import Evaluate

MakeContext = Callable[..., JobContext]

SOFT_HYPHEN = "\u00ad"
"""Which a WordPiece tokenizer drops: its normaliser takes it for a control character."""


def with_lost_words(sentence: Sentence) -> Sentence:
    """The sentence, its second and its last word a soft hyphen."""
    first, _, *rest = sentence.words
    return replace(sentence, words=(first, SOFT_HYPHEN, *rest[:-1], SOFT_HYPHEN))


@pytest.fixture
def evaluated(
    checked: MakeContext,
    few: Callable[[str], Splits],
    folder_of: Callable[..., Path],
    as_teacher: Callable[..., TrainedModel],
    tmp_path: Path,
) -> Callable[[int], tuple[Evaluation, list[str]]]:
    """Tests a network on sentences of which so many have lost words; with what was logged."""

    def made(lossy: int) -> tuple[Evaluation, list[str]]:
        splits, folder = few("named-entities"), tmp_path / "data"
        folder.mkdir()
        for split in ("train", "dev"):
            conll.write(folder / f"{split}.conll", getattr(splits, split))
        sound = len(splits.test) - lossy
        some = [*splits.test[:sound], *map(with_lost_words, splits.test[sound:])]
        conll.write(folder / "test.conll", some)
        context = checked(f"data.name={folder}")
        network = as_teacher(folder_of(), max_length=64, stride=16)
        part = StagePart(StageName.EVALUATE, network.name)
        found = Evaluate(network, 64, part).run(context, tmp_path)
        with context.database.read() as session:
            logged = jobs.logs(session, context.id)
        return found, [line for event in logged for line in event.content["lines"]]

    return made


def test_words_that_the_tokenizer_drops_are_told_with_a_place(
    evaluated: Callable[[int], tuple[Evaluation, list[str]]], tmp_path: Path
) -> None:
    found, logged = evaluated(2)
    (note,) = found.notes
    read = conll.read(tmp_path / "data" / "test.conll")
    first = next(sentence.id for sentence in read if SOFT_HYPHEN in sentence.words)
    assert note == (
        "the tokenizer of the teacher has no piece for 4 words of test, such as word 2 of "
        f"{first}, '\\xad': no network can tag them, and they count as untagged; clean "
        "the data, or take a model whose tokenizer knows them"
    )
    assert logged == [f"warning: {note}"]


def test_nothing_is_said_where_every_word_has_pieces(
    evaluated: Callable[[int], tuple[Evaluation, list[str]]],
) -> None:
    found, logged = evaluated(0)
    assert (found.notes, logged) == ((), [])


def test_what_each_example_adds_comes_to_the_score(
    evaluated: Callable[[int], tuple[Evaluation, list[str]]],
) -> None:
    found, _ = evaluated(0)
    assert found.fractions is not None
    fractions = np.load(found.fractions)
    assert fractions.shape == (found.settings["examples"], 2)
    assert ratio(fractions) == pytest.approx(found.score.metrics["f1"])
    assert 0 <= found.score.metrics["ece"] <= 1
