"""What is printed of a job: where it stands, and what came of it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from rich.table import Table

from alambique.api.views import JobView, VersionView
from alambique.cli.progress import Progress, reason_to_wait
from alambique.cli.results import candidate_table, cost_table, learnt_layers, score_table
from alambique.cli.searches import summarize
from alambique.cli.tables import (
    Figure,
    count,
    say,
    share,
    show,
    table,
)
from alambique.registry.job_result import JobResult, ResultRow
from alambique.registry.records import JobRow
from alambique.spec.disk import size_text
from alambique.spec.errors import UnknownName
from alambique.spec.states import State


def report(job: JobView | JobRow, *, program: str = "alambique") -> bool:
    """Print what came of a job that is over; return whether it succeeded.

    Args:
        job: that is over.
        program: how the commands begin that are recommended.
    """
    if job.state is not State.SUCCEEDED or job.result is None:
        reason = f" ({job.reason})" if job.reason else ""
        at = f" at {job.stage}" if job.stage else ""
        say(f"{job.state}{at}{reason}{f': {job.message}' if job.message else ''}")
        if job.state is State.FAILED:
            say(f"see {program} jobs logs {job.id}")
        return False
    if job.message:  # of one that was to be cancelled, too late
        say(job.message)
    result = JobResult.read(job.result)
    if result is None:
        say(f"its result was written by another version: {program} jobs show {job.id} --json")
        return True
    show(score_table(result))
    show(cost_table(result))
    if result.candidates:
        show(candidate_table(result))
    maps = chain.from_iterable(map(learnt_layers, result.rows))
    for line in (*maps, *summarize(result.search), *result.notes):
        say(line)
    where = "" if job.project == "default" else f" --project {job.project}"
    for row in result.rows:
        name = f"{row.name}{_registered_seed(row, result.primary)}"
        say(f"{name}: {program} models download {row.version}{where}")
    return True


def _registered_seed(row: ResultRow, primary: str) -> str:
    """Name which of several seeds can be downloaded, and how it does."""
    best = next((one for one in row.seeds if one.registered), None)
    if best is None or len(row.seeds) < 2:
        return ""
    return f", of seed {best.seed} with {primary.upper()} {share(best.metrics[primary])} %"


def describe(job: JobView) -> None:
    """Print where a job stands."""
    say(f"{job.id}  {job.name or ''}  {job.task}  (project {job.project})")
    say(f"posted {job.created_at:%Y-%m-%d %H:%M:%S} UTC, attempts {job.attempts}")
    if job.state.over:
        report(job)
        return
    if job.state is State.RETRYING and job.message:
        say(f"the last attempt failed: {job.message}")
    say(f"{job.state}: {_progress_text(job)}".removesuffix(": "))


def _progress_text(job: JobView) -> str:
    """What it waits for, or how far it is, as `watch` has it."""
    if job.waiting:
        return reason_to_wait(job.waiting.ahead, job.waiting.why)
    if job.stage is None:
        return job.message or ""
    return Progress(
        state=State.RUNNING,
        stage=job.stage,
        fraction=job.progress or 0.0,
        eta=job.eta_seconds,
        loss=job.loss,
        metric=job.metric,
        message=job.message,
    ).line


def describe_version(version: VersionView) -> None:
    """Print what a version is, how it scores and what files it has."""
    say(f"{version.name}@{version.number}  {version.role}  {version.task}")
    say(f"parameters {count(version.parameters)}, MACs {count(version.macs_full)}")
    say(f"job {version.job_id}, {version.created_at:%Y-%m-%d %H:%M} UTC")
    for line in made_by_lines(version.details.get("made_by")):
        say(line)
    scores = ((m.data, m.split, m.name, Figure(f"{m.value:.4g}")) for m in version.metrics)
    show(table(("data", "split", "metric", "value"), scores))
    show(table(("file", "bytes", "sha256"), ((f.name, f.size, f.sha256) for f in version.files)))


def made_by_lines(stages: Mapping[str, Any] | None) -> Iterator[str]:
    """The code that did each stage of a version, and warnings where it is not the same."""
    if stages is None:
        yield "code: not recorded, as of all versions before it was"
        return
    codes = {stage: [_code_text(one) for one in made_by] for stage, made_by in stages.items()}
    for stage, each in codes.items():
        yield f"{stage}: {', then '.join(each) or 'none, or not recorded'}"
    outputs = set(codes.pop("outputs", ()))
    stage_codes = {code for each in codes.values() for code in each}
    if len(stage_codes) > 1:
        yield (
            "warning: its stages were done by different code, or with different libraries: to have "
            "all done by one, run the job again with fresh: true"
        )
    if outputs - stage_codes:
        yield (
            "warning: teacher outputs that it learnt from were computed by other code, or with "
            "other libraries. They are read from the cache, with fresh: true as well: to have them "
            "computed again, run the job with another ALAMBIQUE_HOME and without the shared tier"
        )


def _code_text(one: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in one["libraries"].items())
    return f"alambique {one['code']} ({libraries})"


def version_table(versions: Sequence[VersionView]) -> Table:
    """Versions of one model, each with its task's primary score on the test split."""
    metric = _primary_metric(versions[0].task) if versions else None
    title = f"{metric.upper()} %" if metric else "metric"
    columns = ("version", "role", title, "parameters", "MACs", "registered (UTC)", "job")
    rows = [
        (
            f"{one.name}@{one.number}",
            one.role,
            share(_test_score(one, metric)),
            count(one.parameters),
            count(one.macs_full),
            f"{one.created_at:%Y-%m-%d %H:%M}",
            one.job_id,
        )
        for one in versions
    ]
    return table(columns, rows)


