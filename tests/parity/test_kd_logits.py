"""The losses on logits equal those of the published systems, values and gradients."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.parity.golden_files import read_arrays
from torch import Tensor

from alambique.distill.losses import gold, soft_cross_entropy, soft_labels, squared_difference
from alambique.distill.objective import objective_loss
from alambique.distill.prediction_rows import span_rows, tag_rows
from alambique.spec.objective import Gold, Logits, Term

SPANS = ("start", "end")


class Golden:
    """The stored arrays, in a precision."""

    def __init__(self, arrays: dict[str, Any], dtype: torch.dtype) -> None:
        self.arrays, self.dtype = arrays, dtype
        self.meta = json.loads(str(arrays["meta"]))

    def cases(self, letter: str) -> list[str]:
        prefixes = [case["prefix"] for case in self.meta["cases"]]
        return [prefix.removesuffix("_") for prefix in prefixes if prefix.startswith(letter)]

    def grid(self) -> list[tuple[int, float, int, float]]:
        return [
            (i, t, j, a)
            for i, t in enumerate(self.meta["temperatures"])
            for j, a in enumerate(self.meta["alphas"])
        ]

    def tensor(self, name: str) -> Tensor:
        found = torch.from_numpy(np.asarray(self.arrays[name]))
        return found.to(self.dtype) if found.is_floating_point() else found

    def close(self, got: Tensor, name: str, *place: int) -> None:
        """To 1e-12 in float64, to 2e-6 · max(1, the greatest value) in float32."""
        wanted = torch.from_numpy(np.asarray(self.arrays[name][place]))
        assert got.dtype == self.dtype
        single = 2e-6 * max(1, wanted.abs().max().item())
        bound = 1e-12 if self.dtype == torch.float64 else single
        torch.testing.assert_close(got.double(), wanted, rtol=0.0, atol=bound)


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    return read_arrays("kd_logits.npz")


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def golden(arrays: dict[str, Any], request: pytest.FixtureRequest) -> Golden:
    return Golden(arrays, request.param)


def every(student_RC: Tensor) -> Tensor:
    return torch.ones_like(student_RC, dtype=torch.bool)


def published(name: str, temperature: float) -> Callable[[Tensor, Tensor], Tensor]:
    """The distance that Speedy Gonzales calls so, a value for each row."""
    return {
        "kldiv": lambda s, t: soft_labels(s, t, temperature=temperature),
        "ce": lambda s, t: soft_cross_entropy(s, t, temperature=temperature),
        "mse": lambda s, t: squared_difference(s, t, every(s)),
    }[name]


@pytest.mark.parametrize("name", ["kldiv", "ce", "mse"])
def test_losses_of_classification_are_the_published_ones(golden: Golden, name: str) -> None:
    for c in golden.cases("c"):
        student, teacher = golden.tensor(f"{c}_student"), golden.tensor(f"{c}_teacher")
        hard = gold(student, golden.tensor(f"{c}_labels")).mean()
        golden.close(hard, f"{c}_hard_ce")
        for i, t, j, a in golden.grid():
            soft = published(name, t)(student, teacher).mean()
            golden.close(a * hard + (1 - a) * soft, f"{c}_sg_{name}", i, j)


def test_each_row_and_the_other_toolkits(golden: Golden) -> None:
    for c in golden.cases("c"):
        student, teacher = golden.tensor(f"{c}_student"), golden.tensor(f"{c}_teacher")
        for i, t, j, _ in golden.grid():
            if j > 0:
                continue
            kl_R = soft_labels(student, teacher, temperature=t)
            ce = soft_cross_entropy(student, teacher, temperature=t).mean() / t**2
            mse = squared_difference(student / t, teacher / t, every(student)).mean()
            entropy = soft_cross_entropy(teacher, teacher, temperature=t).mean() / t**2
            golden.close(kl_R, f"{c}_kl_rows_T2", i)
            golden.close(kl_R.mean(), f"{c}_kl_mean_T2", i)
            golden.close(ce, f"{c}_tb_kd_ce", i)
            golden.close(ce / student.shape[1], f"{c}_tiny_soft_ce", i)
            golden.close(mse, f"{c}_tb_kd_mse", i)
            golden.close(entropy, f"{c}_teacher_entropy", i)


def test_gradients_are_those_of_the_published_losses(golden: Golden) -> None:
    for c in golden.cases("c"):
        teacher, labels = golden.tensor(f"{c}_teacher"), golden.tensor(f"{c}_labels")
        student = golden.tensor(f"{c}_student").requires_grad_()
        kl = soft_labels(student, teacher, temperature=2.0).mean()
        both = 0.25 * gold(student, labels).mean() + 0.75 * kl
        golden.close(torch.autograd.grad(both, student)[0], f"{c}_grad_sg_kldiv_T2_a025")
        ce = soft_cross_entropy(student, teacher, temperature=5.0).mean()
        golden.close(torch.autograd.grad(ce, student)[0], f"{c}_grad_sg_ce_T5_a0")


@pytest.mark.parametrize("name", ["kldiv", "ce", "mse"])
def test_tagging_by_rows_and_objective(golden: Golden, name: str) -> None:
    """Each valid word weighs the same over the whole batch."""
    for c in golden.cases("t"):
        batch_R, position_R = golden.tensor(f"{c}_valid").nonzero(as_tuple=True)
        rows = tag_rows(
            golden.tensor(f"{c}_student"),
            batch_R=batch_R,
            position_R=position_R,
            labels_R=golden.tensor(f"{c}_labels")[batch_R, position_R],
            target_RC=golden.tensor(f"{c}_teacher")[batch_R, position_R],
            weight_R=torch.ones(len(batch_R), dtype=golden.dtype),
        )
        for i, t, j, a in golden.grid():
            got = objective_loss(rows, terms(name, t, a)).total / len(batch_R)
            golden.close(got, f"{c}_sg_{name}", i, j)


def test_tagging_of_textbrewer(golden: Golden) -> None:
    """It knows no padding of logits: a mean over the rows that it is given."""
    for c in golden.cases("t"):
        student, teacher = golden.tensor(f"{c}_student"), golden.tensor(f"{c}_teacher")
        valid = golden.tensor(f"{c}_valid")
        for name, chosen in [("valid", valid), ("all_positions", torch.ones_like(valid))]:
            for i, t in enumerate(golden.meta["temperatures"]):
                ce_R = soft_cross_entropy(student[chosen], teacher[chosen], temperature=t)
                golden.close(ce_R.mean() / t**2, f"{c}_tb_kd_ce_{name}", i)


@pytest.mark.parametrize("name", ["kldiv", "ce", "mse"])
def test_spans_over_all_positions(golden: Golden, name: str) -> None:
    for c in golden.cases("q"):
        for i, t, j, a in golden.grid():
            halves = [
                a * gold(student, golden.tensor(f"{c}_{end}_labels")).mean()
                + (1 - a) * published(name, t)(student, golden.tensor(f"{c}_{end}_teacher")).mean()
                for end in SPANS
                for student in [golden.tensor(f"{c}_{end}_student")]
            ]
            golden.close(sum(halves, torch.zeros(())) / 2, f"{c}_sg_unmasked_{name}", i, j)


def test_spans_by_rows_and_objective(golden: Golden) -> None:
    """Both softmaxes over the null and the context; the shift by the null changes nothing."""
    for c in golden.cases("q"):
        student_B2N, teacher_B2N, gold_B2 = (
            torch.stack([golden.tensor(f"{c}_{end}_{what}") for end in SPANS], 1)
            for what in ("student", "teacher", "labels")
        )
        windows = len(gold_B2)
        rows = span_rows(
            student_B2N.transpose(1, 2),
            allowed_BN=golden.tensor(f"{c}_allowed"),
            gold_B2=gold_B2,
            target_B2N=teacher_B2N,
            weight_B=torch.ones(windows, dtype=golden.dtype),
        )
        for i, t, _, a in golden.grid():
            got = objective_loss(rows, terms("kldiv", t, a))
            golden.close(got.parts["logits"] / windows, f"{c}_own_masked_kl", i)


def terms(name: str, temperature: float, alpha: float) -> tuple[Term, ...]:
    loss = {"kldiv": "kl"}.get(name, name)
    logits = {"loss": loss, "temperature": temperature, "weight": 1 - alpha}
    return Gold(weight=alpha), Logits.model_validate(logits)
