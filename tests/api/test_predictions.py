"""Registered versions that answer over HTTP: what runs them, and what is refused."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from alambique.api.batcher import Overloaded
from alambique.api.client import Client
from alambique.api.predictions import AnswerView, ClassView
from alambique.api.predictor import AT_ONCE, MOST_WAITING, Predictor
from alambique.registry.records import File, JobRow, Version
from alambique.runtime import Query, load
from alambique.spec.errors import BadModel, BadSpec, UnknownName
from alambique.spec.job import Job
from alambique.spec.settings import Settings

Register = Callable[..., tuple[JobRow, Version]]
QUESTION: dict[str, Any] = {"question": "¿Dónde nació Ana?", "context": "Ana nació en Lugo. " * 12}


@pytest.fixture
def registered(
    settings: Settings, register: Register, job: Job, engine_folder: Callable[[str], Path]
) -> Callable[..., Version]:
    """A version with the files of a small model for a task."""

    def made(task: str = "question-answering", number: int = 1) -> Version:
        key, files = f"{job.project}/{task}-{number}", []
        root = Path(settings.artifact_root) / key
        root.mkdir(parents=True)
        for path in sorted(engine_folder(task).iterdir()):
            content = path.read_bytes()
            (root / path.name).write_bytes(content)
            files.append(File(path.name, hashlib.sha256(content).hexdigest(), len(content)))
        said = {"artifact": key, "files": files, "weights": f"{number:064}"}
        return register(job.model_copy(update={"name": f"{task}-{number}"}), **said)[1]

    return made


def test_a_version_says_what_its_folder_says(
    client: Client, registered: Callable[..., Version], engine_folder: Callable[[str], Path]
) -> None:
    version = registered()
    found = client.predict("tiny", best=3, project=version.project, **QUESTION)
    model = load(engine_folder("question-answering"))
    (expected,) = model.run([Query(**QUESTION, best=3)])
    assert isinstance(found, AnswerView)
    assert found.best
    assert len(found.best) == 3
    assert found.model_dump() == expected
    assert client.predict("tiny", 1, best=3, project=version.project, **QUESTION) == found


def test_a_pair_has_its_class(client: Client, registered: Callable[..., Version]) -> None:
    version = registered("paraphrase")
    found = client.predict("tiny", texts=["Nació en Lugo.", "Es de Lugo."], project=version.project)
    assert isinstance(found, ClassView)
    assert found.label == max(found.scores, key=lambda label: found.scores[label])
    assert sum(found.scores.values()) == pytest.approx(1)


def test_many_may_ask_for_one_that_is_not_loaded_yet(
    client: Client, registered: Callable[..., Version]
) -> None:
    version = registered()

    def ask(_: int) -> Any:
        return client.predict("tiny", project=version.project, **QUESTION)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(16)))
    assert {answer.answer for answer in found} == {found[0].answer}


def test_a_version_without_an_engine_s_file_says_what_makes_one(
    http: httpx2.Client, register: Register, job: Job
) -> None:
    _, version = register(job, files=[File("model.safetensors", "0" * 64, 4)])
    path, params = "/v1/models/tiny/versions/latest/predict", {"project": version.project}
    answer = http.post(path, params=params, json=QUESTION)
    found = answer.json()
    assert (answer.status_code, found["code"]) == (422, "bad_model")
    assert "compress: [onnx]" in found["detail"]


def test_a_bad_query_is_refused(
    client: Client, http: httpx2.Client, registered: Callable[..., Version]
) -> None:
    version = registered()
    with pytest.raises(BadSpec):
        client.predict("tiny", texts=["Lugo"], project=version.project)
    with pytest.raises(UnknownName):
        client.predict("none", project=version.project, **QUESTION)
    path, params = "/v1/models/tiny/versions/1/predict", {"project": version.project}
    answer = http.post(path, params=params, json={**QUESTION, "best": 99})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "best")
    assert http.get(path, params=params).status_code == 405


def test_a_damaged_file_is_not_loaded(
    client: Client, settings: Settings, registered: Callable[..., Version]
) -> None:
    """And once it is whole again, the version answers."""
    version = registered()
    path = Path(settings.artifact_root) / version.artifact / "model.onnx"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BadModel, match=r"model\.onnx"):
        client.predict("tiny", project=version.project, **QUESTION)
    path.write_bytes(content)
    assert client.predict("tiny", project=version.project, **QUESTION)


def test_no_file_stays_where_it_was_fetched_to(
    client: Client, settings: Settings, registered: Callable[..., Version]
) -> None:
    version = registered()
    assert client.predict("tiny", project=version.project, **QUESTION)
    assert [*(settings.home / "downloads").iterdir()] == []


@pytest.fixture
def predictor(settings: Settings) -> Iterator[Callable[..., Predictor]]:
    made: list[Predictor] = []

    def new(**options: Any) -> Predictor:
        made.append(Predictor(settings, **options))
        return made[-1]

    yield new
    for one in made:
        one.close()


def test_the_one_that_was_not_asked_for_longest_makes_room(
    predictor: Callable[..., Predictor], registered: Callable[..., Version]
) -> None:
    first, second, third = (registered(number=number) for number in (1, 2, 3))
    two = predictor(most_bytes=2 * sum(file.size for file in first.files))

    async def ask(predictor: Predictor, *asked: Version) -> None:
        for version in asked:
            await predictor.predict(version, Query(**QUESTION))

    asyncio.run(ask(two, first, second, first, third))
    assert two.loaded() == [first.id, third.id]
    small = predictor(most_bytes=1)
    with pytest.raises(BadModel, match="alambique serve"):
        asyncio.run(ask(small, first))
    assert small.loaded() == []


def test_so_many_may_wait(
    predictor: Callable[..., Predictor], registered: Callable[..., Version]
) -> None:
    version, one = registered(), predictor()

    async def ask() -> list[dict[str, Any] | BaseException]:
        room = AT_ONCE + MOST_WAITING
        asked = [one.predict(version, Query(**QUESTION)) for _ in range(room + 3)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(ask())
    assert [isinstance(answer, Overloaded) for answer in found].count(True) == 3
    assert all(isinstance(answer, dict) for answer in found[: AT_ONCE + MOST_WAITING])