def _primary_metric(task: str) -> str | None:
    # not on top: it takes longer to import than most commands take
    from alambique.tasks.all import find

    try:
        return find(task).primary
    except UnknownName:
        return None


def _test_score(version: VersionView, metric: str | None) -> float | None:
    values = (m.value for m in version.metrics if (m.split, m.name) == ("test", metric))
    return next(values, None)


def show_prediction(prediction: Mapping[str, Any]) -> None:
    """Print an answer with its score, words with tags, classes with scores, or a score alone."""
    if "answer" in prediction:
        say(f"{prediction['answer']}  ({prediction['score']:.4f})")
        return
    if "score" in prediction:
        say(f"{prediction['score']:.4f}")
    for label, score in prediction.get("scores", {}).items():
        say(f"{label}\t{score:.4f}")
    for word in prediction.get("words", ()):
        say(f"{word['word']}\t{word['tag']}")


def show_plan(plan: Mapping[str, Any]) -> None:
    """Print the sizes of teachers, student and candidates, and what their cache takes."""
    teachers = plan.get("teachers") or [plan["teacher"] | {"name": "teacher"}]
    networks = [*teachers, plan["student"] | {"name": "student"}]
    rows = (_sizes(one["name"], one) for one in networks)
    show(table(("", "parameters", "MACs, linear", "MACs, full"), rows))
    if candidates := plan.get("candidates"):
        titles = ("candidate", "parameters", "MACs, linear", "MACs, full", "runs")
        show(table(titles, ((*_sizes(c["model"], c), c["runs"]) for c in candidates)))
    if beside := plan.get("beside"):
        say(_live_teacher_text(beside))
    if search := plan.get("search"):
        say(_search_text(search))
    size, why = plan["cache"]["bytes"], plan["cache"]["why"]
    say(f"teacher outputs: {size_text(size) if size is not None else f'not known: {why}'}")
    for model in plan.get("hub", ()):
        say(_model_files_text(model))
    for data in plan.get("hub_data", ()):
        say(_data_files_text(data))


def _data_files_text(data: Mapping[str, Any]) -> str:
    """What there is of a data set of the hub, in words."""
    if data["refused"]:
        return f"{data['data']} cannot be used: {data['refused']}"
    if data["why"]:
        return f"{data['data']}: files not known: {data['why']}"
    more = data["count"] - len(data["files"])
    files = ", ".join(data["files"]) + (f" and {more} more" if more else "")
    return f"{data['data']}: has {files}; {size_text(data['bytes'])} in all"


def _model_files_text(model: Mapping[str, Any]) -> str:
    """What is taken of a model of the hub, in words."""
    if model["refused"]:
        return f"{model['model']} cannot be used: {model['refused']}"
    text = f"{model['model']}: takes {', '.join(model['files'])}"
    return f"{text}; imports {', '.join(model['imported'])}" if model["imported"] else text


def _live_teacher_text(beside: Mapping[str, Any]) -> str:
    """What it takes to compare layers, in words."""
    text = "layers: the teacher answers beside the student"
    if beside["macs"] is None:
        return text
    kept = size_text(beside["bytes"])
    return f"{text}, about {count(beside['macs'])} MACs; kept, its states would take {kept}"


def _search_text(search: Mapping[str, Any]) -> str:
    """What a search takes, in words."""
    trials, student = search["trials"], search["student"]
    text = (
        f"search: at most {trials:,} trials, {search['concurrent']} at once, "
        f"{search['epochs']:,} epochs in all"
    )
    largest = f"the largest student {count(student['parameters'])} parameters"
    macs = search["macs"]
    work = "" if macs is None else f"; about {count(macs)} MACs of training"
    return f"{text}; {largest}, {count(student['macs']['full'])} MACs{work}"


def _sizes(name: str, cost: Mapping[str, Any]) -> tuple[object, ...]:
    macs = cost["macs"]
    return name, count(cost["parameters"]), count(macs["linear"]), count(macs["full"])
