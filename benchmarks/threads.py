"""What a training step takes when threads spin while they wait, and when they sleep.

`python benchmarks/threads.py --rounds 3`.

Two processes train the same encoder, with as many threads as there are processors, in turns: one
with OpenMP's defaults, one with what `workers/environment.py` sets. First with nothing beside them,
then beside one process that computes all the time. What else the machine does meets both.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from alambique.workers.environment import COMPUTING

WAITING = {name: COMPUTING[name] for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
LOAD = "while True: sum(range(100_000))"


def main() -> None:
    """Prints a line for each load: medians of all rounds, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="of a turn")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.alone:
        return train()
    plain = {name: value for name, value in os.environ.items() if name not in WAITING}
    command = [sys.executable, __file__, "--alone"]
    print("| beside it | spinning: s a step | sleeping: s a step | ratio |\n|---|---|---|---|")
    with ExitStack() as stack:
        both = [stack.enter_context(_started(command, env)) for env in (plain, plain | WAITING)]
        for name, count in (("nothing of its own", 0), ("one busy process", 1)):
            with _busy(count):
                rounds = [[_turn(one, said.steps) for one in both] for _ in range(said.rounds)]
            spinning, sleeping = (
                [seconds for turn in side for seconds in turn] for side in zip(*rounds, strict=True)
            )
            ratio = statistics.median(spinning) / statistics.median(sleeping)
            print(f"| {name} | {_shown(spinning)} | {_shown(sleeping)} | {ratio:.2f} |", flush=True)


def _shown(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


@contextmanager
def _busy(count: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", LOAD]))
            stack.callback(process.kill)
        yield


def _started(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


def _turn(process: "subprocess.Popen[str]", steps: int) -> list[float]:
    """Seconds of each of so many steps more."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(steps, file=process.stdin, flush=True)
    seconds: list[float] = json.loads(process.stdout.readline())
    return seconds


def train() -> None:
    """Takes as many steps as each line of stdin says, and tells what each took."""
    steps = _steps()
    next(steps)  # memory is allotted, and kernels are chosen
    for line in sys.stdin:
        taken = []
        for _ in range(int(line)):
            began = time.monotonic()
            next(steps)
            taken.append(time.monotonic() - began)
        print(json.dumps(taken), flush=True)


def _steps() -> Iterator[None]:
    import torch
    from transformers import BertConfig, BertForTokenClassification

    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(1)
    sizes: dict[str, Any] = {
        "hidden_size": 384,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
    }
    model = BertForTokenClassification(BertConfig(vocab_size=8000, num_hidden_layers=4, **sizes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids = torch.randint(0, 8000, (8, 128))
    while True:
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids % 2).loss.backward()
        optimizer.step()
        yield


if __name__ == "__main__":
    main()
