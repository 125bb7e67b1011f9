"""The tables of a card as values: what the registry has, written out, in no language.

A cell that is a word of the platform (a role, the class of a licence) stays that word, and the card
gives it in its languages; what others have named is a `Name`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alambique.registry.job_result import EngineRow, ResultRow, SpeedFigures
from alambique.registry.records import File, Version
from alambique.runtime.about import ABOUT
from alambique.spec.data_sources import AtPath, HubData, data_source_of
from alambique.spec.disk import size_text
from alambique.spec.figures import Figure, count, decimal, interval, share, spread
from alambique.workers.publishing.licences import LicenceChain
from alambique.workers.publishing.release import Release

Cells = tuple[str, ...]
EMPTY = ""
"""Stands where the registry knows nothing."""
_NO_SHARE = ("objective",)
"""Metrics that are no part of 1."""
_MILLION = 1_000_000
_HOUR = 3600
_PROCESSORS = re.compile(r"(?:x86_64|amd64|i686|arm64|aarch64|ppc64le|s390x|riscv64)\b", re.I)
"""How `platform.machine` calls what is no GPU."""


class Name(str):
    """What somebody has named, such as a data set or a file: the same in every language."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Table:
    """The body of a table; its first column has words, the others have figures."""

    columns: Cells
    """Titles that are the same in every language, such as names of metrics."""
    rows: tuple[Cells, ...]


def metric_names(release: Release) -> Cells:
    """Return the metrics that the job's networks have, the primary one first."""
    names = (name for row in release.result.rows for name in row.metrics)
    return tuple(dict.fromkeys([release.result.primary, *names]))


def score_table(release: Release) -> Table:
    """Return the primary scores of all networks of the job on the test split; means over seeds."""
    name = release.result.primary
    rows = (
        (
            row_name(row),
            str(row.layers),
            _text(row.steps),
            _mean(name, row),
            _text(share(row.retention)),
        )
        for row in release.result.rows
    )
    return Table((_column(name),), tuple(rows))


def further_score_table(release: Release) -> Table:
    """Return the other scores of all networks, which one table with the first is too wide for."""
    names = metric_names(release)[1:]
    rows = ((row_name(row), *(_mean(name, row) for name in names)) for row in release.result.rows)
    return Table(tuple(map(_column, names)), tuple(rows))


def _column(name: str) -> str:
    return name if name in _NO_SHARE else f"{name} %"


def _mean(name: str, row: ResultRow) -> str:
    return _score(name, row.metrics.get(name), row.deviations.get(name))


def _score(name: str, value: float | None, deviation: float | None = None) -> str:
    return _text(decimal(value) if name in _NO_SHARE else spread(value, deviation))


def seed_table(release: Release) -> Table:
    """Return each training of the published network, and which of them is the published one."""
    names = metric_names(release)
    rows = (
        (
            _text(one.seed),
            *(_score(name, one.metrics.get(name)) for name in names),
            EMPTY if one.validation is None else _loss(one.validation.loss),
            "registered" if one.registered else "",
        )
        for one in release.row.seeds
        if one.seed is not None
    )
    return Table(tuple(map(_column, names)), tuple(rows))


def _loss(loss: float | None) -> str:
    return EMPTY if loss is None else f"{loss:.4f}"


def gain_table(release: Release) -> Table:
    """Return what the published network gained over each baseline, with its interval."""
    rows = (
        (
            gain.over,
            interval(gain.value, gain.low, gain.high),
            str(gain.seeds),
            "holds 0" if gain.holds_zero else "",
        )
        for gain in release.row.gains
    )
    return Table((release.result.primary,), tuple(rows))


