"""What is printed of a job's result: its models side by side, and what students learnt from."""

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Table

from alambique.cli.tables import Figure, count, decimal, share, table
from alambique.registry.job_result import (
    Candidate,
    Gain,
    JobResult,
    LayerMap,
    ResultRow,
    SpeedFigures,
)

_SHOWN = 2
"""Of the layers that are mixed, those that are named: the heaviest."""

NAMES = {
    "teacher": "teacher",
    "gold-only": "student, gold-only",
    "same-start": "student, same-start",
    "distilled": "student, distilled",
}


_SPEED = ("ms", "inferences/s", "texts/s")


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


def spread(mean: float | None, deviation: float | None) -> Figure | None:
    """A score in percent, of several seeds with its standard deviation.

    >>> spread(0.7135, None), spread(0.7135, 0.0121)
    ('71.35', '71.35 ± 1.21')
    """
    if mean is None or deviation is None:
        return share(mean)
    return Figure(f"{share(mean)} ± {share(deviation)}")


def gain(difference: Gain | None) -> Figure | None:
    """Write what was gained, in points, with its interval; one that holds 0 is marked.

    >>> gain(Gain(over="gold-only", value=0.021, low=0.004, high=0.036, seeds=3))
    '+2.10 [+0.40, +3.60]'
    >>> gain(Gain(over="gold-only", value=0.001, low=-0.004, high=0.006, seeds=3))
    '+0.10 [-0.40, +0.60] holds 0'
    """
    if difference is None:
        return None
    parts = difference.value, difference.low, difference.high
    value, low, high = (f"{100 * part:+.2f}" for part in parts)
    return Figure(f"{value} [{low}, {high}]{' holds 0' if difference.holds_zero else ''}")


def learnt_layers(row: ResultRow) -> Iterator[str]:
    """Yield a line for each term that compared layers of a student."""
    for label, layer_map in row.maps.items():
        trial = "" if row.trial is None else f", trial {row.trial}"
        yield f"{row.name}{trial}, {label}: {_layers_text(layer_map)}"


def _layers_text(layer_map: LayerMap) -> str:
    """Name layer of the student, layer of the teacher: "0 from 1 (0.97 alike), 1 from 3"."""
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
