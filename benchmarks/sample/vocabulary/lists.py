"""Lists of words, written as one reads them."""


def listed(words: str) -> tuple[str, ...]:
    """The words between commas.

    >>> listed("Lima, Buenos Aires")
    ('Lima', 'Buenos Aires')
    """
    return tuple(words.split(", "))


def with_articles(words: str) -> tuple[tuple[str, str], ...]:
    """Words that are written behind their articles.

    >>> with_articles("el piano, la viola")
    (('piano', 'el'), ('viola', 'la'))
    """
    parted = (word.split(maxsplit=1) for word in listed(words))
    return tuple((word, article) for article, word in parted)


def in_both_genders(words: str) -> tuple[tuple[str, str], ...]:
    """Pairs of masculine and feminine.

    >>> in_both_genders("actor/actriz")
    (('actor', 'actriz'),)
    """
    parted = (word.split("/") for word in listed(words))
    return tuple((masculine, feminine) for masculine, feminine in parted)
