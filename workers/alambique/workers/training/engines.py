"""What holds a network while it learns: plain PyTorch in one process, or DeepSpeed in several."""

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from alambique.models.distillation_model import LAYER_MAPS
from alambique.spec.errors import BadSpec
from alambique.spec.train import Train
from alambique.workers.training.batches import InputTensors, forward
from alambique.workers.training.distributed import DistributedContext

StateDict = dict[str, Tensor]

_MAP_RATE = 100.0
"""Times the rate of a student's weights at which a layer map is learnt: Adam moves a logit by about
the rate at each step, and from one layer to another there are several units to go."""


class Engine(Protocol):
    """A network and its optimizer: how they learn, and how both are kept."""

    def forward(self, inputs: InputTensors) -> Tensor:
        """Return the network's logits, (B, N, C)."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a micro-batch to those of the step.

        Losses of the micro-batches are parts of one sum: none is divided by their number. Over
        processes the gradient is averaged.
        """

    def step(self, learning_rate: float) -> None:
        """Take one step of the optimizer, the gradient clipped, and clear the gradient."""

    def train_mode(self) -> None:
        """Turn dropout on."""

    def eval_mode(self) -> None:
        """Turn dropout off."""

    def save(self, folder: Path) -> None:
        """Write all that `load` needs; every process takes part."""

    def load(self, folder: Path) -> None:
        """Go back to where `save` was called; every process takes part."""

    def weights(self) -> StateDict | None:
        """Return the whole weights, on the first process alone; every process takes part."""


class TorchEngine:
    """PyTorch in one process."""

    def __init__(self, network: nn.Module, train: Train, device: torch.device) -> None:
        """Hold a network, moved to `device`, with a new optimizer."""
        self._network = network.to(device)
        self._optimizer = make_optimizer(network, train)
        self._clip = train.clip
        self._bf16 = train.precision == "bf16"
        self._device = device

    def forward(self, inputs: InputTensors) -> Tensor:
        """Return the network's logits, (B, N, C)."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            return forward(self._network, inputs)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a micro-batch to those of the step."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self, learning_rate: float) -> None:
        """Take one step, the gradient cut to the norm `clip`."""
        nn.utils.clip_grad_norm_(self._network.parameters(), self._clip)
        set_learning_rate(self._optimizer, learning_rate)
        self._optimizer.step()
        self._optimizer.zero_grad()

    def train_mode(self) -> None:
        """Turn dropout on."""
        self._network.train()

    def eval_mode(self) -> None:
        """Turn dropout off."""
        self._network.eval()

    def save(self, folder: Path) -> None:
        """Write weights and optimizer, as tensors alone."""
        state = {"network": self._network.state_dict(), "optimizer": self._optimizer.state_dict()}
        torch.save(state, folder / "state.pt")

    def load(self, folder: Path) -> None:
        """Read tensors alone: nothing is unpickled."""
        state = torch.load(folder / "state.pt", weights_only=True, map_location=self._device)
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])

    def weights(self) -> StateDict:
        """Return a view of the weights."""
        return self._network.state_dict()


class DeepSpeedEngine:
    """DeepSpeed in each process of a group, with its state shared out by ZeRO."""

    def __init__(
        self, network: nn.Module, train: Train, stage: int, context: DistributedContext
    ) -> None:
        """Hold a network, moved to the context's device, with a new optimizer.

        Args:
            network: the same on every process.
            train: how it learns.
            stage: of ZeRO, 0 to 3.
            context: this process.
        """
        import deepspeed

        self._stage = stage
        self._first = context.rank == 0
        self._engine, *_ = deepspeed.initialize(
            model=network.to(context.device),
            optimizer=make_optimizer(network, train),
            config=zero_settings(train, stage),
        )

    def forward(self, inputs: InputTensors) -> Tensor:
        """Return the network's logits, (B, N, C)."""
        self._logits_BNC = forward(self._engine, inputs)
        return self._logits_BNC

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a micro-batch, averaged over the processes, to those of the step."""
        if self._stage == 3:
            # its hooks bring weights to a backward that begins at the answer, and nowhere else
            loss = loss + 0.0 * self._logits_BNC.sum()
        is_last = self._engine.is_gradient_accumulation_boundary()
        # the losses are parts of one sum already: DeepSpeed must not divide by their number
        self._engine.backward(loss, scale_wrt_gas=False)
        if not is_last:
            self._engine.step()  # only counts the micro-batch: weights move at the last one

    def step(self, learning_rate: float) -> None:
        """Take one step, the gradient cut to the norm `clip`.

        DeepSpeed takes it if so many micro-batches as its settings say have gone backward.
        """
        set_learning_rate(self._engine.optimizer, learning_rate)
        self._engine.step()

    def train_mode(self) -> None:
        """Turn dropout on."""
        self._engine.train()

    def eval_mode(self) -> None:
        """Turn dropout off."""
        self._engine.eval()

    def save(self, folder: Path) -> None:
        """Write DeepSpeed's own files: each process writes its part."""
        self._engine.save_checkpoint(str(folder), tag="zero", save_latest=False)

    def load(self, folder: Path) -> None:
        """Read the service's own folder only: DeepSpeed unpickles what it reads.

        Raises:
            FileNotFoundError: there is no checkpoint.
        """
        path, _ = self._engine.load_checkpoint(str(folder), tag="zero")
        if path is None:
            raise FileNotFoundError(
                f"{folder} has no checkpoint of DeepSpeed: post the job with `fresh: true`, and it "
                "is trained again"
            )

    def weights(self) -> StateDict | None:
        """Gather the weights from all processes; return a copy on the first one."""
        import deepspeed

        module: nn.Module = self._engine.module
        # under ZeRO 3 a tensor on its own is a shard of shape (0,): all must gather
        with deepspeed.zero.GatheredParameters(list(module.parameters()), enabled=self._stage == 3):
            if not self._first:
                return None
            return {
                name: value.detach().cpu().clone() for name, value in module.state_dict().items()
            }


