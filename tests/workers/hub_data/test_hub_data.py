"""Data sets of a hub that speaks the hub's protocol, loaded by `datasets` in a process."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet

from alambique.spec.errors import BadData
from alambique.tasks.catalogue import dataset
from alambique.tasks.datasets import Hub as HubFiles
from alambique.tasks.datasets import HubSplit
from alambique.tasks.formats import squad
from alambique.workers.hub_data import HubFetcher

if TYPE_CHECKING:
    from tests.local_hub import Hub

from tests.workers.hub_data.reviews import REPOSITORY, STARS, classes, loaded, put, reviews


def test_a_data_set_of_ones_own_with_its_columns_splits_and_labels(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path
) -> None:
    said = {
        "hub": f"{REPOSITORY}@{repository[1]}",
        "subset": "es",
        "columns": {"text": "opinion", "label": "tono"},
        "splits": {"test": "validation"},
    }
    task, home = "document-classification", tmp_path / "home"
    first = loaded(said | {"limit": {"train": 4}}, task, hub, home)
    assert first.labels == STARS
    assert [(one.texts, one.label) for one in first.train] == [
        ((f"train, reseña {n}",), STARS[n % 3]) for n in range(4)
    ]
    assert len(first.dev) == len(first.test) == 6
    ordered = loaded(said | {"labels": ["buena", "regular", "mala"]}, task, hub, home)
    assert len(ordered.train) == 30
    assert ordered.labels == ("buena", "regular", "mala")
    assert ordered.train[0].label == "mala"  # the file says what its numbers mean
    # all splits came at once, and nobody is asked again
    asked = len(hub.fetched)
    shares = {"dev": 0.2, "test": 0.2}
    cut = loaded({**said, "splits": {}, "split": shares}, task, hub, home)
    assert len(cut.train) + len(cut.dev) + len(cut.test) == 30
    assert cut.labels == STARS
    assert len(hub.fetched) == asked


def test_a_limited_job_fetches_nothing_else(hub: "Hub", tmp_path: Path) -> None:
    folder = tmp_path / "sharded"
    for shard in range(3):
        put(folder / f"train-{shard}.parquet", [{"text": f"{shard} {n}"} for n in range(5)])
    for split in ("validation", "test"):
        put(folder / f"{split}.parquet", [{"text": split}])
    commit = hub.add("datasets/team/sharded", folder)
    said = {"hub": f"team/sharded@{commit}", "limit": {"train": 4}}
    found = loaded(said, "general", hub, tmp_path / "home")
    assert (len(found.train), len(found.dev)) == (4, 1)
    files = {name.rpartition("/")[2] for name in hub.fetched if name.endswith(".parquet")}
    # the library reads one file ahead
    assert files - {"train-1.parquet"} == {"train-0.parquet", "validation.parquet", "test.parquet"}


@pytest.mark.parametrize("layout", ["{}/0000", "{}", "{}-00000-of-00001"])
def test_subsets_that_no_readme_tells_of_are_folders(
    layout: str, hub: "Hub", tmp_path: Path
) -> None:
    """As the hub's own copies in Parquet have them, at refs/convert/parquet, and people too."""
    folder = tmp_path / "converted"
    for subset in ("es", "gl"):
        for split in ("train", "validation", "test"):
            file = folder / subset / f"{layout.format(split)}.parquet"
            put(file, [{"text": f"{subset} {split}"}])
    commit = hub.add("datasets/team/converted", folder, revision="refs/convert/parquet")
    said = {"hub": f"team/converted@{commit}"}
    with pytest.raises(BadData, match=r"folders es, gl have .*: name one \(data\.subset\)"):
        loaded(said, "general", hub, tmp_path / "home")
    found = loaded({**said, "subset": "gl"}, "general", hub, tmp_path / "home")
    assert [one.text for one in found.train] == ["gl train"]
    # another subset is another data set
    also = {**said, "subset": "gl", "test": f"hub:team/converted@{commit}#es"}
    assert loaded(also, "general", hub, tmp_path / "home").test[0].text == "es test"


