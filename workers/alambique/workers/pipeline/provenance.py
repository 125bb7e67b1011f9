"""Which code runs here, and which code made what a stage has left."""

import hashlib
import json
import platform
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from alambique.spec.errors import OtherCode
from alambique.workers.files import write_text
from alambique.workers.pipeline.records import MadeBy, TrainedModel

_LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "deepspeed", "numpy")
"""Those whose version may change a number."""
_MAKERS = "made_by.json"
_OUTPUTS = "outputs_by.json"
UNKNOWN = MadeBy(code="not recorded", libraries={})
"""Of what a version of this program has left that did not record itself."""


@cache
def code_version() -> str:
    """Return the package's version, and a hash of the sources that this process finds of its parts.

    A checkout that somebody has edited is another version than the release it came from.
    """
    import alambique

    # of a part that several roots have, Python imports that of the first
    parts: dict[str, Path] = {}
    for root in alambique.__path__:
        for path in Path(root).glob("*/__init__.py"):
            parts.setdefault(path.parent.name, path.parent)
    digest = hashlib.sha256()
    for name, part in sorted(parts.items()):
        for path in sorted(part.rglob("*.py")):
            digest.update(f"{name}/{path.relative_to(part).as_posix()}".encode())
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


def refuse_other_code(driver: str) -> None:
    """Do nothing where this process runs what the driver of its job runs.

    A stage is recorded as done by the code of its driver: what computes for it elsewhere has to be
    that code.

    Args:
        driver: the driver's `running_code` as text, which other code can read whatever it is.

    Raises:
        OtherCode: it runs something else.
    """
    here = str(running_code())
    if here != driver:
        raise OtherCode(
            f"the job's driver runs {driver}, a process of Ray on {platform.node()} {here}: "
            "install the same packages on every node of Ray and where drivers run; once no upgrade "
            "is under way, a driver that starts anew finds the same code everywhere"
        )


def record_maker(folder: Path) -> None:
    """Note that this process works on what is in `folder`, after whoever did before."""
    if not makers_of(folder) and any(folder.iterdir()):
        _add_makers(folder / _MAKERS, [UNKNOWN])
    _add_makers(folder / _MAKERS, [running_code()])


def makers_of(folder: Path) -> tuple[MadeBy, ...]:
    """Return all code that has worked on what is in `folder`, in order."""
    return _read_makers(folder / _MAKERS)


def record_outputs(folder: Path, makers: Iterable[MadeBy]) -> None:
    """Note who computed the teacher outputs that what is in `folder` learns from.

    A training that is gone on with has learnt from those that earlier attempts found, too.
    """
    _add_makers(folder / _OUTPUTS, makers)


def outputs_makers_of(folder: Path) -> tuple[MadeBy, ...]:
    """Return all code whose outputs what is in `folder` has learnt from."""
    return _read_makers(folder / _OUTPUTS)


def maker_of(text: str) -> MadeBy:
    """Return the code that a pack of teacher outputs names, as its filler wrote it."""
    try:
        return MadeBy.model_validate_json(text)
    except ValidationError:  # nothing, or the words of another version
        return UNKNOWN


def _add_makers(path: Path, makers: Iterable[MadeBy]) -> None:
    """Add makers to those that a file names."""
    known = [*_read_makers(path)]
    for maker in makers:
        if maker not in known:
            known.append(maker)
            write_text(path, json.dumps([each.model_dump(mode="json") for each in known]))


def _read_makers(path: Path) -> tuple[MadeBy, ...]:
    if not path.is_file():
        return ()
    return tuple(MadeBy.model_validate(maker) for maker in json.loads(path.read_text()))


def maker_details(
    model: TrainedModel, evaluation: Sequence[MadeBy] | None = None
) -> dict[str, Any]:
    """Return what a version says of the code that did each of its stages.

    A network that came fine-tuned was trained by others, and only tested here.

    Args:
        model: the network.
        evaluation: the code that measured it on the test split; None where nobody did.
    """
    stages: dict[str, Sequence[MadeBy]] = {
        "training" if model.loss is not None else "testing": model.made_by or (UNKNOWN,),
        "registration": (running_code(),),
    }
    if model.outputs_by:
        stages["outputs"] = model.outputs_by
    if evaluation is not None:
        stages["evaluation"] = evaluation or (UNKNOWN,)
    by_stage = {
        stage: [maker.model_dump(mode="json") for maker in makers]
        for stage, makers in stages.items()
    }
    return {"made_by": by_stage}
