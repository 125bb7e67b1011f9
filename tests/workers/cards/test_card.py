"""A card says what the registry has, the same in both languages, and nothing else."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import EvalResult

from alambique.spec.figures import count, decimal, interval, share, spread
from alambique.spec.publication import LicenceOverride
from alambique.spec.reading import read_job
from alambique.workers.publishing.card import documents, plain
from alambique.workers.publishing.licences import LicenceChain, LicenceLink, chain_of
from alambique.workers.publishing.release import Release

Released = Callable[..., Release]
CHAIN = chain_of(
    [
        LicenceLink("base model", "sample-encoder", "apache-2.0", "README.md of its folder"),
        LicenceLink("data", "sample-entities", "Apache-2.0", "the catalogue of alambique"),
    ]
)
PARTS = ("Español", "English")


def card(release: Release, chain: LicenceChain = CHAIN) -> str:
    return documents(release, chain)["README.md"].decode()


def part(text: str, language: str) -> str:
    return re.split(r"^## ", text, flags=re.M)[1 + PARTS.index(language)].partition("\n")[2]


def tables(text: str) -> Iterator[list[list[str]]]:
    """The bodies of all tables, cell by cell."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        yield [[cell.replace("\u00a0", " ").strip() for cell in row] for row in rows[2:]]


def figures(text: str) -> list[str]:
    """All numbers of a text, in their order."""
    return re.findall(r"[-+]?\d+(?:\.\d+)*", text)


def row_of(text: str, table: int, name: str) -> list[str]:
    (row,) = (row for row in list(tables(text))[table] if row[0] == name)
    return row[1:]


def test_scores_are_those_of_the_registry(released: Released) -> None:
    release = released()
    text = part(card(release), "English")
    names = {"teacher": "teacher"} | {
        role: f"student, {role}" for role in ("gold-only", "same-start", "distilled")
    }
    for row in release.result.rows:
        f1, ece = (spread(row.metrics.get(n), row.deviations.get(n)) for n in ("f1", "ece"))
        expected = [row.layers, row.steps, f1, share(row.retention)]
        written = ["" if value is None else str(value) for value in expected]
        assert row_of(text, 0, names[row.name]) == written
        assert row_of(text, 1, names[row.name]) == [str(ece or "")]
    for gain in release.row.gains:
        line = row_of(text, 2, names[gain.over])
        assert line[:2] == [interval(gain.value, gain.low, gain.high), "2"]
        assert bool(line[2]) is gain.holds_zero
    for seed in release.row.seeds:
        line = row_of(text, 3, str(seed.seed))
        assert line[:2] == [share(seed.metrics["f1"]), share(seed.metrics["ece"])]
        assert bool(line[3]) is seed.registered


def test_costs_are_those_of_the_registry(released: Released) -> None:
    release = released()
    text, row = part(card(release), "English"), release.row
    on_cpu, on_gpu, engines = list(tables(text))[4:7]
    sizes = [count(row.parameters), count(row.macs.linear), count(row.macs.full)]
    spread_of_runs = f"{decimal(row.latency_low_ms)} / {decimal(row.latency_high_ms)}"
    speeds = [decimal(row.latency_ms), spread_of_runs, decimal(row.inferences_per_second)]
    assert on_cpu[3] == ["student, distilled", *map(str, [*sizes, *speeds]), "1234"]
    assert on_gpu == [["student, distilled", *map(str, sizes), "0.87", "", "1149", ""]]
    assert "x86_64 CPU, 3 threads" in text
    assert "host.example" not in text
    assert "NVIDIA H200" in text
    assert [line[:2] for line in engines] == [
        ["teacher", "onnx"],
        ["student", "torch"],
        ["student", "onnx"],
    ]
    assert engines[0][2:5] == ["3.55 / -", "90.12", "5.43 / - / -"]
    assert engines[2][2:] == [
        *("0.91 / 8.77", "83.46", "1.23 / 2.34 / 3.45", "1.76", "4.41", "889 / 1000")
    ]
    assert "student, onnx-int8: not registered: f1 on validation 0.6100" in text


