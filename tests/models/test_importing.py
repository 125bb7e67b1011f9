"""Pickled weights and older tokenizers made into files of today, in a process of its own."""

import collections
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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


def test_shards_of_pickles(saved: Saved, tmp_path: Path) -> None:
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
def test_a_pickle_of_anything_but_tensors(tmp_path: Path, kind: str) -> None:
    content, said = BAD[kind]
    torch.save(content, tmp_path / "pytorch_model.bin")
    with pytest.raises(BadModel, match=said):
        import_files(request_of(tmp_path), [])
    assert not (tmp_path / "model.safetensors").exists()


def test_a_file_that_is_no_pickle(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"version https://git-lfs" * 9)
    with pytest.raises(BadModel, match=r"pytorch_model\.bin cannot be read as weights"):
        import_files(request_of(tmp_path), [])


CONFINED = """
import ctypes, json, os, pathlib, socket, sys
from alambique.models.confinement import confine
out = pathlib.Path(sys.argv[2])
walls = confine(memory=1 << 29, seconds=60, file=1000, reads=[], writes=out)
found = []
for attempt in (
    lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10),
    lambda: bytearray(1 << 30),
    lambda: (out / "large").write_bytes(bytes(2000)),
    lambda: pathlib.Path(f"/proc/{os.getppid()}/environ").read_bytes(),
):
    try:
        attempt()
        found.append("done")
    except (OSError, MemoryError) as error:
        found.append(type(error).__name__)
signal = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(signal), 0, 0, 0)  # of the parent's death
status = pathlib.Path("/proc/self/status").read_text()
found += [signal.value, "NoNewPrivs:\\t1" in status, os.getuid()]
print(json.dumps([walls, found]))
"""


def test_the_walls_of_that_process(serving: Callable[..., str], tmp_path: Path) -> None:
    port = serving(lambda _: (200, b"", {})).rpartition(":")[2]
    command = [sys.executable, "-c", CONFINED, port, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    walls, (network, memory, file, parent, dies_by, no_new_privileges, user) = json.loads(
        done.stdout
    )
    assert (memory, file) == ("MemoryError", "OSError")
    assert (dies_by, no_new_privileges) == (signal.SIGKILL, True)
    # where the kernel allows no network of its own, the walls say so
    alone = walls[0].startswith("no network")
    assert (network == "done") is not (alone or landlock_version() >= 4)
    # and it is nobody of the machine's, root least, where it allows a user namespace
    assert user != 0 or "user namespace" not in walls[0]
    assert parent == "PermissionError" or "user namespace" not in walls[0]


def landlock_version() -> int:
    """That of the kernel; -1: it has none, or not switched on."""
    return int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))


FILES = """
import json, os, pathlib, shutil, subprocess, sys
from alambique.models.confinement import confine
root = pathlib.Path(sys.argv[1])
inside, outside = root / "out", root / "other"
walls = confine(
    memory=1 << 33, seconds=60, file=1 << 20, reads=[root / "input", root / "folder"], writes=inside
)
found = {}
for name, attempt in {
    "read the input": (root / "input").read_text,
    "read in a folder": (root / "folder/file").read_text,
    "make a folder": (inside / "made").mkdir,
    "write": lambda: (inside / "made/deep").write_text("a"),
    "rename": lambda: (inside / "made/deep").rename(inside / "moved"),
    "empty one": lambda: os.truncate(inside / "moved", 0),
    "remove": lambda: shutil.rmtree(inside / "made"),
    "write nowhere": lambda: pathlib.Path(os.devnull).write_text("a"),
    "import": lambda: __import__("wave"),
    "read another": (outside / "secret").read_text,
    "list others": lambda: list(root.iterdir()),
    "read through a link": (inside / "link").read_text,
    "change the input": lambda: (root / "input").write_text("a"),
    "change another": lambda: (outside / "secret").open("r+"),
    "make another": lambda: (outside / "new").write_text("a"),
    "make one beside": lambda: (root / "new").write_text("a"),
    "empty another": lambda: os.truncate(outside / "secret", 0),
    "remove another": (outside / "secret").unlink,
    "move another here": lambda: (outside / "secret").rename(inside / "secret"),
    "make a link": lambda: (inside / "new").symlink_to("/"),
    "make a pipe": lambda: os.mkfifo(inside / "pipe"),
    "execute": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    "signal": lambda: os.kill(os.getppid(), 0),
}.items():
    try:
        attempt()
        found[name] = True
    except OSError:
        found[name] = False
print(json.dumps([walls, found]))
"""
ALLOWED = 9
"""The first so many of them are part of the work."""


