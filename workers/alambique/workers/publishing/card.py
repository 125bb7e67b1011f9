"""The card of a published version, in Spanish and English, by what the registry has of it alone."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never

import yaml
from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from alambique.spec.figures import Figure
from alambique.spec.job import Job
from alambique.spec.outputs import Output
from alambique.spec.publication import FolderTarget, HubTarget, target_of
from alambique.spec.sources import Hub
from alambique.tasks import datasets
from alambique.tasks.catalogue import DATASETS
from alambique.workers.publishing import card_tables
from alambique.workers.publishing.licences import Licence, LicenceChain
from alambique.workers.publishing.pictures import pictures
from alambique.workers.publishing.release import Release, first_weights
from alambique.workers.publishing.spanish import sentence, word

README = "README.md"
LICENCES = "LICENSES.md"
"""The licence chain in words, which the README's metadata points to."""
_PARTS = ("card_title.md", "card_es.md", "card_en.md", "card_job.md")
"""The templates of the card, in their order."""
_TEXTS = Path(__file__).with_name("licence_texts")
"""Of licences that ask for a copy of themselves, by SPDX name."""
_HUB_METRICS = {
    "em": "exact_match",
    "squad-em": "exact_match",
    "squad-f1": "f1",
    "strict-f1": "f1",
    "macro-f1": "f1",
    "micro-f1": "f1",
    "seqeval-f1": "f1",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
}
"""What the hub calls a metric; its own name stands beside it."""
_ENGLISH = {
    "gold-only": "student, gold-only",
    "same-start": "student, same-start",
    "distilled": "student, distilled",
    "registered": "published",
    "holds 0": "the interval holds 0",
    "start": "first weights",
    "published": "this version",
    "conflict": "conflicting licences",
}
"""Words of the platform that a card spells out."""
Word = Callable[[object], str]
"""Gives a word of the platform in a language."""
_MARKS = re.compile(r"([\\`*\[\]<>|#~]|(?<![^\W_])_|_(?![^\W_]))")
"""What Markdown or HTML would take for more than a letter."""


def documents(release: Release, chain: LicenceChain) -> dict[str, bytes]:
    """Return the files of a published folder that are for people to read, by their paths.

    These are the card (README.md), its pictures, the licence chain (LICENSES.md), and the texts of
    the licences that ask for a copy of themselves.
    """
    drawn = pictures(release, english) | pictures(release, spanish, ".es")
    values = card_values(release, chain) | {"pictures": tuple(drawn)}
    environment = _environment()
    card = "\n".join(
        [
            f"---\n{_metadata(release, chain).to_yaml()}\n---\n",
            *(environment.get_template(name).render(values) for name in _PARTS),
        ]
    )
    terms = environment.get_template("licences.md").render(values)
    return {
        README: _tidy(card),
        LICENCES: _tidy(terms),
        **_licence_texts(chain),
        **drawn,
    }


def card_values(release: Release, chain: LicenceChain) -> dict[str, Any]:
    """Return what the templates are made of: facts and tables, in no language."""
    version, details = release.version, release.version.details
    result = release.result
    return {
        "release": release,
        "chain": chain,
        "name": f"{version.name}@{version.number}",
        "model": model_reference(release),
        "hub": _is_hub(release),
        "is_distilled": release.row.name == "distilled",
        "output": Output(details["output"]).value,
        "inputs": len(details["inputs"]),
        "max_length": details["max_length"],
        "stride": details["stride"],
        "decoder": details["settings"],
        "settings": result.settings,
        "race": result.race_settings,
        "machine": card_tables.machine_text(result.settings.get("machine")),
        "race_machine": card_tables.machine_text(result.race_settings.get("machine")),
        "scores": card_tables.score_table(release),
        "further_scores": card_tables.further_score_table(release),
        "seeds": card_tables.seed_table(release),
        "gains": card_tables.gain_table(release),
        "speeds": card_tables.speed_tables(release),
        "engines": card_tables.engine_table(release),
        "refused": card_tables.refused_formats(release),
        "costs": card_tables.cost_table(release),
        "files": card_tables.file_table(release),
        "data": card_tables.data_table(release),
        "origin": card_tables.origin_table(release),
        "code": card_tables.code_lines(release),
        "licences": card_tables.licence_table(chain),
        "calibrated": "ece" in release.row.metrics,
        "job_file": job_file(release.job),
    }