def test_the_cost_of_a_million_texts_is_what_was_measured_turned_round(released: Released) -> None:
    text = part(card(released()), "English")
    measured = [
        ("torch", "by length", 1234.5, 3),
        ("torch", "32", 555.5, 2),
        ("onnx", "32", 999.9, 2),
    ]
    assert list(tables(text))[7] == [
        [name, batch, str(decimal(rate)), str(threads), f"{1e6 / rate * threads / 3600:.2f}"]
        for name, batch, rate, threads in measured
    ]


def test_both_languages_have_the_same_figures(released: Released) -> None:
    text = card(released())
    spanish, english = (part(text, language) for language in PARTS)
    for ours, theirs in zip(tables(spanish), tables(english), strict=True):
        assert [list(map(figures, row)) for row in ours] == [
            list(map(figures, row)) for row in theirs
        ]
    assert sorted(figures(spanish)) == sorted(figures(english))
    assert len(figures(spanish)) > 100


def test_the_metadata_is_what_the_hub_reads(released: Released) -> None:
    release = released(target="hub:team/tiny")
    read: Any = ModelCard(card(release)).data
    assert (read.language, read.library_name, read.license) == (
        *("es", "transformers"),
        "apache-2.0",
    )
    assert read.pipeline_tag == "token-classification"
    assert set(read.tags) == {"alambique", "distillation", "named-entities", "onnx"}
    assert read.get("base_model") is None  # the sample encoder is on no hub
    results: list[EvalResult] = read.eval_results
    told = {each.metric_name: each for each in results}
    stored = {m.name: m.value for m in release.version.metrics if m.name in release.row.metrics}
    assert {name: each.metric_value for name, each in told.items()} == stored
    assert told["f1"].dataset_split == "test"
    assert told["f1"].metric_args == release.version.details["settings"]
    assert {each.dataset_name for each in results} == {"sample-entities"}


def test_what_is_on_the_hub_is_linked(released: Released) -> None:
    commit = "c" * 40
    job = {
        "teacher": {"model": f"team/base@{commit}", "train": {"epochs": 1}},
        "data": {"name": f"hub:team/news@{commit}#es"},
    }
    release = released(job=job)
    test = [replace(each, data=f"hub:team/news@{commit}#es") for each in release.version.metrics]
    release = replace(release, version=replace(release.version, metrics=tuple(test)))
    read: Any = ModelCard(card(release)).data
    assert (read.base_model, read.base_model_relation) == ("team/base", "finetune")
    assert read.datasets == ["team/news"]
    assert read.language is None  # nobody has said of which one the data are
    of_f1 = read.eval_results[0]
    assert (of_f1.dataset_type, of_f1.dataset_revision) == ("team/news", commit)


BASE, OTHER = f"team/base@{'c' * 40}", f"team/other@{'d' * 40}"


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"teacher": {"model": BASE, "train": {"epochs": 1}}}, ["team/base"]),
        ({"student": {"layers": 1, "start": OTHER}}, ["team/other"]),
        ({"teacher": {"model": BASE}, "student": {"layers": 1, "start": "random"}}, []),
        ({"teacher": [{"model": BASE}, {"model": OTHER}]}, ["team/base"]),
        ({"teacher": {"candidates": [BASE, OTHER], "train": {"epochs": 1}}}, ["team/other"]),
        ({}, []),
    ],
    ids=["of the teacher", "a model", "random", "of the first teacher", "candidates", "no hub"],
)
def test_the_base_model_is_what_the_weights_began_with(
    released: Released, job: dict[str, Any], expected: list[str]
) -> None:
    ran = {"train": {}, "loss": 0.1}
    candidates = [{"model": name, "taught": name == OTHER, **ran} for name in (BASE, OTHER)]
    release = released(job=job, candidates=candidates)
    read: Any = ModelCard(card(release)).data
    assert read.get("base_model") == (expected[0] if expected else None)
    assert read.get("base_model_relation") == ("finetune" if expected else None)


