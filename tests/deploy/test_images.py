"""The steps of the images, executed as they are written, on a copy of this machine's disk.

A copy that takes no room: an overlay, into which the steps change their root. Where there is no
root, or no overlay, nothing can be executed in this way.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import httpx2
import pytest

REPO = Path(__file__).parents[2]
ABSENT = ("torch", "ray", "transformers", "deepspeed", "datasets", "optuna")
"""What the image of the API has no use for."""
WHICH = f"""
import importlib.util, json, sys
sys.path = [path for path in sys.path if path.startswith("/opt/alambique")]
print(json.dumps([name for name in {ABSENT} if importlib.util.find_spec(name)]))
"""


class Image:
    """One stage of a Dockerfile: a disk of its own above that of the machine."""

    def __init__(self, folder: Path) -> None:
        self.upper, self.work, self.root = (folder / name for name in ("upper", "work", "root"))
        for path in (self.upper, self.work, self.root):
            path.mkdir(parents=True)
        self.folder = "/"
        self.environment: dict[str, str] = {}
        self.user = "0:0"

    def mount(self) -> str:
        """Shell commands after which the disk is at `root`; they end with their process."""
        options = f"lowerdir=/,upperdir={self.upper},workdir={self.work}"
        lines = [f"mount -t overlay overlay -o {options} {self.root}"]
        # what programs find on every machine; the network's certificates are those of this one
        lines += [f"mount --rbind /{name} {self.root}/{name}" for name in ("dev", "proc")]
        return " && ".join(lines)

    def command(self, words: list[str]) -> list[str]:
        """A command in the image."""
        python = Path(sys.executable).resolve().parent
        path = self.environment.get(
            "PATH", f"{python}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        )
        kept = (
            "SSL_CERT_FILE",
            "PIP_CERT",
            "PIP_FIND_LINKS",
            "PIP_INDEX_URL",
            "PIP_EXTRA_INDEX_URL",
        )
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        # what this machine has fetched before is not fetched again: it is below the overlay
        environment |= {"HOME": "/root", **self.environment, "PATH": path}
        environment |= {"PIP_NO_CACHE_DIR": "0"}
        user, _, group = self.user.partition(":")
        inside = ["chroot", f"--userspec={user}:{group}", str(self.root), "env", "-i"]
        inside += [f"{name}={value}" for name, value in environment.items()]
        inside += ["sh", "-c", f"cd {self.folder} && exec {shlex.join(words)}"]
        return ["unshare", "--mount", "sh", "-c", f"{self.mount()} && exec {shlex.join(inside)}"]

    def run(self, words: list[str]) -> str:
        # with its process all that it started is gone
        alone = ["unshare", "--pid", "--fork", "--kill-child", *self.command(words)]
        done = subprocess.run(alone, capture_output=True, text=True, timeout=800)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def copy(self, source: Path, target: str) -> None:
        """As COPY does: a folder's content, or a file."""
        path = self.upper / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, path, symlinks=True, dirs_exist_ok=True, ignore=ignored)
        else:
            shutil.copy(source, path / source.name if target.endswith("/") else path)


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.M)
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line:
            kind, _, said = line.partition(" ")
            yield kind, said.strip()


INSTALLING = "pip install --use-pep517 -c constraints.txt"
RESOLVING = INSTALLING.replace("install", "install --dry-run", 1)
"""Finds every package at its pin, reads what it needs, and installs nothing: that takes minutes."""


