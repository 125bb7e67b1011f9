"""What is printed of registered models: a version, a list of versions, a prediction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from alambique.api.views import VersionView
from alambique.cli.scatter import scatter
from alambique.cli.tables import Figure, count, decimal, say, share, show, table
from alambique.runtime.latency import Latency
from alambique.spec.errors import UnknownName


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


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """A version in a comparison: what is registered of it, and how fast it is here."""

    version: str
    format: str
    metric: str | None
    score: float | None
    """Of the task's primary metric on the test split."""
    parameters: int
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
            _spread_ms(model),
            decimal(model.ratio),
        )
        for number, model in enumerate(models, start=1)
    ]
    show(table(columns, rows))
    points = [(model.mean_ms, 100 * model.score) for model in models if model.score is not None]
    if one_metric and len(points) == len(models):
        for line in scatter(points, x_name="ms", y_name=title):
            say(line)


def _spread_ms(model: ComparedModel) -> Figure:
    mean, low, high = map(decimal, (model.mean_ms, model.low_ms, model.high_ms))
    return Figure(f"{mean} ({low} to {high})")


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
