"""The losses on relations equal those of a public MiniLM v2, values and gradients; and v1's."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from tests.parity.golden_files import read_arrays
from torch import Tensor

from alambique.distill.attention import (
    attention_scores,
    divergence,
    real_pairs,
    relation_divergence,
)

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
THIRDS = ("QQ", "KK", "VV")


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    return read_arrays("minilm.npz")


class Case:
    """The projections of one student and its teacher, in a precision."""

    def __init__(self, arrays: dict[str, Any], prefix: str, dtype: torch.dtype) -> None:
        self.arrays, self.prefix, self.dtype = arrays, prefix, dtype
        self.real_BN = torch.from_numpy(arrays[f"{prefix}mask"]).bool()
        self.student, self.teacher = (
            {x: self.tensor(f"{who}_{x.lower()}").to(dtype) for x in "QKV"}
            for who in ("student", "teacher")
        )

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[self.prefix + name]))

    def loss(self, relation: str, heads: int) -> Tensor:
        x, y = tuple(relation)
        student, teacher = ((states[x], states[y]) for states in (self.student, self.teacher))
        return relation_divergence(student, teacher, self.real_BN, heads=heads).mean()

    def close(self, got: Tensor, expected: Tensor) -> None:
        """To 1e-12 in float64; in float32 to 1e-6 of the value, and of a gradient's greatest."""
        if self.dtype == torch.float64:
            torch.testing.assert_close(got, expected, rtol=0.0, atol=1e-12)
        elif got.ndim < 3:
            torch.testing.assert_close(got.double(), expected, rtol=1e-6, atol=0.0)
        else:
            size = expected.abs().max().item()
            torch.testing.assert_close(got.double(), expected, rtol=0.0, atol=1e-6 * size)


def cases(arrays: dict[str, Any], kind: str, dtype: torch.dtype) -> list[Case]:
    described = json.loads(str(arrays["meta"]))["cases"]
    return [Case(arrays, case["prefix"], dtype) for case in described if case["kind"] == kind]


@DTYPES
def test_each_relation_and_each_number_of_heads(arrays: dict[str, Any], dtype: torch.dtype) -> None:
    meta = json.loads(str(arrays["meta"]))
    for case in cases(arrays, "v2", dtype):
        found = [
            torch.stack([case.loss(relation, heads) for relation in meta["relations"]])
            for heads in meta["relation_heads"]
        ]
        case.close(torch.stack(found), case.tensor("loss"))
        thirds = [
            sum((case.loss(relation, heads) for relation in THIRDS), torch.zeros(())) / 3
            for heads in meta["relation_heads"]
        ]
        case.close(torch.stack(thirds), case.tensor("loss_thirds"))


@DTYPES
def test_gradients_are_those_of_the_published_relations(
    arrays: dict[str, Any], dtype: torch.dtype
) -> None:
    for case in cases(arrays, "v2", dtype):
        leaves = [case.student[x].requires_grad_() for x in "QKV"]
        loss = torch.stack([case.loss(relation, 4) for relation in THIRDS]).mean()
        for name, gradient_BND in zip("qkv", torch.autograd.grad(loss, leaves), strict=True):
            case.close(gradient_BND, case.tensor(f"grad_student_{name}_A4_thirds"))


@DTYPES
def test_the_first_version_compares_attention_and_values(
    arrays: dict[str, Any], dtype: torch.dtype
) -> None:
    """Attention's and the values' relations, in as many heads as both networks have."""
    described = {x["prefix"]: x for x in json.loads(str(arrays["meta"]))["cases"]}
    for case in cases(arrays, "v1", dtype):
        heads = described[case.prefix]["teacher_heads"]
        of_attention, of_values = case.loss("QK", heads), case.loss("VV", heads)
        case.close(of_attention, case.tensor("l_at"))
        case.close(of_values, case.tensor("l_vr"))
        case.close(of_attention + of_values, case.tensor("l_total"))
        student_BHNN, teacher_BHNN = (
            attention_scores(
                *(states[x].reshape(*case.real_BN.shape, heads, -1).transpose(1, 2) for x in "QK")
            )
            for states in (case.student, case.teacher)
        )
        kl_B = divergence(student_BHNN, teacher_BHNN, real_pairs(case.real_BN))
        case.close(kl_B.mean(), case.tensor("l_at"))
