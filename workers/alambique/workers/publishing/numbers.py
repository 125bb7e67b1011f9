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
SEEDS = ", seeds"
"""Behind the name of a gain: how many trainings it is over."""
EXAMPLES = "examples"
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

    @property
    def key(self) -> tuple[object, ...]:
        """What it is of: two numbers with one key are the same number."""
        return (self.model, self.seed, self.data, self.split, self.metric)

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
            numbers.setdefault(number.key, number)
    places = places_of(release)
    return tuple(
        Number.model_validate(without_places(number.model_dump(), places))
        for number in numbers.values()
    )


def contradictions(release: Release) -> Iterator[tuple[Number, Number]]:
    """Yield pairs of numbers of one thing that differ: a registry has none.

    The record of a release has many of its numbers in several places, such as a score by the
    version that has it and by the line of the table: a card prints now this one, now that one.
    """
    first: dict[tuple[object, ...], Number] = {}
    for number in _all_numbers(release):
        known = first.setdefault(number.key, number)
        if known.value != number.value and not math.isnan(number.value):
            yield known, number


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
        name = f"candidate {position} of {run.teacher}"
        measured = Measured.NOT_HERE if run.version is None else Measured.OWN_FILE
        yield from _split_numbers(release, name, found, measured, split="dev", version=run.version)


def _own_numbers(release: Release) -> Iterator[Number]:
    """Yield the numbers of the published weights."""
    version, row = release.version, release.row
    has_head = find(version.task).output.has_head
    for metric in version.metrics:
        yield Number(
            model=THIS,
            seed=version.details.get("seed"),
            data=metric.data,
            split=metric.split,
            metric=metric.name,
            value=metric.value,
            settings=dict(metric.settings),
            measured=_own_measured(release, metric.name),
            version=_name(version),
        )
    counted = (version.parameters, version.macs_linear, version.macs_full)
    for sizes in (_sizes(row), dict(zip(SIZES[1:], counted, strict=True))):
        for metric_name, size in sizes.items():
            yield Number(
                model=THIS,
                metric=metric_name,
                value=size,
                settings=_length(release),
                measured=Measured.HERE,
                version=_name(version),
            )
    if isinstance(examples := release.result.settings.get("examples"), int):
        yield from _split_numbers(release, THIS, {EXAMPLES: examples}, Measured.HERE)
    weights = sum(file.size for file in version.files if file.name == "model.safetensors")
    yield Number(model=THIS, metric=BYTES, value=weights, measured=Measured.HERE)
    seed, validation = version.details.get("seed"), row.validation
    loss, score = {"loss": validation.loss}, {release.result.primary: validation.metric}
    # in other precisions training validated otherwise than the files compute
    is_exact = release.job.train.precision == "fp32"
    measured = Measured.HERE if has_head and is_exact else Measured.NOT_HERE
    yield from _split_numbers(release, THIS, loss, Measured.NOT_HERE, split="dev", seed=seed)
    yield from _split_numbers(release, THIS, score, measured, split="dev", seed=seed)
    seconds = version.details.get("seconds")
    if seconds is not None:
        metric_name = "seconds of training"
        yield Number(model=THIS, metric=metric_name, value=seconds, measured=Measured.NOT_HERE)


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
    found = {validation["metric"]: validation["value"], DIFFERENCE: validation["difference"]}
    yield from _split_numbers(release, name, found, Measured.HERE, split="dev")
    own = [each for each in release.result.engines if each.model == release.row.role]
    torch = next((each for each in own if each.engine == "torch" and each.version is None), None)
    raced = next((each for each in own if each.version == _name(form)), None)
    if torch and raced and torch.one_thread_ms and raced.one_thread_ms:
        ratio = {SPEED_RATIO: torch.one_thread_ms / raced.one_thread_ms}
        race = release.result.race_settings
        yield from _split_numbers(release, name, ratio, Measured.RATIO, settings=race)


