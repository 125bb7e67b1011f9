"""What is printed of registered models: a version, a list of versions, a prediction."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from alambique.api.views import ModelView, VersionView
from alambique.api.zoo_views import AliasView
from alambique.cli.tables import Figure, count, decimal, say, share, show, table
from alambique.registry.job_result import busy_note
from alambique.runtime.engines import available_processors
from alambique.runtime.latency import PROTOCOL, Latency
from alambique.spec.errors import UnknownName

_DRAWING_WIDTH, _DRAWING_HEIGHT = 56, 14
"""Characters of a drawing."""


def describe_version(version: VersionView) -> None:
    """Print what a version is, how it scores and what files it has."""
    say(f"{version.name}@{version.number}  {version.role}  {version.task}")
    say(f"parameters {count(version.parameters)}, MACs {count(version.macs_full)}")
    say(f"job {version.job_id}, {version.created_at:%Y-%m-%d %H:%M} UTC")
    for line in annotation_lines(version):
        say(line)
    for line in made_by_lines(version.details.get("made_by")):
        say(line)
    scores = ((m.data, m.split, m.name, Figure(f"{m.value:.4g}")) for m in version.metrics)
    show(table(("data", "split", "metric", "value"), scores))
    show(table(("file", "bytes", "sha256"), ((f.name, f.size, f.sha256) for f in version.files)))


def annotation_lines(version: VersionView) -> Iterator[str]:
    """Yield what people say of a version: aliases, tags and notes."""
    if version.aliases:
        yield f"aliases: {', '.join(version.aliases)}"
    if version.tags:
        yield f"tags: {', '.join(version.tags)}"
    for note in version.notes:
        yield f"note of {note.at:%Y-%m-%d %H:%M} UTC: {note.text}"


def describe_model(
    model: ModelView, versions: Sequence[VersionView], aliases: Sequence[AliasView]
) -> None:
    """Print all versions of a model, and where its aliases are and were."""
    say(f"{model.name}  {model.task}  {model.versions} version{'s' * (model.versions != 1)}")
    show(version_table(versions))
    for version in versions:
        for note in version.notes:
            say(f"{version.name}@{version.number}, {note.at:%Y-%m-%d %H:%M} UTC: {note.text}")
    for alias in aliases:
        moves = (f"{move.number or 'none'} since {move.at:%Y-%m-%d %H:%M}" for move in alias.moves)
        say(f"alias {alias.name} (UTC): {', '.join(moves)}")


def model_table(models: Sequence[ModelView]) -> Table:
    """Return models in a list, each with the newest version that has all that was asked for."""
    columns = (
        *("name", "project", "task", "versions", "newest", "role", "score %"),
        *("parameters", "MACs", "ms", "aliases", "tags"),
    )
    rows = [
        (
            model.name,
            model.project,
            model.task,
            model.versions,
            f"{model.name}@{model.shown.number}",
            model.shown.role,
            share(_test_score(model.shown, _primary_metric(model.task))),
            count(model.shown.parameters),
            count(model.shown.macs_full),
            decimal(_milliseconds(model.shown)),
            ", ".join(model.shown.aliases) or None,
            ", ".join(model.shown.tags) or None,
        )
        for model in models
    ]
    return table(columns, rows, only_if_several="project")


def _milliseconds(version: VersionView) -> float | None:
    """Return how long one text takes: of a form in its engine, of a network in torch."""
    return _test_score(version, "p50_ms") or _test_score(version, "latency_ms")


def made_by_lines(stages: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the code that did each stage of a version, and warnings where it is not the same."""
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
    """Return the versions of one model, each with its task's primary score on the test split."""
    metric = _primary_metric(versions[0].task) if versions else None
    title = f"{metric.upper()} %" if metric else "metric"
    columns = (
        *("version", "role", title, "parameters", "MACs", "aliases", "tags"),
        *("registered (UTC)", "job"),
    )
    rows = [
        (
            f"{one.name}@{one.number}",
            one.role,
            share(_test_score(one, metric)),
            count(one.parameters),
            count(one.macs_full),
            ", ".join(one.aliases) or None,
            ", ".join(one.tags) or None,
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


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """A version in a comparison: what is registered of it, and how fast it is here."""

    version: str
    format: str
    metric: str | None
    score: float | None
    """Of the task's primary metric on the test split."""
    parameters: int
    macs: int
    """For a text of its job's length."""
    bytes: int
    mean_ms: float
    low_ms: float
    high_ms: float
    ratio: float
    """The first model's time over this one's."""


def compared_models(
    versions: Sequence[VersionView], latencies: Sequence[Latency]
) -> list[ComparedModel]:
    """Return versions with how long each takes for one text."""
    first = latencies[0].mean_ms
    metrics = [_primary_metric(version.task) for version in versions]
    return [
        ComparedModel(
            version=f"{version.name}@{version.number}",
            format=version.details.get("format", "fp32"),
            metric=metric,
            score=_test_score(version, metric),
            parameters=version.parameters,
            macs=version.macs_full,
            bytes=sum(file.size for file in version.files),
            mean_ms=latency.mean_ms,
            low_ms=latency.low_ms,
            high_ms=latency.high_ms,
            ratio=first / latency.mean_ms,
        )
        for version, latency, metric in zip(versions, latencies, metrics, strict=True)
    ]


def show_comparison(models: Sequence[ComparedModel]) -> None:
    """Print models side by side, and their scores over their milliseconds as a drawing."""
    metrics = dict.fromkeys(model.metric for model in models)
    one_metric = len(metrics) == 1
    metric = next(iter(metrics)) or "metric"
    title = f"{metric.upper()} %" if one_metric else "own metric %"
    columns = ("", "version", "format", title, "parameters", "MB", "ms", "times as fast")
    rows = [
        (
            number,
            model.version,
            model.format,
            share(model.score),
            count(model.parameters),
            decimal(model.bytes / 1e6),
            Figure(
                f"{decimal(model.mean_ms)} ({decimal(model.low_ms)} to {decimal(model.high_ms)})"
            ),
            decimal(model.ratio),
        )
        for number, model in enumerate(models, start=1)
    ]
    show(table(columns, rows))
    say(f"{PROTOCOL}; {available_processors()} threads each")
    for note in _busy_notes(models):
        say(note)
    points = [(model.mean_ms, 100 * model.score) for model in models if model.score is not None]
    if one_metric and len(points) == len(models):
        for line in scatter(points, x_name="ms", y_name=title):
            say(line)


def _busy_notes(models: Sequence[ComparedModel]) -> Iterator[str]:
    """Yield a note for models of one shape and format that did not take equally long."""
    by_shape: dict[object, list[tuple[float, str]]] = defaultdict(list)
    for model in models:
        shape = model.format, model.parameters, model.macs
        by_shape[shape].append((model.mean_ms, model.version))
    yield from filter(None, map(busy_note, by_shape.values()))


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


def scatter(points: Sequence[tuple[float, float]], *, x_name: str, y_name: str) -> list[str]:
    """Return the lines of a drawing in which each point is its number, from 1.

    A point that would lie on another one stands to its right.

    >>> scatter([(1, 1), (3, 2)], x_name="ms", y_name="F1 %")[-1].split()
    ['1.00', '3.00', 'ms']
    """
    xs, ys = ([point[axis] for point in points] for axis in (0, 1))
    cells = [[" "] * (_DRAWING_WIDTH + 2 * len(points)) for _ in range(_DRAWING_HEIGHT)]
    for number, (x, y) in enumerate(points, start=1):
        column, row = (
            _position(x, xs, _DRAWING_WIDTH),
            _DRAWING_HEIGHT - 1 - _position(y, ys, _DRAWING_HEIGHT),
        )
        text = str(number)
        while any(cell != " " for cell in cells[row][column : column + len(text)]):
            column += 1
        cells[row][column : column + len(text)] = text
    edges = {0: max(ys), _DRAWING_HEIGHT - 1: min(ys)}
    lines = [
        f"{f'{edges[row]:.2f}' if row in edges else '':>8} |{''.join(line)}".rstrip()
        for row, line in enumerate(cells)
    ]
    left, right = f"{min(xs):.2f}", f"{max(xs):.2f}"
    axis = f"{'':>9}{left}{right:>{_DRAWING_WIDTH - len(left)}} {x_name}"
    return [y_name, *lines, f"{'':>9}{'-' * _DRAWING_WIDTH}", axis]


def _position(value: float, values: Sequence[float], size: int) -> int:
    low, high = min(values), max(values)
    return 0 if high == low else round((value - low) / (high - low) * (size - 1))
