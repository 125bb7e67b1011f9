"""An encoder that needs no files: one piece a character, words marked by a leading space."""

import string

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from alambique.runtime.windows import Encoder


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """A WordPiece of single characters that knows no soft hyphen."""
    characters = string.ascii_letters + string.digits + "áéíóúñ.,-¿?"
    pieces = [prefix + character for character in characters for prefix in ("", "##")]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *pieces]
    made = Tokenizer(models.WordPiece({t: n for n, t in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return made


@pytest.fixture(scope="session")
def wide(tokenizer: Tokenizer) -> Encoder:
    """One window holds everything."""
    return Encoder.of(tokenizer, max_length=500, stride=0, pad_id=0)


@pytest.fixture(scope="session")
def narrow(tokenizer: Tokenizer) -> Encoder:
    """Windows of a few words."""
    return Encoder.of(tokenizer, max_length=24, stride=8, pad_id=0)
