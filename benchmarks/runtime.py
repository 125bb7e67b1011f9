"""What the runtime takes: to be imported, to answer from a cold start, and in memory.

    python benchmarks/runtime.py FOLDER [--rounds 5]

Times are in seconds. Memory is what the process has grown by since all was imported, over the size
of the engine's file: all that is resident, and of that without the pages of the engine's own
library, which are mapped from the disk as they are first run, and shared by all processes.

FOLDER is that of a version with the file of an engine. Each figure is the median of fresh
processes.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median

WANTED = {"import": 0.3, "first answer": 0.6, "memory / file": 2.0}
"""At most."""

PROGRAM = """
import sys, time
began = time.perf_counter()
import alambique.runtime
imported = time.perf_counter() - began

def resident():
    with open("/proc/self/statm") as file:
        _, pages, shared = map(int, file.read().split()[:3])
    return pages * 4096, (pages - shared) * 4096

def ask(model):
    output = model.about.output
    if output == "span":
        return model.answer("¿Dónde nació Ana Ruiz?", "Ana Ruiz nació en Lugo.")
    if output == "tags":
        return model.tag("Ana Ruiz nació en Lugo.")
    texts = ["Ana Ruiz nació en Lugo."] * len(model.about.inputs)
    return model.classify(*texts) if output == "classes" else model.rate(*texts)

import importlib, json

engine = sys.argv[2]
if sys.argv[3] == "memory":
    importlib.import_module(engine)
    before = resident()
model = alambique.runtime.load(sys.argv[1])
ask(model)
answered = time.perf_counter() - began
if sys.argv[3] == "memory":
    grown = [after - earlier for after, earlier in zip(resident(), before, strict=True)]
    print(json.dumps({"memory": grown[0], "own": grown[1]}))
else:
    print(json.dumps({"import": imported, "first answer": answered}))
"""


def main() -> None:
    """Print the figures of a folder beside what is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    figures = measure(asked.folder, asked.rounds)
    for name, figure in figures.items():
        wanted = f"wanted: at most {WANTED[name]}" if name in WANTED else ""
        print(f"{name:<16}{figure:6.3f}   {wanted}".rstrip())


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Return the median of each figure."""
    names = ("model.onnx", "openvino_model.xml", "openvino_model.bin")
    size = sum((folder / name).stat().st_size for name in names if (folder / name).is_file())
    engine = "onnxruntime" if (folder / "model.onnx").is_file() else "openvino"
    # the first round reads the files from the disk
    times = [run(folder, engine, "times") for _ in range(rounds + 1)][1:]
    memory = [run(folder, engine, "memory") for _ in range(rounds)]
    return {
        "import": median(each["import"] for each in times),
        "first answer": median(each["first answer"] for each in times),
        "memory / file": median(each["memory"] for each in memory) / size,
        "without code": median(each["own"] for each in memory) / size,
    }


def run(folder: Path, engine: str, what: str) -> Mapping[str, float]:
    """Return the figures of one fresh process."""
    command = [sys.executable, "-c", PROGRAM, str(folder), engine, what]
    # with bytecode, as installed packages have it
    own = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=own)
    figures: Mapping[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()
