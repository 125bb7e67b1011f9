"""`python -m benchmarks.sample.encoder platform/alambique/models/sample_encoder`."""

from collections import deque
from pathlib import Path
from statistics import fmean
from typing import Annotated

import torch
import typer
from benchmarks.sample.encoder.pretraining import pretrain


def main(
    folder: Annotated[Path, typer.Argument(help="where the encoder is written")],
    seed: Annotated[int, typer.Option(help="of weights, texts and masks")] = 20,
    masked: Annotated[int, typer.Option(help="steps of masked LM")] = 1300,
    pointed: Annotated[int, typer.Option(help="steps of pointing")] = 3200,
    dropped: Annotated[int, typer.Option(help="steps of pointing with layers left out")] = 1200,
    threads: Annotated[int, typer.Option(help="of torch")] = 1,
) -> None:
    """Makes the sample encoder again: about half an hour on one core."""
    torch.set_num_threads(threads)
    losses: deque[float] = deque(maxlen=100)

    def report(aim: str, step: int, loss: float) -> None:
        losses.append(loss)
        if step % 100 == 0:
            typer.echo(f"{aim} step {step}: loss {fmean(losses):.3f}")

    pretrain(folder, seed=seed, masked=masked, pointed=pointed, dropped=dropped, report=report)


if __name__ == "__main__":
    typer.run(main)