def _row_numbers(release: Release, row: ResultRow) -> Iterator[Number]:
    """Yield the numbers of a line of the table, of each seed and over all of them.

    Those of the published weights are there by their version too, and are to be the same.
    """
    result, is_own = release.result, row == release.row
    seeds = row.seeds or (SeedResult(seed=None, metrics=row.metrics, registered=True),)
    single = {} if len(seeds) > 1 else row.metrics
    for each in seeds:
        model = THIS if is_own and each.registered else row.role
        version = row.version if each.registered else None
        for metric, value in (*each.metrics.items(), *single.items()):
            measured = Measured.OWN_FILE if each.registered else Measured.NOT_HERE
            if model == THIS:
                measured = _own_measured(release, metric)
            yield from _split_numbers(
                release, model, {metric: value}, measured, seed=each.seed, version=version
            )
        if is_own and each.validation is not None:
            loss = {"loss": each.validation.loss}
            yield from _split_numbers(
                release, model, loss, Measured.NOT_HERE, split="dev", seed=each.seed
            )
    over_all = {} if single else row.metrics
    deviations = {deviation_of(name): value for name, value in row.deviations.items()}
    yield from _split_numbers(release, row.role, over_all | deviations, Measured.DERIVED)
    role, version = (THIS, _name(release.version)) if is_own else (row.role, row.version)
    if row.steps is not None:
        yield Number(
            model=role,
            metric="steps",
            value=row.steps,
            measured=Measured.NOT_HERE,
            version=version,
        )
    if not is_own:
        for metric, size in _sizes(row).items():
            yield Number(
                model=role,
                metric=metric,
                value=size,
                settings=_length(release),
                measured=Measured.OWN_FILE,
                version=version,
            )
    seed = release.version.details.get("seed") if is_own else None
    for device, speed in (("", row), *((f"{also.device}_", also) for also in row.also)):
        for name in SpeedFigures.model_fields:
            yield from _split_numbers(
                release,
                role,
                {f"{device}{name}": getattr(speed, name)},
                Measured.DERIVED if name == RATE else Measured.NOT_HERE,
                settings=result.settings,
                seed=seed,
                version=version,
            )


def _split_numbers(
    release: Release,
    model: str,
    figures: Mapping[str, float | None],
    measured: Measured,
    *,
    split: str | None = "test",
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    version: str | None = None,
) -> Iterator[Number]:
    """Yield figures of a split, or of none, as numbers; of None there is none."""
    data = {"test": release.result.settings.get("data"), "dev": release.job.data.name}
    if settings is None:
        settings = release.result.settings if split == "test" else {}
    for metric, value in figures.items():
        if value is not None:
            yield Number(
                model=model,
                seed=seed,
                data=data.get(split or ""),
                split=split,
                metric=metric,
                value=value,
                settings=dict(settings),
                measured=measured,
                version=version,
            )


def _comparisons(release: Release) -> Iterator[Number]:
    """Yield what students are beside the best teacher, and the published one beside all else."""
    result, row = release.result, release.row
    for each in result.rows:
        retained = {retention_of(result.primary): each.retention}
        yield from _split_numbers(release, each.role, retained, Measured.DERIVED)
    for gain in row.gains:
        name = gain_over(result.primary, gain.over)
        derived = {name: gain.value, f"{name}{SEEDS}": gain.seeds}
        ends = {f"{name}, lower end": gain.low, f"{name}, upper end": gain.high}
        yield from _split_numbers(release, row.role, derived, Measured.DERIVED)
        yield from _split_numbers(release, row.role, ends, Measured.NOT_HERE)
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
        split = {BYTES: None, DIFFERENCE: "dev"}.get(metric, "test")
        yield from _split_numbers(
            release, model, {metric: value}, measured, split=split, version=row.version
        )
    race = release.result.race_settings
    yield from _split_numbers(
        release, model, raced, Measured.NOT_HERE, settings=race, version=row.version
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


def _own_measured(release: Release, metric: str) -> Measured:
    """Return how a number of the published weights is found again, by its name."""
    if metric.endswith(RATE):
        return Measured.DERIVED
    has_head = find(release.version.task).output.has_head
    is_score = has_head and not _is_speed(metric) and metric != "loss"
    return Measured.HERE if is_score else Measured.NOT_HERE


def _is_speed(metric: str) -> bool:
    """Return whether a metric of a version is one of its times, on its first device or another."""
    for device in _DEVICES:
        metric = metric.removeprefix(device)
    return metric in SpeedFigures.model_fields


def _name(version: Version) -> str:
    return f"{version.name}@{version.number}"
