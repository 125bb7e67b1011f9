"""What the server's answers take, beside those of another checkout.

`python benchmarks/serving.py --beside FOLDER`.

Starts `alambique api` from this checkout and from the other one, on SQLite and on PostgreSQL, and
asks both in turns, round after round, so that whatever else the machine does meets both: `/healthz`
and `POST /v1/jobs` on kept connections, lists of 200 jobs among 5 000 that wait, and the processor
time of a server whose 200 event streams have nothing to tell. Without `--beside` it measures this
checkout alone.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

HERE = Path(__file__).parents[1]
ROOTS = ("platform", "tasks", "workers", "api")
JOB = {
    "task": "named-entities",
    "data": "sample-entities",
    "teacher": {
        "model": {"architecture": "bert", "layers": 2, "width": 32, "heads": 2, "ffn": 64},
        "train": {"epochs": 1},
    },
    "student": {"layers": 1},
}
SUBMIT = """
import json, sys
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.reading import job_of
database, job = Database(sys.argv[1]), job_of(json.loads(sys.argv[2]))
with database.write() as session:
    for _ in range(int(sys.argv[3])):
        jobs.submit(session, job)
"""
WAITING = 5000
STREAMS = 200
T = TypeVar("T")
IDLE = 10.0
"""Seconds for which idle streams are watched."""


@dataclass
class Server:
    """A server of a checkout, with its process."""

    url: str
    database: str
    roots: dict[str, str]
    process: "subprocess.Popen[str]"

    def cpu_seconds(self) -> float:
        """Return the processor time that it has taken so far, as Linux counts it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Taken:
    """What requests of one kind took, in seconds, and how many were answered in a second."""

    each: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def row(self) -> tuple[float, float, float]:
        """Return p50 and p99 in milliseconds, and the median rate of the rounds."""
        ordered = sorted(self.each)
        p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        return 1e3 * statistics.median(ordered), 1e3 * p99, statistics.median(self.rates)


def main() -> None:
    """Print a line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--beside", type=Path, help="another checkout, measured in turns")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=100, help="of each kind, in a round")
    said = parser.parse_args()
    trees = [*([said.beside.resolve()] if said.beside else []), HERE]
    print(
        "| | | p50 ms | p99 ms | a second |" + (" p50: beside over here |" if said.beside else "")
    )
    print("|---|---|---|---|---|" + ("---|" if said.beside else ""))
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder) / "server") as new_database:
        sqlite = [f"sqlite:///{folder}/{n}/alambique.db" for n in range(len(trees))]
        measure("SQLite", list(zip(trees, sqlite, strict=True)), said.rounds, said.requests)
        served = [(tree, new_database(f"bench{n}")) for n, tree in enumerate(trees)]
        measure("PostgreSQL", served, said.rounds, said.requests)


def measure(name: str, served: Sequence[tuple[Path, str]], rounds: int, requests: int) -> None:
    """Print the lines of one database."""
    with ExitStack() as stack:
        servers = [stack.enter_context(server(tree, database)) for tree, database in served]
        for what, method, path in (
            ("/healthz", "GET", "/healthz"),
            ("POST /v1/jobs", "POST", "/v1/jobs"),
        ):
            for clients in (1, 4):
                taken = [Taken() for _ in servers]
                for one, found in in_turns(servers, taken, rounds):
                    ask(one, method, path, clients, requests, found)
                report(name, f"{what}, {clients} at once", [found.row() for found in taken])
        for one in servers:
            submit(one, WAITING)
        taken = [Taken() for _ in servers]
        for one, found in in_turns(servers, taken, rounds):
            ask(one, "GET", "/v1/jobs?limit=200", 1, 3, found)
        what = f"200 jobs of {WAITING:,} that wait".replace(",", " ")
        report(name, what, [found.row() for found in taken])
        shares: list[list[float]] = [[] for _ in servers]
        for one, share in in_turns(servers, shares, rounds):
            share.append(idle_share(one))
        report_share(name, [statistics.median(share) for share in shares])


def in_turns(
    servers: Sequence[Server], results: Sequence[T], rounds: int
) -> Iterator[tuple[Server, T]]:
    """Each server with its result, so many times, in the other order every second time."""
    pairs = list(zip(servers, results, strict=True))
    for number in range(rounds):
        yield from pairs if number % 2 == 0 else reversed(pairs)


def ask(server: Server, method: str, path: str, clients: int, requests: int, taken: Taken) -> None:
    """Send the requests over so many kept connections at once."""
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        share = [requests // clients] * clients
        for each in pool.map(lambda n: one_connection(server.url, method, path, n), share):
            taken.each += each
    taken.rates.append(sum(share) / (time.perf_counter() - began))


def one_connection(url: str, method: str, path: str, requests: int) -> list[float]:
    """Return the seconds that each request took on one connection."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=120)
    body = json.dumps(JOB) if method == "POST" else None
    headers = {"Content-Type": "application/json"} if body else {}
    found = []
    for _ in range(requests):
        began = time.perf_counter()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        found.append(time.perf_counter() - began)
        if answer.status >= 400:
            raise SystemExit(f"{method} {url}{path}: {answer.status}")
    connection.close()
    return found


