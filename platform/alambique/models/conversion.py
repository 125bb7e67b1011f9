"""tokenizer.json made of the files of an older tokenizer, by the converters of transformers.

Runs in the import process alone. The reference is what the model was trained with: WordPiece as in
BERT, byte-level pairs as in GPT-2, or the SentencePiece model itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alambique.spec.errors import BadModel
from alambique.spec.excerpts import excerpt

_CLASSES: Mapping[str, str] = {
    "bert": "BertTokenizer",
    "distilbert": "BertTokenizer",
    "electra": "BertTokenizer",
    "roberta": "RobertaTokenizer",
    "albert": "AlbertTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "deberta-v2": "DebertaV2Tokenizer",
}
"""By model type, the class of transformers that reads its older files; a ModernBERT has none."""


def convert_tokenizer(folder: Path, model_type: str, out: Path) -> None:
    """Write tokenizer.json and what belongs to it.

    Args:
        folder: the older files, and tokenizer_config.json where there is one.
        model_type: whose tokenizer it is.
        out: where it is written.

    Raises:
        BadModel: the files are broken, or are of another kind of tokenizer.
    """
    import transformers

    try:
        kind: Any = getattr(transformers, _CLASSES[model_type])
        tokenizer = kind.from_pretrained(str(folder), local_files_only=True)
        if model_type == "deberta-v2":
            _normalize_as_trained(tokenizer, folder)
        tokenizer.save_pretrained(str(out))
    except Exception as error:  # the libraries beneath raise anything
        said = next(filter(None, str(error).splitlines()), "")
        raise BadModel(
            f"the tokenizer cannot be converted: {type(error).__name__} {excerpt(said, 300)}"
        ) from error


def _normalize_as_trained(tokenizer: Any, folder: Path) -> None:
    """Give a DeBERTa-v2 the normalisation of its SentencePiece model.

    transformers 5.23 puts NFC in its place: "…" and "½" then come out as pieces that the network
    has hardly seen.
    """
    from tokenizers import Regex, normalizers
    from transformers.convert_slow_tokenizer import SentencePieceExtractor

    path = next(path for name in ("spm.model", "spiece.model") if (path := folder / name).is_file())
    charsmap = SentencePieceExtractor(str(path)).proto.normalizer_spec.precompiled_charsmap
    parts: list[Any] = [normalizers.Lowercase()] if tokenizer.do_lower_case else []
    parts += [normalizers.Precompiled(charsmap)] if charsmap else []
    parts += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(parts)
