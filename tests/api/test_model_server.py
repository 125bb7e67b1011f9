"""A server of one model: answers of many clients at once, refusals, metrics, a graceful end."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from tests.local_hub import Hub

from alambique.api.batcher import BatchLimits
from alambique.api.model_server import BODY_LIMIT, create_model_app
from alambique.api.predictions import MOST_CHARACTERS, MOST_QUERIES
from alambique.cli.model_serving import serve
from alambique.runtime import Model, Query, load

QUESTIONS = ("¿Dónde nació Ana Ruiz?", "¿Cuándo?", "¿Qué río cruza Zaragoza?")
PLACES = ("Lugo", "Soria", "Cádiz", "Teruel", "Málaga")
HEAVY = (
    *("torch", "ray", "transformers", "datasets", "deepspeed"),
    *("sqlalchemy", "alembic", "psycopg", "redis", "pyarrow", "sklearn", "scipy"),
)
IMPORT = """
import sys
import alambique.cli.model_serving, alambique.cli.http_server, alambique.api.model_server
from alambique.runtime import load
load(sys.argv[1])
print(*sys.modules)
"""


def body(number: int) -> dict[str, Any]:
    """A query of a length of its own."""
    place, repeats = PLACES[number % len(PLACES)], number % 7 + 1
    context = f"Ana Ruiz nació en {place} el {number} de mayo. El Ebro cruza Zaragoza. " * repeats
    return {"question": QUESTIONS[number % len(QUESTIONS)], "context": context, "best": 2}


def query(fields: dict[str, Any]) -> Query:
    texts = fields.get("texts", [fields["text"]] if "text" in fields else ())
    return Query(fields.get("question"), fields.get("context"), texts, fields.get("best", 1))


def assert_same(found: Any, expected: Any) -> None:
    """Equal, but for the last bits of numbers: sums of a batch are made in another order."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-5)
    else:
        assert found == expected


@pytest.fixture(scope="session")
def questions(engine_folder: Callable[[str], Path]) -> Model:
    return load(engine_folder("question-answering"), threads=1)


@contextmanager
def served(model: Model, **options: Any) -> Iterator[httpx2.Client]:
    """A client of a server in a thread."""
    config = uvicorn.Config(
        create_model_app(model, **options), port=0, log_level="critical", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive(), "the server did not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        limits = httpx2.Limits(max_connections=200)
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits
        ) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def http(questions: Model) -> Iterator[httpx2.Client]:
    with served(questions) as client:
        yield client


def samples(client: httpx2.Client) -> dict[str, float]:
    """What Prometheus would read."""
    lines = client.get("/metrics").text.splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_many_at_once_get_what_each_gets_alone(http: httpx2.Client, questions: Model) -> None:
    bodies = [body(number) for number in range(64)]
    start = threading.Barrier(len(bodies))

    def ask(fields: dict[str, Any]) -> httpx2.Response:
        start.wait()
        return http.post("/predict", json=fields)

    with ThreadPoolExecutor(len(bodies)) as threads:
        answers = list(threads.map(ask, bodies))
    assert {answer.status_code for answer in answers} == {200}
    for answer, fields in zip(answers, bodies, strict=True):
        assert_same(answer.json(), questions.run([query(fields)])[0])
    counted = samples(http)
    assert counted['alambique_requests_total{route="/predict",status="200"}'] == len(bodies)
    assert counted['alambique_request_seconds_count{route="/predict"}'] == len(bodies)
    assert counted["alambique_batch_queries_sum"] == len(bodies)
    assert counted["alambique_batch_queries_count"] < len(bodies)  # several were run together
    assert counted["alambique_waiting_queries"] == 0


def test_a_batch_has_its_answers_in_order(http: httpx2.Client, questions: Model) -> None:
    bodies = [body(number) for number in range(9)]
    answer = http.post("/predict/batch", json={"queries": bodies})
    assert answer.status_code == 200
    assert_same(answer.json(), {"predictions": questions.run([query(one) for one in bodies])})


