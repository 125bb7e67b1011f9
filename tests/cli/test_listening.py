"""The listening socket of the server: what its connections are like."""

import asyncio
import socket

import pytest

from alambique.cli.listening import listen


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
