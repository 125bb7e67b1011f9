"""Which files of a model repository are fetched, and which of them have to be imported."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from alambique.spec.errors import BadModel
from alambique.spec.excerpts import named

CONFIG = "config.json"
SAFE, SAFE_INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLE, PICKLE_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
TOKENIZER = "tokenizer.json"
LARGEST_INDEX = 16 << 20
"""Bytes of an index: some hundred for each tensor, and large models have thousands."""

_SAFE_SHARD = re.compile(r"model-[0-9]{1,5}-of-[0-9]{1,5}\.safetensors")
_PICKLE_SHARD = re.compile(r"pytorch_model-[0-9]{1,5}-of-[0-9]{1,5}\.bin")
_BESIDE = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
"""What says more of a tokenizer, where it is there."""
_WORDPIECE = ("vocab.txt",)
_BYTE_PAIRS = ("vocab.json", "merges.txt")
OLDER_TOKENIZERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "bert": (_WORDPIECE,),
    "distilbert": (_WORDPIECE,),
    "electra": (_WORDPIECE,),
    "roberta": (_BYTE_PAIRS,),
    "albert": (("spiece.model",),),
    "xlm-roberta": (("sentencepiece.bpe.model",),),
    "deberta-v2": (("spm.model",), ("spiece.model",)),
    "modernbert": (),
    "eurobert": (),
}
"""By model type, the files that a tokenizer.json can be made of: any one of these sets."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is fetched of a model repository."""

    weights: tuple[str, ...]
    """One file, or an index and its shards."""
    pickled: bool
    """Whether those are pickles of torch, which are imported as safetensors."""
    tokenizer: tuple[str, ...]
    """tokenizer.json, or the older files that one is made of."""
    beside: tuple[str, ...]
    """What else is read of the tokenizer, where it is there."""

    @property
    def index(self) -> str | None:
        """What names the shards of the weights; None where they are one file."""
        return self.weights[0] if self.weights[0] in (SAFE_INDEX, PICKLE_INDEX) else None

    @property
    def files(self) -> tuple[str, ...]:
        """All files that are fetched."""
        return (CONFIG, *self.weights, *self.tokenizer, *self.beside)

    @property
    def needs_conversion(self) -> bool:
        """Whether tokenizer.json is made of the files of an older tokenizer."""
        return self.tokenizer != (TOKENIZER,)

    @property
    def imported(self) -> tuple[str, ...]:
        """The files that are not used as they are."""
        weights = self.weights if self.pickled else ()
        return (*weights, *(self.tokenizer if self.needs_conversion else ()))


def layout_of(files: Iterable[str], model_type: str) -> Layout:
    """Return what to fetch of a repository that holds `files`.

    Safetensors go before pickles, and tokenizer.json before what it would be made of.

    Args:
        files: paths in the repository; those in its folders are not looked at.
        model_type: what its config.json says, one of `FAMILIES`.

    Raises:
        BadModel: there are no weights or no tokenizer that can be used.
    """
    there = {path for path in files if "/" not in path}
    weights, pickled = _weights(there)
    return Layout(
        weights=weights,
        pickled=pickled,
        tokenizer=_tokenizer(there, model_type),
        beside=tuple(name for name in _BESIDE if name in there),
    )


def with_shards(layout: Layout, content: bytes) -> Layout:
    """Return a layout with exactly the shards that its index names.

    Args:
        layout: one with an index, and all shards that the repository has.
        content: of the index.

    Raises:
        BadModel: it is no index, or names what is no shard or is not in the repository.
    """
    index, there = layout.weights[0], layout.weights[1:]
    try:
        shards = sorted({Path(name).name for name in json.loads(content)["weight_map"].values()})
    except (KeyError, AttributeError, TypeError, RecursionError, ValueError) as error:
        raise BadModel(f"{index} is not an index of weights: {error}") from error
    if not shards:
        raise BadModel(f"{index} names no files: look for a revision that has weights")
    if lost := sorted(set(shards) - set(there)):
        raise BadModel(
            f"{index} names {named(lost)}, which are no shards of this repository: it has "
            f"{named(there) or 'none'}"
        )
    return replace(layout, weights=(index, *shards))


def _weights(there: set[str]) -> tuple[tuple[str, ...], bool]:
    """Return the files of the weights, and whether they are pickled."""
    if SAFE in there:
        return (SAFE,), False
    if SAFE_INDEX in there:
        return (SAFE_INDEX, *sorted(filter(_SAFE_SHARD.fullmatch, there))), False
    if PICKLE in there:
        return (PICKLE,), True
    if PICKLE_INDEX in there:
        return (PICKLE_INDEX, *sorted(filter(_PICKLE_SHARD.fullmatch, there))), True
    raise BadModel(
        f"it has no {SAFE} and no {PICKLE}, nor an index of either, but {_list_files(there)}: "
        "weights of other kinds are not read; look for a revision that has them "
        "(team/model@refs/pr/N)"
    )


def _tokenizer(there: set[str], model_type: str) -> tuple[str, ...]:
    if TOKENIZER in there:
        return (TOKENIZER,)
    sets = OLDER_TOKENIZERS[model_type]
    for names in sets:
        if there.issuperset(names):
            return names
    expected = " or ".join([TOKENIZER, *(" with ".join(names) for names in sets)])
    raise BadModel(
        f"it has no tokenizer that a {model_type} is read with, but {_list_files(there)}: expected "
        f"{expected}"
    )


def _list_files(there: set[str]) -> str:
    return named(sorted(there)) or "nothing"
