"""How fast published shapes answer, by engine and format: a table of times.

    python benchmarks/inference.py --shapes beto 6x384 4x312 --lengths 48 384 --batches 1

Networks have random weights, on which no time depends, and are no claim about scores. Baseline A is
the first shape in onnxruntime, in float32, not padded, with the same threads; B is the same by
torch, C the same padded to the longest of the lengths. All take turns, one call of each in a round,
and each ratio is the median of the rounds' ratios of A's time to another's.

Files are made once, in --folder. Markdown goes to stdout, what it is at to stderr.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from alambique.models.configs import Config
from alambique.models.networks import Network, new
from alambique.runtime.engines import ONNX_FILE, open_engine
from alambique.runtime.latency import turn
from alambique.runtime.windows import Inputs
from alambique.spec.outputs import Output
from alambique.workers.compression.onnx_files import (
    export_onnx,
    quantize_dynamic,
    quantize_static,
)
from alambique.workers.compression.openvino_files import write_openvino, write_openvino_int8
from alambique.workers.scoring.loaded_model import EngineNetwork

LABELS = ("start", "end")
FORMATS = ("onnx", "onnx-int8", "onnx-int8-static", "openvino", "openvino-int8")
WANTED = {
    ("6x384", 384): 18,
    ("4x312", 384): 36,
    ("6x384", 48): 20,
    ("4x312", 48): 38,
}
"""Over the first shape, one text at a time: the best format of each."""
WARMUPS = 3


def bert(layers: int, width: int, heads: int, ffn: int, vocabulary: int = 31_002) -> Config:
    """Return the config of a BERT."""
    return {
        "model_type": "bert",
        "vocab_size": vocabulary,
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": ffn,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "pad_token_id": 0,
    }


def roberta(layers: int, width: int, heads: int, ffn: int) -> Config:
    """Return the config of a RoBERTa with the vocabulary of RoBERTa-BNE."""
    own: Config = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    return {**bert(layers, width, heads, ffn, 50_262), **own, "type_vocab_size": 1}


SHAPES: dict[str, Config] = {
    "beto": bert(12, 768, 12, 3072),
    "roberta-large": roberta(24, 1024, 16, 4096),
    "6x384": bert(6, 384, 12, 1536),
    "4x312": bert(4, 312, 12, 1200),
    "spanish-tiny-roberta": roberta(6, 512, 16, 3072),
}


@dataclass(frozen=True)
class Contestant:
    """A shape in a format, and the longest that its texts are padded to."""

    shape: str
    form: str
    padded_to: int | None = None

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.form}, padded to {self.padded_to}" if self.padded_to else self.form


@dataclass(frozen=True)
class Measured:
    """The milliseconds (R,) of each contestant in one batch size and length."""

    batch: int
    length: int
    times_ms: dict[Contestant, np.ndarray]


def network_of(shape: str) -> Network:
    """Return a network of a shape with random weights."""
    return new(SHAPES[shape], Output.SPAN, LABELS, seed=0)


def make_files(shape: str, form: str, folder: Path) -> Path:
    """Return the folder of a shape in a format, made where it is not there."""
    made, exported = folder / shape / form, folder / shape / "onnx" / ONNX_FILE
    if made.is_dir():
        return made
    began = time.perf_counter()
    if form != "onnx":
        make_files(shape, "onnx", folder)
    unfinished = made.with_name(f".{form}")
    unfinished.mkdir(parents=True, exist_ok=True)
    texts = [random_inputs(shape, 1, 64, seed) for seed in range(16)]
    match form:
        case "onnx":
            export_onnx(network_of(shape), unfinished / ONNX_FILE)
        case "onnx-int8":
            quantize_dynamic(exported, unfinished / ONNX_FILE)
        case "onnx-int8-static":
            quantize_static(exported, unfinished / ONNX_FILE, texts)
        case "openvino":
            write_openvino(exported, unfinished)
        case _:
            write_openvino_int8(exported, unfinished, texts)
    unfinished.rename(made)
    say(f"{shape} as {form}: made in {time.perf_counter() - began:.0f} s")
    return made


def random_inputs(shape: str, batch: int, length: int, seed: int = 0) -> Inputs:
    """Return a batch of random pieces."""
    vocabulary = int(SHAPES[shape]["vocab_size"])
    ids_BN = np.random.default_rng(seed).integers(5, vocabulary, (batch, length))
    return Inputs(ids_BN, np.ones_like(ids_BN), np.zeros_like(ids_BN))


def padded(inputs: Inputs, length: int) -> Inputs:
    """Return a batch padded on the right."""
    more = ((0, 0), (0, length - inputs.input_ids_BN.shape[1]))
    arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    return Inputs(*(np.pad(each, more) for each in arrays))


def open_network(each: Contestant, folder: Path, threads: int) -> Callable[[Inputs], object]:
    """Return what answers a batch."""
    if each.form == "torch":
        network: Network | EngineNetwork = network_of(each.shape)
    else:
        files = make_files(each.shape, each.form, folder)
        network = EngineNetwork(open_engine(files, threads=threads))

    @torch.inference_mode()
    def answer(inputs: Inputs) -> object:
        arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
        return network(*map(torch.from_numpy, arrays))

    return answer


def file_bytes(each: Contestant, folder: Path) -> int | None:
    """Return the size of what an engine reads; None: torch has the network in memory."""
    if each.form == "torch":
        return None
    return sum(path.stat().st_size for path in (folder / each.shape / each.form).iterdir())


def measure(
    contestants: Sequence[Contestant],
    answers: Sequence[Callable[[Inputs], object]],
    batch: int,
    length: int,
    rounds: int,
) -> Measured:
    """Return the times of all contestants for one batch size and length, taken in turns."""
    inputs = [random_inputs(each.shape, batch, length) for each in contestants]
    inputs = [
        padded(its, max(each.padded_to, length)) if each.padded_to else its
        for each, its in zip(contestants, inputs, strict=True)
    ]
    times = np.zeros((len(contestants), rounds))
    for number in range(-WARMUPS, rounds):
        for which in turn(len(contestants), number + WARMUPS):
            began = time.perf_counter()
            answers[which](inputs[which])
            if number >= 0:
                times[which, number] = (time.perf_counter() - began) * 1000
    return Measured(batch, length, dict(zip(contestants, times, strict=True)))


def table_lines(measured: Sequence[Measured], sizes: dict[Contestant, int | None]) -> list[str]:
    """Return the table of one batch size: a line for each contestant, two columns a length."""
    batch, lengths = measured[0].batch, [each.length for each in measured]
    titles = [f"{length} pieces: ms (p95, p99) | times A" for length in lengths]
    lines = [
        f"| batch {batch} | | {' | '.join(titles)} | MB |",
        "|---" * (2 * len(lengths) + 3) + "|",
    ]
    for contestant, size in sizes.items():
        cells = []
        for each in measured:
            times, baseline = each.times_ms[contestant], next(iter(each.times_ms.values()))
            middle, slow, slowest = map(digits, np.quantile(times, [0.5, 0.95, 0.99]))
            ratio = digits(float(np.median(baseline / times)))
            cells += [f"{middle} ({slow}, {slowest})", ratio]
        megabytes = "" if size is None else f"{size / 1e6:.1f}"
        lines.append(
            f"| {contestant.shape} | {contestant.name} | {' | '.join(cells)} | {megabytes} |"
        )
    return lines


def digits(number: float) -> str:
    """Return a positive number with three digits.

    >>> digits(0.7349), digits(26.34), digits(519.91), digits(1806.0)
    ('0.73', '26.3', '520', '1806')
    """
    return f"{number:.{2 if number < 10 else 1 if number < 100 else 0}f}"


def wanted_lines(measured: Sequence[Measured], first: str) -> list[str]:
    """Return what was wanted of each shape beside the best of its formats."""
    lines = []
    for each in measured:
        baseline = next(iter(each.times_ms.values()))
        for (shape, length), wanted in WANTED.items():
            ratios = {
                contestant.name: float(np.median(baseline / times))
                for contestant, times in each.times_ms.items()
                if contestant.shape == shape and (each.batch, each.length) == (1, length)
            }
            if ratios and first == "beto":
                best = max(ratios, key=lambda name: ratios[name])
                held = "held" if ratios[best] >= wanted else "not held"
                lines.append(
                    f"| {shape} at {length} | {best} | {ratios[best]:.1f} | ≥ {wanted} | {held} |"
                )
    return lines


def say(text: str) -> None:
    """Print what it is at."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Make the files, time them in turns, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["beto", "6x384", "4x312"])
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--lengths", nargs="+", type=int, default=[48, 128, 384])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--folder", type=Path, default=Path(".inference"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    first = options.shapes[0]
    contestants = [
        Contestant(first, "onnx"),
        Contestant(first, "torch"),
        Contestant(first, "torch", padded_to=max(options.lengths)),
        *(Contestant(first, form) for form in options.formats if form != "onnx"),
        *(Contestant(shape, form) for shape in options.shapes[1:] for form in options.formats),
    ]
    answers = [open_network(each, options.folder, options.threads) for each in contestants]
    sizes = {each: file_bytes(each, options.folder) for each in contestants}
    measured = []
    for batch in options.batches:
        for length in options.lengths:
            say(f"batch {batch}, {length} pieces")
            measured.append(measure(contestants, answers, batch, length, options.rounds))
    for batch in options.batches:
        print("\n".join(table_lines([each for each in measured if each.batch == batch], sizes)))
        print()
    if lines := wanted_lines(measured, first):
        print("| | quickest | times A | wanted | |\n|---|---|---|---|---|")
        print("\n".join(lines))


if __name__ == "__main__":
    main()
