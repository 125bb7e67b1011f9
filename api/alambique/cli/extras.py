"""The extras of the package that commands need; those of a client need none."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Literal

from alambique.spec.errors import MissingExtra

Extra = Literal["api", "workers", "runtime", "openvino", "publish"]

REGISTRY = ("sqlalchemy", "alembic", "uuid_utils", "fsspec", "safetensors", "pyarrow")
"""What reads the registry of this machine; both `api` and `workers` bring it."""
MODULES: Mapping[Extra, tuple[str, ...]] = {
    "api": ("fastapi", "uvicorn", *REGISTRY, "psycopg"),
    "workers": (
        *("torch", "transformers", "datasets", "deepspeed", "ray", "optuna", "redis", "sklearn"),
        *("scipy", "seqeval", "onnx", "onnxscript", *REGISTRY),
    ),
    "runtime": ("onnxruntime",),
    "openvino": ("openvino", "nncf"),
    "publish": ("model_signing", "OpenSSL", "cryptography"),
}
"""What an extra installs that the base install lacks, as modules are called."""


def extra_of(module: str) -> Extra | None:
    """Return the first extra that installs a module; None: no extra does.

    >>> extra_of("ray"), extra_of("sqlalchemy"), extra_of("json")
    ('workers', 'api', None)
    """
    return next((extra for extra, modules in MODULES.items() if module in modules), None)


def check_extras(*extras: Extra) -> None:
    """Check that what these extras install is there, before a command begins.

    Raises:
        MissingExtra: a module is not; all extras that lack one are named at once.
    """
    missing = {each: [m for m in MODULES[each] if find_spec(m) is None] for each in extras}
    _refuse({each: modules for each, modules in missing.items() if modules})


def check_registry() -> None:
    """Check that the registry of this machine can be read.

    Raises:
        MissingExtra: what reads it is not installed.
    """
    missing = [module for module in REGISTRY if find_spec(module) is None]
    _refuse({"api": missing} if missing else {})


def _refuse(missing: Mapping[Extra, list[str]]) -> None:
    if missing:
        modules = ", ".join(sorted({module for each in missing.values() for module in each}))
        raise MissingExtra(
            f"this command needs {modules}: pip install 'alambique[{','.join(missing)}]'"
        )