def model_reference(release: Release) -> str:
    """Return what transformers is given to load the published version.

    That is the id of its repository, or the folder of that name beside the reader.
    """
    target = target_of(release.publication.target)
    match target:
        case HubTarget(repository):
            return repository
        case FolderTarget(name):
            return f"./{name}"
        case _:
            assert_never(target)


def _is_hub(release: Release) -> bool:
    return isinstance(target_of(release.publication.target), HubTarget)


def job_file(job: Job) -> str:
    """Return the file of a job, with every field and pinned names.

    Where its files lie on a machine is left out: of a path stays its last part.
    """
    paths = {path for _, path in job.paths()}
    content = _without_folders(job.model_dump(mode="json"), paths)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _without_folders(content: Any, paths: Collection[str]) -> Any:
    match content:
        case dict():
            return {name: _without_folders(value, paths) for name, value in content.items()}
        case list():
            return [_without_folders(value, paths) for value in content]
        case str() if content in paths:
            return f"./{Path(content).name}"
        case _:
            return content


def _metadata(release: Release, chain: LicenceChain) -> ModelCardData:
    """Return the front matter of the card."""
    version, details = release.version, release.version.details
    output = Output(details["output"])
    data = [card_tables.hub_data(name) for name in release.data_sets]
    catalogued = [each for each in DATASETS if each.name in release.data_sets]
    of_catalogue = [
        s.repository for each in catalogued if isinstance(s := each.source, datasets.Hub)
    ]
    repositories = dict.fromkeys([*(each.repository for each in data if each), *of_catalogue])
    begun = (each.repository for each in first_weights(release) if isinstance(each, Hub))
    models = dict.fromkeys(begun)
    tags = ["alambique", "distillation"] if release.teachers else ["alambique"]
    tags += [version.task, *(["onnx"] if release.engine_file else [])]
    more: dict[str, Any] = dict(licence_fields(chain.licences))
    if models:
        # the hub knows adapter, finetune, merge and quantized, and no word for distillation: what
        # is trained on from a model's own layers, or some of them, is nearest to a fine-tuned one
        more["base_model_relation"] = "finetune"
    return ModelCardData(
        model_name=version.name,
        language=_one_or_all(_languages(release)),
        library_name="transformers",
        pipeline_tag=_pipeline(output),
        tags=tags,
        datasets=list(repositories) or None,
        metrics=list(dict.fromkeys(map(_hub_metric, card_tables.metric_names(release)))),
        eval_results=list(_eval_results(release)),
        base_model=_one_or_all(models),
        **more,
    )


def _languages(release: Release) -> Sequence[str]:
    """Return the languages of what the version has learnt from; none where a set does not say."""
    known = {each.name: each.language for each in DATASETS}
    found = [known.get(name) for name in release.data_sets]
    return () if None in found else list(dict.fromkeys(name for name in found if name))


def _one_or_all(names: Iterable[str]) -> str | list[str] | None:
    every = list(names)
    return every[0] if len(every) == 1 else every or None


def licence_fields(licences: Sequence[Licence]) -> dict[str, str]:
    """Return how the hub's metadata says a licence: one that it knows, or `other` with a name."""
    if len(licences) == 1 and licences[0].hub is not None:
        return {"license": licences[0].hub}
    name = "-and-".join(licence.spdx.removeprefix("LicenseRef-").lower() for licence in licences)
    return {"license": "other", "license_name": name, "license_link": LICENCES}


def _eval_results(release: Release) -> Iterable[EvalResult]:
    """Yield the scores of the published weights themselves, as the model-index has them."""
    names = card_tables.metric_names(release)
    output = Output(release.version.details["output"])
    scores = [
        metric
        for metric in release.version.metrics
        if metric.split == "test" and metric.name in release.row.metrics
    ]
    for metric in sorted(scores, key=lambda metric: names.index(metric.name)):
        source = card_tables.hub_data(metric.data)
        yield EvalResult(
            task_type=_pipeline(output),
            task_name=release.version.task,
            dataset_type=source.repository if source else card_tables.shown_data(metric.data),
            dataset_name=card_tables.shown_data(metric.data),
            dataset_config=source.subset if source else None,
            dataset_split=metric.split,
            dataset_revision=source.revision if source else None,
            metric_type=_hub_metric(metric.name),
            metric_name=metric.name,
            metric_value=metric.value,
            metric_args=dict(release.version.details["settings"]) or None,
            verified=False,
        )


