"""Pre-trains the sample encoder, a tiny ModernBERT: first by masked LM, then by pointing."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from benchmarks.sample.corpus import corpus
from benchmarks.sample.encoder import masking, pointing
from benchmarks.sample.encoder.muon import Optimizer, schedule
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import ModernBertConfig, ModernBertForMaskedLM, ModernBertModel

from alambique.models.tokenizers import CLS, PAD, SEP, SPECIAL, train_tokenizer

Report = Callable[[str, int, float], None]
"""Told the aim, the number of a step, and its loss."""


def pretrain(
    folder: Path,
    *,
    seed: int,
    masked: int,
    pointed: int,
    dropped: int,
    batch_size: int = 32,
    layers: int = 4,
    width: int = 128,
    vocabulary: int = 1800,
    texts: int = 24_000,
    report: Report = lambda aim, step, loss: None,
) -> None:
    """Trains a tokenizer and an encoder, and writes them as transformers does.

    Args:
        folder: gets config.json, model.safetensors and the tokenizer's files; made if need be.
        seed: of the weights, the texts and what is masked in them.
        masked: steps of masked LM.
        pointed: steps of pointing, after those.
        dropped: steps of pointing with layers left out, after those.
        batch_size: rows of a step.
        layers: of the encoder.
        width: of its hidden states; a multiple of 32, the width of a head.
        vocabulary: how many pieces the tokenizer has at most.
        texts: that it is trained on.
        report: called after each step.
    """
    known = train_tokenizer(islice(corpus(seed), texts), vocabulary, folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    model = ModernBertForMaskedLM(config_of(known, layers=layers, width=width)).train()
    rows = masking.batches(masking.Pieces.of(tokenizer), seed, batch_size)
    _learn(
        model,
        (
            model(row.input_ids_BN, row.attention_BN, labels=row.labels_BN).loss
            for row in islice(rows, masked)
        ),
        masked,
        lambda step, loss: report("masked", step, loss),
    )
    encoder = model.model
    encoder.config.sparse_prediction = False
    pointer = pointing.Pointer(encoder).train()
    gaps = pointing.batches(tokenizer, seed, pointed, batch_size)
    _learn(
        pointer,
        (pointer(gap) for gap in islice(gaps, pointed)),
        pointed,
        lambda step, loss: report("pointed", step, loss),
    )
    drop_layers(
        encoder, tokenizer, seed=seed + 1, steps=dropped, batch_size=batch_size, report=report
    )
    encoder.save_pretrained(folder)


def drop_layers(
    encoder: ModernBertModel,
    tokenizer: Tokenizer,
    *,
    seed: int,
    steps: int,
    batch_size: int,
    report: Report,
) -> None:
    """Trains the encoder to point with some of its layers left out, in place."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    pointer = pointing.Pointer(encoder).train()

    def loss_of(gap: pointing.Batch) -> Tensor:
        with pointing.shallow(encoder, random):
            loss: Tensor = pointer(gap)
        return loss

    gaps = pointing.batches(tokenizer, seed, steps, batch_size)
    _learn(
        pointer,
        (loss_of(gap) for gap in islice(gaps, steps)),
        steps,
        lambda step, loss: report("shallow", step, loss),
    )


def _learn(
    network: nn.Module, losses: Iterator[Tensor], steps: int, report: Callable[[int, float], None]
) -> None:
    """A step on each of `losses`, which are computed one by one."""
    optimizer = Optimizer(network)
    for step, loss in enumerate(losses):
        network.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step(schedule(step, steps))
        report(step + 1, loss.item())


def config_of(vocabulary: int, *, layers: int, width: int) -> ModernBertConfig:
    """A small ModernBERT for short texts: global attention in every layer, without dropout.

    Rotary positions, since learned ones learn nothing at this size.
    """
    rotary = {"rope_type": "default", "rope_theta": 10_000.0}
    return ModernBertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=512,
        layer_types=["full_attention"] * layers,
        rope_parameters={"full_attention": rotary, "sliding_attention": rotary},
        initializer_range=0.04,
        # logits for masked pieces only: the other ones have no loss
        sparse_prediction=True,
        pad_token_id=SPECIAL.index(PAD),
        cls_token_id=SPECIAL.index(CLS),
        sep_token_id=SPECIAL.index(SEP),
        bos_token_id=SPECIAL.index(CLS),
        eos_token_id=SPECIAL.index(SEP),
    )
