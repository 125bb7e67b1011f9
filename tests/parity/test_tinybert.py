"""The losses on attention and hidden states equal those of TinyBERT's code and of TextBrewer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.parity.golden_files import read_arrays
from torch import Tensor

from alambique.distill import attention, hidden, published
from alambique.distill.activations import Activations, LayerOutputs, QueryKeyValue
from alambique.distill.mapping import layer_pairs
from alambique.distill.objective import LossNormalizers, objective_loss
from alambique.distill.prediction_rows import class_rows, empty_rows
from alambique.spec.objective import Attention as AttentionTerm
from alambique.spec.objective import Hidden as HiddenTerm
from alambique.spec.objective import IntermediateLoss, Logits

STUDENTS = pytest.mark.parametrize("layers", [2, 3])
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
TEACHER = 6
"""Layers."""
Hidden = Callable[[Tensor, Tensor, Tensor], Tensor]
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    return read_arrays("tinybert.npz")


class Golden:
    """The arrays of one student and its teacher, in a precision."""

    def __init__(self, arrays: dict[str, Any], layers: int, dtype: torch.dtype) -> None:
        self.arrays, self.prefix, self.dtype = arrays, f"s{layers}_", dtype
        self.real_BN = torch.from_numpy(arrays["mask"]).bool()
        self.seen_BNN = attention.real_pairs(self.real_BN)
        self.map = layer_pairs("uniform", layers, TEACHER)

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[name])).to(self.dtype)

    def ours(self, name: str) -> Tensor:
        return self.tensor(self.prefix + name)

    def scores(self) -> list[tuple[Tensor, Tensor]]:
        return [(self.ours(f"scores_{i}"), self.tensor(f"teacher_scores_{j}")) for i, j in self.map]

    def hidden(self) -> list[tuple[Tensor, Tensor]]:
        """Of the embeddings and of each layer's output; the student's are projected."""
        states = [(0, 0), *((i + 1, j + 1) for i, j in self.map)]
        weight_DE, bias_D = self.ours("proj_weight"), self.ours("proj_bias")
        return [
            (
                torch.nn.functional.linear(self.ours(f"hidden_{i}"), weight_DE, bias_D),
                self.tensor(f"teacher_hidden_{j}"),
            )
            for i, j in states
        ]

    def layer_outputs(self) -> LayerOutputs:
        """What a distillation model gives of both networks: the student's states are projected."""
        weight_DE, bias_D = self.ours("proj_weight"), self.ours("proj_bias")
        hidden = [self.ours(f"hidden_{i}") for i in range(len(self.map) + 1)]
        projected = [torch.nn.functional.linear(x_BNE, weight_DE, bias_D) for x_BNE in hidden]
        return LayerOutputs(
            real_BN=self.real_BN,
            weight_B=torch.ones(len(self.real_BN), dtype=self.dtype),
            student=states(hidden, [self.ours(f"scores_{i}") for i in range(len(self.map))]),
            projected={layer - 1: state_BND for layer, state_BND in enumerate(projected)},
            teacher=states(
                [self.tensor(f"teacher_hidden_{j}") for j in range(TEACHER + 1)],
                [self.tensor(f"teacher_scores_{j}") for j in range(TEACHER)],
            ),
            layer_weights={},
            teacher_output_BNC=self.tensor("teacher_hidden_6"),
        )

    def normalizers(self) -> LossNormalizers:
        lengths_B = self.real_BN.sum(1)
        return LossNormalizers(
            windows=len(lengths_B),
            tokens=lengths_B.sum().item(),
            pairs=lengths_B.square().sum().item(),
        )

    def close(self, got: Tensor, name: str) -> None:
        """To 1e-12 in float64, 1e-6 relative in float32; one number, to the sum over layers."""
        wanted = torch.from_numpy(np.asarray(self.arrays[self.prefix + name]))
        wanted = wanted.sum() if got.ndim == 0 else wanted
        rtol, atol = (0.0, 1e-12) if self.dtype == torch.float64 else (1e-6, 0.0)
        torch.testing.assert_close(got.double(), wanted, rtol=rtol, atol=atol)


def states(hidden: list[Tensor], scores: list[Tensor]) -> Activations:
    """With queries and keys whose products are the scores: key n is the n-th unit vector."""
    return Activations(
        hidden={layer - 1: state_BND for layer, state_BND in enumerate(hidden)},
        qkv={layer: query_key_value(scores_BHNN) for layer, scores_BHNN in enumerate(scores)},
        layers=len(scores),
        heads=scores[0].shape[1],
    )


def query_key_value(scores_BHNN: Tensor) -> QueryKeyValue:
    size = scores_BHNN.shape[3]
    units_BHNN = torch.eye(size, dtype=scores_BHNN.dtype).expand_as(scores_BHNN)
    queries_BND, keys_BND = (
        x_BHNN.transpose(1, 2).flatten(2) for x_BHNN in (scores_BHNN * size**0.5, units_BHNN)
    )
    return QueryKeyValue(queries_BND, keys_BND, values_BND=keys_BND)


@pytest.fixture
def golden(arrays: dict[str, Any], layers: int, dtype: torch.dtype) -> Golden:
    return Golden(arrays, layers, dtype)


def over_all(weighted: tuple[Tensor, Tensor]) -> Tensor:
    value_B, weight_B = weighted
    return (weight_B * value_B).sum() / weight_B.sum()


@STUDENTS
@DTYPES
def test_the_map_is_that_of_the_code(golden: Golden) -> None:
    theirs = [j for _, j in golden.map]
    assert theirs == golden.arrays[f"{golden.prefix}att_map"].tolist()
    assert [0, *(j + 1 for j in theirs)] == golden.arrays[f"{golden.prefix}hid_map"].tolist()


