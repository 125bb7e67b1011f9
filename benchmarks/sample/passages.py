"""Passages: several subjects of one sort, each with the same kinds of facts, told in any order."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.sample.books import BOOKS
from benchmarks.sample.houses import HOUSES
from benchmarks.sample.lives import LIVES
from benchmarks.sample.relations import Domain, Relation, Subject
from benchmarks.sample.towns import TOWNS
from benchmarks.sample.wording import Name, Span, numbered, write

DOMAINS: tuple[Domain, ...] = (LIVES, TOWNS, HOUSES, BOOKS)

SHORT = 0.4
"""How often a subject that was named before is called by its shorter name."""
GROUPED = 0.5
"""How often a passage tells of one subject after the other; else their facts are mixed."""
OPENED = 0.15
"""How often a sentence begins with an opener."""
APPOSED = 0.5
"""How often the first of two facts is an apposition."""
OMITTED = 0.2
"""How often it is left out, where the sentence before was about it too."""
WORDS = range(50, 111)
"""Words of a passage of the full size."""
FULL = ((2, 4), (3, 3), (3, 3), (4, 2))
"""How many subjects, and how many facts about each."""
BRIEF = ((2, 1), (2, 1), (2, 2), (3, 1))
"""The same for short passages, which are easier to learn from."""

_OPENERS = (
    "según la prensa",
    "según las crónicas",
    "como es sabido",
    "por lo que se cuenta",
    "al parecer",
    "sin duda",
    "por cierto",
    "en realidad",
)
_CONTRASTS = (
    "{a}, mientras que {b}",
    "{a}; en cambio, {b}",
    "{a} y {b}",
    "{a}, pero {b}",
    "si {a}, {b}",
)
_SMALL = frozenset(("de", "del", "el", "la", "los", "las"))


@dataclass(frozen=True, slots=True)
class Fact:
    """A value that a subject has."""

    subject: Subject
    relation: Relation
    value: Name


@dataclass(frozen=True, slots=True)
class Stated:
    """A fact where a passage states it: the value, and the subject where it is named in full."""

    fact: Fact
    value: Span
    subject: Span | None


@dataclass(frozen=True, slots=True)
class Passage:
    """Running text with the facts in it; `sentences` joined by spaces are the text."""

    sentences: tuple[str, ...]
    stated: tuple[Stated, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return " ".join(self.sentences)


def passage(random: Random) -> Passage:
    """A passage of some sort, its length within `WORDS`."""
    while True:
        told = _told(random, random.choice(FULL))
        if len(told.text.split()) in WORDS:
            return told


def brief_passage(random: Random) -> Passage:
    """A passage of few sentences."""
    return _told(random, random.choice(BRIEF))


def _told(random: Random, size: tuple[int, int]) -> Passage:
    facts = _facts(random, random.choice(DOMAINS), *size)
    return _grouped(random, facts) if random.random() < GROUPED else _mixed(random, facts)


def _facts(random: Random, domain: Domain, subjects: int, each: int) -> list[list[Fact]]:
    """Per subject its facts; all of the same relations, no value or name twice."""
    relations = random.sample(domain.relations, each)
    taken: set[str] = set()
    return [
        _facts_of(random, _drawn(random, domain, taken), relations, taken) for _ in range(subjects)
    ]


def _drawn(random: Random, domain: Domain, taken: set[str]) -> Subject:
    while True:
        subject = domain.draw(random)
        if _take(subject.short, taken):
            return subject


def _facts_of(
    random: Random, subject: Subject, relations: Sequence[Relation], taken: set[str]
) -> list[Fact]:
    facts = []
    for relation in relations:
        value = relation.draw(random, subject.name)
        while not _take(value, taken):
            value = relation.draw(random, subject.name)
        facts.append(Fact(subject, relation, value))
    random.shuffle(facts)
    return facts


def _take(name: Name, taken: set[str]) -> bool:
    """Marks the words of a name as used; False where one was already."""
    words = set(name.text.strip("«»").lower().split()) - _SMALL
    if words & taken:
        return False
    taken |= words
    return True


def _grouped(random: Random, facts: Sequence[Sequence[Fact]]) -> Passage:
    """One subject after the other."""
    sentences: list[str] = []
    stated: list[Stated] = []
    for of_one in facts:
        rest = list(of_one)
        mention = of_one[0].subject.name
        while rest:
            taken = [rest.pop() for _ in range(min(len(rest), random.choice((1, 1, 2))))]
            omitted = len(rest) + len(taken) < len(of_one) and random.random() < OMITTED
            text, found = _sentence(random, taken, mention, omitted=omitted)
            _append(sentences, stated, text, found)
            mention = _next_mention(random, of_one[0].subject)
    return Passage(tuple(sentences), tuple(stated))


def _mixed(random: Random, facts: Sequence[Sequence[Fact]]) -> Passage:
    """One kind of fact after the other, two subjects against each other where that comes out."""
    sentences: list[str] = []
    stated: list[Stated] = []
    named: set[str] = set()
    kinds = {fact.relation.name: fact.relation for of_one in facts for fact in of_one}
    for kind in kinds:
        rest = [fact for of_one in facts for fact in of_one if fact.relation.name == kind]
        random.shuffle(rest)
        while rest:
            taken = [rest.pop() for _ in range(min(len(rest), random.choice((1, 2))))]
            mentions = [
                _next_mention(random, fact.subject)
                if fact.subject.name.text in named
                else fact.subject.name
                for fact in taken
            ]
            named.update(fact.subject.name.text for fact in taken)
            if len(taken) == 1:
                text, found = _sentence(random, taken, mentions[0], omitted=False)
            else:
                text, found = _contrast(random, taken, mentions)
            _append(sentences, stated, text, found)
    return Passage(tuple(sentences), tuple(stated))


def _append(sentences: list[str], stated: list[Stated], text: str, found: Sequence[Stated]) -> None:
    before = sum(len(sentence) + 1 for sentence in sentences)
    sentences.append(text)
    stated.extend(
        Stated(one.fact, one.value.moved(before), one.subject and one.subject.moved(before))
        for one in found
    )


def _next_mention(random: Random, subject: Subject) -> Name:
    return subject.short if random.random() < SHORT else subject.name


def _sentence(
    random: Random, facts: Sequence[Fact], mention: Name, *, omitted: bool
) -> tuple[str, list[Stated]]:
    """One or two facts about one subject."""
    shape = _shape(random, facts)
    if omitted:
        predicates = [
            numbered(random.choice(fact.relation.predicates), subject=0, value=i)
            for i, fact in enumerate(facts)
        ]
        shape = " y ".join(predicates)
    elif random.random() < OPENED:
        shape = f"{random.choice(_OPENERS)}, {shape}"
    return _written(shape, facts, {"s0": mention})


def _shape(random: Random, facts: Sequence[Fact]) -> str:
    first = facts[0].relation
    if len(facts) == 1:
        predicates = [f"{{s}} {predicate}" for predicate in first.predicates]
        return numbered(random.choice((*predicates, *first.clauses)), subject=0, value=0)
    predicate = numbered(random.choice(facts[1].relation.predicates), subject=0, value=1)
    if random.random() < APPOSED:
        apposition = numbered(random.choice(first.appositions), subject=0, value=0)
        return f"{{s0}}, {apposition}, {predicate}"
    return f"{{s0}} {numbered(random.choice(first.predicates), subject=0, value=0)} y {predicate}"


def _contrast(
    random: Random, facts: Sequence[Fact], mentions: Sequence[Name]
) -> tuple[str, list[Stated]]:
    """The same kind of fact about two subjects."""
    parts = [
        numbered(f"{{s}} {random.choice(fact.relation.predicates)}", subject=i, value=i)
        for i, fact in enumerate(facts)
    ]
    shape = random.choice(_CONTRASTS).replace("{a}", parts[0]).replace("{b}", parts[1])
    return _written(shape, facts, {f"s{i}": mention for i, mention in enumerate(mentions)})


def _written(
    shape: str, facts: Sequence[Fact], mentions: dict[str, Name]
) -> tuple[str, list[Stated]]:
    values = {f"v{i}": fact.value for i, fact in enumerate(facts)}
    wording = write(f"{shape}.", mentions | values)
    stated = []
    for i, fact in enumerate(facts):
        field = f"s{i}" if f"s{i}" in mentions else "s0"
        whole = mentions[field].text == fact.subject.name.text and field in wording.spans
        subject = wording.spans[field] if whole else None
        stated.append(Stated(fact, wording.spans[f"v{i}"], subject))
    return wording.text, stated
