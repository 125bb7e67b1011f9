"""Several teachers as one: laws of the mean and of the best of them."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from alambique.distill import losses
from alambique.distill.ensemble import average, best, log_odds
from alambique.distill.objective import objective_loss
from alambique.distill.prediction_rows import PredictionRows, class_rows, ensemble_rows, span_rows
from alambique.spec.objective import Gold, Logits

INF = float("inf")
temperatures = st.floats(0.25, 8)


@st.composite
def spoken(draw: st.DrawFn, *, silent: bool = True, teachers: int | None = None) -> Tensor:
    """What K teachers say of R rows of C columns, (K, R, C); some may be silent of a row, and
    columns that one bars take part for another."""
    k = teachers or draw(st.integers(1, 4))
    r, c = draw(st.integers(1, 5)), draw(st.integers(2, 5))
    seed = draw(st.integers(0, 2**32 - 1))
    chance = torch.Generator().manual_seed(seed)
    outputs = draw(st.sampled_from([0.1, 3.0, 40.0])) * torch.randn(k, r, c, generator=chance)
    outputs = outputs.double()
    if silent:
        barred = torch.rand(k, r, c, generator=chance) < draw(st.sampled_from([0.0, 0.4]))
        mute = torch.rand(k, r, 1, generator=chance) < draw(st.sampled_from([0.0, 0.4]))
        outputs = outputs.masked_fill(barred | mute, -INF)
    return outputs


def distribution(logits_RC: Tensor, temperature: float = 1.0) -> Tensor:
    """The softmax, of a silent row 0 throughout."""
    return (logits_RC / temperature).softmax(-1).nan_to_num(0.0)


def weights(outputs: Tensor) -> Tensor:
    return torch.arange(1.0, len(outputs) + 1, dtype=outputs.dtype)


def labels(outputs: Tensor) -> Tensor:
    return torch.arange(outputs.shape[1]) % outputs.shape[2]


def one_window(outputs: Tensor) -> Tensor:
    return torch.zeros(outputs.shape[1], dtype=torch.int64)


def the_best(outputs: Tensor, labels_R: Tensor, window_R: Tensor) -> Tensor:
    """Of windows without a row to compare, the mean."""
    mean = average(outputs, weights(outputs), temperature=1.0)
    return best(outputs, labels_R, window_R, otherwise_RC=mean)


@given(spoken(), temperatures)
def test_the_mean_is_that_of_the_distributions_of_who_speaks(
    outputs: Tensor, temperature: float
) -> None:
    found = distribution(average(outputs, weights(outputs), temperature=temperature), temperature)
    speaking_KR1 = outputs.isfinite().any(2)[:, :, None].double()
    share_KR1 = weights(outputs)[:, None, None] * speaking_KR1
    share_KR1 = share_KR1 / share_KR1.sum(0).clamp(min=1)
    expected = (share_KR1 * distribution(outputs, temperature)).sum(0)
    torch.testing.assert_close(found, expected)
    assert (found.sum(1) > 0).tolist() == outputs.isfinite().any(2).any(0).tolist()


@given(spoken(), temperatures)
def test_equal_teachers_and_one_alone_are_as_they_are(outputs: Tensor, temperature: float) -> None:
    first = outputs[:1]
    for same in (first, first.expand(3, -1, -1)):
        ours = [
            average(same, weights(same), temperature=temperature),
            the_best(same, labels(same), one_window(same)),
        ]
        for log_RC in ours:
            assert ((log_RC == -INF) == (first[0] == -INF)).all()
            kl_R = losses.soft_labels(log_RC, first[0], temperature=temperature)
            assert kl_R.abs().max() < 1e-9 * temperature**2


@given(spoken(), st.floats(1e-3, 1e3), st.randoms())
def test_neither_the_scale_of_the_weights_nor_the_order_of_the_teachers_matters(
    outputs: Tensor, scale: float, chance: Any
) -> None:
    order = list(range(len(outputs)))
    chance.shuffle(order)
    plain = average(outputs, weights(outputs), temperature=2.0)
    for other in (
        average(outputs, scale * weights(outputs), temperature=2.0),
        average(outputs[order], weights(outputs)[order], temperature=2.0),
    ):
        torch.testing.assert_close(other, plain)


@given(spoken(), st.integers(1, 3))
def test_no_teacher_alone_knows_the_gold_of_a_window_better_than_the_best(
    outputs: Tensor, windows: int
) -> None:
    """On rows whose gold all can name, those that say nothing of the window left out."""
    window_R = torch.arange(outputs.shape[1]) % windows
    found = the_best(outputs, labels(outputs), window_R)
    speaking_KR = outputs.isfinite().any(2)
    named_KR = outputs.isfinite()[:, torch.arange(outputs.shape[1]), labels(outputs)]
    assert (found.isfinite().any(1) == speaking_KR.any(0)).all()
    for window in range(windows):
        mine = window_R == window
        able = speaking_KR[:, mine].any(1)
        if not able.any():
            continue
        common = mine & named_KR[able].all(0)
        ours = losses.gold(found, labels(outputs))[common].sum()
        for theirs_RC in outputs[able]:
            assert ours <= losses.gold(theirs_RC, labels(outputs))[common].sum() * (1 + 1e-12)


def test_the_best_is_chosen_for_a_whole_window_and_speaks_for_it_throughout() -> None:
    """The first knows one row by far; the second the other row, and both rows together less."""
    outputs = torch.tensor([[[9.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [3.0, 0.0]]])
    gold = torch.tensor([0, 0])
    together = the_best(outputs, gold, torch.tensor([0, 0]))
    torch.testing.assert_close(together, outputs[1].log_softmax(1))
    apart = the_best(outputs, gold, torch.tensor([0, 1]))
    torch.testing.assert_close(apart, torch.stack([outputs[0, 0], outputs[1, 1]]).log_softmax(1))


def test_where_the_best_is_silent_the_next_one_speaks() -> None:
    silent = [-INF, -INF]
    outputs = torch.tensor([[[5.0, 0.0], silent, silent], [[1.0, 0.0], [0.0, 9.0], silent]])
    found = the_best(outputs, torch.tensor([0, 0, 0]), torch.tensor([0, 0, 0]))
    # the row that one alone speaks of is no reason to prefer the other
    torch.testing.assert_close(found[0], outputs[0, 0].log_softmax(0))
    torch.testing.assert_close(found[1], outputs[1, 1].log_softmax(0))
    assert (found[2] == -INF).all()


SURE, UNSURE = [9.0, 0.0, -INF], [0.0, 9.0, -INF]
UNABLE = [-INF, 0.0, 9.0]
"""Where 0 is right: one whose piece of the last word has the full stop too, say."""


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("other", [SURE, UNSURE, UNABLE])
def test_who_has_no_piece_for_the_gold_is_not_ranked_by_it(
    order: list[int], other: list[float]
) -> None:
    """Whether the others have one or, as a tie in which the first would win, all lack it."""
    outputs = torch.tensor([[SURE, UNABLE], [UNSURE, other]])
    found = the_best(outputs[order], torch.tensor([0, 0]), torch.tensor([0, 0]))
    torch.testing.assert_close(found, outputs[0].log_softmax(1))


def test_where_there_is_nothing_to_compare_the_mean_speaks() -> None:
    """The first names the start alone and the second the end; of the next window both name it."""
    outputs = torch.tensor([[SURE, UNABLE, UNSURE], [UNABLE, SURE, SURE]])
    found = the_best(outputs, torch.tensor([0, 0, 0]), torch.tensor([0, 0, 1]))
    mean = average(outputs, weights(outputs), temperature=1.0)
    torch.testing.assert_close(found[:2], mean[:2])
    torch.testing.assert_close(found[2], outputs[1, 2].log_softmax(0))


@given(spoken(teachers=2), temperatures)
def test_no_value_and_no_gradient_is_nan(outputs: Tensor, temperature: float) -> None:
    leaf = outputs.clone().requires_grad_()
    student_RC = torch.zeros_like(outputs[0]).requires_grad_()
    mean = average(leaf, weights(outputs), temperature=temperature)
    chosen = the_best(leaf, labels(outputs), one_window(outputs))
    for log_RC in (mean, chosen, log_odds(mean, labels(outputs) * 0)):
        assert not log_RC.isnan().any()
        assert not (log_RC == INF).any()
    value = losses.soft_labels(student_RC, mean, temperature=temperature).sum()
    value = value + losses.soft_labels(student_RC, chosen, temperature=temperature).sum()
    for gradient in torch.autograd.grad(value, (leaf, student_RC)):
        assert gradient.isfinite().all()


LOGITS = [
    Logits(loss=loss, combine=combine, temperature=2.0)
    for loss in ("kl", "ce", "mse")
    for combine in ("average", "best")
]


def of_classes(targets: Sequence[Tensor], labelled_R: Tensor | None = None) -> PredictionRows:
    student_RC = torch.randn(3, 3, generator=torch.Generator().manual_seed(2)).requires_grad_()
    gold = torch.tensor([0, 1, 2])
    ones = torch.ones(3)
    each = [
        class_rows(student_RC, labels_R=gold, target_RC=t, weight_R=ones, labelled_R=labelled_R)
        for t in targets
    ]
    return ensemble_rows(each, [1.0, 3.0]) if len(each) > 1 else each[0]


def of_spans(targets: Sequence[Tensor]) -> PredictionRows:
    """One window of six pieces: null, a question's, four of the context."""
    chance = torch.Generator().manual_seed(3)
    logits_BNC = torch.randn(1, 6, 2, generator=chance).requires_grad_()
    allowed_BN = torch.tensor([[True, False, True, True, True, True]])
    gold_B2 = torch.tensor([[2, 4]])
    each = [
        span_rows(
            logits_BNC, allowed_BN=allowed_BN, gold_B2=gold_B2, target_B2N=t, weight_B=torch.ones(1)
        )
        for t in targets
    ]
    return ensemble_rows(each, [1.0, 3.0]) if len(each) > 1 else each[0]


