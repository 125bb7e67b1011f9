"""Tokenizers of the three kinds, small enough to be made on the spot."""

from collections.abc import Callable, Sequence

import pytest
from tokenizers import Tokenizer

TEXTS = [
    "El río Ebro nace en Fontibre, Cantabria, y cruza Zaragoza.",
    "La plaza del Pozo Amarillo se llama así por el color de la arcilla.",
    "Ganaron por 3-1 con dos goles de Ruiz y uno de Echeverría; costó 7,50 €.",
]
SIZES = {"wordpiece": 150, "bytebpe": 330, "unigram": 90}


@pytest.fixture(scope="session")
def tokenizers(learnt: Callable[[str, Sequence[str], int], Tokenizer]) -> dict[str, Tokenizer]:
    """By kind; each with its own way of framing a pair."""
    return {kind: learnt(kind, TEXTS, size) for kind, size in SIZES.items()}
