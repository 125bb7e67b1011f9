"""How a network is trained, and on what."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from alambique.spec.fields import (
    Epochs,
    Fraction,
    Length,
    Overlap,
    Positive,
    Rate,
    Real,
    Seed,
    Spec,
    Whole,
    Workers,
)


class Train(Spec):
    """A training run. Batch sizes are global: they do not depend on the number of workers."""

    epochs: Epochs = 3
    learning_rate: Rate = 5.0e-5
    batch_size: Positive | None = None
    """Rows of a global batch; 32 where `batch_tokens` is not given either."""
    batch_tokens: Positive | None = None
    """Tokens of a global batch, padding counted, in place of `batch_size`."""
    max_length: Length = 384
    """Tokens of the longest window, special tokens counted."""
    stride: Overlap = 128
    """Tokens that two neighbouring windows of one text share."""
    warmup: Fraction = 0.1
    """The part of all steps over which the learning rate rises from 0."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: Annotated[Real, Field(ge=0, le=1)] = 0.01
    clip: Annotated[Real, Field(gt=0, le=1e9)] = 1.0
    """The norm to which a longer gradient is cut."""
    accumulate: Positive = 1
    """Micro-batches that a worker's rows of a batch are split into: less memory, and without
    dropout the same result."""
    patience: Epochs = 10
    """Epochs without a lower validation loss after which training stops."""
    dropout: Annotated[Real, Field(ge=0, lt=1)] | None = None
    """In place of what the model's own configuration says."""
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: Seed = 1
    checkpoint: Positive = 200
    """Steps between two checkpoints, apart from the one after each epoch."""

    @model_validator(mode="after")
    def _check_batch_and_stride(self) -> "Train":
        if self.batch_size is not None and self.batch_tokens is not None:
            raise ValueError("batch_size and batch_tokens are two measures of one thing: give one")
        if self.stride >= self.max_length:
            raise ValueError(
                f"stride {self.stride} is not below max_length {self.max_length}: "
                "windows would never move on; lower stride"
            )
        return self


class Resources(Spec):
    """What the distilled student and the filling of the cache may take from the cluster.

    The teacher and the baselines train in the job's own process, unless `gpus` is given.
    """

    workers: Workers = 1
    cpus: Annotated[Real, Field(gt=0, le=10_000)] = 1.0
    """Of each worker."""
    gpus: Annotated[Real, Field(ge=0, le=1000)] = 0.0
    """Of each worker."""
    zero: Annotated[Whole, Field(ge=0, le=3)] = 1
    """The ZeRO stage of DeepSpeed."""