@pytest.mark.parametrize(
    ("task", "fields"),
    [
        ("named-entities", {"text": "Ana Ruiz nació en Lugo."}),
        ("named-entities", {"texts": ["Ana Ruiz nació en Lugo."]}),
        ("paraphrase", {"texts": ["Nació en Lugo.", "Lugo es su ciudad natal."]}),
    ],
)
def test_other_tasks_are_answered_too(
    engine_folder: Callable[[str], Path], task: str, fields: dict[str, Any]
) -> None:
    model = load(engine_folder(task), threads=1)
    with served(model) as client:
        found = client.post("/predict", json=fields).json()
        described = client.get("/model").json()
        schema = client.get("/openapi.json").json()
    (expected,) = model.run([query(fields)])
    assert_same(found, expected)
    assert (described["task"], described["output"]) == (task, model.about.output)
    assert described["labels"] == list(model.about.labels)
    names = schema["components"]["schemas"]
    assert {"QueryBody", "BatchBody", "WordsView", "ClassView", "Problem"} <= set(names)


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert (answer.status_code, found["status"], found["code"]) == (status, status, code)
    assert found["detail"]
    return found


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "body"),
        ({"question": "¿Dónde?"}, "body"),
        ({"context": "Lugo"}, "body"),
        ({"question": "¿Dónde?", "context": "Lugo", "text": "Lugo"}, "body"),
        ({"text": "a", "texts": ["b"]}, "body"),
        ({"texts": ["a", "b", "c"]}, "texts"),
        ({"question": "¿Dónde?", "context": "Lugo", "best": 0}, "best"),
        ({"question": "¿Dónde?", "context": "Lugo", "best": True}, "best"),
        ({"question": "¿Dónde?", "context": "Lugo", "bset": 2}, "bset"),
        ({"question": 1, "context": "Lugo"}, "question"),
        ({"question": "¿Dónde?", "context": "a" * (MOST_CHARACTERS + 1)}, "context"),
        ([], "body"),
        ("Lugo", "body"),
    ],
)
def test_a_bad_field_is_named(http: httpx2.Client, fields: Any, path: str) -> None:
    found = problem(http.post("/predict", json=fields), 422, "bad_request")
    assert [one["path"] for one in found["errors"]] == [path]


def test_a_lone_surrogate_is_no_text(http: httpx2.Client) -> None:
    content = rb'{"question": "\ud800", "context": "Lugo"}'
    answer = http.post("/predict", content=content, headers={"Content-Type": "application/json"})
    assert problem(answer, 422, "bad_request")["errors"][0]["path"] == "question"


def test_what_the_model_cannot_answer_is_said(http: httpx2.Client) -> None:
    problem(http.post("/predict", json={"text": "Lugo"}), 422, "bad_spec")
    queries = [body(1), {"text": "Lugo"}, body(2)]
    found = problem(http.post("/predict/batch", json={"queries": queries}), 422, "bad_spec")
    assert [one["path"] for one in found["errors"]] == ["queries.1"]


@pytest.mark.parametrize("number", [0, MOST_QUERIES + 1])
def test_a_batch_has_a_bound(http: httpx2.Client, number: int) -> None:
    answer = http.post("/predict/batch", json={"queries": [body(0)] * number})
    assert problem(answer, 422, "bad_request")["errors"][0]["path"] == "queries"


def test_a_body_has_a_bound_and_a_type(http: httpx2.Client) -> None:
    json_type = {"Content-Type": "application/json"}
    large = http.post("/predict", content=b"[" + b" " * BODY_LIMIT + b"]", headers=json_type)
    problem(large, 413, "too_large")
    broken = http.post("/predict", content=b'{"text": ', headers=json_type)
    problem(broken, 422, "bad_request")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/yaml"):
        answer = http.post("/predict", content=b"text: Lugo", headers={"Content-Type": kind})
        problem(answer, 415, "unsupported_media_type")
    problem(http.post("/predict", content=b"{}"), 415, "unsupported_media_type")


def test_other_names_and_sites_are_refused(http: httpx2.Client) -> None:
    foreign = {"Origin": "https://evil.example"}
    problem(http.post("/predict", json=body(0), headers=foreign), 403, "foreign_origin")
    named = {"Host": "evil.example"}
    problem(http.get("/model", headers=named), 421, "unknown_host")


def test_unknown_paths_are_one_series(http: httpx2.Client) -> None:
    for path in ("/predict/1", "/v1/jobs", "/%2e%2e/etc"):
        problem(http.get(path), 404, "not_found")
    answer = http.get("/predict")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST, OPTIONS"
    assert http.head("/healthz").content == b""
    assert http.get("/healthz").json() == {"status": "alive"}
    counted = samples(http)
    assert counted['alambique_requests_total{route="other",status="404"}'] == 3
    assert counted['alambique_requests_total{route="/predict",status="405"}'] == 1
    assert http.get("/").json() == http.get("/model").json()


def test_a_token_is_asked_for(questions: Model) -> None:
    with served(questions, token="secret") as client:
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "secret"}):
            for path in ("/model", "/metrics", "/"):
                answer = client.get(path, headers=headers)
                problem(answer, 401, "unauthorized")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
            problem(client.post("/predict", json=body(0), headers=headers), 401, "unauthorized")
        assert client.get("/healthz").status_code == 200
        bearing = {"Authorization": "Bearer secret"}
        assert client.post("/predict", json=body(0), headers=bearing).status_code == 200


