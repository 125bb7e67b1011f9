"""Keys of teacher outputs: namespaces, example keys, buckets; and the version in every key."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from hashlib import blake2b

from alambique.spec.outputs import Output

RESULTS_VERSION = 4
"""The version of everything that is computed: raised when a stage, or a teacher, gives something
else for the same input.

The namespaces below contain it, and so do the keys of stages (`workers/pipeline/stage.py`): with
another version, nothing that was computed before is used. Numbers of tiny runs are pinned for it in
`tests/workers/pinned.json`; a change of one of them requires a new version."""

BUCKETS = 256
"""One for each first byte of an example key."""
KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Namespace:
    """All that an output depends on, except the text itself and `RESULTS_VERSION`."""

    teacher: str
    """Hash of the weights and the configuration, then the names of the classes in the order of the
    outputs; never a path or a name."""
    tokenizer: str
    """Fingerprint of the tokenizer with the window's length and stride."""
    preprocessing: str
    """What is done to a text before the tokenizer sees it."""
    output: Output
    dtype: str
    """What the teacher computes in: padding moves bf16 outputs by 4e-3, fp32 by 6e-8."""

    @property
    def digest(self) -> str:
        """32 hexadecimal digits: the name of the namespace in every store."""
        return _digest(str(RESULTS_VERSION), *map(str, astuple(self))).hex()


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """The unit that is opened, leased and filled."""

    namespace: str
    """The digest of a namespace."""
    number: int
    """0 to 255."""

    def __str__(self) -> str:
        """Return the bucket as folders and Redis keys name it."""
        return f"{self.namespace}/{self.number:02x}"


def example_key(namespace: Namespace, texts: Sequence[str]) -> bytes:
    """Return the 16 bytes under which the output for these texts is kept.

    Args:
        namespace: The teacher and how it is asked.
        texts: All that the model sees of one example, in order; never its labels.
    """
    return _digest(namespace.digest, *texts)


def bucket_of(key: bytes) -> int:
    """Return the number of the bucket that holds the key: its first 8 bits."""
    return key[0]


def _digest(*parts: str) -> bytes:
    """Return a hash in which the borders between the parts count."""
    digest = blake2b(digest_size=KEY_BYTES, person=b"alambique")
    for part in parts:
        # A text may hold half a surrogate pair, which plain UTF-8 refuses.
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()
