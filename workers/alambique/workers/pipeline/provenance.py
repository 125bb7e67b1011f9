"""Which code runs here, and which code made what a stage has left."""

import hashlib
import json
import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import ValidationError

from alambique.spec.errors import OtherCode
from alambique.workers.files import write_text
from alambique.workers.pipeline.records import CodeVersion

_LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "deepspeed", "numpy")
"""Those whose version may change a number."""
STAGE_CODE = "made_by.json"
"""The file in the folder of a stage that names the code which has worked on it."""
OUTPUTS_CODE = "outputs_by.json"
"""The file in the folder of a student that names the code of the outputs it has learnt from."""
UNKNOWN = CodeVersion(code="not recorded", libraries={})
"""Of what a version of this program has left that did not record itself."""


@cache
def package_version() -> str:
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
def running_code() -> CodeVersion:
    """Return the code of this process, and the libraries under it."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:  # an extra that is not installed changes no number
            continue
    return CodeVersion(code=package_version(), libraries=libraries)


def refuse_other_code(driver: str) -> None:
    """Check that this process runs the code that the driver of its job runs.

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


def record_running_code(folder: Path) -> None:
    """Note that the code of this process works on what is in a folder, after what did before."""
    path = folder / STAGE_CODE
    is_unrecorded = not path.is_file() and any(folder.iterdir())
    record_code(path, [UNKNOWN, running_code()] if is_unrecorded else [running_code()])


def record_code(path: Path, codes: Iterable[CodeVersion]) -> None:
    """Add code to that which a file names; it names each once, in the order of their coming."""
    known = [*recorded_code(path)]
    for code in codes:
        if code not in known:
            known.append(code)
            write_text(path, json.dumps([each.model_dump(mode="json") for each in known]))


def recorded_code(path: Path) -> tuple[CodeVersion, ...]:
    """Return all code that a file names, in order; none where there is no file."""
    if not path.is_file():
        return ()
    return tuple(CodeVersion.model_validate(code) for code in json.loads(path.read_text()))


def pack_code(text: str) -> CodeVersion:
    """Return the code that a pack of teacher outputs names, as its filler wrote it."""
    try:
        return CodeVersion.model_validate_json(text)
    except ValidationError:  # nothing, or the words of another version
        return UNKNOWN
