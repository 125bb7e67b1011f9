"""Names and templates: how a fact becomes Spanish text, and where in it each name stands.

A field of a template is `{s}` (a subject) or `{v}` (a value) with its article, `{de s}` or `{a v}`
after a preposition that may contract with it, and `{o}`, the ending that agrees with the subject.
Fields carry a number where a sentence has several subjects or values: `{s0}`, `{de v1}`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_FIELD = re.compile(r"\{(?:(de|a) )?(s|v|o)(\d*)\}")
_BEFORE_I = re.compile(r"\by(?= (?:[IÍií](?![aeou])|[Hh][ií](?![aeo])))")


@dataclass(frozen=True, slots=True)
class Name:
    """A noun or proper name with its article ("" for none) and grammatical gender."""

    text: str
    article: str = ""
    feminine: bool = False

    def after(self, preposition: str) -> str:
        """What stands before the name: preposition and article, contracted (`del`, `al`).

        >>> Name("Museo Goya", "el").after("de")
        'del '
        """
        if self.article == "el" and preposition:
            return {"de": "del ", "a": "al "}[preposition]
        return "".join(f"{word} " for word in (preposition, self.article) if word)


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (exclusive) of a text."""

    start: int
    end: int

    def moved(self, by: int) -> "Span":
        """The same span in a text that has `by` more characters before it."""
        return Span(self.start + by, self.end + by)


@dataclass(frozen=True, slots=True)
class Wording:
    """A text and where each numbered field stands in it (its name, without the article)."""

    text: str
    spans: Mapping[str, Span]


def numbered(template: str, *, subject: int, value: int) -> str:
    """The template with its fields numbered.

    >>> numbered("{s} es natural {de v}", subject=0, value=2)
    '{s0} es natural {de v2}'
    """

    def field(match: re.Match[str]) -> str:
        preposition = f"{match[1]} " if match[1] else ""
        return f"{{{preposition}{match[2]}{value if match[2] == 'v' else subject}}}"

    return _FIELD.sub(field, template)


def write(template: str, names: Mapping[str, Name]) -> Wording:
    """The template with its names put in; its first letter becomes a capital.

    >>> write("{s0} está en {v0}", {"s0": Name("Museo Goya", "el"), "v0": Name("Vigo")})
    Wording(text='El Museo Goya está en Vigo', spans={'s0': Span(start=3, end=13), 'v0': Span(start=22, end=26)})
    """  # noqa: E501
    text, spans, done = "", {}, 0
    for match in _FIELD.finditer(template):
        text += template[done : match.start()]
        done = match.end()
        if match[2] == "o":
            text += "a" if names[f"s{match[3]}"].feminine else "o"
            continue
        name = names[f"{match[2]}{match[3]}"]
        text += name.after(match[1] or "")
        spans[f"{match[2]}{match[3]}"] = Span(len(text), len(text) + len(name.text))
        text += name.text
    text += template[done:]
    return Wording(text[:1].upper() + text[1:], spans)


def euphonic(text: str) -> str:
    """The text with "e" for "and" before a word that begins with the sound of i.

    >>> euphonic("Ana y Inés, padre y hijo, agua y hielo")
    'Ana e Inés, padre e hijo, agua y hielo'
    """
    return _BEFORE_I.sub("e", text)
