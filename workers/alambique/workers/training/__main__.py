"""`torchrun --nproc-per-node 2 -m alambique.workers.training COURSE.json`, or without torchrun."""

import os
import sys
from pathlib import Path

from alambique.workers.environment import for_computing, shared_tier


def main() -> None:
    """Runs the course whose file is the first argument."""
    # read by what torch loads, while it is imported
    os.environ.update(for_computing(os.environ))
    from alambique.workers.training.course import Course
    from alambique.workers.training.group import join_group
    from alambique.workers.training.loop import train
    from alambique.workers.training.place import placed

    if "RANK" in os.environ:
        join_group()
    course = Course.model_validate_json(Path(sys.argv[1]).read_text())
    train(course, placed(), redis=shared_tier(os.environ))


if __name__ == "__main__":
    main()
