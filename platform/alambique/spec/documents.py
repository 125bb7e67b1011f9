"""Documents of users as plain values: YAML and JSON, each within limits that bound the work."""

import json
import re
from typing import Any, cast

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from alambique.spec.excerpts import excerpt, short
from alambique.spec.validation_cost import count_nodes, inner_values

NODES = 10_000
"""Names, values and lists of a document together. The largest that makes sense, a suite of some
hundred parts or a search that lists a thousand values, has a few thousand; reading one takes about
10 µs, and what follows, such as naming each bad field, is bounded by it too."""
DEPTH = 64
"""Lists and mappings within each other. A job has six; Python recurses on what is nested."""
DIGITS = 100
"""Characters of a number: the time to read one grows with the square of its digits."""
_DIRECTIVES = 8
"""Lines that begin with %: libyaml compares each with all before it."""
_DIRECTIVE = re.compile("(?:\\A|[\\n\\r\\x85\\u2028\\u2029])\ufeff?%")
"""One of them, after any of the signs that end a line of YAML."""
_MESSAGE = 1000
"""Characters of a message, in which a parser may repeat what it was given."""

_TAG = "tag:yaml.org,2002:"
_NUMBERS = frozenset({f"{_TAG}int", f"{_TAG}float"})
_TAGS_TAKEN = (
    frozenset({f"{_TAG}{kind}" for kind in ("null", "bool", "str", "seq", "map")}) | _NUMBERS
)
"""What JSON has too: no field takes dates, bytes, sets or pairs."""
_LONG = re.compile(rf"[0-9]{{{DIGITS}}}")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0b_*[01][01_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*)")
_REAL = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


class Unreadable(ValueError):
    """A document that is not well-formed, or beyond a limit."""


