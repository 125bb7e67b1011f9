"""Where a model is found, and whether its folder may be loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from tokenizers import Tokenizer

from alambique.models import hub
from alambique.models.configs import Config, bounded_bytes, check_size, read_config, vocabulary_of
from alambique.models.importing import import_model
from alambique.models.layouts import LARGEST_INDEX, Layout, layout_of, with_shards
from alambique.models.weights import check_finite
from alambique.spec.errors import BadModel, UnknownName
from alambique.spec.excerpts import named
from alambique.spec.sources import Folder, Hub, Local, source_text
from alambique.spec.spelling import hint

SAMPLES = {"sample-encoder": Path(__file__).with_name("sample_encoder")}
"""Models that come with the package; their names are taken before those under ALAMBIQUE_MODELS."""

_TOKENIZER = 128 << 20
"""Bytes of a tokenizer.json: that of 250 000 pieces has 17 million."""
_SMALL = 8 << 20
"""Bytes of what is beside it, whose added tokens may be thousands."""
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json")


@dataclass(frozen=True, slots=True)
class LocatedModel:
    """A model on this machine."""

    folder: Path
    commit: str | None
    """The commit of a hub repository; None for all else."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where it was imported: the sha256 of each file that it was made of."""
    notes: tuple[str, ...] = ()
    """What the job's log says of how it came here."""


def locate(
    source: Hub | Local | Folder,
    *,
    models: Path | None,
    cache: Path,
    endpoint: str | None = None,
) -> LocatedModel:
    """Return the folder of a model, fetched if need be; `check_folder` says whether it can be used.

    Args:
        source: what the job names.
        models: ALAMBIQUE_MODELS.
        cache: where snapshots of the hub are kept.
        endpoint: the URL of the hub; None: as the settings of huggingface_hub say.

    Raises:
        UnknownName: it is nowhere, or the hub does not give it.
        Unreachable: the hub does not answer.
        BadModel: a repository of the hub has no files that can be used.
        NotEnoughDisk: there is no room for what has to be imported.
    """
    match source:
        case Hub():
            return _locate_on_hub(source, cache, endpoint)
        case Local(name):
            return LocatedModel(_named_folder(name, models), None)
        case Folder(path):
            return LocatedModel(_existing_folder(path), None)
        case _:
            assert_never(source)


def check_folder(folder: Path) -> Config:
    """Check that a folder holds a whole model of a known kind, as data alone; return its config.

    Raises:
        BadModel: a file is missing or broken, the model type is not known, the weights are
            quantised, not safetensors or not finite, or the tokenizer has ids that the network
            has not.
    """
    config = read_config(folder)
    _check_not_quantised(config, str(folder))
    check_finite(folder)
    _check_tokenizer(folder, config)
    return config


def _locate_on_hub(source: Hub, cache: Path, endpoint: str | None) -> LocatedModel:
    pinned = hub.resolve(source, cache=cache, endpoint=endpoint)
    commit = pinned.revision
    assert commit is not None
    layout, model_type = inspect_repository(pinned, cache=cache, endpoint=endpoint)
    snapshot = hub.fetch_files(pinned, layout.files, cache=cache, endpoint=endpoint)
    if not layout.imported:
        return LocatedModel(snapshot, commit)
    folder = cache / "imported" / pinned.repository.replace("/", "--") / commit
    try:
        imported = import_model(snapshot, layout, model_type, folder)
    except BadModel as error:
        raise BadModel(f"{source_text(pinned)}: {error}") from error
    return LocatedModel(imported.folder, commit, imported.sources, imported.notes)


def inspect_repository(
    source: Hub, *, cache: Path, endpoint: str | None = None
) -> tuple[Layout, str]:
    """Return what will be fetched of a repository at a commit, and its model type.

    Only its config is fetched for that, and the index of its weights where it has one.

    Raises:
        UnknownName, Unreachable: the hub does not give it.
        BadModel: there is nothing in it that can be used, or its model type is not known.
    """
    files = hub.list_files(source, cache=cache, endpoint=endpoint)
    folder = hub.fetch_config(source, cache=cache, endpoint=endpoint)
    try:
        config = read_config(folder)
        _check_not_quantised(config, "it")
        layout = layout_of(files, model_type := config["model_type"])
        if layout.index:
            index = hub.fetch_index(source, layout.index, cache=cache, endpoint=endpoint)
            layout = with_shards(layout, bounded_bytes(index, LARGEST_INDEX))
        return layout, model_type
    except BadModel as error:
        raise BadModel(f"{source_text(source)}: {error}") from error


def _check_not_quantised(config: Config, what: str) -> None:
    if "quantization_config" in config:
        raise BadModel(f"{what} holds a quantised model: give the one that it was made from")


def _named_folder(name: str, models: Path | None) -> Path:
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


def _existing_folder(path: str) -> Path:
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
    highest, size = max(vocabulary.values(), default=-1), vocabulary_of(config)
    if highest >= size:
        raise BadModel(
            f"{path} gives ids up to {highest}, the network knows {size}: the tokenizer is of "
            "another model"
        )
