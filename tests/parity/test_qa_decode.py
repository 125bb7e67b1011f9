"""Span decoding against transformers' run_qa, on its golden cases."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.parity.golden_files import read_json

from alambique.distill.alignment import FloatArray
from alambique.runtime.spans import NO_SPAN, SpanSettings, best_span, nbest
from alambique.runtime.windows import Window

MODES = ["v1", "v1_short", "v2", "v2_threshold"]


@pytest.fixture(scope="module")
def golden() -> Any:
    return read_json("qa_decode.json")


def _window(row: dict[str, Any]) -> Window:
    """A window in which each piece that has offsets is a word of its own."""
    offsets = row["offset_mapping"]
    positions_N = np.arange(len(offsets))
    words_N = np.where([span is not None for span in offsets], positions_N, -1).astype(np.int32)
    best = [int(n) for n, most in row.get("token_is_max_context", {}).items() if most]
    return Window(
        input_ids_N=positions_N,
        type_ids_N=positions_N,
        null=0,
        first_word_N=words_N,
        last_word_N=words_N,
        offsets_N2=np.array([span or [0, 0] for span in offsets], np.int32),
        best_words_K=np.array(best, np.int32),
        whole=(0, len(offsets)),
    )


def _logits(row: dict[str, Any]) -> FloatArray:
    return np.array([row["start_logits"], row["end_logits"]], np.float32).T


def _settings(mode: dict[str, Any], rows: list[dict[str, Any]]) -> SpanSettings:
    settings = SpanSettings(
        n_best=mode["n_best_size"],
        max_answer_length=mode["max_answer_length"],
        own_window="token_is_max_context" in rows[0],
    )
    if not mode["version_2_with_negative"]:
        return settings
    return replace(settings, null_threshold=mode["null_score_diff_threshold"])


@pytest.mark.parametrize("mode", MODES)
def test_spans_and_probabilities_are_those_of_run_qa(golden: Any, mode: str) -> None:
    for example in golden["examples"]:
        rows = [row for row in golden["windows"] if row["example_id"] == example["id"]]
        settings = _settings(golden["expected"][mode]["settings"], rows)
        expected = golden["expected"][mode]["predictions"][example["id"]]
        windows, logits = [_window(row) for row in rows], [_logits(row) for row in rows]

        spans = nbest(windows, logits, example["context"], settings)
        assert len(spans) == expected["n_candidates"]
        assert [s.text for s in spans[:5]] == [e["text"] for e in expected["nbest"]]
        for key in ("score", "probability"):
            ours = [getattr(span, key) for span in spans[:5]]
            assert ours == pytest.approx([e[key] for e in expected["nbest"]], abs=1e-5)

        best = best_span(windows, logits, example["context"], settings)
        # where no pair of positions makes a span run_qa answers with a placeholder, we with ""
        assert best.text == expected["best"].replace(NO_SPAN, "")
        assert example["context"][best.start : best.end] == best.text
        if "null_score_diff" in expected:
            rival = next(span for span in spans if span.text)
            difference = best.null_score - rival.score
            assert difference == pytest.approx(expected["null_score_diff"], abs=1e-5)
