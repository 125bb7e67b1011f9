"""The losses on logits equal those of the published systems, values and gradients, in float64."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from alambique.distill.losses import gold, soft_cross_entropy, soft_labels, squared_difference
from alambique.distill.objective import total
from alambique.distill.rows import span_rows, tag_rows
from alambique.spec.objective import Gold, Logits, Term

SPANS = ("start", "end")


@pytest.fixture(scope="module")
def arrays(shared: Path) -> dict[str, Any]:
    with np.load(shared / "golden" / "kd_logits.npz", allow_pickle=False) as file:
        return dict(file)


def cases(arrays: dict[str, Any], letter: str) -> list[str]:
    meta = json.loads(str(arrays["meta"]))
    prefixes = [case["prefix"] for case in meta["cases"]]
    return [prefix.removesuffix("_") for prefix in prefixes if prefix.startswith(letter)]


def grid(arrays: dict[str, Any]) -> list[tuple[int, float, int, float]]:
    meta = json.loads(str(arrays["meta"]))
    return [
        (i, t, j, a)
        for i, t in enumerate(meta["temperatures"])
        for j, a in enumerate(meta["alphas"])
    ]


def tensor(array: Any) -> Tensor:
    found = torch.from_numpy(np.asarray(array))
    return found.double() if found.is_floating_point() else found


def close(got: Tensor, expected: Any) -> None:
    wanted = tensor(expected)
    torch.testing.assert_close(
        got, wanted, rtol=0.0, atol=1e-12 * max(1, wanted.abs().max().item())
    )


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
def test_classification(arrays: dict[str, Any], name: str) -> None:
    for c in cases(arrays, "c"):
        student, teacher = tensor(arrays[f"{c}_student"]), tensor(arrays[f"{c}_teacher"])
        hard = gold(student, tensor(arrays[f"{c}_labels"])).mean()
        close(hard, arrays[f"{c}_hard_ce"])
        for i, t, j, a in grid(arrays):
            soft = published(name, t)(student, teacher).mean()
            close(a * hard + (1 - a) * soft, arrays[f"{c}_sg_{name}"][i, j])


def test_each_row_and_the_other_toolkits(arrays: dict[str, Any]) -> None:
    for c in cases(arrays, "c"):
        student, teacher = tensor(arrays[f"{c}_student"]), tensor(arrays[f"{c}_teacher"])
        for i, t, j, _ in grid(arrays):
            if j > 0:
                continue
            kl_R = soft_labels(student, teacher, temperature=t)
            ce = soft_cross_entropy(student, teacher, temperature=t).mean() / t**2
            mse = squared_difference(student / t, teacher / t, every(student)).mean()
            entropy = soft_cross_entropy(teacher, teacher, temperature=t).mean() / t**2
            close(kl_R, arrays[f"{c}_kl_rows_T2"][i])
            close(kl_R.mean(), arrays[f"{c}_kl_mean_T2"][i])
            close(ce, arrays[f"{c}_tb_kd_ce"][i])
            close(ce / student.shape[1], arrays[f"{c}_tiny_soft_ce"][i])
            close(mse, arrays[f"{c}_tb_kd_mse"][i])
            close(entropy, arrays[f"{c}_teacher_entropy"][i])


def test_gradients(arrays: dict[str, Any]) -> None:
    for c in cases(arrays, "c"):
        teacher, labels = tensor(arrays[f"{c}_teacher"]), tensor(arrays[f"{c}_labels"])
        student = tensor(arrays[f"{c}_student"]).requires_grad_()
        kl = soft_labels(student, teacher, temperature=2.0).mean()
        both = 0.25 * gold(student, labels).mean() + 0.75 * kl
        close(torch.autograd.grad(both, student)[0], arrays[f"{c}_grad_sg_kldiv_T2_a025"])
        ce = soft_cross_entropy(student, teacher, temperature=5.0).mean()
        close(torch.autograd.grad(ce, student)[0], arrays[f"{c}_grad_sg_ce_T5_a0"])


@pytest.mark.parametrize("name", ["kldiv", "ce", "mse"])
def test_tagging_by_rows_and_objective(arrays: dict[str, Any], name: str) -> None:
    """Each valid word weighs the same over the whole batch."""
    for c in cases(arrays, "t"):
        batch_R, position_R = tensor(arrays[f"{c}_valid"]).nonzero(as_tuple=True)
        rows = tag_rows(
            tensor(arrays[f"{c}_student"]),
            batch_R=batch_R,
            position_R=position_R,
            labels_R=tensor(arrays[f"{c}_labels"])[batch_R, position_R],
            target_RC=tensor(arrays[f"{c}_teacher"])[batch_R, position_R],
            weight_R=torch.ones(len(batch_R), dtype=torch.float64),
        )
        for i, t, j, a in grid(arrays):
            got = total(rows, terms(name, t, a)).total / len(batch_R)
            close(got, arrays[f"{c}_sg_{name}"][i, j])


@pytest.mark.parametrize("name", ["kldiv", "ce", "mse"])
def test_spans_over_all_positions(arrays: dict[str, Any], name: str) -> None:
    for c in cases(arrays, "q"):
        for i, t, j, a in grid(arrays):
            halves = [
                a * gold(student, tensor(arrays[f"{c}_{end}_labels"])).mean()
                + (1 - a) * published(name, t)(student, tensor(arrays[f"{c}_{end}_teacher"])).mean()
                for end in SPANS
                for student in [tensor(arrays[f"{c}_{end}_student"])]
            ]
            close(sum(halves, torch.zeros(())) / 2, arrays[f"{c}_sg_unmasked_{name}"][i, j])


def test_spans_by_rows_and_objective(arrays: dict[str, Any]) -> None:
    """Both softmaxes over the null and the context; the shift by the null changes nothing."""
    for c in cases(arrays, "q"):
        student_B2N, teacher_B2N, gold_B2 = (
            torch.stack([tensor(arrays[f"{c}_{end}_{what}"]) for end in SPANS], 1)
            for what in ("student", "teacher", "labels")
        )
        windows = len(gold_B2)
        rows = span_rows(
            student_B2N.transpose(1, 2),
            allowed_BN=tensor(arrays[f"{c}_allowed"]),
            gold_B2=gold_B2,
            target_B2N=teacher_B2N,
            weight_B=torch.ones(windows, dtype=torch.float64),
        )
        for i, t, _, a in grid(arrays):
            got = total(rows, terms("kldiv", t, a))
            close(got.parts["logits"] / windows, arrays[f"{c}_own_masked_kl"][i])


def terms(name: str, temperature: float, alpha: float) -> tuple[Term, ...]:
    loss = {"kldiv": "kl"}.get(name, name)
    logits = {"loss": loss, "temperature": temperature, "weight": 1 - alpha}
    return Gold(weight=alpha), Logits.model_validate(logits)
