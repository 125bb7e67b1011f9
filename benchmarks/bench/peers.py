"""The same distillation as users of other libraries write it, each with its ordinary best settings.

Shapes: B windows, N pieces, C classes, P words.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks.bench.workplace import PADDED, Workplace
from torch import Tensor
from torch.nn import functional as F

from alambique.models.networks import save
from alambique.tasks.task import TagGold
from alambique.workers.training.example_windows import ExampleWindow

_IGNORED = -100
"""The label of a piece that is not the first of a word."""

Item = dict[str, list[int]]


def load_libraries(name: str) -> None:
    """Import what a side needs before its time begins; most of alambique is there already."""
    if name.startswith("alambique"):
        import seqeval.metrics  # noqa: F401  by which each epoch is validated
    if name.startswith("Trainer"):
        import transformers.trainer  # noqa: F401
    if name == "TextBrewer":
        import textbrewer  # noqa: F401


def items_of(windows: Sequence[ExampleWindow]) -> list[Item]:
    """Return windows as lists, with a label at each word's first piece."""
    items = []
    for target in windows:
        assert isinstance(target.gold, TagGold)
        labels = [_IGNORED] * target.length
        for position, label in zip(target.gold.positions_P, target.gold.labels_P, strict=True):
            labels[int(position)] = int(label)
        ids = target.window.input_ids_N.tolist()
        items.append({"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels})
    return items


def collated(items: Sequence[Item], pad_id: int, length: int | None = None) -> dict[str, Tensor]:
    """Return a batch (B, N), padded to `length`, else to the longest of it."""
    longest = length or max(len(item["input_ids"]) for item in items)
    padding = {"input_ids": pad_id, "attention_mask": 0, "labels": _IGNORED}
    return {
        name: torch.tensor([item[name] + [fill] * (longest - len(item[name])) for item in items])
        for name, fill in padding.items()
    }


def word_losses(student_BNC: Tensor, teacher_BNC: Tensor, labels_BN: Tensor) -> Tensor:
    """Return KL(teacher || student), a mean over the words of a batch."""
    words_BN = labels_BN != _IGNORED
    student_PC = F.log_softmax(student_BNC[words_BN].float(), dim=-1)
    teacher_PC = F.log_softmax(teacher_BNC[words_BN].float(), dim=-1)
    return F.kl_div(student_PC, teacher_PC, log_target=True, reduction="batchmean")


def gold_loss(logits_BNC: Tensor, labels_BN: Tensor) -> Tensor:
    """Return the cross entropy with the gold labels, a mean over the words of a batch."""
    return F.cross_entropy(logits_BNC.float().flatten(0, 1), labels_BN.flatten())


def train_with_trainer(place: Workplace, folder: Path, *, grouped: bool, bf16: bool) -> Path:
    """Distil with `Trainer` and a teacher that answers each batch; return the student's folder.

    Args:
        place: data, teacher and start.
        folder: what the trainer writes into.
        grouped: whether windows of similar length make a batch.
        bf16: whether student and teacher compute in bf16.
    """
    pad_id, student = place.encoder().pad_id, place.network(place.start)
    validation = sorted(items_of(place.windows("dev")), key=lambda item: len(item["input_ids"]))
    trainer = _distilling_trainer()(
        model=student.inner,
        args=_trainer_arguments(place, folder, grouped=grouped, bf16=bf16),
        train_dataset=items_of(place.windows("train")),
        eval_dataset=validation,
        data_collator=lambda items: collated(items, pad_id),
    )
    trainer.teacher = place.network(place.teacher).inner
    trainer.train()
    save(student, folder / "best", place.start)
    return folder / "best"


def _distilling_trainer() -> Any:
    """Return a `Trainer` with a teacher; the class is made here, where transformers is imported."""
    from transformers import Trainer

    class DistillingTrainer(Trainer):
        """Has the teacher where the documentation of transformers puts one, in `compute_loss`."""

        teacher: Any

        def compute_loss(
            self,
            model: Any,
            inputs: Any,
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            """Return the loss of a batch: against the teacher in training, gold labels on dev."""
            labels_BN = inputs.pop("labels")
            answer = model(**inputs)
            if model.training:
                with torch.inference_mode():
                    teacher_BNC = self.teacher(**inputs).logits
                loss = word_losses(answer.logits, teacher_BNC, labels_BN)
            else:
                loss = gold_loss(answer.logits, labels_BN)
            return (loss, answer) if return_outputs else loss

    return DistillingTrainer


def _trainer_arguments(place: Workplace, folder: Path, *, grouped: bool, bf16: bool) -> Any:
    """Return the `TrainingArguments` with the settings of the workplace's own training."""
    from transformers import TrainingArguments

    train = place.training()
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=train.epochs,
        learning_rate=train.learning_rate,
        weight_decay=train.weight_decay,
        max_grad_norm=train.clip,
        lr_scheduler_type="linear",
        warmup_steps=train.warmup,
        per_device_train_batch_size=place.batch_size,
        per_device_eval_batch_size=place.batch_size,
        train_sampling_strategy="group_by_length" if grouped else "random",
        bf16=bf16,
        use_cpu=True,
        seed=train.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_only_model=True,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        prediction_loss_only=True,
        label_names=["labels"],
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        logging_strategy="epoch",
        report_to="none",
        disable_tqdm=True,
    )


def train_with_textbrewer(place: Workplace, folder: Path) -> Path:
    """Distil with TextBrewer, whose teacher answers once; return the student's folder.

    Its cache holds whole batches, so that they are the same in each epoch, in another order.
    """
    from textbrewer import BasicDistiller, DistillationConfig, TrainingConfig
    from transformers import get_linear_schedule_with_warmup

    pad_id, train = place.encoder().pad_id, place.training()
    student, teacher = place.network(place.start), place.network(place.teacher)
    items = items_of(place.windows("train", PADDED))
    random.Random(train.seed).shuffle(items)
    size = place.batch_size
    batches = [collated(items[i : i + size], pad_id, PADDED) for i in range(0, len(items), size)]
    weights = list(student.inner.parameters())
    optimizer = _adamw(weights, rate=train.learning_rate, weight_decay=train.weight_decay)
    steps = len(batches) * train.epochs
    best = _BestWeights(place, pad_id)
    distiller = BasicDistiller(
        TrainingConfig(device="cpu", output_dir=str(folder), log_dir=None),
        DistillationConfig(
            temperature=1, kd_loss_type="ce", hard_label_weight=0, is_caching_logits=True
        ),
        teacher.inner,
        student.inner,
        _adapted,
        _adapted,
    )
    student.inner.train()
    with distiller:
        distiller.train(
            optimizer,
            batches,
            num_epochs=train.epochs,
            scheduler_class=get_linear_schedule_with_warmup,
            scheduler_args={
                "num_warmup_steps": round(train.warmup * steps),
                "num_training_steps": steps,
            },
            max_grad_norm=train.clip,
            callback=best.keep,
        )
    student.inner.load_state_dict(best.state)
    save(student, folder / "best", place.start)
    return folder / "best"


def _adamw(
    weights: Sequence[torch.nn.Parameter], *, rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """Return AdamW that decays matrices alone, no biases or norms, as `Trainer` does."""
    decayed = [weight for weight in weights if weight.ndim > 1]
    others = [weight for weight in weights if weight.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate)


def _adapted(batch: dict[str, Tensor], answer: Any) -> dict[str, Tensor]:
    """Return what TextBrewer compares: logits, and where there are words."""
    return {"logits": answer.logits, "logits_mask": (batch["labels"] != _IGNORED).long()}


class _BestWeights:
    """The weights of the epoch with the lowest validation loss."""

    def __init__(self, place: Workplace, pad_id: int) -> None:
        items = sorted(items_of(place.windows("dev")), key=lambda item: len(item["input_ids"]))
        size = place.batch_size
        self._batches = [collated(items[i : i + size], pad_id) for i in range(0, len(items), size)]
        self._loss = float("inf")
        self.state: dict[str, Tensor] = {}

    def keep(self, model: Any, step: int) -> None:
        """Copy the weights, if they are the best so far."""
        model.eval()
        summed = 0.0
        with torch.inference_mode():
            for batch in self._batches:
                inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
                words = int((batch["labels"] != _IGNORED).sum())
                summed += words * gold_loss(model(**inputs).logits, batch["labels"]).item()
        if summed < self._loss:
            self._loss = summed
            self.state = {name: value.clone() for name, value in model.state_dict().items()}
