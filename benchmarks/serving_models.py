"""What `alambique serve` answers to many clients at once, beside one client that asks alone.

`python benchmarks/serving_models.py FOLDER`, with the folder of a version that answers questions;
without one, a network of 6 layers of 384 with random weights in int8 is made for it.

One server is asked in turns by one client, one request after the other, and by 64 clients that
each ask again as soon as they are answered; so whatever else the machine does meets both. Contexts
have from one to three paragraphs of the sample data. Every answer is compared with the one that the
same query got when it was asked alone. A second table has what a text takes in the runtime, without
HTTP: alone, and in a batch of 32 of one length.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from alambique.runtime.model import Model, Query
from alambique.spec.data import Data
from alambique.spec.errors import AlambiqueError
from alambique.tasks.all import find
from alambique.tasks.data import load

HERE = Path(__file__).parents[1]
ROOTS = ("platform", "tasks", "workers", "api")
QUERIES = 96
MOST_PARAGRAPHS = 3
WORDS = (8, 30, 90)
"""Of the contexts that are run alone and together."""
TEXTS = 32
TURNS = 7
TASK = "question-answering"
SHAPE = {
    "model_type": "bert",
    "num_hidden_layers": 6,
    "hidden_size": 384,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 31002,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}


@dataclass
class Side:
    """What some clients were answered."""

    clients: int
    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    errors: int = 0
    different: int = 0
    """Answers with another text or place than when the query was asked alone."""
    score_difference: float = 0.0
    """The largest, between the probabilities of one answer."""

    def line(self) -> str:
        """Return the figures as a line of a table in Markdown."""
        cuts = statistics.quantiles(self.times, n=100)
        p50, p99 = (1000 * cuts[n - 1] for n in (50, 99))
        cells = (
            f"{self.clients}",
            f"{len(self.times)}",
            f"{len(self.times) / self.seconds:.1f}",
            f"{p50:.1f}",
            f"{p99:.1f}",
            f"{self.errors}",
            f"{self.different}",
            f"{self.score_difference:.1e}",
        )
        return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60, help="of each side, in all rounds")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, help="of the model; all processors by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or make_random_model(Path(made) / "model")
        with server(folder, options.threads) as url:
            bodies = queries()
            alone = [ask(connection(url), body) for body in bodies]
            sides = (Side(1), Side(options.clients))
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
                for side in sides:
                    load_server(url, side, bodies, alone, options.seconds / options.rounds)
            batches = batch_size(url)
        times = [text_times(folder, options.threads, words) for words in WORDS]
    heads = ("clients", "requests", "per second", "p50 ms", "p99 ms", "errors", "other answers")
    print(f"| {' | '.join(heads)} | largest difference of a score |")
    print("|---" * (len(heads) + 1) + "|")
    for side in sides:
        print(side.line())
    print(f"\nqueries of a batch, mean over all requests: {batches:.2f}\n")
    print("| tokens | ms a text, alone | ms a text, in a batch of 32 |\n|---|---|---|")
    for tokens, alone_ms, batch_ms in times:
        print(f"| {tokens} | {alone_ms:.1f} | {batch_ms:.1f} |")


def make_random_model(folder: Path) -> Path:
    """Write a network of 6 layers of 384 as ONNX in int8, with the sample encoder's tokenizer."""
    from alambique.models.networks import new, save
    from alambique.models.sources import SAMPLES
    from alambique.runtime.about import ABOUT
    from alambique.runtime.engines import ONNX_FILE
    from alambique.workers.compression.formats import export_onnx, quantize_dynamic

    task = find(TASK)
    network = new(SHAPE, task.output, (), seed=1)
    save(network, folder, SAMPLES["sample-encoder"])
    with tempfile.TemporaryDirectory() as temporary:
        export_onnx(network, Path(temporary) / ONNX_FILE)
        quantize_dynamic(Path(temporary) / ONNX_FILE, folder / ONNX_FILE)
    about = {
        "task": TASK,
        "output": task.output,
        "inputs": task.inputs,
        "labels": [],
        "max_length": 384,
        "stride": 128,
    }
    (folder / ABOUT).write_text(json.dumps(about))
    return folder


