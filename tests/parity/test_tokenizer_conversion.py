"""Converted tokenizers beside what models were trained with: the same pieces, ids and offsets.

SentencePiece is asked itself; WordPiece and byte-level pairs are written down from their papers.
"""

import itertools
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import regex
from tests.sample.shipped import SPLITS, shipped
from tokenizers import Tokenizer

from alambique.models.conversion import convert_tokenizer

Learnt = Callable[[str, Sequence[str], int], Tokenizer]
Pieces = list[tuple[str, tuple[int, int]]]

ODD = (
    "¿Qué? ¡Así! Ñandú",
    "guio\u00adnes blan\u00addos",
    "risa 😀 y familia 👩\u200d👩\u200d👧",
    "e\u0301 combinado, n\u0303, u\u0308",
    "  dos  espacios  ",
    "tabulador\taquí",
    "ligaduras ﬁn ﬀ, ½ y ①",
    "日本語 en medio",
    "Ā, ß, İ, ŉ",
    "uno\u200bdos",
    "no\u00a0se\u202fparte",
    "MAYÚSCULAS ÁÉÍÓÚ",
    "puntos..., «comillas» “dobles” …",
    "1.234,56 € 25 %",
    "\u2581 bajo",
    "don't l'eau l\u2019eau",
    "palabra" * 30,
    "",
    " ",
)


PROSE = """
En un lugar de la Mancha, de cuyo nombre no quiero acordarme, no ha mucho tiempo que vivía un
hidalgo de los de lanza en astillero, adarga antigua, rocín flaco y galgo corredor. Una olla de algo
más vaca que carnero, salpicón las más noches, duelos y quebrantos los sábados, lantejas los
viernes, algún palomino de añadidura los domingos, consumían las tres partes de su hacienda. El
resto della concluían sayo de velarte, calzas de velludo para las fiestas, con sus pantuflos de lo
mesmo, y los días de entresemana se honraba con su vellorí de lo más fino. Tenía en su casa una ama
que pasaba de los cuarenta, y una sobrina que no llegaba a los veinte, y un mozo de campo y plaza,
que así ensillaba el rocín como tomaba la podadera.
—¿Qué gigantes? —dijo Sancho Panza.
—Aquellos que allí ves —respondió su amo— de los brazos largos, que los suelen tener algunos de casi
dos leguas.
—Mire vuestra merced —respondió Sancho— que aquellos que allí se parecen no son gigantes, sino
molinos de viento, y lo que en ellos parecen brazos son las aspas, que, volteadas del viento, hacen
andar la piedra del molino.
—Bien parece —respondió don Quijote— que no estás cursado en esto de las aventuras: ellos son
gigantes; y si tienes miedo, quítate de ahí, y ponte en oración en el espacio que yo voy a entrar
con ellos en fiera y desigual batalla.
La heroica ciudad dormía la siesta. El viento Sur, caliente y perezoso, empujaba las nubes
blanquecinas que se rasgaban al correr hacia el Norte. En las calles no había más ruido que el rumor
estridente de los remolinos de polvo, trapos, pajas y papeles que iban de arroyo en arroyo, de acera
en acera, de esquina en esquina revolando y persiguiéndose, como mariposas que se buscan y huyen y
que el aire envuelve en sus pliegues invisibles.
¡Válame Dios! ¡Ay, pingüinos, vergüenza y cigüeñas: kilos de whisky para el güisqui de Wenceslao!
"""
"""Of Cervantes (1605) and Clarín (1884): dashes, old words and letters that the sample lacks."""


@pytest.fixture(scope="module")
def sentences() -> tuple[list[str], list[str]]:
    """Those that a vocabulary is learnt from, and a thousand others, some of them odd."""
    texts = [text.text for split in SPLITS for text in shipped("text", split)]
    every = dict.fromkeys(part for text in texts for part in re.split(r"(?<=[.?]) ", text))
    kept = [sentence for sentence in every if 20 < len(sentence) < 200]
    prose = PROSE.strip().splitlines()
    tested = [*prose, *kept[3000:4000]]
    for number, odd in enumerate(ODD):  # whatever is odd is met in the middle of a sentence too
        words = tested[number].split()
        tested[number] = " ".join([*words[:3], odd, *words[3:]])
    return [*kept[:3000], *prose[::2]], [*tested, *prose, *ODD]


