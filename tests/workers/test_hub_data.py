"""Data sets of a hub that speaks the hub's protocol, loaded by `datasets` in a process."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import pytest
from pyarrow import parquet

from alambique.spec.data import Data
from alambique.spec.errors import BadData, BadSpec, LostWorker, NoData, NotEnoughDisk, Unreachable
from alambique.tasks.all import find
from alambique.tasks.catalogue import dataset
from alambique.tasks.data import Splits, load
from alambique.tasks.datasets import Hub as HubFiles
from alambique.tasks.datasets import HubSplit
from alambique.tasks.formats import squad
from alambique.workers.hub_data import fetcher

if TYPE_CHECKING:
    from tests.local_hub import Hub

REPOSITORY = "team/reviews"
STARS = ("mala", "regular", "buena")
README = """---
configs:
- config_name: es
  data_files:
  - split: train
    path: es/train-*
  - split: validation
    path: es/validation-*
- config_name: gl
  data_files:
  - split: train
    path: gl/train-*
---
"""


def classes(names: Sequence[str], *, listed: bool = False) -> dict[str, Any]:
    """A column of classes, or of lists of them, as `datasets` writes it into Parquet."""
    one = {"names": list(names), "_type": "ClassLabel"}
    return {"feature": one, "_type": "List"} if listed else one


def put(path: Path, rows: Sequence[Mapping[str, Any]], **named: Any) -> None:
    """Write rows as Parquet, with what `datasets` says of columns of classes."""
    table = pyarrow.Table.from_pylist(list(rows))
    others = {name: {"dtype": "string", "_type": "Value"} for name in table.column_names}
    if named:
        told = {"info": {"features": others | named}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(told)})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)


def reviews(split: str, count: int) -> list[dict[str, Any]]:
    return [{"opinion": f"{split}, reseña {n}", "tono": n % 3} for n in range(count)]


@pytest.fixture
def repository(tmp_path: Path, hub: "Hub") -> tuple[Path, str]:
    """The files of team/reviews on the hub, and its commit."""
    folder = tmp_path / "reviews"
    put(folder / "es" / "train-0.parquet", reviews("train", 30), tono=classes(STARS))
    put(folder / "es" / "validation-0.parquet", reviews("dev", 6), tono=classes(STARS))
    put(folder / "gl" / "train-0.parquet", reviews("gl", 3), tono=classes(STARS))
    (folder / "README.md").write_text(README)
    return folder, hub.add(f"datasets/{REPOSITORY}", folder)


def loaded(said: Mapping[str, Any], task: str, hub: "Hub", home: Path) -> Splits:
    fetch = fetcher(home, tell=print, endpoint=hub.endpoint)
    return load(Data.model_validate(said), task=find(task), root=None, fetch=fetch)


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


def test_of_a_limited_job_nothing_else_is_fetched(hub: "Hub", tmp_path: Path) -> None:
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


def test_labels_of_the_job_are_those_of_the_data(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path
) -> None:
    said = {
        "hub": f"{REPOSITORY}@{repository[1]}",
        "subset": "es",
        "columns": {"text": "opinion", "label": "tono"},
        "splits": {"test": "validation"},
        "labels": ["bad", "fair", "good"],
    }
    with pytest.raises(BadData, match=r"names its labels itself, \['mala', .*give those"):
        loaded(said, "document-classification", hub, tmp_path / "home")


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


BROKEN = {
    "README.md": b"---\nconfigs: [\n---\n",
    "train.csv.gz": b"\x1f\x8b\x08\x00" + b"x" * 20,
    "train.tar": b"x" * 600,
    "train.parquet": b"PAR1" + b"x" * 20 + b"PAR1",
}


@pytest.mark.parametrize("first", [None, 2])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_a_fault_of_the_data(
    name: str, first: int | None, hub: "Hub", tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / name).write_bytes(BROKEN[name])
    if name == "README.md":
        put(folder / "train.parquet", [{"text": "a"}])
    commit = hub.add("datasets/team/broken", folder)
    fetch = fetcher(tmp_path / "home", tell=print, endpoint=hub.endpoint)
    with pytest.raises(BadData, match="cannot be read"):
        fetch(HubSplit("team/broken", commit, "train", first=first))


def test_a_full_disk(
    hub: "Hub",
    tmp_path: Path,
    largest_file: Callable[[int], AbstractContextManager[None]],
) -> None:
    folder = tmp_path / "large"
    put(folder / "train.parquet", [{"text": f"{n} {os.urandom(50).hex()}"} for n in range(3000)])
    commit = hub.add("datasets/team/large", folder)
    fetch = fetcher(tmp_path / "home", tell=print, endpoint=hub.endpoint)
    with largest_file(50_000), pytest.raises(NotEnoughDisk, match="has no room"):
        fetch(HubSplit("team/large", commit, "train", first=2000))


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
    told = list[str]()
    fetch = fetcher(tmp_path / "home", tell=told.append, endpoint=hub.endpoint)
    split = HubSplit(REPOSITORY, repository[1], "train", subset="es", first=5)
    path = fetch(split)
    assert parquet.read_table(path).num_rows == 5
    assert not any((tmp_path / "home" / "hub").glob("**/*.parquet"))
    hub.fetched.clear()
    assert fetch(split) == path
    assert hub.fetched == []
    (line,) = told
    assert line.startswith("loading the first 5 rows of the train split of hub:team/reviews@")
    assert [one.name for one in path.parent.parent.iterdir() if one.is_dir()] == ["first-5"]


@pytest.mark.parametrize(
    ("split", "kind", "message"),
    [
        (
            {"split": "test", "subset": "es"},
            BadData,
            r"no split 'test', only 'train', 'validation'",
        ),
        ({"split": "train", "subset": "fr"}, BadData, r"Available: \['es', 'gl'\].*data\.subset"),
        ({"split": "train"}, BadData, r"\['es', 'gl'\].*name a subset"),
        ({"split": "train", "repository": "team/none"}, NoData, "Check id and revision"),
    ],
)
def test_what_the_hub_has_not_is_said(
    repository: tuple[Path, str],
    hub: "Hub",
    tmp_path: Path,
    split: dict[str, Any],
    kind: type[Exception],
    message: str,
) -> None:
    asked = HubSplit(**{"repository": REPOSITORY, "revision": repository[1], **split})
    with pytest.raises(kind, match=message):
        fetcher(tmp_path / "home", tell=print, endpoint=hub.endpoint)(asked)


def test_no_program_of_a_repository_is_run(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path
) -> None:
    folder, commit = repository
    (folder / "reviews.py").write_text("raise SystemExit('run')")
    split = HubSplit(REPOSITORY, commit, "train", subset="es")
    with pytest.raises(BadData, match="scripts are no longer supported"):
        fetcher(tmp_path / "home", tell=print, endpoint=hub.endpoint)(split)


ELSEWHERE = (
    *(("PATH", "README.md"), ("file://PATH", "README.md"), ("file:PATH", "README.md")),
    *(("../a.csv", "README.md"), ("URL/a.csv", "README.md"), ("PATH", ".huggingface.yaml")),
    ("hf://datasets/team/other@main/a.csv", "README.md"),
)


@pytest.mark.parametrize(("named", "told_in"), ELSEWHERE)
def test_what_a_repository_says_is_its_data_and_is_not_in_it(
    named: str, told_in: str, hub: "Hub", tmp_path: Path, serving: Callable[..., str]
) -> None:
    """Its README may name files of this machine, or what only our token may read."""
    mine, other = tmp_path / "mine.csv", tmp_path / "other"
    other.mkdir()
    for file in (mine, other / "a.csv"):
        file.write_text("text,label\nsecreto,uno\n")
    hub.add("datasets/team/other", other)
    folder = tmp_path / "evil"
    folder.mkdir()
    asked = list[str]()

    def answer(path: str) -> tuple[int, bytes, dict[str, str]]:
        asked.append(path)
        return 404, b"", {}

    address = serving(answer)
    at = named.replace("PATH", str(mine)).replace("URL", address)
    files = f"  data_files:\n  - split: train\n    path: {at}\n"
    mark = "---\n" if told_in == "README.md" else ""
    (folder / told_in).write_text(f"{mark}configs:\n- config_name: default\n{files}{mark}")
    commit = hub.add("datasets/team/evil", folder)
    fetch = fetcher(tmp_path / "home", tell=print, endpoint=hub.endpoint)
    with pytest.raises(BadData, match=r"README names '.*' as data, which is no file of"):
        fetch(HubSplit("team/evil", commit, "train", first=1))
    assert asked == []
    assert not list((tmp_path / "home").rglob("*.parquet"))


CHECKS = """
import sys
import datasets
from alambique.workers.hub_data_messages import LoadRequest
from alambique.workers.hub_data_process import check_files
nothing = dict.fromkeys(("subset", "path", "field", "first"))
request = LoadRequest(
    repository="team/a", revision="0" * 40, split="train", alone=True, parent=1, out=".", **nothing
)
check_files(request, datasets.load_dataset_builder("csv", data_files=sys.argv[1]))
"""


def test_what_the_library_makes_of_it_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("text\nuno\n")
    command = [sys.executable, "-c", CHECKS, str(tmp_path / "mine.csv")]
    own = os.environ | {"HF_DATASETS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert "mine.csv', which is no file of that repository at that commit" in done.stderr


def test_the_process_is_told_no_secrets_but_the_hubs(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "told").mkdir()
    lines = (
        "import os, pathlib; pathlib.Path(__file__).with_name('seen').write_text(repr(os.environ))"
    )
    (tmp_path / "told" / "sitecustomize.py").write_text(lines)
    path = [str(tmp_path / "told"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    monkeypatch.setenv("ALAMBIQUE_DATABASE_URL", "postgresql://u:hunter2@h/d")
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_job")
    fetch = fetcher(tmp_path / "home", tell=print, endpoint=hub.endpoint)
    fetch(HubSplit(REPOSITORY, repository[1], "train", subset="es"))
    seen = (tmp_path / "told" / "seen").read_text()
    assert "hunter2" not in seen
    assert "hf_of_the_job" in seen


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
    fetcher(tmp_path / "home", tell=print, endpoint=hub.endpoint)(every)
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
    with pytest.raises(BadData, match=r"row 4: column 'opinion' is empty"):
        loaded(said, "document-classification", hub, tmp_path / "home")
    slip = {**said, "columns": {"text": "opinoin"}}
    with pytest.raises(BadData, match=r"no column 'opinoin'.*did you mean opinion"):
        loaded(slip, "document-classification", hub, tmp_path / "home")
    words = loaded(
        {**said, "name": "sample-entities", "columns": None}, "named-entities", hub, tmp_path
    )
    assert words.unlabelled[0].words == ("título", "0")


def test_a_hub_that_does_not_answer(tmp_path: Path, serving: Callable[..., str]) -> None:
    endpoint = serving(lambda _: (501, b"", {}))  # a status for which nobody waits
    split = HubSplit(REPOSITORY, "0" * 40, "train")
    with pytest.raises(Unreachable, match="could not be had from the hub"):
        fetcher(tmp_path / "home", tell=print, endpoint=endpoint)(split)


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
    path = fetcher(tmp_path / "home", tell=print, endpoint=hub.endpoint)(split)
    assert squad.read(path) == squad.read(folder / "train.json")


LOADS = """
import sys
from pathlib import Path
from alambique.tasks.datasets import HubSplit
from alambique.workers.hub_data import fetcher
repository, commit, home, endpoint = sys.argv[1:]
fetch = fetcher(Path(home), tell=print, endpoint=endpoint)
fetch(HubSplit(repository, commit, "train", subset="es"))
"""


def test_a_killed_load_leaves_nothing_that_counts(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path, serving: Callable[..., str]
) -> None:
    asked, over = threading.Event(), threading.Event()

    def answer(path: str) -> tuple[int, bytes, dict[str, str]]:
        """Keep whoever asks for a file of data waiting."""
        if "/resolve/" in path and path.endswith(".parquet"):
            asked.set()
            over.wait()
        return hub.answer(path)

    home, endpoint = tmp_path / "home", serving(answer)
    command = [sys.executable, "-c", LOADS, REPOSITORY, repository[1], str(home), endpoint]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as job:
        try:
            assert asked.wait(60)
            (child,) = loading_children(job.pid)
            ends = select.poll()
            ends.register(os.pidfd_open(child), select.POLLIN)
            job.kill()
            assert ends.poll(20_000)  # it ends with the job
        finally:
            job.kill()
            over.set()
    (left,) = home.glob("datasets/*/*/*/.loading.*")
    fetch = fetcher(home, tell=print, endpoint=hub.endpoint)
    path = fetch(HubSplit(REPOSITORY, repository[1], "train", subset="es"))
    assert parquet.read_table(path).num_rows == 30
    assert not left.exists()


def test_a_process_that_is_killed_is_no_fault_of_the_data(
    repository: tuple[Path, str], tmp_path: Path, serving: Callable[..., str]
) -> None:
    def kill(_: str) -> tuple[int, bytes, dict[str, str]]:
        """Kill whoever asks: it is this process's one child."""
        for child in loading_children(os.getpid()):
            os.kill(child, signal.SIGKILL)
        return 404, b"", {}

    split = HubSplit(REPOSITORY, repository[1], "train", subset="es")
    with pytest.raises(LostWorker, match="ended with code -9"):
        fetcher(tmp_path / "home", tell=print, endpoint=serving(kill))(split)


