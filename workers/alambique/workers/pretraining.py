"""Pre-trains the sample encoder: a tiny ModernBERT, by masked LM on the grammar's own text.

    python -m alambique.workers.pretraining platform/alambique/models/sample_encoder

is the command that made the one in the package (some 25 minutes of one core). It sees no sentence of
a dev or test split. Each row is a passage behind questions about it with their answers; of an answer
and the place in the passage that it comes from, one is masked. To fill it in, the network must find
whose fact the question is about, which is what extractive question answering asks of it later.

Shapes: B rows of a batch, N pieces of the longest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers import ModernBertConfig

from alambique.models.tokenizers import CLS, PAD, SEP, SPECIAL
from alambique.tasks.examples import Question
from alambique.tasks.sample.wording import Span

POOL = 16
"""Batches that are drawn together and sorted by length, so that little is padding."""


@dataclass(frozen=True, slots=True)
class Row:
    """Two segments of text, and the spans of the first that say the same as spans of the second."""

    first: str
    second: str
    twins: tuple[tuple[Span, Span], ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows with pieces masked; `labels_BN` is -100 where nothing is."""

    input_ids_BN: Tensor
    attention_BN: Tensor
    labels_BN: Tensor


def row_of(lesson: Sequence[Question]) -> Row:
    """The questions about a passage, each with its answer, and the passage."""
    first, twins = "", []
    for ask in lesson:
        (answer,) = ask.answers
        start = len(first) + len(ask.question) + 1
        twins.append((Span(start, start + len(answer.text)), Span(answer.start, answer.end)))
        first += f"{ask.question} {answer.text} "
    return Row(first.rstrip(), lesson[0].context, tuple(twins))


def config_of(vocabulary: int, *, layers: int, width: int) -> ModernBertConfig:
    """A ModernBERT with global attention in every layer and without dropout.

    Its rotary embedding suits short texts; learned positions learn nothing at this size.
    """
    rotary = {"rope_type": "default", "rope_theta": 10_000.0}
    return ModernBertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=512,
        global_attn_every_n_layers=1,
        rope_parameters={"full_attention": rotary, "sliding_attention": rotary},
        initializer_range=0.04,
        pad_token_id=SPECIAL.index(PAD),
        cls_token_id=SPECIAL.index(CLS),
        sep_token_id=SPECIAL.index(SEP),
        bos_token_id=SPECIAL.index(CLS),
        eos_token_id=SPECIAL.index(SEP),
    )