def test_unlabelled_texts_that_come_again_do_not_count(hub: "Hub", tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    put(folder / "train.parquet", [{"text": "igual" if n < 30 else f"{n}"} for n in range(60)])
    own = tmp_path / "own"
    for split in ("train", "validation", "test"):
        put(own / f"{split}.parquet", [{"text": f"{split} igual"[-5:], "label": "a"}])
    commit, mine = hub.add("datasets/team/corpus", folder), hub.add("datasets/team/own", own)
    said = {
        "hub": f"team/own@{mine}",
        "unlabelled": f"hub:team/corpus@{commit}",
        "limit": {"unlabelled": 10},
    }
    found = loaded(said, "document-classification", hub, tmp_path / "home")
    assert [one.texts[0] for one in found.unlabelled] == [f"{n}" for n in range(30, 40)]


def test_classes_that_are_called_by_numbers(hub: "Hub", tmp_path: Path) -> None:
    folder = tmp_path / "stars"
    for split in ("train", "validation", "test"):
        rows = [{"text": f"{split} {n}", "label": n} for n in range(5)]
        put(folder / f"{split}.parquet", rows, label=classes("12345"))
    commit = hub.add("datasets/team/stars", folder)
    found = loaded({"hub": f"team/stars@{commit}"}, "document-classification", hub, tmp_path)
    assert [one.label for one in found.train] == ["1", "2", "3", "4", "5"]


def test_the_first_rows_are_streamed_and_kept(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path
) -> None:
    lines = list[str]()
    fetch = HubFetcher(tmp_path / "home", log=lines.append, endpoint=hub.endpoint).fetch
    split = HubSplit(REPOSITORY, repository[1], "train", subset="es", first=5)
    path = fetch(split)
    assert parquet.read_table(path).num_rows == 5
    assert not any((tmp_path / "home" / "hub").glob("**/*.parquet"))
    hub.fetched.clear()
    assert fetch(split) == path
    assert hub.fetched == []
    (line,) = lines
    assert line.startswith("loading the first 5 rows of the train split of hub:team/reviews@")
    assert [one.name for one in path.parent.parent.iterdir() if one.is_dir()] == ["first-5"]


def test_texts_that_are_empty_do_not_count_towards_a_limit(hub: "Hub", tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    for split in ("train", "validation", "test"):
        rows = [{"text": f"{split} {n}" if n % 2 else ""} for n in range(60)]
        put(folder / f"{split}.parquet", rows)
    commit = hub.add("datasets/team/texts", folder)
    said = {"hub": f"team/texts@{commit}", "limit": {"train": 20}}
    streamed = loaded(said, "general", hub, tmp_path / "home")
    assert [one.text for one in streamed.train] == [f"train {n}" for n in range(1, 41, 2)]
    # with all of it on this machine the same ones are the first
    every = HubSplit("team/texts", commit, "train")
    HubFetcher(tmp_path / "home", log=print, endpoint=hub.endpoint).fetch(every)
    whole = loaded(said, "general", hub, tmp_path / "home")
    assert whole.train == streamed.train


def test_unlabelled_examples_are_of_the_column_that_is_named(hub: "Hub", tmp_path: Path) -> None:
    folder = tmp_path / "titled"
    rows = [{"text": f"título {n}", "opinion": "" if n == 3 else f"reseña {n}"} for n in range(6)]
    put(folder / "train.parquet", rows)
    commit = hub.add("datasets/team/titled", folder)
    said: dict[str, Any] = {
        "name": "sample-documents",
        "unlabelled": f"hub:team/titled@{commit}",
        "columns": {"text": "opinion"},
    }
    with pytest.raises(BadData, match=r"row 4: .*'opinion'"):
        loaded(said, "document-classification", hub, tmp_path / "home")
    slip = {**said, "columns": {"text": "opinoin"}}
    with pytest.raises(BadData, match=r"'opinoin'.*\bopinion\b"):
        loaded(slip, "document-classification", hub, tmp_path / "home")
    words = loaded(
        {**said, "name": "sample-entities", "columns": None}, "named-entities", hub, tmp_path
    )
    assert words.unlabelled[0].words == ("título", "0")


def test_tags_and_questions_of_the_hub(hub: "Hub", tmp_path: Path) -> None:
    tags, asked = tmp_path / "tags", tmp_path / "asked"
    named = ("O", "B-LOC", "I-LOC")
    sentence = {"id": "1", "words": ["En", "Jaén"], "entities": [0, 1]}
    answers = {"text": ["Jaén"], "answer_start": [8]}
    question = {"id": "q", "question": "¿Dónde?", "context": "Vive en Jaén.", "answers": answers}
    for split in ("train", "validation", "test"):
        rows = [{**sentence, "words": [split, "Jaén"]}]
        put(tags / f"{split}.parquet", rows, entities=classes(named, listed=True))
        put(asked / f"{split}.parquet", [{**question, "context": f"Vive en Jaén, {split}."}])
    home = tmp_path / "home"
    commit = hub.add("datasets/team/tags", tags)
    called = {"words": "words", "tags": "entities"}
    said = {"hub": f"team/tags@{commit}", "columns": called}
    found = loaded(said, "named-entities", hub, home)
    assert found.labels == named
    assert [one.tags for one in found.test] == [("O", "B-LOC")]
    commit = hub.add("datasets/team/asked", asked)
    found = loaded({"hub": f"team/asked@{commit}"}, "question-answering", hub, home)
    assert [one.answers[0].text for one in found.train] == ["Jaén"]


def test_a_data_set_of_the_catalogue_and_rows_that_are_left_out(hub: "Hub", tmp_path: Path) -> None:
    source, folder = dataset("paws-x").source, tmp_path / "paws-x"
    assert isinstance(source, HubFiles)
    for split, path in source.paths.items():
        pairs = [(f"{split} {n}", "NS" if n % 2 else f"{split} también {n}") for n in range(40)]
        rows = [
            {"id": n, "sentence1": one, "sentence2": other, "label": n % 2}
            for n, (one, other) in enumerate(pairs)
        ]
        put(folder / path, rows)
    hub.add(f"datasets/{source.repository}", folder, commit=source.revision)
    said = {"name": "paws-x", "limit": {"train": 5}}
    found = loaded(said, "paraphrase", hub, tmp_path / "home")
    assert [one.texts[0] for one in found.train] == [f"train {n}" for n in (0, 2, 4, 6, 8)]
    # of train no more came than were asked for; of the others all, and they are cut short
    assert ["dev split" in line for line in found.wrong_sizes] == [True, False]


def test_a_squad_file_of_the_hub(hub: "Hub", tmp_path: Path) -> None:
    folder = tmp_path / "sqac"
    folder.mkdir()
    answer = {"text": "Jaén", "answer_start": 8}
    rows = [{"id": "q", "question": "¿Dónde?", "answers": [answer]}]
    article = {"title": "Ana", "paragraphs": [{"context": "Vive en Jaén.", "qas": rows}]}
    (folder / "train.json").write_text(json.dumps({"version": "1.1", "data": [article]}))
    (folder / "sqac.py").write_text("raise SystemExit('run')")
    commit = hub.add("datasets/team/sqac", folder)
    split = HubSplit("team/sqac", commit, "train", path="train.json", field="data")
    path = HubFetcher(tmp_path / "home", log=print, endpoint=hub.endpoint).fetch(split)
    assert squad.read(path) == squad.read(folder / "train.json")


def test_a_folder_of_the_same_name_is_not_taken_for_it(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / REPOSITORY / "train.parquet", reviews("other", 1))
    monkeypatch.chdir(tmp_path)
    fetch = HubFetcher(tmp_path / "home", log=print, endpoint=hub.endpoint).fetch
    path = fetch(HubSplit(REPOSITORY, repository[1], "train", subset="es"))
    assert parquet.read_table(path).num_rows == 30
