"""`torchrun --nproc-per-node 2 -m alambique.workers.training SPEC.json`, or without torchrun."""

import os
import sys
from pathlib import Path

from alambique.workers.environment import compute_environment, shared_tier


def main() -> None:
    """Run the training whose spec is in the file that the first argument names."""
    # read by what torch loads, while it is imported
    os.environ.update(compute_environment(os.environ))
    from alambique.workers.training.distributed import distributed_context, join_group
    from alambique.workers.training.loop import train
    from alambique.workers.training.spec import TrainingSpec

    if "RANK" in os.environ:
        join_group()
    spec = TrainingSpec.model_validate_json(Path(sys.argv[1]).read_text())
    train(spec, distributed_context(), redis=shared_tier(os.environ))


if __name__ == "__main__":
    main()
