"""A WSTP client written from docs/protocol.md alone: lists folders, downloads a file, and verifies every block.

    python client.py ws://127.0.0.1:3000/ws ls [PATH]
    python client.py ws://127.0.0.1:3000/ws get PATH [OUT]

With http:// or https:// in place of ws:// or wss:// the frames go over HTTP.

`get` prints the file's root, as `b3sum` does. The client holds all data in memory: it shows the protocol and is no tool for large
files.
"""

import asyncio
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import websockets

import blake3_tree as tree
import wire
from exchanges import Downstream, Exchanges

IN_FLIGHT = 4
PAGE_NODES = 64
MOST_BUNDLED = 256
PATIENCE = 30


class Refused(Exception):
    """The server said why it does not do something."""

    def __init__(self, failure):
        super().__init__(f"error {failure.code}: {failure.text}")
        self.code, self.retry_after_ms = failure.code, failure.retry_after_ms


class Unverified(Exception):
    """Bytes that are not the file's."""


class Client:
    """One connection after its handshake. Use `async with await Client.connect(url)`."""

    REPLIES = {"List": ("Listing",), "Stat": ("StatReply",), "Open": ("Opened",), "Blocks": ("BlocksReply", "Zeros"),
               "Hashes": ("HashPage",), "Bundle": ("BundleReply",)}

    def __init__(self, socket, welcome):
        self.socket, self.welcome = socket, welcome
        self.waiting, self.roots, self.stale = {}, {}, set()
        self.last_id = 0
        # Other places of the folder; known once the future is done, and never without the feature.
        self.mirrors = asyncio.get_running_loop().create_future() if welcome.features & wire.MIRRORS else None
        self.broken = None
        # The most blocks that one answer called zero.
        self.zeros = 0
        # Bytes that arrived compressed, and what they became.
        self.compressed = self.decompressed = 0
        self.spoke = time.monotonic()
        self.tasks = [asyncio.create_task(self.receive()), asyncio.create_task(self.keep_alive())]

    @classmethod
    async def connect(
        cls, url, token=None, features=wire.MIRRORS | wire.BUNDLES | wire.ZEROS | wire.COMPRESSED, downstream=False):
        if url.startswith("http"):
            socket = Exchanges(url)
        else:
            socket = await websockets.connect(url, max_size=wire.MAX_SERVER_FRAME, compression=None)
            if downstream:
                socket = await Downstream(url, socket).begin()
        hello = wire.encode("Hello", min_version=1, max_version=1, features=features, agent="python interop", token=token)
        try:
            await socket.send(hello)
            name, message = wire.decode(await asyncio.wait_for(socket.recv(), PATIENCE))
            if name == "Failure":
                raise Refused(message)
            if name != "Welcome" or message.version != 1:
                raise wire.Malformed("this is no WSTP server of version 1")
        except BaseException:
            await socket.close()
            raise
        return cls(socket, message)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await self.socket.close()

    async def receive(self):
        """Takes frames and hands them to whom they are for, until the connection ends."""
        try:
            async for frame in self.socket:
                if isinstance(frame, str):
                    raise wire.Malformed("a text message")
                name, message = wire.decode(frame)
                if name == "Compressed":
                    name, message = self.decompress(message)
                self.handle(name, message)
            raise ConnectionError("the server closed the connection")
        except Exception as error:
            self.broken = error
            for future in [*(future for future, _ in self.waiting.values()), *self.roots.values()]:
                if not future.done():
                    future.set_exception(error)
                    # Somebody may not wait for it any more; that is no reason to complain.
                    future.exception()
            await self.socket.close()

    def decompress(self, message):
        """The reply inside. Its length is checked before any memory is taken for it."""
        _, expected = self.waiting.get(message.id, (None, ()))
        if not self.welcome.features & wire.COMPRESSED or not {"BlocksReply", "BundleReply"} & set(expected):
            raise wire.Malformed("a compressed frame nobody asked for")
        self.compressed += len(message.data)
        self.decompressed += message.length
        return wire.decompress(message)

    def handle(self, name, message):
        if name == "RootReady":
            future = self.roots.get(message.handle)
            if future is not None and not future.done():
                future.set_result(message.root)
            elif future is not None and future.result() != message.root:
                raise wire.Malformed("a second root for one handle")
        elif name == "Stale":
            self.stale.add(message.handle)
        elif name == "Mirrors":
            if self.mirrors is None or self.mirrors.done():
                raise wire.Malformed("mirrors nobody asked for")
            self.mirrors.set_result(message.urls)
        elif name == "Failure" and message.id is None:
            raise Refused(message)
        elif name == "Failure" or any(name in replies for replies in self.REPLIES.values()):
            future, expected = self.waiting.pop(message.id, (None, ()))
            if future is None or name not in ("Failure", *expected):
                raise wire.Malformed(f"a {name} nobody asked for")
            if name == "Zeros" and not self.welcome.features & wire.ZEROS:
                raise wire.Malformed("zeros without the feature")
            if name == "Opened":
                # Here and not in `open`, for RootReady may be the very next frame.
                self.expect_root(message)
            if not future.done():
                future.set_exception(Refused(message)) if name == "Failure" else future.set_result(message)
        elif name not in ("Pong", "Goodbye"):
            raise wire.Malformed(f"a {name} after the handshake")

    def expect_root(self, opened):
        root = self.roots[opened.handle] = asyncio.get_running_loop().create_future()
        if opened.root is not None:
            root.set_result(opened.root)

    async def send(self, frame):
        self.spoke = time.monotonic()
        await self.socket.send(frame)

    async def keep_alive(self):
        """Pings when nothing was said for a third of the idle timeout."""
        pause = self.welcome.limits["idle_timeout_ms"] / 3000
        while True:
            silent = time.monotonic() - self.spoke
            if silent >= pause:
                await self.send(wire.encode("Ping", nonce=0))
            await asyncio.sleep(max(pause - silent, 0.01))

    async def request(self, name, **fields):
        """Sends a request and waits for its reply."""
        if self.broken:
            raise self.broken
        self.last_id = self.last_id + 1 & 0xFFFFFFFF
        request, future = self.last_id, asyncio.get_running_loop().create_future()
        self.waiting[request] = future, self.REPLIES[name]
        await self.send(wire.encode(name, id=request, **fields))
        return await asyncio.wait_for(future, PATIENCE)

    async def list(self, path, limit=1000):
        """All entries of a folder, page by page."""
        cursor = None
        while True:
            page = await self.request("List", path=path, cursor=cursor, limit=limit)
            for entry in page.entries:
                yield SimpleNamespace(**entry)
            if page.next is None:
                return
            cursor = page.next

    async def open(self, path):
        """Opens a file; `root` of what comes back is a future."""
        opened = await self.request("Open", path=path)
        return SimpleNamespace(**vars(opened) | {"root": self.roots[opened.handle]})

    async def close(self, handle):
        await self.send(wire.encode("Close", handle=handle))
        self.roots.pop(handle, None)

    async def blocks(self, file, first, count):
        """A run of blocks, not verified."""
        reply = await self.request("Blocks", handle=file.handle, run={"first": first, "count": count})
        length = min((first + count) * tree.BLOCK, file.size) - first * tree.BLOCK
        if not hasattr(reply, "data"):
            if reply.first != first or not count <= reply.count <= tree.block_count(file.size) - first:
                raise wire.Malformed("zeros in place of other blocks than were asked for")
            self.zeros = max(self.zeros, reply.count)
            return bytes(length)
        if (reply.first, reply.count, len(reply.data)) != (first, count, length):
            raise wire.Malformed("other blocks than were asked for")
        return reply.data

    async def bundle(self, path, names):
        """Small files of a folder by name: their verified bytes, or the code for which one is refused."""
        files, left = {}, list(names)
        while left:
            asked = left[:MOST_BUNDLED]
            reply = await self.request("Bundle", path=path, names=asked)
            if not 1 <= len(reply.files) <= len(asked):
                raise wire.Malformed("another number of files than was asked for")
            for name, file in zip(asked, reply.files):
                if "data" in file and root_of(file["data"]) != file["root"]:
                    raise Unverified(f"{name!r} does not have its hash")
                files[name] = file.get("data", file.get("code"))
            left = left[len(reply.files):]
        return files

    async def block_hashes(self, file, root):
        """The verified hash of every block."""
        blocks = tree.block_count(file.size)
        if blocks <= 1:
            return [root] * blocks
        count = min(PAGE_NODES, self.welcome.limits["page_nodes"])
        hashes = []
        for first in range(0, blocks, count):
            page = await self.request("Hashes", handle=file.handle, level=0, first=first, count=count)
            if not tree.verify_page(file.size, root, 0, first, count, page.nodes, page.uncles):
                raise Unverified(f"the page of hashes at block {first} does not lead to the root")
            hashes += page.nodes
        return hashes

    async def runs(self, file):
        """All bytes of a file, in order, with several requests under way."""
        most, blocks = self.welcome.limits["run_blocks"], tree.block_count(file.size)
        pending = []
        for first in range(0, blocks, most):
            pending.append(asyncio.create_task(self.blocks(file, first, min(most, blocks - first))))
            if len(pending) == min(IN_FLIGHT, self.welcome.limits["requests"]):
                yield await pending.pop(0)
        for task in pending:
            yield await task

    async def get(self, path):
        """The verified bytes of a file, and its root."""
        file = await self.open(path)
        try:
            data = b"".join([run async for run in self.runs(file)])
            root = await asyncio.wait_for(asyncio.shield(file.root), PATIENCE)
            verify(data, root, await self.block_hashes(file, root))
            return data, root
        finally:
            await self.close(file.handle)


def root_of(data):
    """The BLAKE3 hash of a whole file."""
    blocks = tree.block_count(len(data))
    leaves = [tree.block_hash(i, blocks, data[i * tree.BLOCK:(i + 1) * tree.BLOCK]) for i in range(blocks)]
    return tree.fold(leaves, True) if leaves else tree.chunk_cv(b"", 0, True)


def verify(data, root, hashes):
    """Compares every block with its hash; names the first that differs."""
    if not hashes and (data or root != tree.chunk_cv(b"", 0, True)):
        raise Unverified("an empty file with the root of another")
    for index, expected in enumerate(hashes):
        block = data[index * tree.BLOCK:(index + 1) * tree.BLOCK]
        if tree.block_hash(index, len(hashes), block) != expected:
            raise Unverified(f"block {index} is not the file's")


async def main(url, command, path="", out=None):
    async with await Client.connect(url) as client:
        if command == "ls":
            async for entry in client.list(path):
                print(f"{entry.kind:<10} {entry.size:>15} {entry.name!r}")
        elif command == "get":
            data, root = await client.get(path)
            if out:
                Path(out).write_bytes(data)
            print(root.hex(), len(data))
        else:
            sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
