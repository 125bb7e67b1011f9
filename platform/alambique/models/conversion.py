"""tokenizer.json made of the files of an older tokenizer, by the converters of transformers.

Runs in the import process alone. The reference is what the model was trained with: WordPiece as in
BERT, byte-level pairs as in GPT-2, or the SentencePiece model itself.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alambique.models.configs import bounded_bytes
from alambique.models.layouts import OLDER_TOKENIZERS
from alambique.spec.errors import BadModel
from alambique.spec.excerpts import excerpt, named, short

_CLASSES: Mapping[str, str] = {
    "bert": "BertTokenizer",
    "distilbert": "BertTokenizer",
    "electra": "BertTokenizer",
    "roberta": "RobertaTokenizer",
    "albert": "AlbertTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "deberta-v2": "DebertaV2Tokenizer",
}
"""By model type, the class of transformers that reads its older files, where there were any."""
_KNOWN_AS: Mapping[str, frozenset[str]] = {
    "bert": frozenset({"BertTokenizer"}),
    "distilbert": frozenset({"DistilBertTokenizer", "BertTokenizer"}),
    "electra": frozenset({"ElectraTokenizer", "BertTokenizer"}),
    "roberta": frozenset({"RobertaTokenizer"}),
    "albert": frozenset({"AlbertTokenizer"}),
    "xlm-roberta": frozenset({"XLMRobertaTokenizer"}),
    "deberta-v2": frozenset({"DebertaV2Tokenizer"}),
}
"""What a repository may call it, with or without "Fast" at its end."""
_ASSUMED: Mapping[str, Mapping[str, str]] = {
    "BertTokenizer": {
        "do_lower_case": "texts are made lower case",
        "strip_accents": "accents are left out where texts are made lower case",
    },
    "AlbertTokenizer": {
        "do_lower_case": "texts are made lower case",
        "keep_accents": "accents are left out",
    },
    "DebertaV2Tokenizer": {"do_lower_case": "case is kept"},
}
"""By class, what each setting of case and accents is where a repository does not say."""
_AS_READ: Mapping[tuple[str, str], str] = {("deberta-v2", "spiece.model"): "spm.model"}
"""Files that the class of a model type looks for under another name than some have it."""
_FLAGS = (
    "do_lower_case",
    "strip_accents",
    "tokenize_chinese_chars",
    "keep_accents",
    "remove_space",
    "add_prefix_space",
    "split_by_punct",
)
_TOKENS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
_FAIRSEQ: Mapping[str, int] = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
_WORDS = "vocab.txt"
_LONGEST = "model_max_length"
_LARGEST = 8 << 20
"""Bytes of what says more of a tokenizer."""


def convert_tokenizer(folder: Path, model_type: str, out: Path) -> list[str]:
    """Write tokenizer.json and what belongs to it, and return what was assumed for that.

    Args:
        folder: the older files, and tokenizer_config.json where there is one.
        model_type: whose tokenizer it is.
        out: where it is written.

    Raises:
        BadModel: the files are broken, or are of another kind of tokenizer.
    """
    import transformers

    out.mkdir(exist_ok=True)
    try:
        kind: Any = getattr(transformers, _CLASSES[model_type])
        # transformers takes every field of a tokenizer_config.json for an argument of the class,
        # some of which are paths, or vocabularies: it gets to see what is copied here alone
        with TemporaryDirectory(dir=out) as name:
            clean = Path(name)
            config = _copy(folder, model_type, clean)
            tokenizer = kind.from_pretrained(str(clean), local_files_only=True)
            _check_whole(clean, tokenizer)
            if model_type == "deberta-v2":
                _normalize_as_trained(tokenizer, clean)
            tokenizer.save_pretrained(str(out))
        assumed = _ASSUMED.get(_CLASSES[model_type], {})
        return [f"{what} ({key})" for key, what in assumed.items() if key not in config]
    except BadModel:
        raise
    except Exception as error:  # the libraries beneath raise anything
        first_line = next(filter(None, str(error).splitlines()), "")
        raise BadModel(
            f"the tokenizer cannot be converted: {type(error).__name__} {excerpt(first_line, 300)}"
        ) from error


def _copy(folder: Path, model_type: str, clean: Path) -> dict[str, Any]:
    """Put the vocabulary into a folder, and of its config what is on a closed list."""
    sets = OLDER_TOKENIZERS[model_type]
    names = next((files for files in sets if all((folder / n).is_file() for n in files)), ())
    for name in names:
        shutil.copyfile(folder / name, clean / _AS_READ.get((model_type, name), name))
    fields = _fields(folder, "tokenizer_config.json")
    _check_class(fields.get("tokenizer_class"), model_type)
    config: dict[str, Any] = {k: fields[k] for k in _FLAGS if isinstance(fields.get(k), bool)}
    if isinstance(fields.get(_LONGEST), int | float):
        config[_LONGEST] = fields[_LONGEST]
    special = _fields(folder, "special_tokens_map.json")
    for key in _TOKENS:
        for value in (fields.get(key), special.get(key)):
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                config[key] = text
    added = {
        text: number
        for text, number in _fields(folder, "added_tokens.json").items()
        if type(number) is int
    }
    (clean / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    if added:
        (clean / "added_tokens.json").write_text(json.dumps(added), "utf-8")
    return config


def _check_class(name: object, model_type: str) -> None:
    accepted = _KNOWN_AS[model_type]
    if name is not None and str(name).removesuffix("Fast") not in accepted:
        raise BadModel(
            f"tokenizer_config.json says tokenizer_class {short(name)}, and a {model_type} is "
            f"converted as {' or '.join(sorted(accepted))} alone: save it with transformers as "
            "tokenizer.json"
        )


def _fields(folder: Path, name: str) -> dict[str, Any]:
    """Return the fields of a JSON file; no fields if it is not there."""
    if not (folder / name).is_file():
        return {}
    try:
        content = json.loads(bounded_bytes(folder / name, _LARGEST))
    except (ValueError, RecursionError) as error:
        raise BadModel(f"{name} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadModel(
            f"{name} holds a {type(content).__name__}, not an object of fields: "
            "fetch the model again"
        )
    return content


def _check_whole(clean: Path, tokenizer: Any) -> None:
    """Refuse a tokenizer that has not the pieces of its source, or whose source is none."""
    pieces = _pieces(clean)
    if (clean / _WORDS).is_file():
        special = {str(tokenizer.unk_token), str(tokenizer.cls_token), str(tokenizer.sep_token)}
        if lost := sorted(special - pieces.keys()):
            raise BadModel(
                f"{_WORDS} has {len(pieces):,} pieces without {named(lost)}: it is no vocabulary, "
                "or another one's; fetch the model again"
            )
    vocabulary = tokenizer.get_vocab()
    if lost := [piece for piece, number in pieces.items() if vocabulary.get(piece) != number]:
        raise BadModel(
            f"the tokenizer comes out without {len(lost):,} of {len(pieces):,} pieces, or with "
            f"other numbers for them, such as {named(lost, 5)}: its files are of another kind"
        )


def _pieces(clean: Path) -> dict[str, int]:
    """Return the pieces of the vocabulary in a folder, with their numbers in the network."""
    from transformers.convert_slow_tokenizer import SentencePieceExtractor

    if (words := clean / _WORDS).is_file():
        lines = words.read_text("utf-8").removesuffix("\n").split("\n")  # and at no other sign
        return {piece: number for number, line in enumerate(lines) if (piece := line.rstrip())}
    if (pairs := clean / "vocab.json").is_file():
        return dict(json.loads(pairs.read_bytes()))
    model = next(clean.glob("*.model"))
    pieces = [one.piece for one in SentencePieceExtractor(str(model)).proto.pieces]
    if model.name == "sentencepiece.bpe.model":
        # as fairseq numbers them: four special ones in the place of the first three
        others = {piece: number for number, piece in enumerate(pieces[3:], start=4)}
        return {piece: _FAIRSEQ.get(piece, -1) for piece in pieces[:3]} | others
    return {piece: number for number, piece in enumerate(pieces)}


def _normalize_as_trained(tokenizer: Any, folder: Path) -> None:
    """Give a DeBERTa-v2 the normalisation of its SentencePiece model.

    transformers 5.23 puts NFC in its place: "…" and "½" then come out as pieces that the network
    has hardly seen.
    """
    from tokenizers import Regex, normalizers
    from transformers.convert_slow_tokenizer import SentencePieceExtractor

    extractor = SentencePieceExtractor(str(folder / "spm.model"))
    charsmap = extractor.proto.normalizer_spec.precompiled_charsmap
    parts: list[Any] = [normalizers.Lowercase()] if tokenizer.do_lower_case else []
    parts += [normalizers.Precompiled(charsmap)] if charsmap else []
    parts += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(parts)
