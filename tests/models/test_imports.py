"""A plan and a check of a folder need no torch, which takes seconds to import."""

import subprocess
import sys

PROGRAM = """
import sys
import alambique.models.shapes, alambique.distill.terms.table
import alambique.models.comparability
import alambique.models.configs, alambique.models.counts, alambique.models.sources
import alambique.models.tokenizers, alambique.models.weights
print(*sorted({"torch", "transformers"} & sys.modules.keys()))
"""


def test_what_only_reads_does_not_import_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""
