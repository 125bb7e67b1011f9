"""The names by which a server is reached, as a setting, a URL or a `Host` header has them."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address

_FORM = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Host:
    """A name or an address in small letters, and the port where one is given."""

    name: str
    """Without the dot that ends an absolute name; an address of IPv6 stands in brackets."""
    port: int | None = None


def host_of(text: str) -> Host | None:
    """Return the host that the text names, or None where it names none.

    >>> host_of("Distil.Example:8443"), host_of("[0:0::1]")
    (Host(name='distil.example', port=8443), Host(name='[::1]', port=None))
    >>> [host_of(text) for text in ("", "a/b", "a:b", "a:0", "me@a", "*", "[::1", "::1")]
    [None, None, None, None, None, None, None, None]
    """
    match = _FORM.fullmatch(text.lower())
    if match is None:
        return None
    name, port = match["name"].removesuffix("."), match["port"]
    if name.startswith("["):
        try:
            name = f"[{IPv6Address(name[1:-1]).compressed}]"
        except ValueError:
            return None
    if not name or (port and not 0 < int(port) < 1 << 16):
        return None
    return Host(name, int(port) if port else None)


def without_password(url: str) -> str:
    """Return the URL as it may be shown: without the user and password of a proxy.

    >>> without_password("https://me:secret@host/a@b"), without_password("http://host/a@b")
    ('https://host/a@b', 'http://host/a@b')
    """
    return re.sub(r"//[^/]*@", "//", url, count=1)
