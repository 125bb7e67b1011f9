"""One side of a comparison, in a process of its own: `python -m benchmarks.bench.sides`.

It is given the workplace's file and the side's name, and prints a line of JSON for each turn.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, assert_never

import torch
from benchmarks.bench.peers import load_libraries, train_with_textbrewer, train_with_trainer
from benchmarks.bench.workplace import Workplace

from alambique.workers.environment import ray_environment
from alambique.workers.stages.filler import Filler
from alambique.workers.training.batches import InputTensors, forward
from alambique.workers.training.distributed import SingleProcess
from alambique.workers.training.loop import TrainingLoop, train
from alambique.workers.training.predictions import by_length
from alambique.workers.training.spec import FillTask

Side = Literal[
    "bare passes",
    "alambique",
    "alambique, bf16",
    "Trainer",
    "Trainer, by length, bf16",
    "TextBrewer",
]
Epoch = Literal["plain", "distilled", "distilled, bf16"]
CPU = torch.device("cpu")


def main() -> None:
    """Do what the command line says: a side once, or an epoch at each line of stdin."""
    place = Workplace.model_validate_json(Path(sys.argv[1]).read_text())
    name: Any = sys.argv[2]
    torch.set_num_threads(place.threads)
    if name == "second search":
        return print(json.dumps(second_search(place)), flush=True)
    with tempfile.TemporaryDirectory(dir=place.folder) as folder:
        if name in ("plain", "distilled", "distilled, bf16"):
            for seconds in epochs(place, name, Path(folder)):
                print(json.dumps({"seconds": seconds}), flush=True)
        else:
            print(json.dumps(side(place, name, Path(folder))), flush=True)


def side(place: Workplace, name: Side, folder: Path) -> dict[str, float]:
    """Return the seconds that a side takes from reading the data on, and its student's F1."""
    load_libraries(name)
    began = time.perf_counter()
    filled = 0.0
    match name:
        case "bare passes":
            return {"seconds": bare_passes(place)}
        case "alambique" | "alambique, bf16":
            precision = "bf16" if name.endswith("bf16") else "fp32"
            order = place.order(folder / "near", precision=precision)
            fill(order)
            filled = time.perf_counter() - began
            course = place.course(folder / "run", teacher=order.outputs, precision=precision)
            train(course, SingleProcess(CPU))
            student = course.best
        case "Trainer":
            student = train_with_trainer(place, folder, grouped=False, bf16=False)
        case "Trainer, by length, bf16":
            student = train_with_trainer(place, folder, grouped=True, bf16=True)
        case "TextBrewer":
            student = train_with_textbrewer(place, folder)
        case _:
            assert_never(name)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "filled": filled, "f1": place.f1(student)}


def second_search(place: Workplace) -> dict[str, float]:
    """Return the passes of the teacher that a second search over the same data takes."""
    # Ray reads it when it is imported
    os.environ |= ray_environment(place.folder, os.environ)
    from benchmarks.bench.search import second_passes

    began = time.perf_counter()
    passes = second_passes(place)
    return {"seconds": time.perf_counter() - began, "passes": passes}


def fill(order: FillTask) -> int:
    """Compute all outputs that are missing, as the cache stage of a job does; return how many."""
    filler = Filler(order)
    return sum(filler.fill(group) for group in filler.bucket_groups(sorted(filler.missing())))


def bare_passes(place: Workplace) -> float:
    """Return the seconds in which the teacher answers all windows, sorted by length, and no more.

    Neither reading and tokenising the texts nor loading the teacher is counted.
    """
    windows = [target.window for target in place.windows("train")]
    pad_id = place.encoder().pad_id
    teacher = place.network(place.teacher)
    began = time.perf_counter()
    with torch.inference_mode():
        for batch in by_length([len(window) for window in windows], CPU):
            forward(teacher, InputTensors.of([windows[i] for i in batch], pad_id))
    return time.perf_counter() - began


def epochs(place: Workplace, name: Epoch, folder: Path) -> Iterator[float]:
    """Yield the seconds of an epoch at each line of stdin: its steps, and a checkpoint.

    The teacher's outputs are there already. The validation is of a few sentences.
    """
    precision = "bf16" if name.endswith("bf16") else "fp32"
    outputs = None
    if name != "plain":
        order = place.order(place.folder / "warm", precision=precision)
        fill(order)
        outputs = order.outputs
    for number, _ in enumerate(sys.stdin):
        course = place.course(
            folder / str(number),
            teacher=outputs,
            epochs=1,
            precision=precision,
            validation="few",
        )
        loop = TrainingLoop(course, SingleProcess(CPU))
        began = time.perf_counter()
        loop.run()
        yield time.perf_counter() - began


if __name__ == "__main__":
    main()
