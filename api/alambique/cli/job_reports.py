"""What is printed of a job: its plan, where it stands, and the tables of its result."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from rich.table import Table

from alambique.api.views import JobView
from alambique.cli.progress import Progress, reason_to_wait
from alambique.cli.searches import summarize
from alambique.cli.tables import Figure, count, decimal, say, share, show, table
from alambique.registry.job_result import (
    Candidate,
    EngineRow,
    Gain,
    JobResult,
    LayerMap,
    ResultRow,
    SpeedFigures,
)
from alambique.registry.records import JobRow
from alambique.spec.disk import size_text
from alambique.spec.figures import interval, spread
from alambique.spec.states import State

_SHOWN = 2
"""Of the layers that are mixed, those that are named: the heaviest."""

NAMES = {
    "teacher": "teacher",
    "gold-only": "student, gold-only",
    "same-start": "student, same-start",
    "distilled": "student, distilled",
}


_SPEED = ("ms", "inferences/s", "texts/s")


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
    if result.engines:
        show(engine_table(result))
    if result.candidates:
        show(candidate_table(result))
    maps = chain.from_iterable(map(learnt_layers, result.rows))
    refused = (f"{row.model} as {row.format}: {row.note}" for row in result.engines if row.note)
    for line in (*maps, *summarize(result.search), *refused, *result.notes):
        say(line)
    where = "" if job.project == "default" else f" --project {job.project}"
    for row in result.rows:
        name = f"{row.name}{_registered_seed(row, result.primary)}"
        say(f"{name}: {program} models download {row.version}{where}")
    for engine in result.engines:
        if engine.version:
            quickest = ", the quickest here" if engine.is_winner else ""
            name = f"{engine.model} as {engine.format}{quickest}"
            say(f"{name}: {program} models download {engine.version}{where}")
    return True


def _registered_seed(row: ResultRow, primary: str) -> str:
    """Return which of several seeds is registered, and its score."""
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
    """Return what the job waits for, or how far it is, in the words of `watch`."""
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


def score_table(result: JobResult) -> Table:
    """Return the scores of a job's models on the test split, and what distilling gained."""
    rows = result.rows
    others = ("f1", "em", "spearman")
    shown = [name for name in others if any(name in row.metrics for row in rows)]
    metrics = list(dict.fromkeys([result.primary, *shown]))
    titles = [f"{metric.upper()} %" for metric in metrics]
    columns = ["", "layers", "steps", *titles, "gain (95 %)", "kept %"]
    cells = [[*_score_cells(row, metrics)] for row in rows]
    calibration = [row.metrics.get("ece") for row in rows]
    if any(error is not None for error in calibration):  # of scores and hidden states none has it
        columns.append("ECE %")
        cells = [[*row, share(error)] for row, error in zip(cells, calibration, strict=True)]
    return table(columns, cells)


def cost_table(result: JobResult) -> Table:
    """Return the sizes of a job's models, and how fast they are, measured in turns."""
    rows = result.rows
    devices = dict.fromkeys(speed.device.upper() for row in rows for speed in row.also)
    also = (f"{device} {unit}" for device in devices for unit in _SPEED)
    columns = ["", "parameters", "MACs", *_SPEED, *also]
    return table(columns, ([*_cost_cells(row)] for row in rows))


def engine_table(result: JobResult) -> Table:
    """Return the job's networks in every engine, raced on the worker's machine."""
    batches = sorted({size for row in result.engines for size in row.per_second})
    named = (row.metric_name for row in result.engines if row.metric_name)
    columns = [
        *("", "format", "file MB", "memory MB", f"{next(named, result.primary).upper()} %"),
        *("p50 ms", "p95", "p99", "speed-up", "1 thread"),
        *(f"texts/s, {size}" for size in batches),
    ]
    return table(columns, [[*_engine_cells(row, batches)] for row in result.engines])


def _engine_cells(row: EngineRow, batches: Sequence[int]) -> Iterable[object]:
    yield f"{row.model} *" if row.is_winner else row.model
    yield row.engine if row.format == "fp32" else row.format
    for size in (row.bytes, row.memory):
        yield None if size is None else decimal(size / 1e6)
    yield share(row.metric)
    yield from map(decimal, (row.p50_ms, row.p95_ms, row.p99_ms, row.ratio, row.one_thread_ms))
    for batch in batches:
        yield decimal(row.per_second.get(batch))


def candidate_table(result: JobResult) -> Table:
    """Return the runs that a teacher was chosen from, in the order in which they were done."""
    measured = ("loss", f"{result.primary.upper()} %", "", "version")
    columns = ("teacher", "candidate", "grid", *measured)
    rows = [[*_candidate_cells(run)] for run in result.candidates]
    return table(columns, rows, only_if_several="teacher")


