"""What a training of windows of all lengths holds in memory, with and without bounds on its caches.

`python benchmarks/memory.py --steps 1000`.

Two processes train the same network, of 22 M parameters unless it is told otherwise, on the same
random windows, in turns of 50 steps: one with the defaults of the libraries, one with what
`workers/environment.py` sets. Where the processor computes bf16 by itself the training is that of
`precision: bf16`. Elsewhere PyTorch gives no bf16 to oneDNN, whose caches are in question: there it
trains in float32, with all linear layers, forward and backward, handed to oneDNN.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from alambique.workers.environment import COMPUTING

CACHES = {name: value for name, value in COMPUTING.items() if "CACHE" in name}


def main() -> None:
    """Prints a line for each turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--every", type=int, default=50, help="steps of a turn")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--longest", type=int, default=320)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=384, help="a multiple of 32")
    parser.add_argument(
        "--plain", action="store_true", help="bf16 as a job trains, and nothing handed to oneDNN"
    )
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.alone:
        return train(_steps(said.batch, said.longest, said.layers, said.width, plain=said.plain))
    plain = {name: value for name, value in os.environ.items() if name not in CACHES}
    command = [sys.executable, __file__, *sys.argv[1:], "--alone"]
    print(f"{'':>6}{'defaults':>20}{'bounded':>20}")
    print(f"{'step':>6}{'MB':>10}{'steps/s':>10}{'MB':>10}{'steps/s':>10}")
    with ExitStack() as stack:
        both = [stack.enter_context(_started(command, env)) for env in (plain, plain | CACHES)]
        for done in range(said.every, said.steps + 1, said.every):
            turns = [_turn(one, said.every) for one in both]
            figures = "".join(f"{mb:10.0f}{said.every / s:10.2f}" for mb, s in turns)
            print(f"{done:>6}{figures}", flush=True)


def _started(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


def _turn(process: "subprocess.Popen[str]", steps: int) -> tuple[float, float]:
    """Resident megabytes after so many steps more, and the seconds that they took."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(steps, file=process.stdin, flush=True)
    megabytes, seconds = json.loads(process.stdout.readline())
    return megabytes, seconds


def train(steps: Iterator[None]) -> None:
    """Takes as many steps as each line of stdin says, and tells of each such turn."""
    import torch

    torch.set_num_threads(1)
    for line in sys.stdin:
        began = time.monotonic()
        for _ in range(int(line)):
            next(steps)
        print(json.dumps([_resident(), time.monotonic() - began]), flush=True)


def _steps(batch: int, longest: int, layers: int, width: int, *, plain: bool) -> Iterator[None]:
    import torch
    from torch.nn.functional import cross_entropy
    from transformers import BertConfig

    from alambique.models.networks import new
    from alambique.spec.outputs import Output
    from alambique.spec.train import Train
    from alambique.workers.training.batches import InputTensors
    from alambique.workers.training.engines import TorchEngine

    config = BertConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        intermediate_size=4 * width,
    )
    network = new(config.to_dict(), Output.SPAN, ("start", "end"), seed=1)
    bf16 = plain or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if not bf16:
        _hand_over(network)
    train = Train(precision="bf16" if bf16 else "fp32", epochs=1)
    engine = TorchEngine(network, train, torch.device("cpu"))
    engine.train_mode()
    chance = torch.Generator().manual_seed(1)
    while True:
        length = int(torch.randint(16, longest + 1, (), generator=chance))
        ids_BN = torch.randint(config.vocab_size, (batch, length), generator=chance)
        gold_B2 = torch.randint(length, (batch, 2), generator=chance)
        inputs = InputTensors(ids_BN, torch.ones_like(ids_BN), torch.zeros_like(ids_BN))
        engine.backward(cross_entropy(engine.forward(inputs), gold_B2))
        engine.step(1e-4)
        yield


def _hand_over(network: Any) -> None:
    """Has oneDNN compute the linear layers of a network, each way."""
    import torch
    from torch import Tensor, nn

    def product(x_MK: Tensor, weight_NK: Tensor, bias_N: Tensor | None = None) -> Tensor:
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x_MK, weight_NK, bias_N, "none", [], "")
        return found

    class Linear(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, x_MK: Tensor, weight_NK: Tensor, bias_N: Tensor) -> Tensor:
            context.save_for_backward(x_MK, weight_NK)
            return product(x_MK, weight_NK, bias_N)

        @staticmethod
        def backward(context: Any, grad_MN: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            x_MK, weight_NK = context.saved_tensors
            grad_NM = grad_MN.T.contiguous()
            to_x = product(grad_MN.contiguous(), weight_NK.T.contiguous())
            return to_x, product(grad_NM, x_MK.T.contiguous()), grad_MN.sum(0)

    def forward(layer: nn.Linear, x: Tensor) -> Tensor:
        flat_MN = Linear.apply(x.reshape(-1, x.shape[-1]), layer.weight, layer.bias)  # type: ignore[no-untyped-call]
        return flat_MN.reshape(*x.shape[:-1], -1)  # type: ignore[no-any-return]

    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            layer.forward = forward.__get__(layer)  # type: ignore[method-assign]


def _resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