def _hub_metric(name: str) -> str:
    return _HUB_METRICS.get(name, name)


def _pipeline(output: Output) -> str:
    """Return what the hub calls a model that answers like this."""
    match output:
        case Output.SPAN:
            return "question-answering"
        case Output.TAGS:
            return "token-classification"
        case Output.CLASSES | Output.SCORE:
            return "text-classification"
        case Output.STATES:
            return "feature-extraction"
        case _:
            assert_never(output)


def _licence_texts(chain: LicenceChain) -> Mapping[str, bytes]:
    """Return the texts of licences of the chain that are at hand, in the folder LICENSES."""
    every = {licence.spdx for link in chain.links for licence in link.licences}
    paths = {name: _TEXTS / f"{name}.txt" for name in sorted(every)}
    return {
        f"LICENSES/{name}.txt": path.read_bytes() for name, path in paths.items() if path.is_file()
    }


def _environment() -> Environment:
    """Return the templates, in which a name that is not there is an error."""
    environment = Environment(
        loader=PackageLoader("alambique.workers.publishing"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown: what others wrote goes through `plain`
    )
    environment.filters |= {"plain": plain, "fence": _fence, "grouped": _grouped}
    environment.filters |= {"es": spanish, "en": english, "both": both}
    environment.filters["es_or"] = lambda text, otherwise: sentence(text) or otherwise
    environment.tests["known"] = lambda text: sentence(text) is not None
    environment.globals |= {
        "table": markdown_table,
        "english": english,
        "spanish": spanish,
        "both": both,
    }
    return environment


def plain(text: object) -> str:
    r"""Return a text of somebody else's as one line of Markdown that says just that.

    >>> print(plain("see <b>this</b> | that"))
    see \<b\>this\</b\> \| that
    """
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))


def markdown_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], word: Word, left: int = 1
) -> str:
    """Return a table in Markdown, whose figures stand at the right.

    Args:
        titles: of the columns.
        rows: a cell for each column.
        word: gives a word of the platform in the language of the table.
        left: how many columns, the first ones, have words.
    """
    marks = ["---" if number < left else "---:" for number in range(len(titles))]
    lines = [titles, marks, *([_cell(cell, word) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: str, word: Word) -> str:
    if isinstance(cell, Figure):
        return cell.replace(" ", "\u00a0")  # 80.1 ± 0.3 stays on one line
    return plain(cell if isinstance(cell, card_tables.Name) else word(cell))


def english(text: object) -> str:
    """Return a word of the platform as the English part of a card has it, or the text as it is.

    >>> english("distilled, trial 3"), english("named-entities")
    ('student, distilled, trial 3', 'named-entities')
    """
    word, comma, rest = str(text).partition(", ")
    return f"{_ENGLISH.get(word, word)}{comma}{rest}"


def spanish(text: object) -> str:
    """Return what the platform says in English as the Spanish part of a card has it."""
    return sentence(text) or word(text)


def both(text: object) -> str:
    """Return what the platform says in both languages, once where they are the same."""
    return " · ".join(dict.fromkeys([spanish(text), english(text)]))


def _grouped(number: int) -> str:
    """Return a number whose digits stand in groups of three.

    >>> _grouped(1234567)
    '1\u202f234\u202f567'
    """
    return f"{number:,}".replace(",", "\u202f")


def _fence(text: str, language: str = "") -> str:
    """Return a text as a block of code, whatever it holds."""
    longest = max(map(len, re.findall("`{3,}", text)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"


def _tidy(text: str) -> bytes:
    """Return a text of Markdown without spaces at ends of lines, and one empty line at a time."""
    lines = (line.rstrip() for line in text.splitlines())
    return (re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n").encode()