def _candidate_cells(run: Candidate) -> Iterable[object]:
    yield run.teacher
    yield run.model
    yield ", ".join(f"{field} {value}" for field, value in run.train.items())
    yield None if run.loss is None else Figure(f"{run.loss:.4f}")
    yield share(run.metric)
    yield "taught" if run.taught else "collapsed" if run.collapsed else None
    yield run.version


def _score_cells(row: ResultRow, metrics: Sequence[str]) -> Iterable[object]:
    yield _row_name(row)
    yield row.layers
    yield row.steps
    for metric in metrics:
        yield spread(row.metrics.get(metric), row.deviations.get(metric))
    yield gain(next(iter(row.gains), None))
    yield share(row.retention)


def _cost_cells(row: ResultRow) -> Iterable[object]:
    yield _row_name(row)
    yield count(row.parameters)
    yield count(row.macs.full)
    speeds: tuple[SpeedFigures, ...] = (row, *row.also)
    for speed in speeds:
        low, high = decimal(speed.latency_low_ms), decimal(speed.latency_high_ms)
        around = "" if low is None else f" ({low} to {high})"
        yield Figure(f"{decimal(speed.latency_ms)}{around}")
        yield decimal(speed.inferences_per_second)
        yield decimal(speed.throughput)


def _row_name(row: ResultRow) -> str:
    trial = "" if row.trial is None else f", trial {row.trial}"
    return f"{NAMES.get(row.name, row.name)}{trial}"


def gain(difference: Gain | None) -> Figure | None:
    """Return the gain as text, in points, with its interval; one that holds 0 is marked.

    >>> gain(Gain(over="gold-only", value=0.021, low=0.004, high=0.036, seeds=3))
    '+2.10 [+0.40, +3.60]'
    >>> gain(Gain(over="gold-only", value=0.001, low=-0.004, high=0.006, seeds=3))
    '+0.10 [-0.40, +0.60] holds 0'
    """
    if difference is None:
        return None
    text = interval(difference.value, difference.low, difference.high)
    return Figure(f"{text}{' holds 0' if difference.holds_zero else ''}")


def learnt_layers(row: ResultRow) -> Iterator[str]:
    """Yield a line for each term that compared layers of a student."""
    for label, layer_map in row.maps.items():
        trial = "" if row.trial is None else f", trial {row.trial}"
        yield f"{row.name}{trial}, {label}: {_layers_text(layer_map)}"


def _layers_text(layer_map: LayerMap) -> str:
    """Return the pairs of layers of student and teacher: "0 from 1 (0.97 alike), 1 from 3"."""
    if layer_map.weights is not None:
        mixed = enumerate(layer_map.weights)
        return ", ".join(f"{layer} from {_heaviest(weights)}" for layer, weights in mixed)
    pairs = layer_map.pairs or ()
    alike = layer_map.likeness or [None] * len(pairs)
    ends = ["" if value is None else f" ({value:.2f} alike)" for value in alike]
    return ", ".join(
        f"{ours} from {theirs}{end}" for (ours, theirs), end in zip(pairs, ends, strict=True)
    )


def _heaviest(weights: Sequence[float]) -> str:
    heaviest = sorted(range(len(weights)), key=lambda layer: -weights[layer])[:_SHOWN]
    return " and ".join(f"{layer} ({weights[layer]:.0%})".replace("%", " %") for layer in heaviest)


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
    if plan.get("publish"):
        say(f"published to: {plan['publish']}")


def _data_files_text(data: Mapping[str, Any]) -> str:
    """Return what there is of a data set of the hub, in words."""
    if data["refused"]:
        return f"{data['data']} cannot be used: {data['refused']}"
    if data["why"]:
        return f"{data['data']}: files not known: {data['why']}"
    more = data["count"] - len(data["files"])
    files = ", ".join(data["files"]) + (f" and {more} more" if more else "")
    return f"{data['data']}: has {files}; {size_text(data['bytes'])} in all"


def _model_files_text(model: Mapping[str, Any]) -> str:
    """Return what is taken of a model of the hub, in words."""
    if model["refused"]:
        return f"{model['model']} cannot be used: {model['refused']}"
    text = f"{model['model']}: takes {', '.join(model['files'])}"
    return f"{text}; imports {', '.join(model['imported'])}" if model["imported"] else text


def _live_teacher_text(beside: Mapping[str, Any]) -> str:
    """Return what it takes to compare layers, in words."""
    text = "layers: the teacher answers beside the student"
    if beside["macs"] is None:
        return text
    kept = size_text(beside["bytes"])
    return f"{text}, about {count(beside['macs'])} MACs; kept, its states would take {kept}"


def _search_text(search: Mapping[str, Any]) -> str:
    """Return what a search takes, in words."""
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