def build(
    dockerfile: Path, folder: Path, *, resolved: list[str] | None = None
) -> tuple[Image, dict[str, str]]:
    """The last stage, and what its other instructions say.

    Where a list is given, steps that install from constraints.txt resolve alone, and what they say
    is added to it.
    """
    stages: dict[str, Image] = {}
    said: dict[str, str] = {}
    image, name = Image(folder / "none"), "none"
    for kind, text in instructions(dockerfile):
        said[kind] = text
        match kind:
            case "FROM":
                name = text.partition(" AS ")[2] or "last"
                image = stages[name] = Image(folder / name)
                # on this machine Python may be in somebody's home
                folders = [str(path) for path in Path(sys.executable).resolve().parents]
                image.run(["chmod", "o+x", *folders[:-1]])
            case "WORKDIR":
                (image.upper / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
                image.folder = text
            case "ARG" if "=" in text and name != "none":
                argument, _, default = text.partition("=")
                image.environment[argument] = default
            case "ENV":
                image.environment |= dict(word.split("=", 1) for word in shlex.split(text))
            case "USER":
                image.user = text
            case "COPY":
                *sources, target = text.split()
                copy(image, stages, sources, target)
            case "RUN" if resolved is not None and INSTALLING in text:
                resolved.append(image.run(["sh", "-c", text.replace(INSTALLING, RESOLVING)]))
            case "RUN":
                image.run(["sh", "-c", text])
    return image, said


def copy(image: Image, stages: dict[str, Image], sources: list[str], target: str) -> None:
    root = REPO
    if sources[0].startswith("--from="):
        root = stages[sources.pop(0).removeprefix("--from=")].upper
    if not target.startswith("/"):
        rest = "/" if target.endswith("/") else ""
        target = f"{image.folder}/{target.removeprefix('./').rstrip('/')}".rstrip("/") + rest
    for source in sources:
        image.copy(root / source.lstrip("/"), target)


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for disks, if there can be any."""
    folder = tmp_path_factory.mktemp("images")
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux has overlays")
    tried = Image(folder / "tried")
    done = subprocess.run(tried.command(["true"]), capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no overlay can be mounted here: {done.stderr.strip()}")
    yield folder
    shutil.rmtree(folder)


def stage(dockerfile: Path, name: str) -> list[tuple[str, str]]:
    """The instructions of a stage, which is the last one if it has no name."""
    text = list(instructions(dockerfile))
    starts = [n for n, (kind, _) in enumerate(text) if kind == "FROM"]
    names = [text[n][1].partition(" AS ")[2] for n in starts]
    start = starts[names.index(name)]
    return text[start : next((n for n in starts if n > start), len(text))]


@pytest.mark.parametrize("name", ["api.Dockerfile", "worker.Dockerfile"])
def test_an_image_has_its_user_and_its_folders(deploy: Path, overlay: Path, name: str) -> None:
    image = Image(overlay / f"user-{name}")
    ((_, step),) = [one for one in stage(deploy / name, "") if one[0] == "RUN"]
    image.run(["sh", "-c", step])
    lines = ["id -u alambique; id -g alambique; getent passwd alambique | cut -d: -f6,7"]
    lines += ["stat -c '%a %u:%g' /var/lib/alambique*"]
    user, group, home, *folders = image.run(["sh", "-c", ";".join(lines)]).splitlines()
    assert (user, group, home) == ("10001", "10001", "/var/lib/alambique:/usr/sbin/nologin")
    assert set(folders) == {"700 10001:10001"}
    if "ln -s" in step:
        found = image.run(["readlink", "/usr/local/bin/ray", "/usr/local/bin/alambique"])
        assert found.split() == ["/opt/alambique/bin/ray", "/opt/alambique/bin/alambique"]


def test_the_image_of_workers_takes_the_torch_of_its_accelerator(
    deploy: Path, overlay: Path
) -> None:
    """The step that installs torch, up to the installation."""
    image = Image(overlay / "torch")
    said = stage(deploy / "worker.Dockerfile", "packages")
    step = next(text for kind, text in said if kind == "RUN")
    venv, choosing, install = re.split(r" && (?=torch=|/opt)", step)
    assert venv == "python -m venv /opt/alambique"
    assert install.endswith('install --use-pep517 -c constraints.txt "${torch}"')
    image.copy(REPO / "constraints.txt", "/source/constraints.txt")
    image.folder = "/source"
    choose = ["sh", "-c", f'{choosing} && echo "${{torch}}"']
    torch = re.search(r"^torch==[\d.]+", (REPO / "constraints.txt").read_text(), re.M)
    assert torch
    taken = {}
    for accelerator in ("cpu", "cuda"):
        image.environment["ACCELERATOR"] = accelerator
        taken[accelerator] = image.run(choose).strip()
    assert taken == {"cpu": f"{torch[0]}+cpu", "cuda": torch[0]}
    image.environment["ACCELERATOR"] = "tpu"
    refused = subprocess.run(image.command(choose), capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "give cpu or cuda" in refused.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(
    not version("torch").endswith("+cpu"), reason="no index with PyTorch's builds for CPUs is known"
)
def test_each_step_of_the_image_of_workers(deploy: Path, overlay: Path) -> None:
    resolved: list[str] = []
    image, _ = build(deploy / "worker.Dockerfile", overlay / "workers", resolved=resolved)
    assert image.user == "10001:10001"
    torch, others = resolved
    assert "torch-2.13.0+cpu" in torch
    for name in ("ray", "deepspeed", "transformers", "seqeval", "optuna", "alambique"):
        assert f" {name}-" in others


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_of_the_api_answers_and_has_no_torch(
    deploy: Path, overlay: Path, free_port: int, tmp_path: Path
) -> None:
    image, said = build(deploy / "api.Dockerfile", overlay)
    assert image.user == "10001:10001"
    assert json.loads(image.run(["python", "-c", WHICH])) == []
    image.run(["python", "-c", "import onnxruntime"])
    assert image.run(["id", "-un"]) == "alambique\n"
    image.run(["alambique", "db", "upgrade"])
    words = [*json.loads(said["ENTRYPOINT"]), *json.loads(said["CMD"])]
    assert words[-1] == said["EXPOSE"]
    words = [{"0.0.0.0": "127.0.0.1", said["EXPOSE"]: str(free_port)}.get(w, w) for w in words]
    with subprocess.Popen(image.command(words), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert f":{free_port}" in server.stdout.readline()
            for path in ("healthz", "readyz"):
                assert httpx2.get(f"http://127.0.0.1:{free_port}/{path}").status_code == 200
            # what asks for its health, as it is written, but for the port
            check = said["HEALTHCHECK"].partition("CMD ")[2].replace(said["EXPOSE"], str(free_port))
            subprocess.run(image.command(json.loads(check)), check=True)
        finally:
            server.terminate()
        assert server.wait(30) == 0
