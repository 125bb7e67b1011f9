"""The bench of a search, driven as Tune drives it, but here: what it gives, and what it writes."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from alambique.registry import jobs, trials
from alambique.registry.records import Trial
from alambique.spec.errors import Diverged, LostWorker
from alambique.spec.space import laid_over
from alambique.spec.states import Reason, StageName, State
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import running_code
from alambique.workers.pipeline.records import SelectedTeacher, TrainedModel
from alambique.workers.pipeline.stage import locate_stage
from alambique.workers.search.coordinator import TrialCoordinator
from alambique.workers.search.earlier import past_of
from alambique.workers.search.trial_spec import Report, TrialSpec
from alambique.workers.search.trying import begin, run_trial
from alambique.workers.search.variants import Shared
from alambique.workers.stages import distil
from alambique.workers.stages.cache import cache
from alambique.workers.stages.check import check_job
from alambique.workers.stages.search import _nothing, _students, _tuning, search
from alambique.workers.training.progress import Progress, ProgressFile

Taken = Callable[..., JobContext]

DEPTHS = "space: {student.layers: [1, 2], train.learning_rate: [1.0e-3, 1.0e-2]}"
SMALL = ("train={epochs: 2, batch_size: 16, max_length: 48, stride: 16}", "compare=[]")
TWO_STAGES = (
    "intermediate={objective: [{kind: hidden, mapping: uniform}], train: {epochs: 2}}",
    "objective=[{kind: logits}, {kind: gold}]",
)
EPOCH = re.compile(r"(.*, epoch \d+): loss [\d.]+ \((.*)\), validation [\d.]+, metric [\d.]+")
ODD = "space: {student.layers: [1, 2], student.keep: [uniform, [1]], train.seed: [1]}"


@pytest.fixture
def shared(
    work: Taken, folder_of: Callable[..., Path], as_teacher: Callable[..., TrainedModel]
) -> Callable[..., Shared]:
    """What the trials of a search over the smallest job share; its teacher is drawn."""

    def made(space: str = DEPTHS, more: str = "sampler: grid", *overrides: str) -> Shared:
        held = work(f"search={{{space}, {more}}}", *SMALL, *overrides)
        folder = held.settings.home.parent / "teacher"
        folder = folder if folder.exists() else folder_of()
        teacher = as_teacher(folder, max_length=48, stride=16)
        checked = check_job(held)
        taught, cached = (
            SelectedTeacher(teacher=teacher, start=folder),
            cache(held, checked, teacher),
        )
        return Shared(held, checked, [taught], [cached])

    return made


@pytest.fixture
def spoilt(folder_of: Callable[..., Path]) -> Callable[[Shared], list[SelectedTeacher]]:
    """The teacher of a search, made from weights that are no numbers."""

    def made(given: Shared) -> list[SelectedTeacher]:
        start = folder_of("spoilt", seed=2)
        weights = load_file(start / "model.safetensors")
        none = {name: torch.full_like(weight, torch.nan) for name, weight in weights.items()}
        save_file(none, start / "model.safetensors", metadata={"format": "pt"})
        return [given.taught[0].model_copy(update={"start": start})]

    return made


def bench_of(shared: Shared) -> TrialCoordinator:
    """Each look at its clock takes ten seconds."""
    seconds = count(0.0, 10.0)
    return TrialCoordinator(
        shared, {one.number: one for one in known(shared)}, lambda: next(seconds)
    )


def known(shared: Shared) -> tuple[Trial, ...]:
    with shared.work.database.read() as session:
        return trials.of_job(session, shared.work.id)


def carried(bench: TrialCoordinator, order: TrialSpec) -> list[Report]:
    """One trial to its end; what it told."""
    told: list[Report] = []

    def tell(report: Report) -> None:
        told.append(report)
        bench.on_report(order.number, report)

    run_trial(order, tell)
    bench.ended(order.number, None)
    return told


def whole(bench: TrialCoordinator) -> list[int]:
    """All trials that are left, one after the other; the numbers of those that were run."""
    run = []
    while order := bench.next():
        carried(bench, order)
        run.append(order.number)
    assert bench.exhausted
    return run


def states(shared: Shared) -> dict[int, str]:
    return {trial.number: str(trial.state) for trial in known(shared)}


def logged(work: JobContext) -> list[str]:
    with work.database.read() as session:
        return [line for event in jobs.logs(session, work.id) for line in event.content["lines"]]


def epochs_of(work: JobContext) -> list[tuple[str, tuple[str, ...]]]:
    """Of the log's lines at the end of an epoch, the run's name with it, and its terms."""
    found = [EPOCH.fullmatch(line) for line in logged(work)]
    return [(one[1], tuple(re.findall(r"[a-z]+", one[2]))) for one in found if one]


def free(bench: TrialCoordinator, number: int) -> None:
    """What a trial holds is let go, as when the next attempt at the job begins."""
    bench.shared.work.holding.let_go([bench._going[number].variant.place.name])


def test_every_trial_is_written_down_with_what_it_has(shared: Callable[..., Shared]) -> None:
    given = shared(more="sampler: grid, goals: [f1 max, macs min, latency_ms min]")
    bench = bench_of(given)
    assert whole(bench) == [1, 2, 3, 4]
    found = known(given)
    assert [tuple(one.values.values()) for one in found] == [
        (1, 1e-3),
        (1, 1e-2),
        (2, 1e-3),
        (2, 1e-2),
    ]
    for one in found:
        assert (one.state, one.epochs, len(one.curve)) == ("finished", 2, 2)
        assert set(one.metrics) == {"loss", "f1", "macs", "parameters", "latency_ms"}
        assert one.curve[-1]["loss"] == one.metrics["loss"] <= one.curve[0]["loss"]
    assert found[0].metrics["macs"] < found[2].metrics["macs"]
    assert found[0].metrics["macs"] == found[1].metrics["macs"]


def test_each_epoch_of_a_trial_is_logged_with_each_term(shared: Callable[..., Shared]) -> None:
    """Once, also where an attempt is killed after the first epoch of the second training."""
    given = shared("space: {train.seed: [1]}", "sampler: grid", *TWO_STAGES)
    bench = bench_of(given)
    order = bench.next()
    assert order is not None

    def tell(report: Report) -> None:
        bench.on_report(1, report)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(order, tell)
    first = ["trial 1, first, epoch 1", "trial 1, first, epoch 2", "trial 1, epoch 1"]
    assert [name for name, _ in epochs_of(given.work)] == first
    free(bench, 1)
    assert whole(bench_of(given)) == [1]
    assert epochs_of(given.work) == [
        *((name, ("hidden",)) for name in first[:2]),
        *((name, ("logits", "gold")) for name in (first[2], "trial 1, epoch 2")),
    ]


def test_epochs_are_news_before_a_trial_reports(shared: Callable[..., Shared]) -> None:
    """As those of a first training, or of one that fails thereafter."""
    given = shared("space: {train.seed: [1]}")
    bench = bench_of(given)
    order = bench.next()
    assert order is not None
    order.courses[-1].folder.mkdir(parents=True)
    writer = ProgressFile(order.courses[-1].progress)
    for epoch in (1, 2):
        writer.write(Progress(epoch, epoch, 2, 0.5, {"gold": 0.5}, validation=0.75, metric=0.25))
        bench.look() if epoch == 1 else bench.ended(1, LostWorker("gone"))
    assert logged(given.work)[-3:] == [
        "trial 1, epoch 1: loss 0.5000 (gold 0.5000), validation 0.7500, metric 0.2500",
        "trial 1, epoch 2: loss 0.5000 (gold 0.5000), validation 0.7500, metric 0.2500",
        "trial 1 failed: gone",
    ]


def test_a_search_in_the_footsteps_of_another_runs_nothing(shared: Callable[..., Shared]) -> None:
    first = shared()
    whole(bench_of(first))
    second = shared()
    bench = bench_of(second)
    assert not bench.waiting()
    assert states(second) == dict.fromkeys(range(1, 5), "finished")
    assert [one.metrics for one in known(second)] == [one.metrics for one in known(first)]
    assert f"trial 1: done before, by job {first.work.id}" in logged(second.work)
    assert [one.computed for one in second.cached] == [0]
    # and a job without a search that asks for one of them has it too
    found = search(second.work, second.checked, second.taught, second.cached)
    assert found.front == (search(first.work, first.checked, first.taught, first.cached).front)


def test_a_trial_is_where_the_plain_job_has_its_student(shared: Callable[..., Shared]) -> None:
    """With labels alone to learn from, that job makes no cache."""
    given = shared("space: {objective: [[{kind: gold}], [{kind: logits}]]}")
    for objective, cached in (([{"kind": "gold"}], ()), ([{"kind": "logits"}], given.cached)):
        plain = laid_over(given.job, {"objective": objective})
        work = replace(given.work, job=plain)
        reads = distil.key_inputs(work, given.checked, given.taught, cached, "distilled")
        trial = given.variant({"objective": objective})
        assert trial.place == locate_stage(work, StageName.DISTIL, reads)


def test_a_search_goes_on_where_it_was_killed(shared: Callable[..., Shared]) -> None:
    given = shared()
    bench = bench_of(given)
    for _ in range(2):
        order = bench.next()
        assert order is not None
        carried(bench, order)
    third = bench.next()
    assert third is not None
    before = known(given)
    assert states(given) == {1: "finished", 2: "finished", 3: "running"}
    free(bench, 3)
    assert whole(bench_of(given)) == [3, 4]
    assert known(given)[:2] == before[:2]


def test_a_trial_that_begins_anew_has_each_epoch_once(shared: Callable[..., Shared]) -> None:
    """Its folder is gone: what it reported before is not what it does now."""
    given = shared()
    bench = bench_of(given)
    assert bench.next() is not None
    for epoch, loss in ((1, 0.9), (2, 0.8)):
        bench.on_report(1, Report(epoch, loss, 0.5))
    free(bench, 1)
    again = bench_of(given)
    assert again.next() is not None
    for epoch, loss in ((1, 0.7), (2, 0.6), (3, 0.5)):
        again.on_report(1, Report(epoch, loss, 0.5))
    curve = known(given)[0].curve
    assert [(point["epoch"], point["loss"]) for point in curve] == [(1, 0.7), (2, 0.6), (3, 0.5)]


def test_what_was_stopped_before_a_kill_is_over(shared: Callable[..., Shared]) -> None:
    """And is among the past before Tune is asked to go on with the other ones."""
    given = shared(more="sampler: grid, concurrent: 2")
    bench = bench_of(given)
    for number in (1, 2):
        order = bench.next()
        assert order is not None
        begin(order)
        bench.on_report(number, Report(1, 0.75, 0.25, stopped=number == 2))
    for number in (1, 2):
        free(bench, number)
    assert [point.get("stopped") for one in known(given) for point in one.curve] == [None, 1.0]
    again = bench_of(given)
    assert again.waiting()
    first, second = known(given)
    assert (first.state, second.state, second.epochs) == ("running", "stopped", 1)
    assert (second.metrics["loss"], second.metrics["f1"]) == (0.75, 0.25)
    assert second.metrics["macs"] > 0
    tuning = _tuning(given.work, list(again.trials.values()))
    assert (list(tuning.past), list(tuning.resumed)) == ([2], [1])
    assert whole(again) == [1, 3, 4]


def test_a_trial_at_its_end_is_not_stopped_there(shared: Callable[..., Shared]) -> None:
    """Though the scheduler finds it worse than others; one that it stops may lose its process."""
    given = shared()
    bench = bench_of(given)
    order = bench.next()
    assert order is not None
    run_trial(order, lambda report: bench.on_report(1, replace(report, stopped=report.epoch == 2)))
    bench.ended(1, None)
    other = bench.next()
    assert other is not None
    bench.on_report(2, Report(1, 0.75, 0.25, stopped=True))
    bench.ended(2, LostWorker("gone"))
    finished, stopped = known(given)
    assert (finished.state, stopped.state) == ("finished", "stopped")
    assert ["stopped" in point for point in finished.curve] == [False, False]
    assert bench_of(given)._left == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_combination_that_cannot_be_fails_alone(
    shared: Callable[..., Shared], kept: bool
) -> None:
    given = shared(ODD if kept else ODD.replace("[1]]", "[0, 1]]"))
    assert len(whole(bench_of(given))) == 3
    (failed,) = (one for one in known(given) if one.state == "failed")
    assert failed.reason is Reason.BAD_SPEC
    assert failed.error is not None
    assert "give one for each" in failed.error
    assert f"trial {failed.number} failed: {failed.error}" in logged(given.work)


def test_trials_that_failed_or_were_stopped(shared: Callable[..., Shared]) -> None:
    given = shared()
    bench = bench_of(given)
    for ended, error in ((1, LostWorker("gone")), (2, None), (3, MemoryError("too large"))):
        order = bench.next()
        assert order is not None
        assert order.number == ended
        if error is None:  # stopped early: its process was told nothing more
            bench.on_report(2, Report(1, 0.75, 0.25))
            order.courses[-1].start.mkdir(parents=True)
            config = given.taught[0].teacher.folder / "config.json"
            (order.courses[-1].start / "config.json").write_text(config.read_text())
        bench.ended(ended, error)
    last = bench.next()
    assert last is not None
    bench.on_report(4, Report(0, 9.0, 0.0, Reason.DIVERGED, "the loss became nan"))
    bench.ended(4, None)
    found = {one.number: one for one in known(given)}
    assert {number: (one.state, one.reason, one.error) for number, one in found.items()} == {
        1: ("failed", Reason.LOST_WORKER, "gone"),
        2: ("stopped", None, None),
        3: ("failed", Reason.OUT_OF_MEMORY, "MemoryError: too large"),
        4: ("failed", Reason.DIVERGED, "the loss became nan"),
    }
    assert (found[2].epochs, found[2].metrics["loss"], found[2].metrics["f1"]) == (1, 0.75, 0.25)
    assert found[2].metrics["macs"] > 0
    # the next attempt tries again what may go otherwise then
    assert bench_of(given)._left == [found[1], found[3]]


def test_one_that_was_stopped_has_its_latency(shared: Callable[..., Shared]) -> None:
    """By which a sampler learns from it, as from any other."""
    given = shared(more="trials: 4, goals: [f1 max, latency_ms min]")
    bench = bench_of(given)
    order = bench.next()
    assert order is not None
    begin(order)
    bench.on_report(1, Report(1, 0.75, 0.25))
    bench.ended(1, None)
    (stopped,) = known(given)
    assert stopped.state == "stopped"
    assert stopped.metrics["latency_ms"] > 0
    assert past_of(stopped, bench.search).scores == (0.25, stopped.metrics["latency_ms"])


def test_one_that_was_stopped_may_be_without_costs(shared: Callable[..., Shared]) -> None:
    """What cannot be measured is said; a sampler is not told of it."""
    given = shared(more="trials: 4, goals: [f1 max, latency_ms min]")
    bench = bench_of(given)
    order = bench.next()
    assert order is not None
    begin(order)
    (order.courses[0].start / "model.safetensors").unlink()
    bench.on_report(1, Report(1, 0.75, 0.25, stopped=True))
    bench.ended(1, None)
    (stopped,) = known(given)
    assert (stopped.state, stopped.metrics["f1"]) == ("stopped", 0.25)
    assert set(stopped.metrics) == {"loss", "f1", "macs", "parameters"}
    assert past_of(stopped, bench.search).scores is None
    assert "could be measured" in logged(given.work)[-1]
    assert bench.next() is not None


def test_where_all_fail_the_job_does(shared: Callable[..., Shared]) -> None:
    given = shared("space: {student.layers: [1], student.keep: [[0], [1]]}")
    bench = bench_of(given)
    while order := bench.next():
        bench.on_report(
            order.number, Report(0, 9.0, 0.0, Reason.DIVERGED, f"nan at {order.number}")
        )
        bench.ended(order.number, None)
    with pytest.raises(Exception, match="2 of 2 failed; trial 1: nan at 1") as caught:
        search(given.work, given.checked, given.taught, given.cached)
    assert type(caught.value).__name__ == "Diverged"


def test_where_one_may_go_otherwise_the_job_is_tried_again(shared: Callable[..., Shared]) -> None:
    given = shared("space: {train.seed: [1, 2]}")
    bench = bench_of(given)
    for error in (Diverged("the loss became nan"), LostWorker("gone")):
        order = bench.next()
        assert order is not None
        bench.ended(order.number, error)
    reason = _nothing(known(given))
    assert type(reason) is LostWorker
    assert str(reason).endswith("2 of 2 failed; trial 2: gone")


def test_gold_labels_alone_may_fail_and_what_is_found_is_kept(
    shared: Callable[..., Shared], spoilt: Callable[[Shared], list[SelectedTeacher]]
) -> None:
    given = shared("space: {student.layers: [1]}", "sampler: grid", "compare=[gold-only]")
    whole(bench_of(given))
    found = search(given.work, given.checked, spoilt(given), given.cached)
    assert [student.role for student in found.students] == ["student-1"]
    assert found.students[0].outputs_by == given.cached[0].made_by == (running_code(),)
    (note,) = found.notes
    assert note.startswith("trial 1: no gold-only student: the loss became nan")
    assert logged(given.work)[-1] == f"warning: {note}"


def test_the_students_on_the_front_are_trained_with_every_seed(
    shared: Callable[..., Shared],
) -> None:
    """The trials themselves had the first one."""
    space = "space: {student.layers: [1]}"
    given = shared(space, "sampler: grid", "compare=[same-start]", "seeds=[4, 9]")
    bench = bench_of(given)
    whole(bench)
    found = search(given.work, given.checked, given.taught, given.cached)
    assert [(one.role, one.seed) for one in found.students] == [
        ("same-start-1", 4),
        ("student-1", 4),
        ("same-start-1", 9),
        ("student-1", 9),
    ]
    trial = given.variant(found.trials[0].values)
    assert found.students[1].folder.is_relative_to(trial.place.folder)
    assert len({one.weights for one in found.students}) == 4
    assert {one.steps for one in found.students} == {found.students[0].steps}


def test_what_fails_beside_several_trials_fails_once(
    shared: Callable[..., Shared], spoilt: Callable[[Shared], list[SelectedTeacher]]
) -> None:
    """With other objectives, they have one student on gold labels beside them."""
    space = "space: {objective: [[{kind: gold}, {kind: logits}], [{kind: logits}]]}"
    given = shared(space, "sampler: grid", "compare=[gold-only]")
    whole(bench_of(given))
    given = replace(given, taught=spoilt(given))
    variant = given.variant({})
    folder = locate_stage(variant.work, StageName.DISTIL, variant.reads("gold-only")).folder
    students = _students(given, known(given))
    first = next(students)
    shutil.rmtree(folder)
    _, second, _ = students
    assert isinstance(first, str)
    assert second == first.replace("trial 1", "trial 2")
    assert not folder.exists()


def test_what_another_job_does_is_waited_for(shared: Callable[..., Shared]) -> None:
    ours, theirs = shared(), shared()
    them, us = bench_of(theirs), bench_of(ours)
    order = them.next()
    assert order is not None
    assert us.next() is None
    assert not us.exhausted
    carried(them, order)
    following = us.next()
    assert following is not None
    assert following.number == 2
    assert logged(ours.work)[-2:] == [
        "trial 1: another job is doing the same; it waits",
        f"trial 1: done before, by job {theirs.work.id}",
    ]


def test_so_many_at_once(shared: Callable[..., Shared]) -> None:
    bench = bench_of(shared(more="sampler: grid, concurrent: 2"))
    first, second = bench.next(), bench.next()
    assert first is not None
    assert second is not None
    assert bench.next() is None
    assert not bench.exhausted
    carried(bench, second)
    third = bench.next()
    assert third is not None
    assert third.number == 3


def test_progress_is_told(shared: Callable[..., Shared]) -> None:
    given = shared(more="sampler: grid, concurrent: 2, goals: [f1 max]")
    bench = bench_of(given)
    first = bench.next()
    assert first is not None
    told = carried(bench, first)
    for _ in range(2):
        assert bench.next() is not None
    bench.on_report(2, Report(1, 0.5, 0.25))
    bench.look()
    with given.work.database.read() as session:
        job = jobs.find(session, given.work.id)
    best = f"best f1 {100 * told[-1].metric:.2f} % (trial 1)"
    assert job.message == f"trial 3 of 4, 2 running; {best}"
    assert (job.state, job.progress) == (State.RUNNING, (1 + 0.5) / 4)
    assert job.eta_seconds is not None
    assert job.eta_seconds > 0


def test_a_search_may_leave_the_model_that_the_job_starts_from(
    shared: Callable[..., Shared], folder_of: Callable[..., Path]
) -> None:
    other = folder_of("other", layers=3, seed=9)
    given = shared(
        "space: {student.start: [random, teacher], student.layers: [1]}",
        "sampler: grid",
        f"student.start={other}",
    )
    sources = {given.variant({"student.start": s}).order(1).source for s in ("random", "teacher")}
    assert sources == {given.taught[0].teacher.folder}
    assert given.variant({}).order(1).source == other
