"""A stage is done once: whose result is taken, and when it is done again."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alambique.spec.states import StageName
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import running_code
from alambique.workers.pipeline.records import CodeVersion, StageResult
from alambique.workers.pipeline.stage import (
    StagePart,
    find_done,
    locate_stage,
    run_stage,
    run_stage_if_free,
    stage_key,
)


class Made(StageResult):
    by: str
    made_by: tuple[CodeVersion, ...] = ()

    def with_code(self, made_by: tuple[CodeVersion, ...]) -> "Made":
        return self.model_copy(update={"made_by": made_by})


class Maker:
    """Does a stage, and counts how often."""

    def __init__(self) -> None:
        self.folders: list[Path] = []

    def __call__(self, folder: Path) -> Made:
        self.folders.append(folder)
        return Made(by=str(len(self.folders)))


TEACH = StagePart(StageName.TEACH, "teacher")


@dataclass(frozen=True)
class Teach:
    """A stage that depends on a few words."""

    make: Callable[[Path], Made]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    part: StagePart = TEACH
    result_type: type[Made] = Made

    def key_inputs(self, context: JobContext) -> Mapping[str, Any]:
        return self.inputs

    def run(self, context: JobContext, folder: Path) -> Made:
        return self.make(folder)


def teach(context: JobContext, maker: Maker, **inputs: str) -> str:
    return run_stage(context, Teach(maker, inputs)).by


def test_a_key_is_that_of_the_stage_and_of_all_it_depends_on(
    job_context: Callable[..., JobContext],
) -> None:
    context = job_context()

    def key(name: StageName, **inputs: Any) -> str:
        return stage_key(context, Teach(Maker(), inputs, StagePart(name, "teacher")))

    keys = {
        key(name, model=model, seed=seed)
        for name in (StageName.TEACH, StageName.DISTIL)
        for model in ("a", "b")
        for seed in (1, 2)
    }
    assert len(keys) == 8
    assert key(StageName.TEACH, seed=1, model="a") in keys


def test_what_another_job_of_the_project_has_done_is_taken(
    job_context: Callable[..., JobContext],
) -> None:
    maker = Maker()
    assert [teach(job_context(), maker, model="a"), teach(job_context(), maker, model="a")] == [
        "1",
        "1",
    ]
    assert teach(job_context("project=other"), maker, model="a") == "2"
    assert teach(job_context(), maker, model="b") == "3"


def test_what_is_done_is_done_again_where_its_folder_is_gone(
    job_context: Callable[..., JobContext],
) -> None:
    maker = Maker()
    teach(job_context(), maker)
    shutil.rmtree(maker.folders[0])
    assert teach(job_context(), maker) == "2"
    assert teach(job_context(), maker) == "2"


def test_what_the_registry_says_of_a_folder_that_another_machine_made_is_not_taken(
    job_context: Callable[..., JobContext],
) -> None:
    maker = Maker()
    teach(job_context(), maker)
    (maker.folders[0] / "stage.json").write_text('{"by": "another machine"}')
    assert teach(job_context(), maker) == "2"


def test_what_failed_is_not_done_and_goes_on_in_its_folder(
    job_context: Callable[..., JobContext],
) -> None:
    maker = Maker()

    def fails(folder: Path) -> Made:
        (folder / "checkpoint").write_text("half")
        raise ValueError("the power is gone")

    with pytest.raises(ValueError, match="power"):
        run_stage(job_context(), Teach(fails))
    assert teach(job_context(), maker) == "1"
    assert (maker.folders[0] / "checkpoint").read_text() == "half"


OTHER = CodeVersion(code="0.0.1+0123456789ab", libraries={"torch": "1.0"})


def test_a_stage_is_of_the_code_that_did_it(job_context: Callable[..., JobContext]) -> None:
    def by_other_code(folder: Path) -> Made:
        (folder / "made_by.json").write_text(json.dumps([OTHER.model_dump()]))
        return Made(by="another version")

    inputs = {"model": "of other code"}
    done = run_stage(job_context(), Teach(by_other_code, inputs))
    again = run_stage(job_context(), Teach(Maker(), inputs))
    assert done.made_by == again.made_by == (OTHER,)


def test_a_stage_that_is_gone_on_with_is_of_both(job_context: Callable[..., JobContext]) -> None:
    folders = []

    def killed(folder: Path) -> Made:
        folders.append(folder)
        (folder / "made_by.json").write_text(json.dumps([OTHER.model_dump()]))
        raise ValueError("the power is gone")

    with pytest.raises(ValueError, match="power"):
        run_stage(job_context(), Teach(killed))
    assert run_stage(job_context(), Teach(Maker())).made_by == (OTHER, running_code())
    assert "torch" in running_code().libraries


def test_a_fresh_job_does_all_again_but_not_twice(job_context: Callable[..., JobContext]) -> None:
    maker = Maker()
    teach(job_context(), maker)
    fresh = job_context("fresh=true")
    assert teach(fresh, maker) == "2"
    assert teach(fresh, maker) == "2"
    assert teach(job_context(), maker) == "1"
    assert len(set(maker.folders)) == 2


def test_what_another_job_is_doing_is_left_for_later(
    job_context: Callable[..., JobContext],
) -> None:
    maker, one, other = Maker(), job_context(), job_context()

    of_a = {"model": "a"}

    def meanwhile(_: Path) -> Made:
        assert run_stage_if_free(other, Teach(maker, of_a)) is None
        return Made(by="one")

    assert find_done(one, locate_stage(one, Teach(maker, of_a))) is None
    ours = run_stage(one, Teach(meanwhile, of_a))
    assert (ours.by, ours.made_by) == ("one", (running_code(),))
    assert run_stage_if_free(other, Teach(maker, of_a)) == ours
    assert find_done(other, locate_stage(other, Teach(maker, of_a))) is not None
    assert maker.folders == []