def speed_tables(release: Release) -> tuple[tuple[str, Table], ...]:
    """Return sizes and speeds of all networks of the job, for each device that they ran on.

    The device is named as the machine that the registry knows for it.
    """
    settings, rows = release.result.settings, release.result.rows
    also = settings.get("also", {})
    kinds = dict.fromkeys(speed.device for row in rows for speed in row.also)
    first = Table((), tuple(_speed_cells(row, row) for row in rows))
    others = (
        (
            machine_text(also.get(kind, kind)),
            Table(
                (),
                tuple(
                    _speed_cells(row, speed)
                    for row in rows
                    for speed in row.also
                    if speed.device == kind
                ),
            ),
        )
        for kind in kinds
    )
    return ((machine_text(settings.get("machine")), first), *others)


def _speed_cells(row: ResultRow, speed: SpeedFigures) -> Cells:
    return (
        row_name(row),
        _text(count(row.parameters)),
        _text(count(row.macs.linear)),
        _text(count(row.macs.full)),
        _text(decimal(speed.latency_ms)),
        _several(speed.latency_low_ms, speed.latency_high_ms),
        _text(decimal(speed.inferences_per_second)),
        _text(decimal(speed.throughput)),
    )


def engine_table(release: Release) -> Table:
    """Return the network and its teacher in every engine; speeds of the published files too."""
    engines = _engines(release)
    batches = sorted({size for row in engines for size in row.per_second})
    return Table(
        tuple(str(size) for size in batches),
        tuple(_engine_cells(row, batches) for row in engines if row.p50_ms is not None),
    )


def _engines(release: Release) -> tuple[EngineRow, ...]:
    """Return the rows of the race that are of the published network or of a teacher."""
    mine = release.row.role
    roles = {mine, *(row.role for row in release.result.rows if row.name.startswith("teacher"))}
    return tuple(row for row in release.result.engines if row.model in roles)


def _engine_cells(row: EngineRow, batches: Sequence[int]) -> Cells:
    sizes = (None if size is None else size / 1e6 for size in (row.bytes, row.memory))
    return (
        row.model,
        form_name(row),
        _several(*sizes),
        _text(share(row.metric)),
        _several(row.p50_ms, row.p95_ms, row.p99_ms),
        _text(decimal(row.one_thread_ms)),
        _text(decimal(row.ratio)),
        _several(*(row.per_second.get(size) for size in batches)),
    )


def _several(*numbers: float | None) -> str:
    """Return several figures as one cell, with a dash for one that is not known.

    >>> _several(1.5, None, 1234), _several(None, None)
    ('1.50 / - / 1234', '')
    """
    if all(number is None for number in numbers):
        return EMPTY
    written = ("-" if number is None else str(decimal(number)) for number in numbers)
    return Figure(" / ".join(written))


def refused_formats(release: Release) -> tuple[Cells, ...]:
    """Return the network, the format and the reason of each file that was not registered."""
    rows = (row for row in _engines(release) if row.note)
    return tuple((row.model, row.format, str(row.note)) for row in rows)


def cost_table(release: Release) -> Table:
    """Return the processor time of a million texts, by each way that was measured.

    It is what was measured, turned round: threads times the seconds of a million texts. On another
    device than a processor it is the time of that device.
    """
    settings, race = release.result.settings, release.result.race_settings
    lines: list[tuple[str, str, float, int]] = []
    if release.row.throughput and "threads" in settings:
        threads = 1 if _is_gpu(release) else int(settings["threads"])
        lines.append(("torch", "by length", release.row.throughput, threads))
    for row in _engines(release):
        if row.model == release.row.role and row.per_second and "threads" in race:
            size = max(row.per_second)
            lines.append((form_name(row), str(size), row.per_second[size], int(race["threads"])))
    return Table(
        (),
        tuple(
            (name, batch, _text(decimal(rate)), str(threads), _hours(rate, threads))
            for name, batch, rate, threads in lines
        ),
    )


def _hours(per_second: float, threads: int) -> str:
    """Return the core-hours of a million texts.

    >>> _hours(500.0, 2)
    '1.11'
    """
    return _text(decimal(_MILLION / per_second * threads / _HOUR))


def _is_gpu(release: Release) -> bool:
    """Return whether the first device of the job's table is no processor."""
    return not _PROCESSORS.match(str(release.result.settings.get("machine", "")))