class _Rules(Composer, SafeConstructor, Resolver):
    """YAML with what JSON has, within the limits, and with no name twice in a mapping."""

    aliases = True
    """Whether *name is taken: a few of them, nested, describe more than fits in memory."""

    def __init__(self) -> None:
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self._nodes = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node."""
        event = cast("Any", self).peek_event()  # of the parser, which the subclasses bring
        if not self.aliases and isinstance(event, yaml.AliasEvent):
            raise _yaml_error(event, "aliases (*name) are not taken here: write the value out")
        self._nodes += 1
        self._depth += 1
        if self._nodes > NODES:
            raise _yaml_error(event, _TOO_MANY)
        if self._depth > DEPTH:
            raise _yaml_error(event, _TOO_DEEP)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node."""
        if isinstance(node, yaml.ScalarNode):
            _check_scalar(node)
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # what PyYAML meets where a tag is written out, and its value is none of the kind
            kind = node.tag.removeprefix(_TAG)
            raise _yaml_error(node, f"{short(node.value)} is no {short(kind)}") from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of a node: of two values of one name, one would be lost unsaid."""
        seen = set[str]()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                name = excerpt(key.value, 80)
                raise _yaml_error(key, f"{name} is given a second time: keep one")
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what a mapping merges (<<) into it, each name once, as the mapping has it in the end.

        A few merges of one another, each several times, would have more pairs than fit in memory.
        """
        super().flatten_mapping(node)
        last = {
            (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else key: (key, value)
            for key, value in node.value
        }
        node.value = list(last.values())

    def construct_undefined(self, node: yaml.Node) -> Any:
        """Refuse a tag that no document may have.

        Raises:
            yaml.YAMLError: always.
        """
        tag = node.tag.replace(_TAG, "!!")
        raise _yaml_error(
            node,
            f"the tag {excerpt(tag, 80)} is not taken: a document has texts, numbers, true, false, "
            "null, lists and mappings",
        )


_TOO_MANY = f"it has more than {NODES:,} names and values together: leave some out"
_TOO_DEEP = f"it is nested too deeply: at most {DEPTH} lists and mappings within each other"

_Rules.yaml_constructors = {
    tag: construct
    for tag, construct in SafeConstructor.yaml_constructors.items()
    if tag in _TAGS_TAKEN
} | {None: _Rules.construct_undefined}
# YAML 1.1 has numbers to the base 60 (1:30 is 90), octal ones (010 is 8), and dates: whoever writes
# one of these means a text, or is better told than misread. YAML 1.2 has none of them
_Rules.yaml_implicit_resolvers = {
    first: [
        (tag, form)
        for tag, form in known
        if tag not in _NUMBERS | {f"{_TAG}timestamp", f"{_TAG}value"}
    ]
    for first, known in Resolver.yaml_implicit_resolvers.items()
}
for _kind, _form in (("int", _WHOLE), ("float", _REAL)):
    _Rules.add_implicit_resolver(
        f"{_TAG}{_kind}", re.compile(rf"(?:{_form.pattern})\Z"), list("+-.0123456789")
    )


class _PythonLoader(_Rules, Reader, Scanner, Parser):
    """With PyYAML's own parser, which is everywhere and ten times as slow."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        _Rules.__init__(self)


LOADERS: tuple[type[Any], ...] = (_PythonLoader,)
"""What reads YAML, the fastest first: all of them take the same documents."""

try:
    from yaml._yaml import CParser
except ImportError:  # PyYAML built without libyaml: the limits keep the other one quick enough
    pass
else:

    class _LibyamlLoader(_Rules, CParser):
        """With libyaml's parser: the rules are in composing and constructing, as they are above."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            _Rules.__init__(self)

    LOADERS = (_LibyamlLoader, _PythonLoader)


def from_yaml(text: str, *, aliases: bool = True, loader: type[Any] = LOADERS[0]) -> Any:
    """Return what a YAML text says.

    Args:
        text: one document, or nothing.
        aliases: whether *name is taken, which a user's own process may.
        loader: one of `LOADERS`.

    Raises:
        Unreadable: it is not well-formed, or beyond a limit; with the line.
    """
    if len(_DIRECTIVE.findall(text)) > _DIRECTIVES:
        raise Unreadable("it has too many lines that begin with %: leave the directives out")
    try:
        reading = loader(text)
        reading.aliases = aliases
        try:
            value = reading.get_single_data()
        finally:
            reading.dispose()
    except yaml.YAMLError as error:
        raise Unreadable(excerpt(str(error), _MESSAGE)) from error
    # aliases are not copies yet: who compares or tells what they describe would write it out
    if aliases and count_nodes(value, NODES) > NODES:
        raise Unreadable(f"with its aliases written out {_TOO_MANY}")
    return value


def from_json(content: bytes) -> Any:
    """Return what a JSON text says.

    Raises:
        Unreadable: it is not well-formed, or beyond a limit.
    """
    try:
        text = content.decode(json.detect_encoding(content))
        # called for each number, it doubles the time: only where one may be too long
        whole = _read_whole_number if _LONG.search(text) else None
        value = json.loads(
            text, object_pairs_hook=_read_object, parse_int=whole, parse_constant=_refuse_constant
        )
    except RecursionError as error:
        raise Unreadable(_TOO_DEEP) from error
    except ValueError as error:
        raise Unreadable(excerpt(str(error), _MESSAGE)) from error
    _check_limits(value)
    return value


def _yaml_error(place: Any, message: str) -> yaml.YAMLError:
    return yaml.YAMLError(f"line {place.start_mark.line + 1}: {message}")


def _check_scalar(node: yaml.ScalarNode) -> None:
    if node.tag in _NUMBERS and len(node.value) > DIGITS:
        raise _yaml_error(node, _too_long_text(node.value))
    if not _is_whole_text(node.value):
        raise _yaml_error(node, _HALF)


def _too_long_text(number: str) -> str:
    return f"a number of {len(number):,} characters: at most {DIGITS} are read"


_HALF = r"a text holds half a character, as \ud800 alone is: write it whole"


def _is_whole_text(text: str) -> bool:
    r"""Return whether the text can be stored and sent.

    >>> _is_whole_text("ñ"), _is_whole_text("\ud800")
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these pairs: of two values under one name, one would be lost unsaid."""
    content = dict(pairs)
    if len(content) < len(pairs):
        seen = set[str]()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"{excerpt(name, 80)} is given twice: keep one")
            seen.add(name)
    return content


def _read_whole_number(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(_too_long_text(digits))
    return int(digits)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON: give one that is finite")


def _check_limits(value: Any) -> None:
    """Check that a value of JSON is within the limits.

    Raises:
        Unreadable: it is not.
    """
    left, nodes = [(value, 1)], 1
    while left:
        node, depth = left.pop()
        if depth > DEPTH:
            raise Unreadable(_TOO_DEEP)
        if isinstance(node, str) and not _is_whole_text(node):
            raise Unreadable(_HALF)
        inner = tuple(inner_values(node))
        nodes += len(inner)
        if nodes > NODES:
            raise Unreadable(_TOO_MANY)
        left += [(each, depth + 1) for each in inner]
