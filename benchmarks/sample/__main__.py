"""Write the sample data sets that the package ships: `python -m benchmarks.sample`."""

from benchmarks.sample.sets import SETS
from benchmarks.sample.splits import ORDER

from alambique.tasks.samples import sample_file, write_sample


def main() -> None:
    """Make every split again, and print what its file weighs."""
    for name, make in SETS.items():
        for split in ORDER:
            path = sample_file(name, split)
            write_sample(path, make(split))
            print(f"{name}/{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
