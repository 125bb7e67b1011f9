"""Pickled weights and older tokenizers made into files of today, in a process of its own."""

import collections
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from alambique.models.import_messages import ImportRequest
from alambique.models.import_process import import_files
from alambique.models.importing import import_model
from alambique.models.layouts import layout_of
from alambique.models.networks import load
from alambique.models.sources import check_folder
from alambique.spec.errors import BadModel, NotEnoughDisk
from alambique.spec.outputs import Output

TAGS = ("O", "B-PER")
OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
Saved = Callable[..., Path]


def old_name(name: str) -> str:
    for today, old in OLD_NAMES.items():
        name = name.replace(today, old)
    return name


def pickled(folder: Path, content: Any, *, zipped: bool = True) -> Path:
    """A folder in which the pickle of `content` has taken the place of the safetensors."""
    (folder / "model.safetensors").unlink(missing_ok=True)
    torch.save(content, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    return folder


def imported(folder: Path, out: Path, model_type: str = "bert") -> Path:
    layout = layout_of([path.name for path in folder.iterdir()], model_type)
    return import_model(folder, layout, model_type, out).folder


def test_a_pickle_of_the_age_of_beto(saved: Saved, tmp_path: Path) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    weights = load_file(folder / "model.safetensors")
    network = load(folder, Output.TAGS, TAGS)
    embeddings = weights["bert.embeddings.word_embeddings.weight"]
    stored: dict[str, Tensor] = {old_name(name): tensor for name, tensor in weights.items()}
    stored["bert.embeddings.position_ids"] = torch.arange(64)[None]
    stored["cls.predictions.decoder.weight"] = embeddings  # tied
    stored["bert.embeddings.word_embeddings.weight"] = embeddings
    pickled(folder, stored, zipped=False)
    layout = layout_of([path.name for path in folder.iterdir()], "bert")
    made = import_model(folder, layout, "bert", tmp_path / "out")
    assert set(made.sources) == set(layout.files)
    assert [note.split()[0] for note in made.notes] == ["imported", "18", "1"], made.notes
    check_folder(made.folder)
    found = load(made.folder, Output.TAGS, TAGS)
    assert found.head_present
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name
    # what is there is not imported again; what is damaged is
    before = (made.folder / "model.safetensors").stat().st_mtime_ns
    assert import_model(folder, layout, "bert", tmp_path / "out") == made
    assert (made.folder / "model.safetensors").stat().st_mtime_ns == before
    (made.folder / "tokenizer.json").write_text("{}")
    assert import_model(folder, layout, "bert", tmp_path / "out") == made
    check_folder(made.folder)


def test_a_tokenizer_is_converted_anew_by_other_libraries(
    saved: Saved, tmp_path: Path, older_tokenizer: Callable[[Path, str], None]
) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    older_tokenizer(folder, "bert")
    out = imported(folder, tmp_path / "out")
    record = out / "import.json"
    before = record.read_text()
    content = json.loads(before)
    assert content["libraries"].keys() == {"torch", "transformers", "tokenizers"}
    for name, kept in (("torch", True), ("tokenizers", False)):
        record.write_text(json.dumps(content | {"libraries": content["libraries"] | {name: "0"}}))
        imported(folder, out)
        assert (json.loads(record.read_text())["libraries"][name] == "0") is kept


def test_shards_of_pickles_are_imported(saved: Saved, tmp_path: Path) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    index: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"pytorch_model-0000{number}-of-00002.bin"
        torch.save({name: weights[name] for name in part}, folder / file)
        index |= dict.fromkeys(part, file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    found = load_file(imported(folder, tmp_path / "out") / "model.safetensors")
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


class Attack:
    """What would run a command where a pickle is read as Python reads it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch calls this layout unfinished
    ROWS = torch.sparse_csr_tensor([0, 1], [0], [1.0], size=(1, 1), check_invariants=True)
BAD: Mapping[str, tuple[Any, str]] = {
    "counts": ({"a": torch.ones(4), "b": collections.Counter("ab")}, "holds 'b', a Counter"),
    "list": ([torch.ones(4)], "holds a list: expected tensors by name"),
    "sparse": ({"a": torch.eye(3).to_sparse()}, "'a', which is no dense tensor"),
    "rows": ({"a": ROWS}, "'a', which is no dense tensor"),
    "complex": ({"a": torch.ones(4, dtype=torch.complex64)}, "'a' of type complex64"),
    "float8": ({"a": torch.ones(4).to(torch.float8_e5m2)}, "'a' of type float8_e5m2"),
    "view": ({"a": torch.ones(4).expand(1 << 40, 4)}, "claim 17,592,186,044,416 bytes"),
    "twice": ({"LayerNorm.gamma": torch.ones(4), "LayerNorm.weight": torch.ones(4)}, "twice"),
}


def request_of(folder: Path) -> ImportRequest:
    return ImportRequest(
        weights=[str(folder / "pytorch_model.bin")],
        tokenizer=None,
        model_type="bert",
        out=str(folder),
        memory=1 << 40,
        seconds=60,
        largest_file=1 << 20,
    )


def test_a_pickle_that_would_run_a_command(saved: Saved, tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    content = {"a": torch.ones(4), "b": Attack(mark)}
    folder = pickled(saved("bert", Output.TAGS, TAGS), content, zipped=False)
    with pytest.raises(BadModel, match=r"pytorch_model\.bin asks for posix\.system"):
        imported(folder, tmp_path / "out")
    assert not mark.exists()
    assert [
        path for path in tmp_path.iterdir() if path.name.startswith("out.") and path.is_dir()
    ] == []


@pytest.mark.parametrize("kind", BAD)
def test_a_pickle_of_anything_but_tensors_is_refused(tmp_path: Path, kind: str) -> None:
    content, said = BAD[kind]
    torch.save(content, tmp_path / "pytorch_model.bin")
    with pytest.raises(BadModel, match=said):
        import_files(request_of(tmp_path), [])
    assert not (tmp_path / "model.safetensors").exists()


def test_a_file_that_is_no_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"version https://git-lfs" * 9)
    with pytest.raises(BadModel, match=r"pytorch_model\.bin cannot be read as weights"):
        import_files(request_of(tmp_path), [])


@pytest.fixture
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gets a line from each import process: its environment, told before all else by a module."""
    seen, folder = tmp_path / "seen", tmp_path / "told"
    folder.mkdir()
    told = f"import os\nopen({str(seen)!r}, 'a').write(str(dict(os.environ)) + '\\n')\n"
    (folder / "sitecustomize.py").write_text(told)
    given = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(given))
    return seen


def test_that_process_finds_no_secret(
    saved: Saved, spy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("ALAMBIQUE_DATABASE_URL", "postgresql://secret")
    folder = saved("bert", Output.TAGS, TAGS)
    pickled(folder, load_file(folder / "model.safetensors"))
    (tmp_path / "out.left").mkdir()
    # two jobs want the same at once: one of them makes it
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: imported(folder, tmp_path / "out"), range(2))
    assert one == other
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out", "out.lock"]
    (seen,) = spy.read_text().splitlines()
    for name in ("HF_HUB_OFFLINE", "RAYON_NUM_THREADS", "MALLOC_ARENA_MAX"):
        assert name in seen
    assert "secret" not in seen


@pytest.mark.parametrize(
    "record",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "libraries": {"torch": "0"}, "written": {}, "sources": 1, "notes": []}',
    ],
)
def test_a_damaged_record_is_none(tmp_path: Path, record: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "import.json").write_text(record)
    layout = layout_of(["config.json", "pytorch_model.bin", "tokenizer.json"], "bert")
    with pytest.raises(FileNotFoundError, match="pytorch_model"):  # it would be made again
        import_model(tmp_path / "nothing", layout, "bert", tmp_path / "out")