def loading_children(parent: int) -> list[int]:
    """The processes of another one that load data."""
    found = list[int]()
    for task in Path(f"/proc/{parent}/task").iterdir():
        found += [int(one) for one in (task / "children").read_text().split()]
    return [
        one for one in found if b"hub_data_process" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]


@pytest.mark.parametrize(
    ("task", "said", "message"),
    [
        ("document-classification", {"columns": {"texto": "a"}}, r"reads text, label"),
        ("named-entities", {"columns": {"tag": "a"}}, r"reads words, tags"),
        ("question-answering", {"labels": ["a"]}, r"data\.labels: .* no labels"),
        ("general", {"labels": ["a"]}, r"data\.labels: .* without labels"),
    ],
)
def test_what_does_not_suit_the_task(
    task: str, said: dict[str, Any], message: str, hub: "Hub", tmp_path: Path
) -> None:
    data = {"hub": f"{REPOSITORY}@{'0' * 40}"} | said
    with pytest.raises(BadSpec, match=message):
        loaded(data, task, hub, tmp_path / "home")


def test_a_folder_of_the_same_name_is_not_taken_for_it(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / REPOSITORY / "train.parquet", reviews("other", 1))
    monkeypatch.chdir(tmp_path)
    fetch = fetcher(tmp_path / "home", tell=print, endpoint=hub.endpoint)
    path = fetch(HubSplit(REPOSITORY, repository[1], "train", subset="es"))
    assert parquet.read_table(path).num_rows == 30
