"""What Ray and drivers are told: a token for Ray's port, threads to compute with."""

import os
import stat
from pathlib import Path

import pytest

from alambique.workers.compute_resources import ComputeResources
from alambique.workers.environment import (
    COMPUTING,
    PUBLISHING,
    REDIS,
    driver_environment,
    forget_publishing,
    local_ray_environment,
    ray_environment,
    thread_environment,
)


def test_the_token_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = Path(ray_environment(tmp_path, {})["RAY_AUTH_TOKEN_PATH"])
    assert path.is_relative_to(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(bytes.fromhex(path.read_text())) == 32
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_a_home_keeps_its_token_and_has_it_for_itself(tmp_path: Path) -> None:
    once, again, other = (
        Path(ray_environment(tmp_path / home, {})["RAY_AUTH_TOKEN_PATH"]).read_text()
        for home in ("one", "one", "two")
    )
    assert once == again != other


@pytest.mark.parametrize("name", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_a_token_that_was_given_stays(tmp_path: Path, name: str) -> None:
    said = ray_environment(tmp_path, {name: "given"})
    assert said["RAY_AUTH_MODE"] == "token"
    assert not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("cpus", "told"), [(1, "1"), (0.5, "1"), (1.9, "1"), (10_000, None)])
def test_a_driver_computes_with_as_many_threads_as_its_job_takes(
    cpus: float, told: str | None
) -> None:
    assert thread_environment(ComputeResources(cpus, 0), {}) == {
        "OMP_NUM_THREADS": told or str(os.cpu_count())
    }
    assert thread_environment(ComputeResources(cpus, 0), {"OMP_NUM_THREADS": "3"}) == {}


def test_what_computes_waits_passively_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    assert COMPUTING.items() <= ray_environment(tmp_path, {}).items()
    assert ray_environment(tmp_path, {})["PYTHONSAFEPATH"] == "1"
    said = ray_environment(tmp_path, {"GOMP_SPINCOUNT": "9", "OMP_WAIT_POLICY": "ACTIVE"})
    assert not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(said)
    assert COMPUTING.items() - said.items() == {
        ("GOMP_SPINCOUNT", "0"),
        ("OMP_WAIT_POLICY", "PASSIVE"),
    }


@pytest.mark.parametrize("redis", ["redis://:secret@here", None])
def test_workers_of_ray_have_the_shared_tier_and_no_other_secret(redis: str | None) -> None:
    others = {"ALAMBIQUE_DATABASE_URL": "a", "ALAMBIQUE_TOKEN": "b", "HF_TOKEN": "c", REDIS: "d"}
    others |= dict.fromkeys(PUBLISHING, "f")
    found = local_ray_environment(redis, others | {"PATH": "e"})
    assert found.get(REDIS) == redis
    assert found["PATH"] == "e"
    assert not (others.keys() - {REDIS}) & found.keys()


def test_nobody_whom_a_worker_starts_finds_what_publishes() -> None:
    environment = {"ALAMBIQUE_HUB_TOKEN": "a", "ALAMBIQUE_SIGNING_KEY": "b", "PATH": "c"}
    assert driver_environment(environment) == {"PATH": "c"}
    forget_publishing(environment)
    assert environment == {"PATH": "c"}