def queries() -> list[bytes]:
    """Return the bodies of requests, with contexts of very different lengths."""
    examples = load(Data(name="sample-questions"), task=find(TASK), root=None).train
    found = []
    for number in range(QUERIES):
        paragraphs = 1 + number % MOST_PARAGRAPHS
        part = examples[number * MOST_PARAGRAPHS :][:paragraphs]
        context = " ".join(example.context for example in part)
        fields = {"question": part[0].question, "context": context}
        found.append(json.dumps(fields).encode())
    return found


@contextmanager
def server(folder: Path, threads: int | None) -> Iterator[str]:
    """Run `alambique serve` of this checkout; give its URL."""
    command = [sys.executable, "-m", "alambique.cli", "serve", str(folder), "--port", "0"]
    command += [] if threads is None else ["--threads", str(threads)]
    roots = {"PYTHONPATH": os.pathsep.join(str(HERE / root) for root in ROOTS)}
    process = subprocess.Popen(
        command, env={**os.environ, **roots}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[4].removesuffix(":")
    finally:
        process.terminate()
        code = process.wait()
        process.stdout.close()
    if code:
        raise SystemExit(f"the server ended with {code}")


def connection(url: str) -> HTTPConnection:
    """Return a connection that is kept."""
    return HTTPConnection(urlsplit(url).netloc, timeout=120)


def ask(client: HTTPConnection, body: bytes) -> dict[str, Any]:
    """Return the answer to a query."""
    client.request("POST", "/predict", body, {"Content-Type": "application/json"})
    answer = client.getresponse()
    content: dict[str, Any] = json.loads(answer.read())
    if answer.status != 200:
        raise AlambiqueError(f"{answer.status}: {content}")
    return content


def load_server(
    url: str,
    side: Side,
    bodies: Sequence[bytes],
    alone: Sequence[dict[str, Any]],
    seconds: float,
) -> None:
    """Ask from all clients of a side for so long, and add up what they were answered."""
    began = time.perf_counter()
    end = began + seconds

    def run_client(number: int) -> None:
        client, turn = connection(url), number * 7
        while (sent := time.perf_counter()) < end:
            which = turn % len(bodies)
            turn += 1
            try:
                answer = ask(client, bodies[which])
            except (AlambiqueError, OSError) as error:
                print(error, file=sys.stderr)
                side.errors += 1
                client = connection(url)
                continue
            side.times.append(time.perf_counter() - sent)
            compare(side, answer, alone[which])
        client.close()

    with ThreadPoolExecutor(side.clients) as threads:
        list(threads.map(run_client, range(side.clients)))
    side.seconds += time.perf_counter() - began


def compare(side: Side, answer: dict[str, Any], alone: dict[str, Any]) -> None:
    """Note whether an answer is that of the query asked alone."""
    if any(answer[name] != alone[name] for name in ("answer", "start", "end")):
        side.different += 1
    difference = abs(answer["score"] - alone["score"])
    side.score_difference = max(side.score_difference, difference)


def text_times(folder: Path, threads: int | None, words: int) -> tuple[int, float, float]:
    """Return the tokens of a text, and its median milliseconds alone and in a batch, in turns."""
    model = Model.from_folder(folder, threads=threads)
    context = " ".join(["Ana", "nació", "en", "Lugo", "y", "vive", "allí."] * words)
    query = Query("¿Dónde nació Ana?", " ".join(context.split()[:words]))
    tokens = sum(map(len, model.encoder.question(query.question or "", query.context or "")))
    alone, together = [], []
    for _ in range(TURNS):
        began = time.perf_counter()
        for _ in range(TEXTS):
            model.run([query])
        middle = time.perf_counter()
        model.run([query] * TEXTS)
        alone.append(middle - began)
        together.append(time.perf_counter() - middle)
    per_text = 1000 / TEXTS
    return tokens, statistics.median(alone) * per_text, statistics.median(together) * per_text


def batch_size(url: str) -> float:
    """Return how many queries the server has run together, in the mean."""
    client = connection(url)
    client.request("GET", "/metrics")
    lines = client.getresponse().read().decode().splitlines()
    client.close()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    runs = float(values["alambique_batch_queries_count"])
    return float(values["alambique_batch_queries_sum"]) / runs


if __name__ == "__main__":
    main()