def test_that_process_has_no_files_but_its_own(tmp_path: Path) -> None:
    version = landlock_version()
    for folder in ("folder", "out", "other"):
        (tmp_path / folder).mkdir()
    for file in ("input", "folder/file", "other/secret"):
        (tmp_path / file).write_text("text")
    (tmp_path / "out" / "link").symlink_to("../other/secret")
    command = [sys.executable, "-c", FILES, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    walls, found = json.loads(done.stdout)
    if version < 1:
        assert any(wall.startswith("all files of its user (Landlock: ") for wall in walls)
        pytest.skip("this kernel has no Landlock")
    assert f"no files but its own (Landlock {version})" in walls
    unknown = {"empty another"} if version < 3 else set()
    unknown |= {"signal"} if version < 6 and "user namespace" not in walls[0] else set()
    done_here = [name for name, was_done in found.items() if was_done and name not in unknown]
    assert done_here == list(found)[:ALLOWED]
    assert (tmp_path / "other" / "secret").read_text() == "text"


class Pipe:
    """A pipe with a name: whoever reads from it waits for ever, and is seen to be gone."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        # opening one end alone would wait for the other
        self._both = os.open(path, os.O_RDWR)
        self._writing = os.open(path, os.O_WRONLY)

    def is_let_go(self) -> bool:
        """Whether the last other process that reads from it ends before long."""
        os.close(self._both)
        ends = select.poll()
        ends.register(self._writing, 0)
        try:
            return bool(ends.poll(20_000))
        finally:
            os.close(self._writing)


STARTS_ANOTHER = """
import os
pipe = os.open({pipe!r}, os.O_RDONLY)
if not os.fork():
    os.read(pipe, 1)
    os._exit(0)
{then}
"""
IMPORTS = """
import os, pathlib, sys
from alambique.models.importing import import_model
from alambique.models.layouts import layout_of
os.environ["PYTHONPATH"] = sys.argv[2]
layout = layout_of(["config.json", "pytorch_model.bin", "tokenizer.json"], "bert")
folder = pathlib.Path(sys.argv[1])
import_model(folder, layout, "bert", folder / "imported" / "out")
"""


def path_with(folder: Path, first_lines: str) -> str:
    """A PYTHONPATH with which a Python that is started does that first."""
    (folder / "told").mkdir()
    (folder / "told" / "sitecustomize.py").write_text(first_lines)
    return os.pathsep.join([str(folder / "told"), *filter(None, [os.environ.get("PYTHONPATH")])])


def test_what_it_leaves_running_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe(tmp_path / "pipe")
    lines = STARTS_ANOTHER.format(pipe=str(pipe.path), then="os._exit(0)")
    monkeypatch.setenv("PYTHONPATH", path_with(tmp_path, lines))
    for name in ("config.json", "pytorch_model.bin", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(BadModel, match="left no report"):
        imported(tmp_path, tmp_path / "imported" / "out")
    assert pipe.is_let_go()


@contextmanager
def importing(folder: Path, path: str, begun: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that imports, once that which reads has written something to a pipe."""
    for name in ("config.json", "pytorch_model.bin", "tokenizer.json"):
        (folder / name).write_text("{}")
    os.mkfifo(begun)
    both = os.open(begun, os.O_RDWR)
    command = [sys.executable, "-c", IMPORTS, str(folder), path]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as importer:
        begins = select.poll()
        begins.register(both, select.POLLIN)
        try:
            assert begins.poll(60_000)
            yield importer
        except BaseException:
            importer.kill()
            raise
        finally:
            os.close(both)


def test_an_interruption_ends_it_and_what_it_started(tmp_path: Path) -> None:
    pipe, begun = Pipe(tmp_path / "pipe"), tmp_path / "begun"
    then = f"os.write(os.open({str(begun)!r}, os.O_WRONLY), b'!'); os.read(pipe, 1)"
    path = path_with(tmp_path, STARTS_ANOTHER.format(pipe=str(pipe.path), then=then))
    with importing(tmp_path, path, begun) as importer:
        importer.send_signal(signal.SIGINT)
    assert importer.returncode == -signal.SIGINT
    assert pipe.is_let_go()
    assert [file.name for file in (tmp_path / "imported").iterdir()] == ["out.lock"]


WAITS = """
import os
pipe, begun = os.open({pipe!r}, os.O_RDONLY), os.open({begun!r}, os.O_WRONLY)
def wait(folder):
    os.write(begun, b"!")
    os.read(pipe, 1)
os.chdir = wait  # what it does once the walls are up
"""


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Also with one that is killed, and can end nothing."""
    pipe, begun = Pipe(tmp_path / "pipe"), tmp_path / "begun"
    path = path_with(tmp_path, WAITS.format(pipe=str(pipe.path), begun=str(begun)))
    with importing(tmp_path, path, begun) as importer:
        importer.kill()
    assert pipe.is_let_go()


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
