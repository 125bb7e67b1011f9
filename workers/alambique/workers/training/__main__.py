"""`torchrun --nproc-per-node 2 -m alambique.workers.training COURSE.json`, or without torchrun."""

import os
import sys
from pathlib import Path

from alambique.workers.training.course import Course
from alambique.workers.training.group import join_group
from alambique.workers.training.loop import train
from alambique.workers.training.place import placed


def main() -> None:
    """Runs the course whose file is the first argument."""
    if "RANK" in os.environ:
        join_group()
    train(Course.model_validate_json(Path(sys.argv[1]).read_text()), placed())


if __name__ == "__main__":
    main()
