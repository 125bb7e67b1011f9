"""Who did a stage, and who computed what it learnt from: what a version says of it."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import alambique
from alambique.cache.keys import RESULTS_VERSION
from alambique.registry.records import Edge
from alambique.spec.errors import OtherCode
from alambique.spec.states import StageName, StudentRole
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import (
    UNKNOWN,
    pack_code,
    package_version,
    record_code,
    recorded_code,
    refuse_other_code,
    running_code,
)
from alambique.workers.pipeline.records import CodeVersion, TrainedModel
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.stages.cache import fill_task
from alambique.workers.stages.distil import TrainStudent
from alambique.workers.stages.filler import Filler
from alambique.workers.stages.version_details import code_details, lineage_of

OTHER = CodeVersion(code="0.0.1+0123456789ab", libraries={"torch": "1.0"})
RECIPE = Path(__file__).parents[2] / "recipes" / "pico.yaml"
KEYS = """
import json, sys
from pathlib import Path
from uuid import UUID
from alambique.cache import keys
keys.RESULTS_VERSION = int(sys.argv[1])
from alambique.cache.keys import Namespace
from alambique.spec.outputs import Output
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import StageName
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.stage import hash_inputs
job = read_job(Path(sys.argv[2]).read_text(), ())
context = JobContext(UUID(int=0), 1, job, Settings(), None, None, None)
namespace = Namespace("teacher", "tokenizer", "words-1", Output.TAGS, "fp32")
print(json.dumps([namespace.digest, hash_inputs(context, StageName.TEACH, {})]))
"""


def test_neither_a_stage_nor_an_output_of_another_version_is_used() -> None:
    def keys(version: int) -> list[str]:
        command = [sys.executable, "-c", KEYS, str(version), str(RECIPE)]
        said = subprocess.run(command, env=os.environ, capture_output=True, check=True).stdout
        found: list[str] = json.loads(said)
        return found

    now, raised = keys(RESULTS_VERSION), keys(RESULTS_VERSION + 1)
    assert not set(now) & set(raised)
    assert keys(RESULTS_VERSION) == now


def test_the_code_is_what_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a part that lies in two places on the path, that of the first."""
    for root, text in (("one", "x = 1"), ("other", "x = 2")):
        (tmp_path / root / "part").mkdir(parents=True)
        (tmp_path / root / "part" / "__init__.py").write_text(text)
    (tmp_path / "other" / "second").mkdir()
    (tmp_path / "other" / "second" / "__init__.py").touch()

    def version(*roots: str) -> tuple[str, int]:
        monkeypatch.setattr(alambique, "__path__", [str(tmp_path / root) for root in roots])
        sys.modules.pop("alambique.part", None)
        importlib.invalidate_caches()
        return package_version.__wrapped__(), importlib.import_module("alambique.part").x

    try:
        both, turned, alone, twice = (
            version(*roots)
            for roots in (("one", "other"), ("other", "one"), ("other",), ("other", "other"))
        )
    finally:
        sys.modules.pop("alambique.part", None)
    assert (both[1], turned[1]) == (1, 2)
    assert both[0] != turned[0] == alone[0] == twice[0]


def test_other_code_or_other_libraries_are_refused() -> None:
    refuse_other_code(str(running_code()))
    here = running_code()
    newer = {**here.libraries, "torch": "99.0"}
    for other in (OTHER, here.model_copy(update={"libraries": newer})):
        with pytest.raises(OtherCode, match="install the same packages on every node") as found:
            refuse_other_code(str(other))
        assert str(other) in str(found.value)
        assert str(here) in str(found.value)


@pytest.fixture
def teacher(
    folder_of: Callable[..., Path], as_teacher: Callable[..., TrainedModel]
) -> TrainedModel:
    return as_teacher(folder_of(positions=128), max_length=64, stride=16)


@pytest.fixture
def filled_before(monkeypatch: pytest.MonkeyPatch) -> Callable[[JobContext, TrainedModel], int]:
    """Has a part of the outputs of a job computed by other code; gives how many that were."""

    def fill(context: JobContext, teacher: TrainedModel) -> int:
        filler = Filler(fill_task(context, teacher, context.job.teachers[0]))
        with monkeypatch.context() as patched:
            patched.setattr("alambique.workers.stages.filler.running_code", lambda: OTHER)
            return filler.fill(sorted(filler.missing())[::3])

    return fill


SMALL = (
    "student={start: random, layers: 1, width: 16, heads: 2, ffn: 24}",
    "train={epochs: 1, batch_size: 16, max_length: 64, stride: 16}",
)


def test_a_student_names_who_computed_what_it_has_learnt_from(
    checked: Callable[..., JobContext],
    distil_context: Callable[..., JobContext],
    teacher: TrainedModel,
    filled_before: Callable[[JobContext, TrainedModel], int],
    tmp_path: Path,
) -> None:
    before = filled_before(checked(*SMALL), teacher)
    context = distil_context(teacher, *SMALL)
    (cached,) = context.outputs
    assert 0 < before < cached.total == before + cached.computed
    assert sorted(cached.made_by, key=str) == sorted((OTHER, running_code()), key=str)
    folders = {role: tmp_path / role for role in (StudentRole.DISTILLED, StudentRole.GOLD_ONLY)}
    for folder in folders.values():
        folder.mkdir()
    student, gold_only = (
        TrainStudent(role, StagePart(StageName.DISTIL, role)).run(context, folder).model
        for role, folder in folders.items()
    )
    assert (student.outputs_by, gold_only.outputs_by) == (cached.made_by, ())

    said = code_details(student, (running_code(),))["made_by"]
    assert said["outputs"] == [one.model_dump() for one in cached.made_by]
    assert "outputs" not in code_details(gold_only)["made_by"]
    edges = {edge.relation: edge for edge in lineage_of(context.job, context.data, student)}
    code: Edge = edges["code"]
    assert [code.hashes[name] for name in ("outputs", "outputs-2")] == [
        one.code for one in cached.made_by
    ]


def test_what_is_gone_on_with_has_learnt_from_the_outputs_of_before_too(tmp_path: Path) -> None:
    record_code(tmp_path / "code.json", [OTHER])
    record_code(tmp_path / "code.json", [running_code(), OTHER])
    assert recorded_code(tmp_path / "code.json") == (OTHER, running_code())


@pytest.mark.parametrize("text", ["", "{}", '{"code": "1", "libraries": {}, "later": 1}', "\ufffd"])
def test_a_maker_that_nobody_here_can_read_is_not_recorded(text: str) -> None:
    assert pack_code(text) == UNKNOWN
    assert pack_code(OTHER.model_dump_json()) == OTHER