def idle_share(server: Server) -> float:
    """Return the share of one processor that the server takes while its streams are silent."""
    jobs = waiting_jobs(server.url)
    with ExitStack() as stack:
        for job_id in jobs:
            parts = urlsplit(server.url)
            stream = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=120)
            stack.enter_context(stream)
            path = f"/v1/jobs/{job_id}/events"
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            told = b""
            while b"event: state" not in told:
                told += stream.recv(1 << 16)
        before, began = server.cpu_seconds(), time.perf_counter()
        time.sleep(IDLE)
        return (server.cpu_seconds() - before) / (time.perf_counter() - began)


def waiting_jobs(url: str) -> list[str]:
    """Return the ids of as many jobs as streams are opened."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=120)
    connection.request("GET", f"/v1/jobs?limit={STREAMS}")
    found = [job["id"] for job in json.load(connection.getresponse())["items"]]
    connection.close()
    return found


@contextmanager
def server(tree: Path, database: str) -> Iterator[Server]:
    """Run `alambique api` of the checkout over a migrated database."""
    roots = {"PYTHONPATH": os.pathsep.join(str(tree / root) for root in ROOTS)}
    with tempfile.TemporaryDirectory() as home:
        own = {"ALAMBIQUE_HOME": home, "ALAMBIQUE_DATABASE_URL": database}
        kept = {name: value for name, value in os.environ.items() if "ALAMBIQUE" not in name}
        program, environment = [sys.executable, "-m", "alambique.cli"], kept | own | roots
        subprocess.run([*program, "db", "upgrade"], env=environment, cwd=home, check=True)
        command = [*program, "api", "--port", "0"]
        process = subprocess.Popen(
            command, env=environment, cwd=home, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1]
            yield Server(url, database, environment, process)
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


def submit(server: Server, number: int) -> None:
    """Put so many jobs into the queue, past HTTP."""
    command = [sys.executable, "-c", SUBMIT, server.database, json.dumps(JOB), str(number)]
    subprocess.run(command, env=server.roots, check=True)


@contextmanager
def postgres(folder: Path) -> Iterator[Callable[[str], str]]:
    """Run a PostgreSQL server; give what makes a database of a name, and its URL."""
    from pgserver import get_server

    found = get_server(folder, cleanup_mode="stop")

    def new_database(name: str) -> str:
        found.psql(f"CREATE DATABASE {name};")
        uri: str = found.get_uri(name)
        return uri.replace("postgresql://", "postgresql+psycopg://", 1)

    try:
        yield new_database
    finally:
        found.cleanup()


def report(database: str, what: str, rows: Sequence[tuple[float, float, float]]) -> None:
    """Print one line: the other checkout's figures before ours, and by what ours are better."""
    cells = [" → ".join(f"{row[n]:.1f}" for row in rows) for n in range(3)]
    ratio = [f"{rows[0][0] / rows[1][0]:.1f}"] if len(rows) > 1 else []
    print(f"| {database} | {what} | {' | '.join([*cells, *ratio])} |", flush=True)


def report_share(database: str, shares: Sequence[float]) -> None:
    """Print the line of the idle streams, whose figures are shares of one processor."""
    cells = " → ".join(f"{100 * share:.1f} %" for share in shares)
    ratio = f" {shares[0] / shares[1]:.1f} |" if len(shares) > 1 else ""
    print(f"| {database} | processor of {STREAMS} idle streams | {cells} | | |{ratio}", flush=True)


if __name__ == "__main__":
    main()