class Stopped:
    """A model that answers once it is let go."""

    def __init__(self, model: Model) -> None:
        self.about = model.about
        self.begun, self.go = threading.Event(), threading.Event()

    def run(self, queries: Sequence[Query]) -> list[dict[str, Any]]:
        self.begun.set()
        assert self.go.wait(30)
        return [{"score": 1.0} for _ in queries]


def test_a_full_queue_is_told_at_once(questions: Model) -> None:
    stopped: Any = Stopped(questions)
    with (
        served(stopped, limits=BatchLimits(waiting=3)) as client,
        ThreadPoolExecutor(2) as threads,
    ):
        first = threads.submit(client.post, "/predict", json=body(0))
        assert stopped.begun.wait(30)
        three = threads.submit(client.post, "/predict/batch", json={"queries": [body(1)] * 3})
        while samples(client)["alambique_waiting_queries"] < 3:
            pass
        refused = client.post("/predict", json=body(2))
        problem(refused, 503, "unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        stopped.go.set()
        assert [answer.result().status_code for answer in (first, three)] == [200, 200]
        assert client.post("/predict", json=body(2)).status_code == 200


def test_it_starts_without_torch_and_sql(engine_folder: Callable[[str], Path]) -> None:
    command = [sys.executable, "-c", IMPORT, str(engine_folder("question-answering"))]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not {*HEAVY} & set(found.stdout.split())


@contextmanager
def program(
    *arguments: str, home: Path, **settings: str
) -> Iterator["tuple[subprocess.Popen[str], str]"]:
    """`alambique serve` in a process, and its URL."""
    command = [sys.executable, "-m", "alambique.cli", "serve", *arguments, "--port", "0"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "ALAMBIQUE_HOME": str(home), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://[\d.:]+\d", process.stdout.readline())
        assert found
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def test_it_serves_what_a_hub_has(
    hub: Hub, engine_folder: Callable[[str], Path], questions: Model, tmp_path: Path
) -> None:
    hub.add("team/qa", engine_folder("question-answering"))
    there = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0"}
    with program("hub:team/qa", "--threads", "1", home=tmp_path, **there) as (_, url):
        found = httpx2.post(f"{url}/predict", json=body(1), timeout=60).json()
    (expected,) = questions.run([query(body(1))])
    assert_same(found, expected)
    (kept,) = (tmp_path / "models").iterdir()
    assert (kept / "model.onnx").is_file()


def queries_that_came(counted: dict[str, float]) -> float:
    """Those that wait, and those that are or were run."""
    return counted["alambique_waiting_queries"] + counted["alambique_batch_queries_sum"]


def test_it_ends_with_what_it_has_begun(
    engine_folder: Callable[[str], Path], questions: Model, tmp_path: Path
) -> None:
    """On SIGTERM queries that came in are answered, and the exit code is 0."""
    folder, number = str(engine_folder("question-answering")), 8
    long = {"question": "¿Dónde?", "context": "Ana Ruiz nació en Lugo. " * 500}
    with (
        program(folder, "--threads", "1", home=tmp_path) as (process, url),
        httpx2.Client(base_url=url, timeout=60, limits=httpx2.Limits(max_connections=99)) as client,
        ThreadPoolExecutor(number) as threads,
    ):
        answers = [threads.submit(client.post, "/predict", json=long) for _ in range(number)]
        with httpx2.Client(base_url=url) as other:
            while queries_that_came(samples(other)) < number:
                pass
        process.send_signal(signal.SIGTERM)
        found = [answer.result() for answer in answers]
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    (expected,) = questions.run([query(long)])
    for answer in found:
        assert answer.status_code == 200
        assert_same(answer.json(), expected)


def run_program(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "alambique.cli", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_what_cannot_be_served_is_said(
    tmp_path: Path, engine_folder: Callable[[str], Path]
) -> None:
    folder = str(engine_folder("question-answering"))
    missing = run_program(str(tmp_path / "nowhere"))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "no folder" in missing.stderr
    (tmp_path / "alambique.json").write_text(json.dumps({}))
    empty = run_program(str(tmp_path))
    assert (empty.returncode, "Traceback" in empty.stderr) == (1, False)
    (tmp_path / "token").write_text("two words\n")
    for path in ("token", "none"):
        refused = run_program(folder, "--token-file", str(tmp_path / path))
        assert refused.returncode == 1
        assert "--token-file" in refused.stderr


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from alambique.cli import model_serving
    from alambique.spec.errors import MissingExtra

    monkeypatch.setattr(model_serving, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"alambique\[serve\]"):
        serve(None, "anywhere")  # type: ignore[arg-type]
