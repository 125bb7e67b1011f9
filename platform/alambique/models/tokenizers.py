"""A tokenizer of its own for a network that is trained from scratch."""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordPieceTrainer

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PAD, UNK, CLS, SEP, MASK)
"""Their ids are 0 to 4, in this order."""

_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "pad_token": PAD,
    "unk_token": UNK,
    "cls_token": CLS,
    "sep_token": SEP,
    "mask_token": MASK,
    "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
    "clean_up_tokenization_spaces": False,
}


def train_tokenizer(
    texts: Iterable[str], vocabulary: int, folder: Path, *, max_length: int = 512
) -> int:
    """Writes a cased WordPiece tokenizer that keeps accents; how many ids it has.

    Fewer than asked for where the texts do not hold as many pieces. The same texts give the same
    file. It wraps texts as BERT does (Devlin et al., 2019, §3): [CLS] a [SEP], or
    [CLS] a [SEP] b [SEP] with type 1 for b and its end.

    Args:
        texts: what to learn the pieces from.
        vocabulary: how many ids to make at most, the five special ones counted.
        folder: gets tokenizer.json and tokenizer_config.json; made if it is not there.
        max_length: what transformers takes as the longest text.
    """
    tokenizer = Tokenizer(WordPiece(unk_token=UNK))
    tokenizer.normalizer = BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder()
    trainer = WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
        special_tokens=[(token, SPECIAL.index(token)) for token in (CLS, SEP)],
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {**_CONFIG, "model_max_length": max_length}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    return tokenizer.get_vocab_size()
