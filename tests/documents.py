"""The pages of the documents, and what is read out of them."""

import re
from pathlib import Path

REPO = Path(__file__).parents[1]
DOCS = REPO / "docs"
AT_ROOT = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
PAGES = [*(REPO / name for name in AT_ROOT), *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