def converted(folder: Path, model_type: str, **config: Any) -> Tokenizer:
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    convert_tokenizer(folder, model_type, folder / "out")
    return Tokenizer.from_file(str(folder / "out" / "tokenizer.json"))


def pieces_of(tokenizer: Tokenizer, text: str) -> Pieces:
    found = tokenizer.encode(text, add_special_tokens=False)
    return list(zip(found.tokens, found.offsets, strict=True))


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


SPECIAL: dict[str, dict[str, Any]] = {
    "albert": {
        "pad_id": 0,
        "unk_id": 1,
        "bos_id": -1,
        "eos_id": -1,
        "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
    },
    "xlm-roberta": {},
    "deberta-v2": {
        "pad_id": 0,
        "bos_id": 1,
        "eos_id": 2,
        "unk_id": 3,
        "pad_piece": "[PAD]",
        "bos_piece": "[CLS]",
        "eos_piece": "[SEP]",
        "unk_piece": "[UNK]",
    },
}
FILES = {
    "albert": "spiece.model",
    "xlm-roberta": "sentencepiece.bpe.model",
    "deberta-v2": "spm.model",
}


@pytest.mark.parametrize("model_type", FILES)
def test_a_sentencepiece_model_is_converted(
    sentences: tuple[list[str], list[str]], tmp_path: Path, model_type: str
) -> None:
    import sentencepiece

    learnt_from, tested = sentences
    path = tmp_path / FILES[model_type]
    with path.open("wb") as out:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(learnt_from),
            model_writer=out,
            vocab_size=1000,
            minloglevel=2,
            **SPECIAL[model_type],
        )
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    found = converted(tmp_path, model_type, do_lower_case=False, keep_accents=True)
    ties: list[str] = []
    for text in tested:
        stored, wanted = text.encode(), []
        for piece in reference.encode(text, return_type="proto").pieces:
            begin, end = (len(stored[:n].decode(errors="ignore")) for n in (piece.begin, piece.end))
            wanted.append((piece.piece, (begin, end)))
        got = pieces_of(found, text)
        pieces, reference_pieces = [piece for piece, _ in got], [piece for piece, _ in wanted]
        if pieces != reference_pieces and sorted(pieces) == sorted(reference_pieces):
            ties.append(text)
            continue
        assert pieces == reference_pieces, text
        ids = [number(model_type, one) for one in reference.encode(text)]
        assert ids_of(found, text) == ids, text
        for one, other in zip(trimmed(text, wanted), trimmed(text, got), strict=True):
            assert not one or one == other, (text, one, other)
    # the same pieces in another order, such as of "....", are as likely: each takes one of the two
    assert len(ties) <= 5, ties


def number(model_type: str, piece: int) -> int:
    """What the network has a piece of SentencePiece as.

    fairseq, which trained XLM-R, begins with <s>, <pad>, </s> and <unk>, and SentencePiece with
    <unk>, <s> and </s> (Conneau et al., 2020).
    """
    if model_type != "xlm-roberta":
        return piece
    return {0: 3, 1: 0, 2: 2}.get(piece, piece + 1)


def trimmed(text: str, pieces: Pieces) -> list[range]:
    """The places of each piece but for spaces; none of a space, or of the half of one letter.

    A letter and the accent that is combined with it become one: `tokenizers` gives the place of the
    letter, SentencePiece that of both.
    """
    for space in "\u2581\u200b":  # what SentencePiece writes for a space, and what it takes for one
        text = text.replace(space, " ")
    found = []
    for _, (begin, end) in pieces:
        inside = text[begin:end]
        last = begin + len(inside.rstrip())
        while begin < last < len(text) and unicodedata.combining(text[last]):
            last += 1
        found.append(range(begin + len(inside) - len(inside.lstrip()), last))
    return found


@pytest.mark.parametrize("lower", [False, True])
def test_a_wordpiece_vocabulary_is_converted(
    sentences: tuple[list[str], list[str]], learnt: Learnt, tmp_path: Path, lower: bool
) -> None:
    learnt_from, tested = sentences
    texts = [plain(text) for text in learnt_from] if lower else learnt_from
    trained = set(learnt("wordpiece", texts, 1000).get_vocab())
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*special, *sorted(trained - set(special))]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    lines = {piece: line for line, piece in enumerate(vocabulary)}
    found = converted(tmp_path, "bert", do_lower_case=lower)
    for text in tested:
        wanted = list(wordpiece(text, set(vocabulary), lower=lower))
        assert pieces_of(found, text) == wanted, text
        assert ids_of(found, text) == [lines[piece] for piece, _ in wanted], text


