"""The listening socket of the server: what its connections are like."""

import asyncio
import socket
from urllib.parse import urlsplit

import httpx2
import pytest

from alambique.cli.http_server import listen


async def accepted_without_delay(listener: socket.socket) -> bool:
    """Whether asyncio sends at once what is written to a connection that came in there."""
    found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            inner = transport.get_extra_info("socket")
            found.set_result(bool(inner.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            transport.close()

    async with await asyncio.get_running_loop().create_server(Accepted, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        try:
            return await found
        finally:
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_small_answers_are_sent_at_once(host: str) -> None:
    """With Nagle's algorithm each answer on a kept connection waits for an acknowledgement."""
    with listen(host, 0) as listener:
        assert asyncio.run(accepted_without_delay(listener))


@pytest.mark.slow
def test_the_program_serves_with_deadlines(url: str) -> None:
    """Ten seconds of waiting, as the program sets them."""
    parts = urlsplit(url)
    assert parts.hostname
    with socket.create_connection((parts.hostname, parts.port or 0), timeout=120) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
        assert slow.recv(1 << 16).startswith(b"HTTP/1.1 408")


def test_the_program_answers_by_its_own_names(url: str) -> None:
    port = urlsplit(url).port
    expected = {f"localhost:{port}": 200, f"127.0.0.1:{port}": 200, f"evil.example:{port}": 421}
    for host, status in expected.items():
        assert httpx2.get(f"{url}/healthz", headers={"Host": host}).status_code == status
