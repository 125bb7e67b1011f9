"""Prints the README's performance table: `make bench`, or `python -m benchmarks.bench --help`.

Sides of a comparison take turns, each in a process of its own with the same number of threads;
a ratio is of two turns beside each other, and the table has the medians.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from alambique.spec.settings import Settings
from alambique.workers.environment import compute_environment

PEERS = ("Trainer", "Trainer, by length, bf16", "TextBrewer")
SIDES = ("bare passes", "alambique", "Trainer", "TextBrewer", "alambique, bf16", PEERS[1])
"""In the order of a round: those that are compared are near one another."""
SEARCH = "second search"
EPOCHS = ("plain", "distilled", "distilled, bf16")

Turns = dict[str, list[dict[str, float]]]


def main() -> None:
    """Measure everything, then print the table."""
    said = _parser().parse_args()
    os.environ |= _environment(said)
    # only now: what computes reads the environment when it is loaded
    from benchmarks.bench.workplace import Workplace, prepare

    place = Workplace(
        folder=said.folder.absolute(),
        data=said.data.absolute(),
        sentences=said.sentences,
        dev=said.dev,
        test=said.test,
        epochs=said.epochs,
        teacher_sentences=said.teacher_sentences,
        teacher_epochs=said.teacher_epochs,
        teacher_precision=said.teacher_precision,
        threads=said.threads,
    )
    _tell("preparing: the teacher is trained if it is not there")
    prepare(place)
    told = place.folder / "workplace.json"
    told.write_text(place.model_dump_json())
    epochs = _epochs(told, said.pairs)
    sides = _rounds(told, said.rounds, [one for one in SIDES if one not in said.without])
    passes = None
    if SEARCH not in said.without:
        _tell("two searches")
        with _started(told, SEARCH) as process:
            passes = _turn(process)["passes"]
    print("\n".join(_report(said, place.f1(place.teacher), epochs, sides, passes)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    data = Settings().data or Path("../shared/data")
    parser.add_argument("--data", type=Path, default=data, help="the folder with conll2002/")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="keeps the teacher")
    parser.add_argument("--sentences", type=int, help="that students learn from; default: all")
    parser.add_argument("--dev", type=int, help="sentences of each validation; default: all")
    parser.add_argument("--test", type=int, help="sentences of the test; default: all")
    parser.add_argument("--epochs", type=int, default=20, help="of students")
    parser.add_argument("--rounds", type=int, default=5, help="of trainings beside others'")
    parser.add_argument("--pairs", type=int, default=10, help="of epochs")
    parser.add_argument("--teacher-sentences", type=int, help="default: all")
    parser.add_argument("--teacher-epochs", type=int, default=6)
    parser.add_argument("--teacher-precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=[*SIDES, SEARCH],
        help="a side to leave out; may be given several times",
    )
    return parser


def _environment(said: argparse.Namespace) -> dict[str, str]:
    """What every process finds, this one too."""
    threads = {"OMP_NUM_THREADS": str(said.threads), "TOKENIZERS_PARALLELISM": "false"}
    return compute_environment(os.environ) | threads


def _epochs(told: Path, pairs: int) -> Turns:
    """Epochs of processes that take turns, after one each that is not counted."""
    turns: Turns = defaultdict(list)
    with ExitStack() as stack:
        running = {name: stack.enter_context(_started(told, name)) for name in EPOCHS}
        for number in range(pairs + 1):
            # every other time in the opposite order: what drifts meets both
            for name in EPOCHS if number % 2 else reversed(EPOCHS):
                found = _turn(running[name])
                if number:
                    _tell(f"epoch {number} of {pairs}, {name}: {found['seconds']:.1f} s")
                    turns[name].append(found)
    return turns


def _rounds(told: Path, rounds: int, sides: Sequence[str]) -> Turns:
    """Trainings of all sides, round by round; with Ctrl-C those of the rounds that are over."""
    turns: Turns = defaultdict(list)
    for number in range(1, rounds + 1):
        one_round = {}
        try:
            for name in sides if number % 2 else reversed(sides):
                with _started(told, name) as process:
                    one_round[name] = _turn(process)
                shown = ", ".join(f"{what} {value:.1f}" for what, value in one_round[name].items())
                _tell(f"round {number} of {rounds}, {name}: {shown}")
        except KeyboardInterrupt:
            if number == 1:
                raise
            _tell(f"broken off: the table is of {number - 1} rounds")
            break
        for name, found in one_round.items():
            turns[name].append(found)
    return turns


@contextmanager
def _started(told: Path, name: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "benchmarks.bench.sides", str(told), name]
    log = told.parent / "sides.log"
    pipe = subprocess.PIPE
    with (
        log.open("a") as errors,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True) as process,
    ):
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _turn(process: "subprocess.Popen[str]") -> dict[str, float]:
    """What a process prints after its next turn; other lines are its libraries' own."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith('{"seconds"'):
            found: dict[str, float] = json.loads(line)
            return found
    raise SystemExit(f"a side ended with {process.wait()}: see sides.log in the folder")


def _report(
    said: argparse.Namespace, teacher_f1: float, epochs: Turns, sides: Turns, passes: float | None
) -> Iterator[str]:
    """The lines of both tables."""
    from benchmarks.bench.figures import ratio_of

    def line(what: str, over: Sequence[float], under: Sequence[float], wanted: str) -> str:
        ratio = ratio_of(over, under)
        return f"| {what} | {ratio} | {ratio.interval} | {len(over)} | {wanted} |"

    seconds = {name: [one["seconds"] for one in turns] for name, turns in (epochs | sides).items()}
    yield f"{_machine(said)}\n"
    yield "| | median | interval | pairs | wanted |\n|---|---|---|---|---|"
    yield line(
        "distillation epoch with a warm cache, over a plain one",
        seconds["distilled"],
        seconds["plain"],
        "≤ 1.03",
    )
    if {"alambique", "bare passes"} <= sides.keys():
        filled = [one["filled"] for one in sides["alambique"]]
        yield line("filling the cache, over bare passes", filled, seconds["bare passes"], "≤ 1.15")
    wanted = dict(zip(PEERS, ("≥ 8", "≥ 3", "≥ 3"), strict=True))
    for peer in PEERS:
        ours = "alambique, bf16" if "bf16" in peer else "alambique"
        if {peer, ours} <= sides.keys():
            apart = abs(_f1(sides[peer]) - _f1(sides[ours]))
            unequal = f", F1 {apart:.1f} apart: no equal work" if apart > 1 else ""
            yield line(f"{peer}, over {ours}{unequal}", seconds[peer], seconds[ours], wanted[peer])
    yield line(
        "distillation epoch in fp32, over bf16",
        seconds["distilled"],
        seconds["distilled, bf16"],
        "",
    )
    if passes is not None:
        yield f"| passes of the teacher for a second search | {passes:g} | | | 0 |"
    yield f"\n| {said.epochs} epochs | seconds | of these filling | F1 |\n|---|---|---|---|"
    yield f"| teacher | | | {teacher_f1:.2f} |"
    for name, turns in sides.items():
        if "f1" in turns[0]:
            yield _side(name, turns)


def _f1(turns: Sequence[Mapping[str, float]]) -> float:
    return median(one["f1"] for one in turns)


def _side(name: str, turns: Sequence[Mapping[str, float]]) -> str:
    seconds, filled, f1 = (
        median(one[what] for one in turns) for what in ("seconds", "filled", "f1")
    )
    return f"| {name} | {seconds:.0f} | {f'{filled:.0f}' if filled else ''} | {f1:.2f} |"


def _machine(said: argparse.Namespace) -> str:
    libraries = ("torch", "transformers", "textbrewer")
    versions = ", ".join(f"{name} {version(name)}" for name in libraries if _is_installed(name))
    cpus = os.cpu_count()
    sentences = said.sentences or "all"
    return (
        f"{said.threads} threads on {cpus} processors ({platform.machine()}), load "
        f"{os.getloadavg()[2]:.1f} at the end; {sentences} sentences, {said.epochs} epochs; "
        f"{versions}"
    )


def _is_installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def _tell(message: Any) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
