"""A tokenizer of its own for a network that is trained from scratch."""

import json
from collections import Counter
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
    """Write a cased WordPiece tokenizer that keeps accents, and return how many ids it has.

    Fewer than asked for where the texts do not hold as many pieces. The same texts give the same
    file. It wraps texts as BERT does (Devlin et al., 2019, §3): [CLS] a [SEP], or
    [CLS] a [SEP] b [SEP] with type 1 for b and its end.

    Args:
        texts: what to learn the pieces from.
        vocabulary: how many ids to make at most, the five special ones counted.
        folder: gets tokenizer.json and tokenizer_config.json; made if it is not there.
        max_length: what transformers takes as the longest text.
    """
    tokenizer = _wordpiece_tokenizer(_learn_pieces(list(texts), vocabulary))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.decoder = WordPieceDecoder()
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


def _wordpiece_tokenizer(pieces: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(pieces, unk_token=UNK))
    tokenizer.normalizer = BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def _learn_pieces(texts: list[str], vocabulary: int) -> dict[str, int]:
    """Return the pieces and their ids.

    The trainer numbers characters inside words as it meets them, in the order of a hash table that
    each run seeds anew, and breaks ties between pairs by those numbers: left alone it gives another
    vocabulary each time. So all characters get their numbers before, as if they were special.
    """
    learner = _wordpiece_tokenizer({})
    letters, inside = _alphabet(texts, learner, most=min(1000, (vocabulary - len(SPECIAL)) // 2))
    trainer = WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=[*SPECIAL, *letters, *(f"##{letter}" for letter in inside)],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    return learner.get_vocab()


def _alphabet(texts: list[str], tokenizer: Tokenizer, *, most: int) -> tuple[list[str], list[str]]:
    """Return the commonest characters, and those of them that can follow another inside a word."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    letters = set(tokenizer.normalizer.normalize_str("".join(counts))) - {" "}
    ranked = sorted(letters, key=lambda letter: (-counts[letter], letter))[:most]
    splits = tokenizer.pre_tokenizer.pre_tokenize_str
    return ranked, [letter for letter in ranked if len(splits(f"a{letter}")) == 1]
