"""Tokenizers of the three families, small enough to be made on the spot."""

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "El río Ebro nace en Fontibre, Cantabria, y cruza Zaragoza.",
    "La plaza del Pozo Amarillo se llama así por el color de la arcilla.",
    "Ganaron por 3-1 con dos goles de Ruiz y uno de Echeverría; costó 7,50 €.",
]
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]


def _wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _bytebpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


@pytest.fixture(scope="session")
def tokenizers() -> dict[str, Tokenizer]:
    """By family; each with its own way of framing a pair."""
    made = {"wordpiece": _wordpiece(), "bytebpe": _bytebpe(), "unigram": _unigram()}
    frames = {
        "wordpiece": "<s> $A </s> $B:1 </s>:1",
        "bytebpe": "<s> $A </s> </s> $B </s>",
        "unigram": "<s> $A </s> $B </s>",
    }
    for name, tokenizer in made.items():
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>",
            pair=frames[name],
            special_tokens=[("<s>", 2), ("</s>", 3)],
        )
    return made
