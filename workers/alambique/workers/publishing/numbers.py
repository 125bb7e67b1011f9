"""The numbers of a version that may be printed: what each is of, and how it is measured again."""

import math
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import Field

from alambique.registry.job_result import EngineRow, ResultRow, SeedResult, SpeedFigures
from alambique.registry.records import Version
from alambique.spec.fields import Spec
from alambique.tasks.all import find
from alambique.workers.publishing.places import places_of, without_places
from alambique.workers.publishing.release import Release

THIS = "this"
"""The published weights, as they are run by torch."""
SPEED_RATIO = "times as fast as its weights in torch, one thread"
PARAMETERS, MACS_LINEAR, MACS_FULL = "parameters", "macs_linear", "macs_full"
LAYERS, BYTES, DIFFERENCE = "layers", "bytes", "largest difference of a logit"
SIZES = (LAYERS, PARAMETERS, MACS_LINEAR, MACS_FULL)
GAINED, RETAINED = " gain over ", "retention of "
SPEED_UP = "speed-up by macs_linear"
RATE, LATENCY = "inferences_per_second", "latency_ms"
SIMILARITY = "cosine"
"""How alike the states of a file without a head are to those of the weights that it is made of."""
_DEVICES = ("cpu_", "cuda_")
_RACED = ("p50_ms", "p95_ms", "p99_ms", "one_thread_ms", "memory", "ratio")


class Measured(StrEnum):
    """How somebody who has the published files can find a number again."""

    HERE = "here"
    """From the files, and from the data where it is a score."""
    RATIO = "as a ratio"
    """One published file is timed beside another on the machine that verifies."""
    DERIVED = "from others"
    """It follows from other numbers."""
    OWN_FILE = "by its own file"
    """With the files of the version that it names, which is another one."""
    NOT_HERE = "not measured here"
    """It is of a network or a machine that is not at hand."""


class Number(Spec):
    """A number, what it is of, and how it can be found again."""

    model: str
    """`this`, `this as FORMAT`, or what another network is in the job."""
    seed: int | None = None
    """Of the training. None: of a teacher, or over all seeds."""
    data: str | None = None
    """The name of the data set. None: the number needs no data."""
    split: str | None = None
    metric: str
    value: int | float
    settings: dict[str, Any] = Field(default_factory=dict)
    """All that it depends on besides model and data."""
    measured: Measured
    version: str | None = None
    """The version whose files it is of, as name@number."""

    def __str__(self) -> str:
        """Return what the number is of, as people read it."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        data = f" on {self.data} {self.split}" if self.data else ""
        return f"{self.metric} of {self.model}{seed}{data}"


def form_name(form: str) -> str:
    """Return what the published file in another format is called."""
    return f"{THIS} as {form}"


def deviation_of(metric: str) -> str:
    """Return the name of a metric's standard deviation over the seeds."""
    return f"{metric} deviation"


def gain_over(metric: str, baseline: str) -> str:
    """Return the name of what a metric gained over a baseline."""
    return f"{metric}{GAINED}{baseline}"


def retention_of(metric: str) -> str:
    """Return the name of the part of a metric that a student keeps of its best teacher's."""
    return f"{RETAINED}{metric}"


def numbers_of(release: Release) -> tuple[Number, ...]:
    """Return every number that the registry has of a release, each once, in a fixed order."""
    numbers: dict[tuple[object, ...], Number] = {}
    for number in _all_numbers(release):
        if math.isfinite(number.value):
            key = (number.model, number.seed, number.data, number.split, number.metric)
            numbers.setdefault(key, number)
    places = places_of(release)
    return tuple(
        Number.model_validate(without_places(number.model_dump(), places))
        for number in numbers.values()
    )


def _all_numbers(release: Release) -> Iterator[Number]:
    yield from _own_numbers(release)
    if release.engine_file is not None:
        yield from _form_numbers(release, release.engine_file)
    for row in release.result.rows:
        yield from _row_numbers(release, row)
    yield from _comparisons(release)
    for engine in release.result.engines:
        yield from _engine_numbers(release, engine)
    for position, run in enumerate(release.result.candidates, start=1):
        found = {"loss": run.loss, release.result.primary: run.metric}
        for metric, value in found.items():
            if value is not None:
                yield Number(
                    model=f"candidate {position} of {run.teacher}",
                    data=release.job.data.name,
                    split="dev",
                    metric=metric,
                    value=value,
                    measured=Measured.NOT_HERE if run.version is None else Measured.OWN_FILE,
                    version=run.version,
                )


