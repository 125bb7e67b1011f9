"""What a model folder holds beside weights and config, and the hash of all of it."""

import hashlib
import json
from pathlib import Path

from alambique.models.configs import labels_of, read_config
from alambique.models.weights import weights_hash

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def model_hash(folder: Path) -> str:
    """Return a hash of all that decides what a model answers to a text, and under which names.

    Beside what `weights_hash` covers: the tokenizer, which class the head is of, and the names of
    its classes in their order.

    Raises:
        BadModel: the folder's config or weights cannot be read.
    """
    config = read_config(folder)
    content_keys = [weights_hash(folder), config.get("architectures"), labels_of(config)]
    digest = hashlib.sha256(json.dumps(content_keys).encode())
    for name in TOKENIZER_FILES:
        path = folder / name
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
