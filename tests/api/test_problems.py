"""Every refusal is problem+json with a stable code, the path of a bad field, and no traceback."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text

from alambique.api.app import BODY_LIMIT, create_app
from alambique.registry import jobs
from alambique.registry.database import CONNECTIONS, Database
from alambique.spec.job import Job
from alambique.spec.settings import Settings

YAML = {"Content-Type": "application/yaml"}
JSON = {"Content-Type": "application/json"}
NOBODY = "00000000-0000-7000-8000-000000000000"
"""The id of no job."""


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of an answer, which has to be this one."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert (answer.status_code, found["status"], found["code"]) == (status, status, code)
    assert found["title"]
    assert found["detail"]
    assert "Traceback" not in answer.text
    return found


def changed(job: Job, **fields: object) -> dict[str, Any]:
    return job.model_dump(mode="json") | fields


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"taskk": 1}, ["taskk"]),
        ({"task": "a poem"}, ["task"]),
        ({"student": {"layers": 0}}, ["student.layers"]),
        ({"train": {"epochs": "many"}, "priority": 500}, ["train.epochs", "priority"]),
        ({"teacher": {"model": "a b"}}, ["teacher.model"]),
        ({"teacher": {"candidates": ["a", "a b"]}}, ["teacher.candidates.1"]),
        ({"teacher": {"candidates": [{"model": "a b"}]}}, ["teacher.candidates.0.model"]),
        (
            {"teacher": {"candidates": ["a"], "grid": {"epochs": [0], "batch_size": ["x"]}}},
            ["teacher.grid.batch_size.0", "teacher.grid.epochs.0"],
        ),
        (
            {"search": {"space": {"student.layers": [0], "train.epochs": ["x"]}, "trials": 2}},
            ["search.space.student.layers", "search.space.train.epochs"],
        ),
        (
            {"search": {"space": {"student.layers": [1]}, "trials": 1_000_000}},
            ["search.trials"],
        ),
    ],
)
def test_each_bad_field_is_named(
    http: httpx2.Client, job: Job, fields: dict[str, Any], paths: list[str]
) -> None:
    found = problem(http.post("/v1/jobs", json=changed(job, **fields)), 422, "bad_spec")
    assert [bad["path"] for bad in found["errors"]] == paths
    assert all(bad["found"] and bad["message"] for bad in found["errors"])


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"task": "poetry"}, "unknown_name", "task"),
        ({"teacher": {"model": "/etc/passwd"}}, "bad_spec", "teacher.model"),
        ({"teacher": {"model": "../bert"}}, "bad_spec", "teacher.model"),
        ({"teacher": {"candidates": ["mini-es", "./b"]}}, "bad_spec", "teacher.candidates.1"),
        ({"teacher": {"candidates": [{"model": "~"}]}}, "bad_spec", "teacher.candidates.0.model"),
        ({"student": {"layers": 1, "start": "~/bert"}}, "bad_spec", "student.start"),
        ({"data": "./mine"}, "bad_spec", "data.name"),
        ({"data": {"name": "conll2002", "test": "/mine"}}, "bad_spec", "data.test"),
        ({"data": "conll2003"}, "unknown_name", "data.name"),
        ({"data": "sample-questions"}, "unknown_name", "data.name"),
        ({"task": "question-answering", "data": "squad-es"}, "unknown_name", "data.name"),
        ({"data": {"name": "conll2002", "test": "mlqa"}}, "unknown_name", "data.test"),
        ({"teacher": {"model": "no-such-model"}}, "unknown_name", "teacher.model"),
        ({"teacher": {"model": "registry:none@1"}}, "unknown_name", "teacher.model"),
        (
            {"teacher": {"candidates": ["sample-encoder", "no-such-model"]}},
            "unknown_name",
            "teacher.candidates.1",
        ),
        (
            {"teacher": {"candidates": [{"model": "registry:none@1", "grid": {"epochs": [2]}}]}},
            "unknown_name",
            "teacher.candidates.0.model",
        ),
        (
            {"teacher": [{"model": "sample-encoder"}, {"model": "no-such-model"}]},
            "unknown_name",
            "teacher.1.model",
        ),
        ({"data": {"name": "conll2002", "unlabelled": "./m.txt"}}, "bad_spec", "data.unlabelled"),
        ({"data": {"name": "conll2002", "unlabelled": "none"}}, "unknown_name", "data.unlabelled"),
        ({"data": {"name": "conll2002", "unlabelled": "mlqa"}}, "unknown_name", "data.unlabelled"),
        ({"student": {"layers": 1, "start": "no-such"}}, "unknown_name", "student.start"),
        (
            {"search": {"space": {"student.layers": [1]}, "trials": 1, "goals": ["em max"]}},
            "bad_spec",
            "search.goals.0",
        ),
    ],
)
def test_what_is_not_there_is_refused_before_a_row_is_written(
    http: httpx2.Client,
    database: Database,
    job: Job,
    fields: dict[str, Any],
    code: str,
    path: str,
) -> None:
    found = problem(http.post("/v1/jobs", json=changed(job, **fields)), 422, code)
    assert [bad["path"] for bad in found["errors"]] == [path]
    with database.read() as session:
        assert jobs.page(session, project=job.project).items == ()


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ("{", {"Content-Type": "application/json"}, 422, "bad_spec"),
        ("[" * 60_000, {"Content-Type": "application/json"}, 422, "bad_spec"),
        ("task: [", YAML, 422, "bad_spec"),
        ("just words", YAML, 422, "bad_spec"),
        ("- a\n- b", YAML, 422, "bad_spec"),
        ("", YAML, 422, "bad_spec"),
        (b"\xff\xfe\x00", {"Content-Type": "application/json"}, 422, "bad_spec"),
        ("a: &a [x, x]\nb: [*a, *a]", YAML, 422, "bad_spec"),
        ("!!python/object/apply:os.getcwd []", YAML, 422, "bad_spec"),
        ("task=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415, None),
    ],
)
def test_what_is_no_job_is_refused(
    http: httpx2.Client, body: str | bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    answer = http.post("/v1/jobs", content=body, headers=headers)
    problem(answer, status, code or "unsupported_media_type")


def test_a_name_that_is_there_twice_is_refused(http: httpx2.Client) -> None:
    twice = '{"task": "named-entities", "train": {"seed": 1, "seed": 2}}'
    found = problem(http.post("/v1/jobs", content=twice, headers=JSON), 422, "bad_spec")
    assert "seed is given twice" in found["detail"]
    found = problem(http.post("/v1/jobs", content="a: 1\na: 2", headers=YAML), 422, "bad_spec")
    assert "line 2: a is given a second time" in found["detail"]


def test_of_a_missing_field_nothing_is_said_to_be_found(http: httpx2.Client) -> None:
    found = problem(http.post("/v1/jobs", json={"task": "named-entities"}), 422, "bad_spec")
    assert [bad["path"] for bad in found["errors"]] == ["data", "teacher", "student"]
    assert not any("found" in bad for bad in found["errors"])


RESIZED = {"start": "random", "layers": 1, "width": 33, "heads": 2}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"student": {"layers": 3}}, "3 layers"),
        ({"student": RESIZED}, "width 33"),
        ({"teacher": {"model": "sample-encoder", "train": {}}, "student": {"layers": 99}}, "99"),
        ({"student": {"start": "sample-encoder", "layers": 99}}, "99 layers"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_before_a_row_is_written(
    http: httpx2.Client, database: Database, job: Job, fields: dict[str, Any], sentence: str
) -> None:
    found = problem(http.post("/v1/jobs", json=changed(job, **fields)), 422, "bad_spec")
    assert sentence in found["detail"]
    with database.read() as session:
        assert jobs.page(session, project=job.project).items == ()


def test_sizes_that_only_the_hub_knows_are_left_to_the_job(http: httpx2.Client, job: Job) -> None:
    model = f"team/none@{'0' * 40}"
    of_the_hub = changed(job, teacher={"model": model}, student={"layers": 99})
    assert http.post("/v1/jobs", json=of_the_hub).status_code == 202


def pieces() -> Iterator[bytes]:
    for _ in range(BODY_LIMIT // 2**16 + 1):
        yield b" " * 2**16


@pytest.mark.parametrize("path", ["/v1/jobs", "/healthz", "/nowhere"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(http: httpx2.Client, path: str, chunked: bool) -> None:
    content = pieces() if chunked else b" " * (BODY_LIMIT + 1)
    answer = http.post(path, content=content, headers=YAML)
    if chunked and path != "/v1/jobs":  # nobody reads the body there
        assert answer.headers["Content-Type"] == "application/problem+json"
    else:
        assert f"{BODY_LIMIT:,} bytes" in problem(answer, 413, "too_large")["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/v1/jobs", 405, "method_not_allowed"),
        ("GET", "/v1/jobs/17", 422, "bad_request"),
        ("GET", f"/v1/jobs/{NOBODY}", 404, "unknown_name"),
        ("POST", f"/v1/jobs/{NOBODY}/cancel", 404, "unknown_name"),
        ("GET", f"/v1/jobs/{NOBODY}/events", 404, "unknown_name"),
        ("GET", f"/v1/jobs/{NOBODY}/logs", 404, "unknown_name"),
        ("GET", "/v1/jobs?limit=0", 422, "bad_request"),
        ("GET", "/v1/jobs?state=asleep", 422, "bad_request"),
        ("GET", "/v1/jobs?cursor=x", 422, "bad_spec"),
        ("GET", "/v1/models/none", 404, "unknown_name"),
        ("GET", "/v1/models/none/versions/1", 404, "unknown_name"),
        ("GET", "/v1/models/none/versions/1/files/config.json", 404, "unknown_name"),
    ],
)
def test_each_refusal_has_its_code(
    http: httpx2.Client, method: str, path: str, status: int, code: str
) -> None:
    answer = http.request(method, path)
    found = problem(answer, status, code)
    if status == 405:
        assert answer.headers["Allow"]
        assert "PUT" in found["detail"]
    if code in ("not_found", "method_not_allowed"):
        assert path in found["detail"]
        assert "/openapi.json" in found["detail"]


@pytest.mark.parametrize(
    ("query", "path", "found", "expected"),
    [
        ("/17", "path.job_id", "'17'", "expected an id"),
        ("?limit=0", "query.limit", "'0'", "expected at least 1"),
        ("?limit=ten", "query.limit", "'ten'", "expected a whole number"),
        ("?state=asleep", "query.state", "'asleep'", "expected 'queued', 'running'"),
    ],
)
def test_a_bad_parameter_is_told_in_the_same_words_as_a_bad_field(
    http: httpx2.Client, query: str, path: str, found: str, expected: str
) -> None:
    answer = problem(http.get(f"/v1/jobs{query}"), 422, "bad_request")
    (bad,) = answer["errors"]
    assert (bad["path"], bad["found"]) == (path, found)
    assert bad["message"].startswith(expected)


def test_an_error_of_our_own_tells_nothing_of_itself(settings: Settings) -> None:
    app = create_app(settings)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("the secret is 1234")

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/broken")
    problem(answer, 500, "internal")
    assert "1234" not in answer.text


def test_a_full_disk_is_said_to_be(
    tmp_path: Path, job: Job, no_new_pages: Callable[[], AbstractContextManager[None]]
) -> None:
    settings = Settings(home=tmp_path)
    made = Database(settings.database)
    made.upgrade()
    made.dispose()
    with no_new_pages(), TestClient(create_app(settings)) as client:
        while (answer := client.post("/v1/jobs", json=changed(job))).status_code == 202:
            pass  # until there is no room for another one
        found = problem(answer, 507, "not_enough_disk")
        assert "no space is left" in found["detail"]
        assert str(tmp_path) not in answer.text


def test_a_home_without_room_is_not_ready(
    tmp_path: Path, largest_file: Callable[[int], AbstractContextManager[None]]
) -> None:
    settings = Settings(home=tmp_path)
    made = Database(settings.database)
    made.upgrade()
    made.dispose()
    with TestClient(create_app(settings)) as client:
        assert client.get("/readyz").json() == {"status": "ready"}
        with largest_file(1000):
            found = problem(client.get("/readyz"), 507, "not_enough_disk")
        assert "64 KiB" in found["detail"]
        assert client.get("/readyz").json() == {"status": "ready"}
        assert {path.suffix for path in tmp_path.iterdir()} <= {
            ".db",
            ".db-shm",
            ".db-wal",
            ".lock",
        }


def test_without_tables_the_server_is_alive_but_not_ready(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(home=tmp_path))) as client:
        assert client.get("/healthz").json() == {"status": "alive"}
        problem(client.get("/readyz"), 503, "unavailable")
        found = problem(client.get("/v1/jobs"), 503, "unavailable")
    assert "alambique db upgrade" in found["detail"]


def test_a_statement_that_fails_is_no_database_that_is_away(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    made = Database(settings.database)
    made.upgrade()
    with made.write() as session:
        session.execute(text("ALTER TABLE jobs RENAME TO kept"))
        failing = "SELECT * FROM kept WHERE abs(-9223372036854775808) > 0"
        session.execute(text(f"CREATE VIEW jobs AS {failing}"))
    made.dispose()
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        problem(client.get("/v1/jobs"), 500, "internal")


def test_many_who_wait_to_write_keep_nobody_from_reading(
    url: str, http: httpx2.Client, database: Database, checkouts: threading.Semaphore
) -> None:
    many = 45  # more than the server has threads
    with ThreadPoolExecutor(many) as clients:
        with database.write() as session:
            session.execute(text("SELECT 1"))
            waiting = [
                clients.submit(httpx2.post, f"{url}/v1/jobs/{NOBODY}/cancel", timeout=60)
                for _ in range(many)
            ]
            for _ in range(1 + CONNECTIONS):
                assert checkouts.acquire(timeout=30)
            for _ in range(5):
                assert http.get("/v1/jobs?limit=1").status_code == 200
            assert not any(one.done() for one in waiting)
        assert {one.result().status_code for one in waiting} == {404}


@pytest.mark.parametrize("held", ["the lock", "the pool"])
def test_a_busy_database_is_not_said_to_be_without_tables(tmp_path: Path, held: str) -> None:
    app = create_app(Settings(home=tmp_path))
    url = f"sqlite:///{tmp_path / 'busy.db'}"
    pool = {"pool_size": 1 if held == "the pool" else 2, "max_overflow": 0, "pool_timeout": 0}
    engine = create_engine(url, connect_args={"timeout": 0, "isolation_level": None}, **pool)

    @app.get("/busy")
    def write() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.connect() as first, TestClient(app) as client:
        first.exec_driver_sql("BEGIN IMMEDIATE")
        answer = client.get("/busy")
    engine.dispose()
    found = problem(answer, 503, "unavailable")
    assert "busy" in found["detail"]
    assert "migrated" not in found["detail"]
    assert int(answer.headers["Retry-After"]) > 0


def test_with_tables_it_is_ready(http: httpx2.Client) -> None:
    assert http.get("/readyz").json() == {"status": "ready"}


LONE = r"\ud800"
"""Half a character, as an escape of JSON."""


def of(**fields: str) -> str:
    """A job in YAML, with these fields as they are written."""
    whole = {
        "task": "named-entities",
        "data": "sample-entities",
        "teacher": "{model: sample-encoder, train: {}}",
        "student": "{layers: 1}",
    } | fields
    return "\n".join(f"{name}: {value}" for name, value in whole.items())


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (of(priority="9" * 4000), YAML),
        (of(priority=f"0x{'f' * 5000}"), YAML),
        (of(priority=f"1:{'30:' * 2000}30.5"), YAML),
        (of(priority="1:30"), YAML),
        (of(priority="!!timestamp x"), YAML),
        (of(priority="!!bool x"), YAML),
        (of(train="{clip: !!float ''}"), YAML),
        (of(search=f"{{trials: 1, space: {{train.clip: [{'9' * 400}]}}}}"), YAML),
        (of(search=f"{{trials: 1, space: {{train.{'a.' * 400}a: [1]}}}}"), YAML),
        (f'{{"priority": {"9" * 4000}}}', JSON),
        (f'{{"{LONE}": 1}}', JSON),
        (f'{{"task": "{LONE}"}}', JSON),
        ('{"priority": NaN}', JSON),
        (f'{{"{"k" * 500_000}": 1}}', JSON),
        ('{"task": [' + "1," * 300_000 + "1]}", JSON),
        ("{" + ",".join(f'"k{number}": 1' for number in range(70_000)) + "}", JSON),
        ("{" + ",".join(f'"k{number}": 1' for number in range(4_000)) + "}", JSON),
        ("\n".join(f"k{number}: 1" for number in range(70_000)), YAML),
    ],
    ids=range(18),
)
def test_what_is_beyond_a_limit_is_refused_in_few_words(
    http: httpx2.Client, body: str, headers: dict[str, str]
) -> None:
    answer = http.post("/v1/jobs", content=body, headers=headers)
    problem(answer, 422, "bad_spec")
    assert len(answer.content) < 20_000


def test_an_unknown_name_comes_with_the_nearest_one(http: httpx2.Client, job: Job) -> None:
    asked: dict[str, tuple[dict[str, Any], str]] = {
        "task": ({"task": "named-entity"}, "named-entities"),
        "data.name": ({"data": "sample-entites"}, "sample-entities"),
        "teacher.model": ({"teacher": {"model": "sample-encodr", "train": {}}}, "sample-encoder"),
        "train.epoch": ({"train": {"epoch": 1}}, "epochs"),
    }
    for path, (fields, near) in asked.items():
        (bad,) = http.post("/v1/jobs", json=changed(job, **fields)).json()["errors"]
        assert (bad["path"], f"did you mean {near}?" in bad["message"]) == (path, True)


def test_a_long_parameter_is_refused_in_few_words(http: httpx2.Client) -> None:
    for path in (f"/v1/jobs?state={'x' * 9000}", f"/v1/jobs/{'9' * 5000}"):
        answer = http.get(path)
        problem(answer, 422, "bad_request")
        assert len(answer.content) < 2000
