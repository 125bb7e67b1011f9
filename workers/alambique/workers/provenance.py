"""What a network was made from: which data, which code, which job."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from alambique.registry.records import Edge
from alambique.spec.job import Job
from alambique.workers.files import put
from alambique.workers.records import DataSet, MadeBy, Start, Trained

_LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "deepspeed", "numpy")
"""Those whose version may change a number."""
_MAKERS = "made_by.json"
UNKNOWN = MadeBy(code="not recorded", libraries={})
"""Of what a version of this program has left that did not record itself."""


@cache
def code_version() -> str:
    """The package's version, and a hash of the sources of all its parts that run here.

    A checkout that somebody has edited is another version than the release it came from.
    """
    import alambique

    digest = hashlib.sha256()
    for root in sorted(alambique.__path__):
        for path in sorted(Path(root).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode())
            digest.update(path.read_bytes())
    return f"{version('alambique')}+{digest.hexdigest()[:12]}"


@cache
def running_code() -> MadeBy:
    """Return the code of this process, and the libraries under it."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:  # an extra that is not installed changes no number
            continue
    return MadeBy(code=code_version(), libraries=libraries)


def record_maker(folder: Path) -> None:
    """Note that this process works on what is in `folder`, after whoever did before."""
    makers = makers_of(folder)
    if not makers and any(folder.iterdir()):
        makers = (UNKNOWN,)
    if running_code() not in makers:
        content = [one.model_dump(mode="json") for one in (*makers, running_code())]
        put(folder / _MAKERS, json.dumps(content))


def makers_of(folder: Path) -> tuple[MadeBy, ...]:
    """Return all code that has worked on what is in `folder`, in order."""
    path = folder / _MAKERS
    if not path.is_file():
        return ()
    return tuple(MadeBy.model_validate(one) for one in json.loads(path.read_text()))


def made_by_stages(one: Trained, evaluation: Sequence[MadeBy] | None = None) -> dict[str, Any]:
    """What a version says of the code that did each of its stages.

    A network that came fine-tuned was trained by others, and only tested here.

    Args:
        one: the network.
        evaluation: the code that measured it on the test split; None where nobody did.
    """
    stages: dict[str, Sequence[MadeBy]] = {
        "training" if one.loss is not None else "testing": one.made_by or (UNKNOWN,),
        "registration": (running_code(),),
    }
    if evaluation is not None:
        stages["evaluation"] = evaluation or (UNKNOWN,)
    said = {
        stage: [one.model_dump(mode="json") for one in made_by] for stage, made_by in stages.items()
    }
    return {"made_by": said}


def made_from(job: Job, data: DataSet, one: Trained, *, unlabelled: bool = False) -> list[Edge]:
    """The edges that all networks of a job have: to its data by the hash of each split, to code.

    Args:
        job: what was asked for.
        data: its examples.
        one: the network. Of one that came fine-tuned no code of ours is named.
        unlabelled: whether the network has learnt from those without labels too.
    """
    hashes = {f"{split}": digest for split, digest in data.hashes.items()}
    if unlabelled and data.unlabelled:
        hashes["unlabelled"] = data.unlabelled.hash
    spec = hashlib.sha256(job.model_dump_json().encode()).hexdigest()
    makers = (one.made_by or (UNKNOWN,)) if one.loss is not None else ()
    codes = {
        "alambique" if number == 1 else f"alambique-{number}": maker.code
        for number, maker in enumerate(makers, start=1)
    }
    return [Edge("data", None, hashes), Edge("code", None, {**codes, "spec": spec})]


def start_edge(start: Start) -> Edge:
    """The edge to the model that a network's first weights are of, and to the files it came as."""
    files = {f"{start.name}/{file}": digest for file, digest in start.sources.items()}
    return Edge("start", start.version, {start.name: start.weights, **files})