def machine_text(machine: object) -> str:
    """Return the name of a machine without that of its host, which is nobody's business.

    >>> machine_text("x86_64 CPU, build-7.example"), machine_text("NVIDIA H200")
    ('x86_64 CPU', 'NVIDIA H200')
    """
    return EMPTY if machine is None else str(machine).partition(", ")[0]


def file_table(release: Release) -> Table:
    """Return the size of each file of the network, and of its file for the runtime.

    The file that says how to ask it is left out: what is published decides what it says.
    """
    rows = [_file_cells(file) for file in release.version.files if file.name != ABOUT]
    if release.engine_file is not None:
        rows += [
            _file_cells(file)
            for file in release.engine_file.files
            if file.name.endswith((".onnx", ".onnx.data"))
        ]
    return Table((), tuple(rows))


def _file_cells(file: File) -> Cells:
    return Name(file.name), size_text(file.size)


def data_table(release: Release) -> Table:
    """Return each split that the job read: of which set, how much of it, and its hash."""
    hashes = {
        split: digest
        for edge in release.version.lineage
        if edge.relation == "data"
        for split, digest in edge.hashes.items()
    }
    data = release.job.data
    names = {"test": data.test or data.name, "unlabelled": data.unlabelled or data.name}
    limits = {f"{split}": limit for split, limit in data.limit.items()}
    return Table(
        (),
        tuple(
            (split, Name(shown_data(names.get(split, data.name))), _text(limits.get(split)), digest)
            for split, digest in hashes.items()
        ),
    )


def shown_data(name: str) -> str:
    """Return the name of a data set without where it lies on a machine."""
    source = data_source_of(name)
    return Path(source.path).name if isinstance(source, AtPath) else name


def hub_data(name: str) -> HubData | None:
    """Return the repository of the hub that a data set is; None: it is none."""
    source = data_source_of(name)
    return source if isinstance(source, HubData) else None


def origin_table(release: Release) -> Table:
    """Return the models that the network came from, and the hash of the weights of each."""
    teachers = [(*_version_cells("teacher", teacher),) for teacher in release.teachers]
    starts = [
        ("start", Name(Path(name).name if name.startswith(("/", "~", ".")) else name), digest)
        for edge in release.version.lineage
        if edge.relation == "start"
        for name, digest in edge.hashes.items()
        if name != "gate"
    ]
    own = _version_cells("published", release.version)
    return Table((), (own, *teachers, *starts))


def _version_cells(relation: str, version: Version) -> Cells:
    return relation, Name(f"{version.name}@{version.number}"), version.weights


def code_lines(release: Release) -> tuple[tuple[Cells, str], ...]:
    """Return the code that made the network or measured it, with its libraries and its stages."""
    made_by = release.version.details.get("made_by") or {}
    found: dict[str, list[str]] = {}
    for stage in ("training", "testing", "outputs", "evaluation"):
        for one in made_by.get(stage, ()):
            libraries = ", ".join(f"{name} {number}" for name, number in one["libraries"].items())
            found.setdefault(f"alambique {one['code']}, {libraries}", []).append(stage)
    return tuple((tuple(dict.fromkeys(stages)), code) for code, stages in found.items())


def licence_table(chain: LicenceChain) -> Table:
    """Return the links of a licence chain."""
    return Table(
        (),
        tuple(
            (
                link.kind,
                Name(link.name),
                Name(link.found or EMPTY),
                Name(link.expression),
                link.strictest.value,
                link.where,
            )
            for link in chain.links
        ),
    )


def form_name(row: EngineRow) -> str:
    """Return in which form a network was raced: its format, or the engine of it as trained."""
    return row.engine if row.format == "fp32" else row.format


def row_name(row: ResultRow) -> str:
    """Return which network of its job a row is of, of a search with its trial."""
    return row.name if row.trial is None else f"{row.name}, trial {row.trial}"


def _text(value: object) -> str:
    return EMPTY if value is None else value if isinstance(value, Figure) else str(value)