def _own_numbers(release: Release) -> Iterator[Number]:
    """Yield the numbers of the published weights."""
    version, row = release.version, release.row
    has_head = find(version.task).output.has_head
    for metric in version.metrics:
        is_score = has_head and not _is_speed(metric.name) and metric.name != "loss"
        measured = Measured.HERE if is_score else Measured.NOT_HERE
        if metric.name.endswith(RATE):
            measured = Measured.DERIVED
        yield Number(
            model=THIS,
            seed=version.details.get("seed"),
            data=metric.data,
            split=metric.split,
            metric=metric.name,
            value=metric.value,
            settings=dict(metric.settings),
            measured=measured,
            version=_name(version),
        )
    for metric_name, size in _sizes(row).items():
        yield Number(
            model=THIS,
            metric=metric_name,
            value=size,
            settings=_length(release),
            measured=Measured.HERE,
            version=_name(version),
        )
    weights = sum(file.size for file in version.files if file.name == "model.safetensors")
    yield Number(model=THIS, metric=BYTES, value=weights, measured=Measured.HERE)
    found = {"loss": row.validation.loss, release.result.primary: row.validation.metric}
    for metric_name, value in found.items():
        if value is not None:
            # in other precisions training validated otherwise than the files compute
            is_exact = release.job.train.precision == "fp32"
            is_score = has_head and metric_name != "loss" and is_exact
            yield Number(
                model=THIS,
                seed=version.details.get("seed"),
                data=release.job.data.name,
                split="dev",
                metric=metric_name,
                value=value,
                measured=Measured.HERE if is_score else Measured.NOT_HERE,
            )
    spent = {"steps": row.steps, "seconds of training": version.details.get("seconds")}
    for metric_name, value in spent.items():
        if value is not None:
            yield Number(model=THIS, metric=metric_name, value=value, measured=Measured.NOT_HERE)


def _form_numbers(release: Release, form: Version) -> Iterator[Number]:
    """Yield the numbers of the published file of an engine."""
    name = form_name(form.details["format"])
    for metric in form.metrics:
        is_score = metric.name in _scores(release) or metric.name == SIMILARITY
        yield Number(
            model=name,
            data=metric.data,
            split=metric.split,
            metric=metric.name,
            value=metric.value,
            settings=dict(metric.settings),
            measured=Measured.HERE if is_score else Measured.NOT_HERE,
            version=_name(form),
        )
    yield Number(model=name, metric=BYTES, value=form.details["bytes"], measured=Measured.HERE)
    validation: Mapping[str, Any] = form.details["validation"]
    for metric_name, value in (
        (validation["metric"], validation["value"]),
        (DIFFERENCE, validation["difference"]),
    ):
        yield Number(
            model=name,
            data=release.job.data.name,
            split="dev",
            metric=metric_name,
            value=value,
            measured=Measured.HERE,
        )
    own = [each for each in release.result.engines if each.model == release.row.role]
    torch = next((each for each in own if each.engine == "torch" and each.version is None), None)
    raced = next((each for each in own if each.version == _name(form)), None)
    if torch and raced and torch.one_thread_ms and raced.one_thread_ms:
        yield Number(
            model=name,
            data=release.result.settings.get("data"),
            split="test",
            metric=SPEED_RATIO,
            value=torch.one_thread_ms / raced.one_thread_ms,
            settings=release.result.race_settings,
            measured=Measured.RATIO,
        )


def _row_numbers(release: Release, row: ResultRow) -> Iterator[Number]:
    """Yield the numbers of a line of the table, of each seed and over all of them."""
    result, is_own = release.result, row == release.row
    data, settings = result.settings.get("data"), result.settings
    seeds = row.seeds or (SeedResult(seed=None, metrics=row.metrics, registered=True),)
    for each in seeds:
        if is_own and each.registered:
            continue  # the published weights, whose numbers are there
        for metric, value in each.metrics.items():
            yield Number(
                model=row.role,
                seed=each.seed,
                data=data,
                split="test",
                metric=metric,
                value=value,
                settings=settings,
                measured=Measured.OWN_FILE if each.registered else Measured.NOT_HERE,
                version=row.version if each.registered else None,
            )
    if len(seeds) > 1:
        over_all = row.metrics | {deviation_of(name): d for name, d in row.deviations.items()}
        for metric, value in over_all.items():
            yield Number(
                model=row.role,
                data=data,
                split="test",
                metric=metric,
                value=value,
                settings=settings,
                measured=Measured.DERIVED,
            )
    if is_own:
        return
    for metric, size in _sizes(row).items():
        yield Number(
            model=row.role,
            metric=metric,
            value=size,
            settings=_length(release),
            measured=Measured.OWN_FILE,
            version=row.version,
        )
    yield from _speed_numbers(row, "", row, settings)
    for also in row.also:
        yield from _speed_numbers(row, f"{also.device}_", also, settings)


