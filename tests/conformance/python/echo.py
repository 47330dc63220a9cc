"""The cases for Python's websockets: everything comes back as it went, and a close with its code."""

import asyncio
import sys

import websockets
from websockets.asyncio.client import connect


async def main(address):
    async with connect(address, max_size=None) as socket:
        assert socket.protocol.extensions == [], "no extension is agreed"
        for text in ["", "hello", "h\u00e4ll\u00f6 \u2713 \U0001f680", "x" * 70000]:
            await socket.send(text)
            assert await socket.recv() == text
        for size in [0, 1, 125, 126, 65535, 65536, 1 << 20]:
            data = bytes([size % 251]) * size
            await socket.send(data)
            assert await socket.recv() == data
        # An iterable is sent in fragments.
        await socket.send(["one ", "two ", "three"])
        assert await socket.recv() == "one two three"
        await asyncio.wait_for(await socket.ping(b"are you there?"), 60)
        await socket.close(4321, "enough")
        assert (socket.close_code, socket.close_reason) == (4321, "enough")

    async with connect(address) as socket:
        socket.transport.write(b"\x82\x01\x00")
        try:
            await socket.recv()
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd.code == 1002, closed
    print(f"websockets {websockets.__version__}: every case passed")


asyncio.run(main(sys.argv[1]))