@pytest.mark.parametrize("term", LOGITS, ids=lambda term: f"{term.loss}-{term.combine}")
def test_equal_teachers_of_spans_teach_as_one_of_them(term: Logits) -> None:
    """Log-odds stay log-odds, so that a squared difference is one of the same numbers."""
    odds_N = torch.tensor([0.0, -INF, 2.0, -INF, 1.0, -3.0])
    target = torch.stack([odds_N, odds_N.flip(0).roll(1)])[None]
    target[0, 1, 0], target[0, 1, 1] = 0.0, -INF
    alone = objective_loss(of_spans([target]), [term]).total
    torch.testing.assert_close(objective_loss(of_spans([target, target]), [term]).total, alone)


@pytest.mark.parametrize("term", LOGITS, ids=lambda term: f"{term.loss}-{term.combine}")
def test_words_that_one_teacher_alone_has_are_learnt_from_it(term: Logits) -> None:
    """Where one has no piece of a word; values and slopes are finite."""
    one = torch.tensor([[[0.0, -INF, 2.0, -INF, -INF, -INF]] * 2])
    other = torch.tensor([[[0.0, -INF, -INF, -INF, 1.0, -INF]] * 2])
    rows = of_spans([one, other])
    value = objective_loss(rows, [term]).total
    (slope,) = torch.autograd.grad(value, rows.logits_RC)
    assert value.isfinite()
    assert slope.isfinite().all()
    assert value > 0


