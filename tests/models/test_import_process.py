"""The process that imports pickled weights: its sandbox, and what is left when it ends."""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alambique.models.importing import import_model
from alambique.models.layouts import layout_of
from alambique.spec.errors import BadModel

CONFINED = """
import ctypes, json, os, pathlib, socket, sys
from alambique.models.sandbox import enter_sandbox
out = pathlib.Path(sys.argv[2])
isolation = enter_sandbox(memory=1 << 29, seconds=60, file=1000, reads=[], writes=out)
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
print(json.dumps([isolation, found]))
"""


def test_the_sandbox_of_that_process(serving: Callable[..., str], tmp_path: Path) -> None:
    port = serving(lambda _: (200, b"", {})).rpartition(":")[2]
    command = [sys.executable, "-c", CONFINED, port, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    isolation, (network, memory, file, parent, dies_by, no_new_privileges, user) = json.loads(
        done.stdout
    )
    assert (memory, file) == ("MemoryError", "OSError")
    assert (dies_by, no_new_privileges) == (signal.SIGKILL, True)
    # where the kernel allows no network of its own, the isolation says so
    alone = isolation[0].startswith("no network")
    assert (network == "done") is not (alone or landlock_version() >= 4)
    # and it is nobody of the machine's, root least, where it allows a user namespace
    assert user != 0 or "user namespace" not in isolation[0]
    assert parent == "PermissionError" or "user namespace" not in isolation[0]


def landlock_version() -> int:
    """That of the kernel; -1: it has none, or not switched on."""
    return int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))


FILES = """
import json, os, pathlib, shutil, subprocess, sys
from alambique.models.sandbox import enter_sandbox
root = pathlib.Path(sys.argv[1])
inside, outside = root / "out", root / "other"
isolation = enter_sandbox(
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
print(json.dumps([isolation, found]))
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
    isolation, found = json.loads(done.stdout)
    if version < 1:
        assert any(one.startswith("all files of its user (Landlock: ") for one in isolation)
        pytest.skip("this kernel has no Landlock")
    assert f"no files but its own (Landlock {version})" in isolation
    unknown = {"empty another"} if version < 3 else set()
    unknown |= {"signal"} if version < 6 and "user namespace" not in isolation[0] else set()
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
    layout = layout_of(["config.json", "pytorch_model.bin", "tokenizer.json"], "bert")
    with pytest.raises(BadModel, match=r"\[Errno 2\].*report\.json"):
        import_model(tmp_path, layout, "bert", tmp_path / "imported" / "out")
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
os.chdir = wait  # what it does once it is in the sandbox
"""


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Also with one that is killed, and can end nothing."""
    pipe, begun = Pipe(tmp_path / "pipe"), tmp_path / "begun"
    path = path_with(tmp_path, WAITS.format(pipe=str(pipe.path), begun=str(begun)))
    with importing(tmp_path, path, begun) as importer:
        importer.kill()
    assert pipe.is_let_go()
