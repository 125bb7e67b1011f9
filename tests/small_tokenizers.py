"""Tokenizers learnt in the tests: small ones of each kind, and the files that older ones had."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
FRAMES = {
    "wordpiece": "<s> $A </s> $B:1 </s>:1",
    "bytebpe": "<s> $A </s> </s> $B </s>",
    "unigram": "<s> $A </s> $B </s>",
}


def learn(kind: str, texts: Sequence[str], size: int) -> Tokenizer:
    """As a cased BERT's, RoBERTa's or ALBERT's."""
    tokenizer, trainer = {"wordpiece": _wordpiece, "bytebpe": _bytebpe, "unigram": _unigram}[kind](
        size
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=FRAMES[kind], special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return tokenizer


def _wordpiece(size: int) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer, trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=SPECIAL, show_progress=False
    )


def _bytebpe(size: int) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer, trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )


def _unigram(size: int) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.Unigram())
    accents = [normalizers.NFKD(), normalizers.StripAccents()]
    tokenizer.normalizer = normalizers.Sequence(accents)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    return tokenizer, trainers.UnigramTrainer(
        vocab_size=size, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )


_TEXTS = (
    "El niño de Málaga vio un pingüino en la estación.",
    "¿Dónde nació la científica? Nació en Logroño, a orillas del Ebro.",
)
_PIECES: dict[str, tuple[str, dict[str, Any]]] = {
    "albert": (
        "spiece.model",
        {
            **{"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1},
            "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
        },
    ),
    "xlm-roberta": ("sentencepiece.bpe.model", {}),
    "deberta-v2": (
        "spm.model",
        {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "unk_piece": "[UNK]"},
    ),
}


def put_older_tokenizer(folder: Path, family: str) -> None:
    """Put the files of an older tokenizer into the place of tokenizer.json."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    if family in _PIECES:
        import sentencepiece

        name, ids = _PIECES[family]
        with (folder / name).open("wb") as out:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(_TEXTS * 4),
                model_writer=out,
                vocab_size=60,
                hard_vocab_limit=False,
                minloglevel=2,
                **ids,
            )
    elif family == "roberta":
        pairs = learn("bytebpe", _TEXTS, 300)
        pairs.model.save(str(folder))
    else:
        (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))
        (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
