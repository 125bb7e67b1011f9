"""The students of a search's front: trained with every seed, and compared with baselines."""

import shutil
from collections.abc import Callable

from tests.workers.search.trial_runs import PART, coordinator_of, known, logged, run_all

from alambique.spec.states import StudentRole
from alambique.workers.pipeline.provenance import running_code
from alambique.workers.pipeline.stage import locate_stage
from alambique.workers.search.stage import FrontTraining, run_search
from alambique.workers.search.trial_job import SearchJob
from alambique.workers.stages.distil import TrainStudent


def test_gold_labels_alone_may_fail_and_what_is_found_is_kept(
    make_search: Callable[..., SearchJob], spoilt: Callable[[SearchJob], SearchJob]
) -> None:
    given = make_search("space: {student.layers: [1]}", "sampler: grid", "compare=[gold-only]")
    run_all(coordinator_of(given))
    found = run_search(spoilt(given).context)
    assert [student.role for student in found.students] == ["student-1"]
    assert found.students[0].outputs_by == given.context.outputs[0].made_by == (running_code(),)
    (note,) = found.notes
    assert note.startswith("trial 1: no gold-only student: the loss became nan")
    assert logged(given)[-1] == f"warning: {note}"


def test_the_students_on_the_front_are_trained_with_every_seed(
    make_search: Callable[..., SearchJob],
) -> None:
    """The trials themselves had the first one."""
    space = "space: {student.layers: [1]}"
    given = make_search(space, "sampler: grid", "compare=[same-start]", "seeds=[4, 9]")
    coordinator = coordinator_of(given)
    run_all(coordinator)
    found = run_search(given.context)
    assert [(one.role, one.seed) for one in found.students] == [
        ("same-start-1", 4),
        ("student-1", 4),
        ("same-start-1", 9),
        ("student-1", 9),
    ]
    trial = given.trial_job(found.trials[0].values)
    assert found.students[1].folder.is_relative_to(trial.location.folder)
    assert len({one.weights for one in found.students}) == 4
    assert {one.steps for one in found.students} == {found.students[0].steps}


def test_what_fails_beside_several_trials_fails_once(
    make_search: Callable[..., SearchJob], spoilt: Callable[[SearchJob], SearchJob]
) -> None:
    """With other objectives, they have one student on gold labels beside them."""
    space = "space: {objective: [[{kind: gold}, {kind: logits}], [{kind: logits}]]}"
    given = make_search(space, "sampler: grid", "compare=[gold-only]")
    run_all(coordinator_of(given))
    given = spoilt(given)
    baseline = TrainStudent(StudentRole.GOLD_ONLY, PART)
    folder = locate_stage(given.trial_job({}).context, baseline).folder
    training = FrontTraining(given, 2)
    first, second = known(given)
    training.train_students(first)
    shutil.rmtree(folder)
    training.train_students(second)
    assert [student.role for student in training.students] == ["student-1", "student-2"]
    one, other = training.notes
    assert other == one.replace("trial 1", "trial 2")
    assert not folder.exists()
