"""Words and pieces of three tokenizers against the golden alignments."""

from typing import Any

import numpy as np
import pytest
from tests.parity.golden_files import GOLDEN, read_json
from tokenizers import Tokenizer

from alambique.distill.alignment import WordPieces, first_pieces, pieces_of, tag_record, tag_target
from alambique.runtime.windows import Encoder, Window

NAMES = ["wordpiece", "bytebpe", "unigram"]
LONG = 10_000


@pytest.fixture(scope="module")
def golden() -> Any:
    return read_json("alignment.json")


def _encoder(name: str, max_length: int, stride: int = 0) -> Encoder:
    tokenizer = Tokenizer.from_file(str(GOLDEN / "tokenizers" / f"{name}.json"))
    return Encoder.of(tokenizer, max_length=max_length, stride=stride, pad_id=0)


def _pieces(window: Window) -> WordPieces:
    return pieces_of(window.first_word_N, window.last_word_N)


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_pre_split_words(golden: Any, name: str) -> None:
    for case in golden["cases"]:
        expected = case["tokenizers"][name]
        encoder = _encoder(name, case["max_length"] or LONG)
        window = encoder.words(case["words"])[0]  # truncated is the first window
        found = _pieces(window)
        assert window.input_ids_N.tolist() == expected["ids"], case["name"]
        assert found.words_P.tolist() == expected["present_words"]
        assert found.first_P.tolist() == expected["first_piece"]
        assert found.last_P.tolist() == expected["last_piece"]


def test_shared_words_are_the_intersection(golden: Any) -> None:
    for case in golden["cases"]:
        length = case["max_length"] or LONG
        words = {
            name: set(_pieces(_encoder(name, length).words(case["words"])[0]).words_P)
            for name in NAMES
        }
        for pair, expected in case["shared_words"].items():
            names = NAMES if pair == "all" else pair.split("|")
            assert sorted(set.intersection(*(words[name] for name in names))) == expected


@pytest.mark.parametrize("stride", [0, 3])
def test_every_shared_word_is_compared_once_whatever_the_windows(golden: Any, stride: int) -> None:
    encoders = {name: _encoder(name, 16, stride) for name in NAMES}
    for case in golden["cases"]:
        pairs = {} if case["max_length"] else case["shared_words"]
        for pair, expected in pairs.items():
            if pair == "all":
                continue
            teacher, student = (encoders[name].words(case["words"]) for name in pair.split("|"))
            logits = [np.zeros((len(window), 4), np.float32) for window in teacher]
            record_WC = tag_record(teacher, logits, len(case["words"]))
            compared = [
                int(word)
                for words_P in (first_pieces(window)[0] for window in student)
                for word in words_P[np.isfinite(tag_target(record_WC, words_P)).all(axis=1)]
            ]
            assert sorted(compared) == expected, case["name"]


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_of_a_pair_is_the_tokenizer_s_own(golden: Any, name: str) -> None:
    encoder = _encoder(name, LONG)
    for case in golden["pair_cases"]:
        question, context = " ".join(case["question_words"]), " ".join(case["context_words"])
        (window,) = encoder.question(question, context)
        whole = encoder.tokenizer.encode(question, context)
        assert window.input_ids_N.tolist() == whole.ids
        assert window.type_ids_N.tolist() == whole.type_ids
        of_context = {n for n, text in enumerate(whole.sequence_ids) if text == 1}
        assert set((window.first_word_N >= 0).nonzero()[0]) <= of_context