def plain(text: str) -> str:
    """Lower case, without accents."""
    split = unicodedata.normalize("NFD", text)
    return "".join(c for c in split if unicodedata.category(c) != "Mn").lower()


def wordpiece(
    text: str, vocabulary: set[str], *, lower: bool
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Devlin et al. (2019): words at spaces and punctuation, in each the longest pieces first."""
    for word in words_of(text, lower=lower):
        letters = "".join(letter for letter, _ in word)
        span = (word[0][1], word[-1][1] + 1)
        cuts, start = [], 0
        while start < len(letters) <= 100:
            for end in range(len(letters), start, -1):
                piece = ("##" if start else "") + letters[start:end]
                if piece in vocabulary:
                    cuts.append((piece, (word[start][1], word[end - 1][1] + 1)))
                    break
            else:
                break
            start = end
        yield from cuts if start == len(letters) else [("[UNK]", span)]


def words_of(text: str, *, lower: bool) -> Iterator[list[tuple[str, int]]]:
    """Words as letters, each with the place in the text that it comes from."""
    word: list[tuple[str, int]] = []
    for letter, place in letters_of(text, lower=lower):
        if letter.isspace() or alone(letter):
            if word:
                yield word
            word = []
            if not letter.isspace():
                yield [(letter, place)]
        else:
            word.append((letter, place))
    if word:
        yield word


def letters_of(text: str, *, lower: bool) -> Iterator[tuple[str, int]]:
    for place, letter in enumerate(text):
        if letter in "\t\n\r":
            yield " ", place
        elif unicodedata.category(letter).startswith("C"):
            continue  # such as a soft hyphen
        elif unicodedata.category(letter) == "Zs":
            yield " ", place
        elif lower:
            for part in unicodedata.normalize("NFD", letter):
                if unicodedata.category(part) != "Mn":
                    yield from ((small, place) for small in part.lower())
        else:
            yield letter, place


def alone(letter: str) -> bool:
    """Whether it is a word by itself: punctuation, or a Chinese sign."""
    ascii_sign = letter.isascii() and not letter.isalnum() and letter.isprintable()
    return (
        ascii_sign
        or unicodedata.category(letter).startswith("P")
        or 0x4E00 <= ord(letter) <= 0x9FFF
    )


def test_byte_level_pairs_are_converted(
    sentences: tuple[list[str], list[str]], learnt: Learnt, tmp_path: Path
) -> None:
    learnt_from, tested = sentences
    trained = learnt("bytebpe", learnt_from, 1000)
    trained.model.save(str(tmp_path))
    ranks = {
        tuple(line.split()): rank
        for rank, line in enumerate((tmp_path / "merges.txt").read_text().splitlines()[1:])
    }
    numbers = json.loads((tmp_path / "vocab.json").read_text())
    found = converted(tmp_path, "roberta")
    for text in tested:
        wanted = list(byte_pairs(text, ranks))
        assert pieces_of(found, text) == wanted, text
        assert ids_of(found, text) == [numbers[piece] for piece, _ in wanted], text


WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def byte_pairs(text: str, ranks: dict[Any, int]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Radford et al. (2019), §2.2: bytes of a word, joined pair by pair in the order of merges."""
    signs = byte_signs()
    for word in WORD.finditer(text):
        parts = [signs[byte] for byte in word[0].encode()]
        while len(parts) > 1:
            pairs = list(itertools.pairwise(parts))
            best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
            if best not in ranks:
                break
            joined, n = [], 0
            while n < len(parts):
                whole = n + 1 < len(parts) and (parts[n], parts[n + 1]) == best
                joined.append("".join(best) if whole else parts[n])
                n += 2 if whole else 1
            parts = joined
        # a piece of some bytes of a letter stands for the whole letter
        places = [word.start() + n for n, letter in enumerate(word[0]) for _ in letter.encode()]
        start = 0
        for part in parts:
            inside = places[start : start + len(part)]
            start += len(part)
            begin, end = inside[0], inside[-1] + 1
            yield part, (begin + part.startswith("Ġ"), end)  # without the space before it


def byte_signs() -> dict[int, str]:
    """A printable sign for each byte: itself, or one from 256 on."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    return {byte: chr(byte) for byte in kept} | {b: chr(256 + n) for n, b in enumerate(others)}