@STUDENTS
@DTYPES
def test_tinybert(golden: Golden) -> None:
    """Each window's mean is over as many numbers, so the batch's is the mean over windows."""
    attention_l = torch.stack(
        [published.tinybert_attention(*both, golden.real_BN).mean() for both in golden.scores()]
    )
    hidden_l = torch.stack([published.tinybert_hidden(*both).mean() for both in golden.hidden()])
    golden.close(attention_l, "att_loss_layers")
    golden.close(attention_l.sum(), "att_loss")
    golden.close(hidden_l, "rep_loss_layers")
    golden.close(hidden_l.sum(), "rep_loss")
    logits = golden.ours("logits"), golden.tensor("teacher_logits")
    for t in (1, 2):
        soft_R = published.tinybert_soft_cross_entropy(*logits, temperature=t)
        golden.close(soft_R.mean(), f"soft_ce_T{t}")


@STUDENTS
@DTYPES
@pytest.mark.parametrize(
    ("weighted", "name"),
    [
        (published.textbrewer_squared, "tb_hid_mse"),
        (published.textbrewer_cosine, "tb_cos"),
    ],
)
def test_textbrewer_on_hidden_states(
    golden: Golden, weighted: Callable[..., tuple[Tensor, Tensor]], name: str
) -> None:
    every_BN = torch.ones_like(golden.real_BN)
    for real_BN, suffix in [(golden.real_BN, "masked"), (every_BN, "nomask")]:
        found_l = [over_all(weighted(*both, real_BN)) for both in golden.hidden()]
        golden.close(torch.stack(found_l), f"{name}_{suffix}")


@STUDENTS
@DTYPES
def test_textbrewer_on_first_tokens(golden: Golden) -> None:
    found_l = [hidden.patient(*both, golden.real_BN).mean() for both in golden.hidden()]
    golden.close(torch.stack(found_l), "tb_pkd_masked")
    golden.close(torch.stack(found_l), "tb_pkd_nomask")


def cross_entropies(
    student_BHNN: Tensor, teacher_BHNN: Tensor, seen_BNN: Tensor
) -> tuple[Tensor, Tensor]:
    """-Σ p log q: the divergence, and the teacher's entropy, which teaches nothing; and queries."""
    p_BHNN = teacher_BHNN.masked_fill(~seen_BNN[:, None], float("-inf")).softmax(3).nan_to_num()
    entropy_BH = torch.special.entr(p_BHNN).sum((2, 3))
    queries_B = seen_BNN.any(2).sum(1)
    divergence_B = attention.divergence(student_BHNN, teacher_BHNN, seen_BNN)
    return divergence_B + entropy_BH.mean(1) / queries_B, queries_B


@STUDENTS
@DTYPES
def test_textbrewer_on_attention(golden: Golden) -> None:
    squared, entropy, summed, averaged = [], [], [], []
    for student_BHNN, teacher_BHNN in golden.scores():
        seen_BNN, heads = golden.seen_BNN, student_BHNN.shape[1]
        one = attention.mean_over_heads(student_BHNN), attention.mean_over_heads(teacher_BHNN)
        squares = published.textbrewer_attention_squared
        squared.append(over_all(squares(student_BHNN, teacher_BHNN, seen_BNN)))
        entropy.append(over_all(cross_entropies(student_BHNN, teacher_BHNN, seen_BNN)))
        summed.append(heads**2 * over_all(squares(*one, seen_BNN)))
        averaged.append(over_all(cross_entropies(*one, seen_BNN)))
    golden.close(torch.stack(squared), "tb_att_mse_masked")
    golden.close(torch.stack(entropy), "tb_att_ce_masked")
    golden.close(torch.stack(summed), "tb_att_mse_sum_masked")
    golden.close(torch.stack(averaged), "tb_att_ce_mean_masked")


@STUDENTS
@DTYPES
@pytest.mark.parametrize(
    ("term", "name"),
    [
        (HiddenTerm(reduction="tinybert"), "rep_loss"),
        (HiddenTerm(reduction="textbrewer"), "tb_hid_mse_masked"),
        (HiddenTerm(reduction="textbrewer", loss="cosine"), "tb_cos_masked"),
        (HiddenTerm(loss="pkd"), "tb_pkd_masked"),
        (AttentionTerm(reduction="tinybert"), "att_loss"),
        (AttentionTerm(reduction="textbrewer"), "tb_att_mse_masked"),
    ],
)
def test_the_objective_on_layers(golden: Golden, term: IntermediateLoss, name: str) -> None:
    """Added up over layers; the embeddings are the first of the hidden states."""
    rows = empty_rows(golden.tensor("teacher_hidden_6"))
    got = objective_loss(rows, [term], golden.layer_outputs(), normalizers=golden.normalizers())
    golden.close(got.total, name)


@STUDENTS
@DTYPES
def test_the_objective_on_logits(golden: Golden) -> None:
    student_RC, teacher_RC = golden.ours("logits"), golden.tensor("teacher_logits")
    weight_R = torch.ones(len(student_RC), dtype=golden.dtype)
    rows = class_rows(student_RC, labels_R=weight_R.long(), target_RC=teacher_RC, weight_R=weight_R)
    for t in (1, 2):
        term = Logits(loss="ce", reduction="tinybert", temperature=t)
        got = objective_loss(rows, [term], normalizers=LossNormalizers(rows=len(student_RC)))
        golden.close(got.total, f"soft_ce_T{t}")