def test_what_has_no_gold_is_averaged_where_the_best_is_asked_for() -> None:
    chance = torch.Generator().manual_seed(5)
    targets = [torch.randn(3, 3, generator=chance) for _ in range(2)]
    labelled_R = torch.tensor([True, False, True])

    def by_row(combine: str) -> Tensor:
        rows = of_classes(targets, labelled_R)
        term = Logits.model_validate({"combine": combine})
        (slope,) = torch.autograd.grad(objective_loss(rows, [term]).total, rows.logits_RC)
        return slope

    same = [torch.allclose(a, b) for a, b in zip(by_row("best"), by_row("average"), strict=True)]
    assert same == [False, True, False]


def test_a_row_without_a_label_has_no_gold_and_is_taught_all_the_same() -> None:
    labelled_R = torch.tensor([True, False, True])
    rows = of_classes([torch.randn(3, 3)], labelled_R)
    (of_gold,) = torch.autograd.grad(
        objective_loss(rows, [Gold()]).total, rows.logits_RC, retain_graph=True
    )
    (of_teacher,) = torch.autograd.grad(objective_loss(rows, [Logits()]).total, rows.logits_RC)
    assert (of_gold != 0).any(1).tolist() == [True, False, True]
    assert (of_teacher != 0).any(1).all()
