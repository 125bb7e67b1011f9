"""What holds a network while it learns: plain PyTorch in one process, or DeepSpeed in several."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from alambique.models.distillation_model import LAYER_MAPS
from alambique.spec.errors import BadSpec
from alambique.spec.train import Train
from alambique.workers.training.batches import Inputs
from alambique.workers.training.distributed import DistributedContext

StateDict = dict[str, Tensor]

_MAPS_FASTER = 100.0
"""Times the rate of a student's weights at which a layer map is learnt: Adam moves a logit by about
the rate at each step, and from one layer to another there are several units to go."""


class Engine(Protocol):
    """A network, its optimizer, and how both are kept."""

    def logits(self, inputs: Inputs) -> Tensor:
        """The network's answer, (B, N, C)."""

    def learn(self, losses: Iterable[Tensor], rate: float) -> None:
        """One step of the optimizer on the sum of `losses`, each computed when it is asked for."""

    def mode(self, *, training: bool) -> None:
        """Dropout on or off."""

    def save(self, folder: Path) -> None:
        """All that `load` needs; every process takes part."""

    def load(self, folder: Path) -> None:
        """Back to where `save` was called."""

    def weights(self) -> StateDict | None:
        """The whole weights, on the first process alone; every process takes part."""


class TorchEngine:
    """PyTorch in one process."""

    def __init__(self, network: nn.Module, train: Train, device: torch.device) -> None:
        self._network = network.to(device)
        self._optimizer = optimizer_for(network, train)
        self._clip = train.clip
        self._bf16 = train.precision == "bf16"
        self._device = device

    def logits(self, inputs: Inputs) -> Tensor:
        """The network's answer, (B, N, C)."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            return forward(self._network, inputs)

    def learn(self, losses: Iterable[Tensor], rate: float) -> None:
        """One step, the gradient cut to the norm `clip`."""
        for loss in losses:
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._network.parameters(), self._clip)
        set_rate(self._optimizer, rate)
        self._optimizer.step()
        self._optimizer.zero_grad()

    def mode(self, *, training: bool) -> None:
        """Dropout on or off."""
        self._network.train(training)

    def save(self, folder: Path) -> None:
        """Weights and optimizer, as tensors alone."""
        state = {"network": self._network.state_dict(), "optimizer": self._optimizer.state_dict()}
        torch.save(state, folder / "state.pt")

    def load(self, folder: Path) -> None:
        """Reads tensors alone: nothing is unpickled."""
        state = torch.load(folder / "state.pt", weights_only=True, map_location=self._device)
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])

    def weights(self) -> StateDict:
        """A view of the weights."""
        return self._network.state_dict()


class DeepSpeedEngine:
    """DeepSpeed in each process of a group, with its state shared out by ZeRO."""

    def __init__(
        self, network: nn.Module, train: Train, stage: int, place: DistributedContext
    ) -> None:
        import deepspeed

        self._stage = stage
        self._first = place.rank == 0
        self._engine, *_ = deepspeed.initialize(
            model=network.to(place.device),
            optimizer=optimizer_for(network, train),
            config=zero_settings(train, stage),
        )

    def logits(self, inputs: Inputs) -> Tensor:
        """The network's answer, (B, N, C)."""
        self._answer = forward(self._engine, inputs)
        return self._answer

    def learn(self, losses: Iterable[Tensor], rate: float) -> None:
        """One step, the gradient averaged over the processes and cut to the norm `clip`."""
        set_rate(self._engine.optimizer, rate)
        for loss in losses:
            if self._stage == 3:
                # its hooks bring weights to a backward that begins at the answer, and nowhere else
                loss = loss + 0.0 * self._answer.sum()
            # the losses are parts of one sum already: DeepSpeed must not divide by their number
            self._engine.backward(loss, scale_wrt_gas=False)
            self._engine.step()

    def mode(self, *, training: bool) -> None:
        """Dropout on or off."""
        self._engine.train(training)

    def save(self, folder: Path) -> None:
        """DeepSpeed's own files: each process writes its part."""
        self._engine.save_checkpoint(str(folder), tag="zero", save_latest=False)

    def load(self, folder: Path) -> None:
        """From the service's own folder only: DeepSpeed unpickles what it reads."""
        found, _ = self._engine.load_checkpoint(str(folder), tag="zero")
        if found is None:
            raise FileNotFoundError(f"{folder}: no DeepSpeed checkpoint")

    def weights(self) -> StateDict | None:
        """Gathered from all processes; the first one gets a copy."""
        import deepspeed

        module: nn.Module = self._engine.module
        # under ZeRO 3 a tensor on its own is a shard of shape (0,): all must gather
        with deepspeed.zero.GatheredParameters(list(module.parameters()), enabled=self._stage == 3):
            if not self._first:
                return None
            return {
                name: value.detach().cpu().clone() for name, value in module.state_dict().items()
            }


def forward(network: Any, inputs: Inputs) -> Tensor:
    """A network's answer to a batch, (B, N, C)."""
    logits: Tensor = network(inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    return logits


def engine_for(
    network: nn.Module, train: Train, zero: int | None, place: DistributedContext
) -> Engine:
    """DeepSpeed where a ZeRO stage is asked for, else plain PyTorch.

    Raises:
        BadSpec: several processes without a ZeRO stage, which would each train by themselves.
    """
    if zero is None and place.world > 1:
        raise BadSpec(f"{place.world} processes without a ZeRO stage: give the course one, 0 to 3")
    if zero is None:
        return TorchEngine(network, train, place.device)
    return DeepSpeedEngine(network, train, zero, place)


def optimizer_for(network: nn.Module, train: Train) -> torch.optim.Optimizer:
    """AdamW; biases and norms, which have one dimension, are not decayed, nor are layer maps."""
    named = [(name, weight) for name, weight in network.named_parameters() if weight.requires_grad]
    maps = [weight for name, weight in named if name.startswith(LAYER_MAPS)]
    learnt = [weight for name, weight in named if not name.startswith(LAYER_MAPS)]
    groups: list[dict[str, Any]] = [
        {"params": [w for w in learnt if w.ndim > 1], "weight_decay": train.weight_decay},
        {"params": [w for w in learnt if w.ndim <= 1], "weight_decay": 0.0},
        {"params": maps, "weight_decay": 0.0, "faster": _MAPS_FASTER},
    ]
    filled = [group for group in groups if group["params"]]
    return torch.optim.AdamW(filled, lr=train.learning_rate)


def set_rate(optimizer: Any, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("faster", 1.0)


def zero_settings(train: Train, stage: int) -> dict[str, Any]:
    """What DeepSpeed is told; batches and learning rates are ours, not its."""
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": train.accumulate,
        "gradient_clipping": train.clip,
        "zero_allow_untested_optimizer": True,
        "zero_optimization": {
            "stage": stage,
            # all weights are sharded, small ones too: the export must not work by luck
            "stage3_param_persistence_threshold": 0,
        },
        "torch_autocast": {"enabled": train.precision == "bf16", "dtype": "bfloat16"},
    }
