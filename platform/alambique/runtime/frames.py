"""A model folder's tokenizer, and the pieces of its own that it puts around texts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from tokenizers.normalizers import BertNormalizer

from alambique.spec.errors import BadModel

LongArray = NDArray[np.int64]

_BERT_OPTIONS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
_BERT_FIELDS = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
_ROBERTA = ("RobertaTokenizer", "RobertaTokenizerFast")


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Neighbouring pieces: ids and token types."""

    ids: LongArray
    types: LongArray

    @classmethod
    def empty(cls) -> Self:
        """Return a run of no pieces."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    def __len__(self) -> int:
        """Return how many pieces the run has."""
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What stands before, between and after the texts, and which token types the texts have."""

    before: Run
    between: Run
    after: Run
    text_types: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many pieces of a window are not the texts'."""
        return len(self.before) + len(self.between) + len(self.after)


def single_frame(tokenizer: Tokenizer) -> Frame:
    """Return the frame of one text.

    Raises:
        BadModel: the tokenizer puts nothing before a text that could stand for "no answer".
    """
    return _frame(tokenizer.encode("a"), texts=1)


def pair_frame(tokenizer: Tokenizer) -> Frame:
    """Return the frame of a question and its context.

    Raises:
        BadModel: the tokenizer puts nothing before a text that could stand for "no answer".
    """
    return _frame(tokenizer.encode("a", "a"), texts=2)


def _frame(probe: Encoding, texts: int) -> Frame:
    of_text = [[n for n, text in enumerate(probe.sequence_ids) if text == t] for t in range(texts)]
    if not all(of_text) or of_text[0][0] == 0:
        raise BadModel(
            f"the tokenizer encodes the text 'a' as {probe.tokens}: expected a special piece such "
            "as [CLS] or <s> before it; give its tokenizer.json a post_processor that adds one"
        )
    ids, types = np.array(probe.ids, np.int64), np.array(probe.type_ids, np.int64)

    def run(start: int, end: int) -> Run:
        return Run(ids[start:end], types[start:end])

    first, last = of_text[0], of_text[-1]
    return Frame(
        before=run(0, first[0]),
        between=run(first[-1] + 1, last[0]) if texts == 2 else Run.empty(),
        after=run(last[-1] + 1, len(ids)),
        text_types=tuple(int(types[of[0]]) for of in of_text),
    )


def read_tokenizer(folder: Path) -> tuple[Tokenizer, int]:
    """Return the tokenizer of a model folder and the id it pads with.

    Options of a BERT normaliser in tokenizer_config.json outweigh tokenizer.json, as they do in
    transformers; and for a RoBERTa what is said there, or not, of a space before the text.

    Special pieces may have any name. That of a EuroBERT is taken to be like Llama 3's: its
    post_processor puts <|begin_of_text|> before a text, and with or without an own piece for
    padding, config.json says which id pads.

    Raises:
        BadModel: there is no readable tokenizer.json, or no padding piece.
    """
    path = folder / "tokenizer.json"
    try:
        config = _fields(folder / "tokenizer_config.json")
        configured_pad = _fields(folder / "config.json").get("pad_token_id")
        tokenizer = _open_tokenizer(path, config)
    except FileNotFoundError as error:
        raise BadModel(
            f"{folder} has no {path.name}: save the tokenizer there with transformers' "
            "AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        ) from error
    except Exception as error:  # tokenizers raises plain Exception on what it cannot read
        raise BadModel(f"{path} is no tokenizer that can be read: {error}") from error
    padding = tokenizer.padding
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, _pad_id(folder, tokenizer, config, padding, configured_pad)


def _open_tokenizer(path: Path, config: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer of a tokenizer.json, with what the config beside it says of it.

    The file is parsed here only where it has to be: what that leaves behind in the memory of the
    process is a quarter of a small model.
    """
    text = path.read_bytes()
    if str(config.get("tokenizer_class")) in _ROBERTA:
        content = json.loads(text)
        _set_prefix_space(content, config.get("add_prefix_space", False))
        text = json.dumps(content).encode()
    tokenizer: Tokenizer = Tokenizer.from_buffer(text)
    normalizer = tokenizer.normalizer
    if isinstance(normalizer, BertNormalizer):
        options = {name: getattr(normalizer, name) for name in _BERT_FIELDS}
        options |= {_BERT_OPTIONS[k]: v for k, v in config.items() if k in _BERT_OPTIONS}
        tokenizer.normalizer = BertNormalizer(**options)
    return tokenizer


def _fields(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return content


def _pad_id(
    folder: Path,
    tokenizer: Tokenizer,
    config: dict[str, Any],
    padding: dict[str, Any] | None,
    configured_pad: object,
) -> int:
    if padding is not None:
        return int(padding["pad_id"])
    pad_token = config.get("pad_token")
    pad_token = pad_token["content"] if isinstance(pad_token, dict) else pad_token
    for token in (pad_token, "[PAD]", "<pad>"):
        if token is not None and (pad_id := tokenizer.token_to_id(token)) is not None:
            return int(pad_id)
    if type(configured_pad) is int and 0 <= configured_pad < tokenizer.get_vocab_size():
        return configured_pad
    raise BadModel(
        f"{folder}: the tokenizer has no padding piece (tokenizer_config.json says {pad_token!r}): "
        "set pad_token there to a piece of the vocabulary"
    )


def presplit_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """Return the same tokenizer for pre-split words: each word begins as after a space.

    Byte-level BPE and metaspace tokenizers may leave that space to the text, where pre-split
    words have none. Of another kind it is the very tokenizer, which is not held twice.
    """
    text = tokenizer.to_str()
    if '"ByteLevel"' not in text and '"Metaspace"' not in text:
        return tokenizer
    return Tokenizer.from_str(_presplit_text(text))


def _presplit_text(text: str) -> str:
    content = json.loads(text)
    if _splits_before_bytes(content):
        # as Llama 3 and EuroBERT do: each part of a word would begin with a space there
        _prepend_space(content)
    else:
        _set_prefix_space(content, True)
    for step in _split_steps(content):
        if step.get("type") == "Metaspace":
            step["prepend_scheme"] = "always"
    return json.dumps(content)


def _splits_before_bytes(content: dict[str, Any]) -> bool:
    """Return whether a text is split before a byte-level step that adds no space."""
    kinds = [step.get("type") for step in _split_steps(content)]
    if "ByteLevel" not in kinds[1:]:
        return False
    return not _split_steps(content)[kinds.index("ByteLevel")].get("add_prefix_space")


def _prepend_space(content: dict[str, Any]) -> None:
    """Make the normaliser begin every text with a space."""
    before = [content["normalizer"]] if content.get("normalizer") else []
    space = {"type": "Prepend", "prepend": " "}
    content["normalizer"] = {"type": "Sequence", "normalizers": [*before, space]}


def _set_prefix_space(content: dict[str, Any], begin: bool) -> None:
    """Set whether a byte-level tokenizer takes the start of a text for that of a word."""
    for step in _split_steps(content):
        if step.get("type") == "ByteLevel":
            step["add_prefix_space"] = begin


def _split_steps(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of the pre-tokenizer in a tokenizer.json."""
    outer = content.get("pre_tokenizer") or {}
    steps: list[dict[str, Any]] = outer.get("pretokenizers", [outer])
    return steps
