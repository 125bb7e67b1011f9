"""The distance of a student's hidden states from the teacher's: a value for each window.

Shapes: B windows, N pieces of the longest, D width of the teacher, to which the student's states
are projected already. Padding takes no part, whatever it holds: its gradient is 0. A window without
a real token gives 0.
"""

import torch
from torch import Tensor


def squared(student_BND: Tensor, teacher_BND: Tensor, real_BN: Tensor) -> Tensor:
    """Return the mean of (S - T)² over the real tokens of a window and D, of shape (B,).

    The loss of hints (Romero et al., 2015, §2.2) and of TinyBERT's hidden states (Jiao et al.,
    2020, §3.1), whose code counts padding too: that is `published.tinybert_hidden`.
    """
    difference_BND = (student_BND - teacher_BND).masked_fill(~real_BN[..., None], 0)
    numbers_B = real_BN.sum(1) * student_BND.shape[2]
    return difference_BND.square().sum((1, 2)) / numbers_B.clamp(min=1)


def cosine(student_BND: Tensor, teacher_BND: Tensor, real_BN: Tensor) -> Tensor:
    """Return the mean of 1 - cos(S, T) over the real tokens of a window, of shape (B,).

    DistilBERT's alignment of directions (Sanh et al., 2019, §2). A zero vector, which has no
    direction, is at right angles to all others.
    """
    # filled before as well as after: of padding that is not finite, the gradient would be NaN
    padding_BN1 = ~real_BN[..., None]
    student_BND = _unit(student_BND.masked_fill(padding_BN1, 0))
    teacher_BND = _unit(teacher_BND.masked_fill(padding_BN1, 0))
    distance_BN = 1 - (student_BND * teacher_BND).sum(2)
    return distance_BN.masked_fill(~real_BN, 0).sum(1) / real_BN.sum(1).clamp(min=1)


def patient(student_BND: Tensor, teacher_BND: Tensor, real_BN: Tensor) -> Tensor:
    """Return ||S / ||S|| - T / ||T|| ||² of a window's first real token, of shape (B,).

    Patient knowledge distillation (Sun et al., 2019, §3.2), which compares [CLS].
    """
    student_BD = _unit(_first(student_BND, real_BN))
    teacher_BD = _unit(_first(teacher_BND, real_BN))
    return (student_BD - teacher_BD).square().sum(1)


def _first(state_BND: Tensor, real_BN: Tensor) -> Tensor:
    """Return the state of the first real token of each window; 0 in a window without one."""
    windows_B = torch.arange(len(real_BN), device=real_BN.device)
    state_BD = state_BND[windows_B, real_BN.int().argmax(1)]
    return state_BD.masked_fill(~real_BN.any(1, keepdim=True), 0)


def _unit(state: Tensor) -> Tensor:
    """Return the vectors of the last dimension at length 1; a vector of length 0 stays so."""
    square = state.square().sum(-1, keepdim=True)
    # before the root, whose derivative at 0 is infinite: `where` after it would keep the NaN
    return state / square.masked_fill(square < torch.finfo(state.dtype).tiny, 1).sqrt()