def _speed_numbers(
    row: ResultRow, device: str, speed: SpeedFigures, settings: Mapping[str, Any]
) -> Iterator[Number]:
    for name in SpeedFigures.model_fields:
        value = getattr(speed, name)
        if value is not None:
            yield Number(
                model=row.role,
                metric=f"{device}{name}",
                value=value,
                settings=dict(settings),
                measured=Measured.DERIVED if name == RATE else Measured.NOT_HERE,
                version=row.version,
            )


def _comparisons(release: Release) -> Iterator[Number]:
    """Yield what students are beside the best teacher, and the published one beside all else."""
    result, row = release.result, release.row
    data, settings = result.settings.get("data"), result.settings
    found: list[tuple[str, str, float, Measured]] = [
        (each.role, retention_of(result.primary), each.retention, Measured.DERIVED)
        for each in result.rows
        if each.retention is not None
    ]
    for gain in row.gains:
        name = gain_over(result.primary, gain.over)
        found.append((row.role, name, gain.value, Measured.DERIVED))
        found.append((row.role, f"{name}, lower end", gain.low, Measured.NOT_HERE))
        found.append((row.role, f"{name}, upper end", gain.high, Measured.NOT_HERE))
    for model, metric, value, measured in found:
        yield Number(
            model=model,
            data=data,
            split="test",
            metric=metric,
            value=value,
            settings=settings,
            measured=measured,
        )
    reference = result.reference
    macs = {MACS_LINEAR: reference.macs.linear, MACS_FULL: reference.macs.full}
    for metric, value in macs.items():
        yield Number(
            model=reference.name,
            metric=metric,
            value=value,
            settings=_length(release),
            measured=Measured.HERE,
        )
    yield Number(
        model=THIS,
        metric=SPEED_UP,
        value=reference.macs.linear / row.macs.linear,
        settings={"reference": reference.name},
        measured=Measured.DERIVED,
    )


def _engine_numbers(release: Release, row: EngineRow) -> Iterator[Number]:
    """Yield the numbers of a network in one engine; those of the published file are there."""
    form = release.engine_file
    if form is not None and row.version == _name(form):
        model = form_name(form.details["format"])
    else:
        model = f"{row.model} as {row.format} in {row.engine}"
    scored: dict[str, float | None] = {
        row.metric_name or release.result.primary: row.metric,
        BYTES: row.bytes,
        DIFFERENCE: row.difference,
    }
    raced = {name: getattr(row, name) for name in _RACED}
    raced |= {f"throughput_{size}": rate for size, rate in row.per_second.items()}
    measured = Measured.NOT_HERE if row.version is None else Measured.OWN_FILE
    for metric, value in scored.items():
        if value is not None:
            split = {BYTES: None, DIFFERENCE: "dev"}.get(metric, "test")
            test = release.result.settings.get("data")
            yield Number(
                model=model,
                data={None: None, "dev": release.job.data.name}.get(split, test),
                split=split,
                metric=metric,
                value=value,
                measured=measured,
                version=row.version,
            )
    for metric, value in raced.items():
        if value is not None:
            yield Number(
                model=model,
                data=release.result.settings.get("data"),
                split="test",
                metric=metric,
                value=value,
                settings=release.result.race_settings,
                measured=Measured.NOT_HERE,
                version=row.version,
            )


def _sizes(row: ResultRow) -> dict[str, int]:
    sizes = (row.layers, row.parameters, row.macs.linear, row.macs.full)
    return dict(zip(SIZES, sizes, strict=True))


def _length(release: Release) -> dict[str, Any]:
    """Return the tokens of the text that operations are counted for."""
    return {"length": release.result.settings.get("length")}


def _scores(release: Release) -> Sequence[str]:
    """Return the names of the scores of the release on the test split."""
    return [name for name in release.row.metrics if find(release.version.task).output.has_head]


def _is_speed(metric: str) -> bool:
    """Return whether a metric of a version is one of its times, on its first device or another."""
    for device in _DEVICES:
        metric = metric.removeprefix(device)
    return metric in SpeedFigures.model_fields


def _name(version: Version) -> str:
    return f"{version.name}@{version.number}"
