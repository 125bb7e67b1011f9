"""Where a model is found, and whether its folder may be loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import httpx2
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from tokenizers import Tokenizer

from alambique.models.configs import Config, check_size, read_config, vocabulary_of
from alambique.models.weights import check_finite
from alambique.spec.errors import BadModel, UnknownName, Unreachable
from alambique.spec.excerpts import named
from alambique.spec.sources import Folder, Hub, Local, written
from alambique.spec.spelling import hint

SAMPLES = {"sample-encoder": Path(__file__).with_name("sample_encoder")}
"""Models that come with the package; their names are taken before those under ALAMBIQUE_MODELS."""

HUB_ERRORS = (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, httpx2.HTTPError)
"""What huggingface_hub raises where it does not get what it asks for."""
_TOO_MANY = 429
"""The status by which a server asks for a pause."""

_TOKENIZER = 128 << 20
"""Bytes of a tokenizer.json: that of 250 000 pieces has 17 million."""
_SMALL = 8 << 20
"""Bytes of what is beside it, whose added tokens may be thousands."""
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json")

_WANTED = [
    "config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
]
"""Files of a hub repository that are fetched: no code, nothing pickled."""


@dataclass(frozen=True, slots=True)
class Located:
    """A model on this machine."""

    folder: Path
    commit: str | None
    """Of a hub repository; None for all else."""


def locate(
    source: Hub | Local | Folder,
    *,
    models: Path | None,
    cache: Path,
    endpoint: str | None = None,
) -> Located:
    """The folder of a model, fetched if need be; `check_folder` says whether it can be used.

    Args:
        source: what the job names.
        models: ALAMBIQUE_MODELS.
        cache: where snapshots of the hub are kept.
        endpoint: the URL of the hub; None: as the settings of huggingface_hub say.

    Raises:
        UnknownName: it is nowhere, or the hub does not give it.
        Unreachable: the hub does not answer.
    """
    match source:
        case Hub():
            return _snapshot(source, cache, endpoint)
        case Local(name):
            return Located(_named(name, models), None)
        case Folder(path):
            return Located(_folder(path), None)
        case _:
            assert_never(source)


def check_folder(folder: Path) -> Config:
    """The config of a folder that holds a whole model of a known kind, as data and never as code.

    Raises:
        BadModel: a file is missing or broken, the model type is not known, the weights are
            quantised, not safetensors or not finite, or the tokenizer has ids that the network
            has not.
    """
    config = read_config(folder)
    if "quantization_config" in config:
        raise BadModel(f"{folder} holds a quantised model: give the one that it was made from")
    check_finite(folder)
    _check_tokenizer(folder, config)
    return config


def _snapshot(source: Hub, cache: Path, endpoint: str | None) -> Located:
    try:
        folder = snapshot_download(
            source.repository,
            revision=source.revision,
            cache_dir=cache,
            allow_patterns=_WANTED,
            endpoint=endpoint,
        )
    except HUB_ERRORS as error:
        raise not_had(error, source) from error
    # the folder of a snapshot is called by its commit, also where a branch was asked for
    return Located(Path(folder), Path(folder).name)


def not_had(error: Exception, source: Hub) -> UnknownName | Unreachable:
    """What to raise for one of `HUB_ERRORS`: the hub has no such thing, or does not answer now."""
    return hub_error(
        error,
        written(source),
        "Check id and commit, and HF_TOKEN if it is private; with no network, put its folder under "
        "ALAMBIQUE_MODELS and give its name",
    )


def hub_error(error: Exception, what: str, advice: str) -> UnknownName | Unreachable:
    """The error of ours for one of `HUB_ERRORS`, about the thing that was asked for."""
    reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")
    kind = UnknownName if _refuses(error) else Unreachable
    return kind(f"{what} could not be had from the hub: {reason}. {advice}")


def _refuses(error: Exception) -> bool:
    """Whether asking again would be answered alike: the request is at fault, and not only early."""
    response = error.response if isinstance(error, HfHubHTTPError) else None
    if response is None:
        return isinstance(error, HFValidationError)
    return 400 <= response.status_code < 500 and response.status_code != _TOO_MANY


def _named(name: str, models: Path | None) -> Path:
    if name in SAMPLES:
        return SAMPLES[name]
    if models is None:
        raise UnknownName(
            f"there is no model {name!r}: {hint(name, SAMPLES)}the samples are "
            f"{', '.join(SAMPLES)}; set ALAMBIQUE_MODELS to a folder of model folders for "
            "more, or give a hub id (team/model)"
        )
    if (models / name).is_dir():
        return models / name
    there = sorted(path.parent.name for path in models.glob("*/config.json"))
    raise UnknownName(
        f"there is no model {name!r} in {models}, which has {named(there) or 'none'}; "
        f"{hint(name, (*SAMPLES, *there))}the samples are {', '.join(SAMPLES)}; a hub id has the "
        "form team/model"
    )


def _folder(path: str) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UnknownName(f"there is no folder {folder}: give the folder that holds config.json")
    return folder


def _check_tokenizer(folder: Path, config: Config) -> None:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise BadModel(
            f"{folder} has no tokenizer.json. Where it has the files of an older tokenizer, "
            "such as vocab.txt, convert them once with transformers: "
            "AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        )
    check_size(path, _TOKENIZER)
    for name in _BESIDE:
        if (folder / name).is_file():
            check_size(folder / name, _SMALL)
    try:
        vocabulary = Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
    except Exception as error:  # the library raises just that
        raise BadModel(f"{path} cannot be read: {error}") from error
    highest, known = max(vocabulary.values(), default=-1), vocabulary_of(config)
    if highest >= known:
        raise BadModel(
            f"{path} gives ids up to {highest}, the network knows {known}: the tokenizer is of "
            "another model"
        )
