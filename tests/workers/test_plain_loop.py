"""The same losses from a loop as anybody would write it with PyTorch and transformers alone.

Shapes: B windows of a batch, N pieces of the longest.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from alambique.models.networks import load
from alambique.runtime.windows import Window
from alambique.tasks.all import find
from alambique.tasks.examples import Question, Sentence, read
from alambique.workers.training.distributed import SingleProcess
from alambique.workers.training.inputs import load_inputs
from alambique.workers.training.schedule import epoch_batches, learning_rate
from alambique.workers.training.spec import TrainingSpec
from alambique.workers.training.target_windows import TargetWindow

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

Loss = Callable[[Any, TrainingSpec, Sequence[Any], Sequence[TargetWindow]], Tensor]
"""Of a model of transformers, for rows of examples."""


def tag_loss(
    model: Any, told: TrainingSpec, examples: Sequence[Sentence], rows: Sequence[TargetWindow]
) -> Tensor:
    """The model's own: cross entropy at the first piece of each word, -100 elsewhere."""
    ids_BN, mask_BN = fed(rows)
    labels_BN = torch.full_like(ids_BN, -100)
    for b, row in enumerate(rows):
        words_N = row.window.first_word_N
        for word in np.unique(words_N[words_N >= 0]):
            first = int(np.flatnonzero(words_N == word)[0])
            labels_BN[b, first] = told.labels.index(examples[row.example].tags[word])
    loss: Tensor = model(input_ids=ids_BN, attention_mask=mask_BN, labels=labels_BN).loss
    return loss


def span_loss(
    model: Any, told: TrainingSpec, examples: Sequence[Question], rows: Sequence[TargetWindow]
) -> Tensor:
    """Cross entropy over [CLS] and the context, of starts and of ends, halved."""
    ids_BN, mask_BN = fed(rows)
    answer = model(input_ids=ids_BN, attention_mask=mask_BN)
    barred_BN = torch.ones_like(ids_BN, dtype=torch.bool)
    gold_B2 = torch.zeros(len(rows), 2, dtype=torch.long)
    for b, row in enumerate(rows):
        barred_BN[b, : row.length] = ~torch.from_numpy(of_context(row.window))
        barred_BN[b, 0] = False
        gold_B2[b] = torch.tensor(answer_pieces(examples[row.example], row.window))
    start, end = (
        nn.functional.cross_entropy(logits_BN.masked_fill(barred_BN, -torch.inf), gold_B)
        for logits_BN, gold_B in zip(
            (answer.start_logits, answer.end_logits), gold_B2.T, strict=True
        )
    )
    return (start + end) / 2


def of_context(window: Window) -> Any:
    """Which pieces are characters of the context: those of the question have no offsets."""
    return window.offsets_N2[:, 1] > window.offsets_N2[:, 0]


def answer_pieces(example: Question, window: Window) -> tuple[int, int]:
    """The first and the last piece of the answer; [CLS] twice where the window has not all of it.

    Answers of the sample begin and end with a word.
    """
    answer = example.answers[0]
    inside_N = of_context(window) & (window.offsets_N2[:, 0] < answer.end)
    pieces = np.flatnonzero(inside_N & (window.offsets_N2[:, 1] > answer.start))
    if not len(pieces):
        return 0, 0
    first, last = int(pieces[0]), int(pieces[-1])
    whole = window.offsets_N2[first, 0] == answer.start and window.offsets_N2[last, 1] == answer.end
    return (first, last) if whole else (0, 0)


def fed(rows: Sequence[TargetWindow]) -> tuple[Tensor, Tensor]:
    """Padded ids and the mask of them, (B, N) each."""
    ids = [torch.from_numpy(row.window.input_ids_N) for row in rows]
    masks = [torch.ones_like(ids_N) for ids_N in ids]
    ids_BN, mask_BN = (nn.utils.rnn.pad_sequence(part, batch_first=True) for part in (ids, masks))
    return ids_BN, mask_BN


@pytest.mark.parametrize(
    ("task", "loss"), [("named-entities", tag_loss), ("question-answering", span_loss)]
)
def test_the_losses_of_a_plain_loop(
    course: Callable[..., TrainingSpec], recorded: Callable[..., "Recorded"], task: str, loss: Loss
) -> None:
    told = course(task)
    run = recorded(told)
    run.run()
    assert run.losses == pytest.approx(plain_losses(told, loss), abs=1e-5)


def plain_losses(told: TrainingSpec, loss: Loss) -> list[float]:
    _, inputs = load_inputs(told, SingleProcess(torch.device("cpu")))
    examples, rows, settings = read(told.training), inputs.windows, told.train
    model = load(told.start, find(told.task).output, told.labels).inner.train()
    optimizer = plain_optimizer(model, settings.weight_decay)
    lengths = [row.length for row in rows]
    plans = [
        batch
        for epoch in range(settings.epochs)
        for batch in epoch_batches(lengths, settings, epoch)
    ]
    losses = []
    for step, batch in enumerate(plans):
        value = loss(model, told, examples, [rows[i] for i in batch])
        losses.append(value.item())
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        peak, warmup = settings.learning_rate, settings.warmup
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, len(plans), peak=peak, warmup=warmup, shape="linear")
        optimizer.step()
        optimizer.zero_grad()
    return losses


def plain_optimizer(model: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
    weights = list(model.parameters())
    return torch.optim.AdamW(
        [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
        ]
    )