def make_engine(
    network: nn.Module, train: Train, zero: int | None, context: DistributedContext
) -> Engine:
    """Return an engine of DeepSpeed where a ZeRO stage is asked for, else of plain PyTorch.

    Raises:
        BadSpec: several processes without a ZeRO stage, which would each train by themselves.
    """
    if zero is None and context.world > 1:
        raise BadSpec(
            f"{context.world} processes without a ZeRO stage: give the training one, 0 to 3"
        )
    if zero is None:
        return TorchEngine(network, train, context.device)
    return DeepSpeedEngine(network, train, zero, context)


def make_optimizer(network: nn.Module, train: Train) -> torch.optim.Optimizer:
    """Return AdamW; biases and norms, which have one dimension, do not decay, nor do layer maps."""
    named = [(name, weight) for name, weight in network.named_parameters() if weight.requires_grad]
    maps = [weight for name, weight in named if name.startswith(LAYER_MAPS)]
    others = [weight for name, weight in named if not name.startswith(LAYER_MAPS)]
    groups: list[dict[str, Any]] = [
        {"params": [w for w in others if w.ndim > 1], "weight_decay": train.weight_decay},
        {"params": [w for w in others if w.ndim <= 1], "weight_decay": 0.0},
        {"params": maps, "weight_decay": 0.0, "rate_factor": _MAP_RATE},
    ]
    nonempty = [group for group in groups if group["params"]]
    return torch.optim.AdamW(nonempty, lr=train.learning_rate)


def set_learning_rate(optimizer: Any, learning_rate: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("rate_factor", 1.0)


def zero_settings(train: Train, stage: int) -> dict[str, Any]:
    """Return DeepSpeed's settings; batches and learning rates are this program's, not its."""
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