@pytest.mark.parametrize(
    ("data", "language"), [("sample-entities", "es"), ("conll2002", "es"), ("/mine", None)]
)
def test_the_language_is_that_of_the_data_where_it_is_known(
    released: Released, data: str, language: str | None
) -> None:
    read: Any = ModelCard(card(released(job={"data": {"name": data}}))).data
    assert read.language == language


@pytest.mark.parametrize(
    ("found", "fields"),
    [
        (("mit",), ("mit", None)),
        (("Apache-2.0", "mit"), ("other", "apache-2.0-and-mit")),
        (("LicenseRef-PAWS-Free-Use",), ("other", "paws-free-use")),
        (("llama3",), ("llama3", None)),
    ],
)
def test_a_licence_is_one_of_the_hub_or_named(
    released: Released, found: tuple[str, ...], fields: tuple[str, str | None]
) -> None:
    links = [LicenceLink("data", f"n{n}", each, "there") for n, each in enumerate(found)]
    read: Any = ModelCard(card(released(), chain_of(links))).data
    assert (read.license, read.license_name) == fields


def test_the_job_file_is_the_job(released: Released) -> None:
    release = released()
    (block,) = re.findall(r"^```yaml\n(.*?)^```", card(release), re.M | re.S)
    assert read_job(block) == release.job


def test_a_path_of_a_machine_is_not_told(released: Released) -> None:
    release = released(job={"data": {"name": "/home/ana/secret/mine", "split": None}})
    text = card(release)
    assert "secret" not in text
    assert "./mine" in text


def test_an_override_is_told_with_its_name_and_what_it_overrides(released: Released) -> None:
    word = LicenceOverride(by="Ana Ruiz", note="agreed <b>with</b>\n\n# the owners")
    chain = chain_of([LicenceLink("data", "conll", "LicenseRef-Research-Only", "there")], word)
    whole = card(released(), chain)
    for language, reason in zip(PARTS, ("solo investigación", "research-only"), strict=True):
        text = part(whole, language)
        assert f"- conll: {reason}" in text
        assert "Ana Ruiz" in text
        assert f"> {plain(word.note)}\n" in text
    assert "<b>" not in whole


def test_what_others_wrote_is_no_markup(released: Released) -> None:
    evil = "mit | <script>alert(1)</script>\n## Free [x](http://e) `a` ```"
    chain = chain_of([LicenceLink("base model", "team/x", evil, "there")])
    files = documents(released(), chain)
    for name in ("README.md", "LICENSES.md"):
        text = files[name].decode()
        assert "<script>" not in text
        assert "\n## Free" not in text
        assert "[x](" not in text


def test_what_is_not_known_is_not_said(released: Released) -> None:
    bare: dict[str, Any] = {"engines": (), "race_settings": {}, "settings": {"data": "d"}}
    text = card(released(**bare))
    english = part(text, "English")
    assert "threads" not in english
    assert "core-hours" not in english
    assert "None" not in text
    assert "nan" not in text.lower().split()


def test_claims_that_nobody_measured_are_not_made(released: Released) -> None:
    text = card(released()).lower()
    for claim in ("state-of-the-art", "fair", "safe to", "robust to", "high quality", "intended"):
        assert claim not in text
    assert "bias, safety and robustness were not measured" in text


def test_the_files_of_a_release(released: Released) -> None:
    files = documents(released(), CHAIN)
    assert set(files) == {
        *("README.md", "LICENSES.md", "LICENSES/Apache-2.0.txt"),
        *("pictures/front.svg", "pictures/formats.svg"),
        *("pictures/front.es.svg", "pictures/formats.es.svg"),
    }
    assert b"END OF TERMS AND CONDITIONS" in files["LICENSES/Apache-2.0.txt"]
    for picture in re.findall(r"!\[[^]]+\]\(([^)]+)\)", files["README.md"].decode()):
        assert picture in files
    links = re.findall(r"(?<!!)\[[^]]+\]\(([^)#]+)\)", files["README.md"].decode())
    assert {link for link in links if "://" not in link} <= set(files)
    assert yaml.safe_load(files["README.md"].decode().split("---")[1])["license"] == "apache-2.0"