HOSTILE = {
    "link": ("os.symlink(victim, 'config.json')", r"left 'config\.json'"),
    "pipe": ("os.mkfifo('report.json')", r"left 'report\.json'"),
    "nothing": ("", "left no report"),
    "no report": ("open('report.json', 'wb').write(b'\\xff[')", "left no report"),
    "other fields": ("open('report.json', 'w').write('{\"a\": 1}')", "left no report"),
    "no words": ("open('report.json', 'w').write('{\"isolation\": [1]}')", "left no report"),
    "large": ("open('report.json', 'w').truncate((1 << 20) + 1)", "left no report"),
    "loud": ("os.write(2, b'\\xff' * 100_000 + b'\\nlast word'); os._exit(3)", "code 3: last word"),
}
"""What a process that was taken over may do instead of its work."""


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_process_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "told").mkdir()
    (tmp_path / "victim").write_text("kept")
    does, said = HOSTILE[kind]
    lines = [f"import os; os.chdir(os.environ['HOME']); victim = {str(tmp_path / 'victim')!r}"]
    lines += [does, "os._exit(0)"]
    (tmp_path / "told" / "sitecustomize.py").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "told"))
    for name in ("config.json", "pytorch_model.bin", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    layout = layout_of(["config.json", "pytorch_model.bin", "tokenizer.json"], "bert")
    with pytest.raises(BadModel, match=said):
        import_model(tmp_path, layout, "bert", tmp_path / "imported" / "out")
    assert (tmp_path / "victim").read_text() == "kept"
    assert [path.name for path in (tmp_path / "imported").iterdir()] == ["out.lock"]


def test_a_disk_that_has_no_room_is_told_before_all_else(tmp_path: Path) -> None:
    with (tmp_path / "pytorch_model.bin").open("wb") as file:
        file.truncate(shutil.disk_usage(tmp_path).free)  # which takes no room
    layout = layout_of(["config.json", "pytorch_model.bin", "tokenizer.json"], "bert")
    with pytest.raises(NotEnoughDisk):
        import_model(tmp_path, layout, "bert", tmp_path / "imported" / "out")


@pytest.mark.parametrize("what", ["tokenizer.json", "report.json"])
def test_a_disk_that_is_full_meanwhile(
    older_tokenizer: Callable[[Path, str], None],
    saved: Saved,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    (tmp_path / "told").mkdir()
    full = f"import os; os.symlink('/dev/full', os.environ['HOME'] + '/{what}')"
    (tmp_path / "told" / "sitecustomize.py").write_text(full)
    given = [str(tmp_path / "told"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(given))
    folder = saved("bert", Output.TAGS, TAGS)
    if what == "tokenizer.json":
        older_tokenizer(folder, "bert")
    else:
        pickled(folder, {"a": torch.ones(4)})
    with pytest.raises(NotEnoughDisk):
        imported(folder, tmp_path / "out")
