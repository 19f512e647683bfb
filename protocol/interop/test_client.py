"""Runs the Python client against the real server, and checks the vectors.

    python protocol/interop/test_client.py [PATH/TO/wstp-server]

The server's path is the argument, or WSTP_SERVER, or else target/debug/wstp-server. Needs requirements.txt.
"""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import blake3
import websockets
import zstandard

import blake3_tree as tree
import make_vectors
import wire
from client import Client, Refused, Unverified, root_of, verify
from exchanges import Ended, Exchanges

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER = os.environ.get("WSTP_SERVER", str(REPOSITORY / "target/debug/wstp-server"))
BLOCK = tree.BLOCK
MIRRORS = ["wss://mirror.example/ws", "https://mirror.example/pub/"]
SIZES = (0, 1, 8191, 8192, 8193, 16_385, 32 * BLOCK, 32 * BLOCK + 1, 70 * BLOCK, 900_001)
NAMES = ("<img src=x onerror=alert(1)>.txt", 'a "b" \'c\'.txt', "späß 🎈.txt", "\u202egnp.txt", "back\\slash", "%2e%2e", "n" * 255)


class HashTree(unittest.TestCase):
    """The Python code against the blake3 package and the vectors; no server."""

    def test_roots_are_those_of_the_blake3_package(self):
        for size in (0, 1, 64, 65, 1024, 1025, 3000, 8191, 8192, 8193, 5 * BLOCK, 100_000):
            data = make_vectors.sample(size)
            root = tree.fold(make_vectors.hashes(data), True) if data else tree.chunk_cv(b"", 0, True)
            self.assertEqual(root, blake3.blake3(data).digest(), size)

    def test_the_vectors_are_as_generated(self):
        self.assertEqual(make_vectors.differing(), [])

    def test_a_flipped_bit_is_found_in_every_block(self):
        data = make_vectors.sample(4 * BLOCK + 5)
        root, hashes = blake3.blake3(data).digest(), make_vectors.hashes(data)
        verify(data, root, hashes)
        for block in range(5):
            at = block * BLOCK + 3
            with self.assertRaisesRegex(Unverified, f"block {block} "):
                verify(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:], root, hashes)
        with self.assertRaises(Unverified):
            verify(data[:-1], root, hashes)
        with self.assertRaises(Unverified):
            verify(b"", root, [])

    def test_a_whole_file_has_the_root_of_the_blake3_package(self):
        for size in (0, 1, 8192, 8193, 100_000):
            data = make_vectors.sample(size)
            self.assertEqual(root_of(data), blake3.blake3(data).digest(), size)

    def test_a_changed_page_is_refused(self):
        hashes = make_vectors.hashes(make_vectors.sample(5 * BLOCK))
        root, size = tree.fold(hashes, True), 5 * BLOCK
        self.assertTrue(tree.verify_page(size, root, 0, 0, 4, hashes[:4], hashes[4:]))
        self.assertFalse(tree.verify_page(size, root, 0, 0, 4, hashes[3::-1], hashes[4:]))
        self.assertFalse(tree.verify_page(size, root, 0, 0, 4, hashes[:4], [hashes[0]]))
        self.assertFalse(tree.verify_page(size, root, 0, 0, 4, hashes[:4], []))
        self.assertFalse(tree.verify_page(size, root, 0, 0, 4, hashes[:3], hashes[4:]))
        self.assertFalse(tree.verify_page(size, bytes(32), 0, 0, 4, hashes[:4], hashes[4:]))


class CompressedData(unittest.TestCase):
    """What a hostile server may put into a compressed frame; no server."""

    def test_other_data_than_a_reply_of_the_announced_length_are_refused(self):
        reply = wire.encode("BlocksReply", id=1, first=0, count=1, data=b"a" * 100)
        packed = zstandard.compress(reply)

        def decompress(data, length=len(reply), request=1):
            name, message = wire.decode(wire.encode("Compressed", id=request, length=length, data=data))
            self.assertEqual(name, "Compressed")
            return wire.decompress(message)

        self.assertEqual(decompress(packed)[1].data, b"a" * 100)
        pong = wire.encode("Pong", nonce=1)
        longer = packed[:5] + bytes([packed[5] - 1]) + packed[6:]
        for data, length, request in (
            (packed, len(reply) + 1, 1), (packed, len(reply), 2), (packed[:-1], len(reply), 1), (packed + b"\0", len(reply), 1),
            (b"no data", len(reply), 1), (longer, len(reply) - 1, 1), (zstandard.compress(pong), len(pong), 1),
        ):
            with self.assertRaises(wire.Malformed):
                decompress(data, length, request)


class Served(unittest.IsolatedAsyncioTestCase):
    """The client against the real server."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        share = cls.share = Path(cls.folder.name) / "share"
        (share / "sizes").mkdir(parents=True)
        (share / "names").mkdir()
        for size in SIZES:
            (share / "sizes" / f"{size}.bin").write_bytes(make_vectors.sample(size))
        for name in NAMES:
            (share / "names" / name).write_text(name, encoding="utf-8")
        environment = os.environ | {"XDG_CACHE_HOME": str(Path(cls.folder.name) / "cache")}
        command = [SERVER, str(share), "--listen", "127.0.0.1:0"]
        command += [argument for url in MIRRORS for argument in ("--mirror", url)]
        cls.server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        for line in cls.server.stdout:
            if found := re.search(r"listening on (ws://\S+)", line):
                cls.url = found[1]
                return
        cls.tearDownClass()
        raise RuntimeError(f"{SERVER} ended without listening")

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait(30)
        cls.server.stdout.close()
        cls.folder.cleanup()

    async def asyncSetUp(self):
        # Hashing in Python blocks the loop, and that is all right here.
        asyncio.get_running_loop().slow_callback_duration = 60
        self.client = await Client.connect(self.url)

    async def asyncTearDown(self):
        await self.client.__aexit__()

    async def assert_refused(self, code, request):
        with self.assertRaises(Refused) as caught:
            await asyncio.wait_for(request, 20)
        self.assertEqual(caught.exception.code, code)

    async def test_files_of_all_sizes_arrive_verified(self):
        for size in SIZES:
            data, root = await self.client.get(f"sizes/{size}.bin")
            expected = make_vectors.sample(size)
            self.assertEqual(data, expected, size)
            self.assertEqual(root, blake3.blake3(expected).digest(), size)

    async def test_zeros_are_told_and_proved(self):
        size = 90 * BLOCK + 7
        expected = bytes(70 * BLOCK) + b"data" + bytes(size - 70 * BLOCK - 4)
        with open(self.share / "holes.bin", "wb") as image:
            image.truncate(size)
            image.seek(70 * BLOCK)
            image.write(b"data")
        data, root = await self.client.get("holes.bin")
        self.assertEqual((data, root), (expected, blake3.blake3(expected).digest()))
        self.assertGreaterEqual(self.client.zeros, 20)
        async with await Client.connect(self.url, features=0) as older:
            self.assertEqual((await older.get("holes.bin"))[0], expected)
            self.assertEqual(older.zeros, 0)

    async def test_replies_over_a_slow_line_come_compressed(self):
        expected = b"".join(b"line %d of a log\n" % line for line in range(20_000))
        (self.share / "log").write_bytes(expected)
        client = self.client
        file = await client.open("log")
        # While nothing is read, the server has to wait for this client. So it finds its line slow.
        client.socket.transport.pause_reading()
        runs = [asyncio.create_task(client.blocks(file, 0, 32)) for _ in range(client.welcome.limits["requests"])]
        await asyncio.sleep(0.5)
        client.socket.transport.resume_reading()
        for run in await asyncio.gather(*runs):
            self.assertEqual(run, expected[:32 * BLOCK])
        self.assertGreater(client.decompressed, 4 * client.compressed)
        self.assertGreater(client.compressed, 0)
        async with await Client.connect(self.url, features=0) as older:
            self.assertEqual((await older.get("log"))[0], expected)
            self.assertEqual(older.compressed, 0)

    async def test_a_byte_flipped_on_the_way_is_detected(self):
        client, size = self.client, 70 * BLOCK
        fetch = client.blocks

        async def flipping(file, first, count):
            data = bytearray(await fetch(file, first, count))
            if first <= 40 < first + count:
                data[(40 - first) * BLOCK + 77] ^= 0x10
            return bytes(data)

        client.blocks = flipping
        with self.assertRaisesRegex(Unverified, "block 40 "):
            await client.get(f"sizes/{size}.bin")

    async def test_pages_of_every_level_lead_to_the_root(self):
        size = 70 * BLOCK
        file = await self.client.open(f"sizes/{size}.bin")
        root = await asyncio.wait_for(file.root, 20)
        vector = make_vectors.tree_vector(size, make_vectors.TREES[size])
        self.assertEqual(root.hex(), vector["root"])
        for page in vector["pages"]:
            place = {key: page[key] for key in ("level", "first", "count")}
            reply = await self.client.request("Hashes", handle=file.handle, **place)
            self.assertEqual([node.hex() for node in reply.nodes], page["nodes"], place)
            self.assertEqual([uncle.hex() for uncle in reply.uncles], page["uncles"], place)
            self.assertTrue(tree.verify_page(size, root, **place, nodes=reply.nodes, page_uncles=reply.uncles))

    async def test_listings_are_paged_and_in_order(self):
        self.assertEqual([(e.name, e.kind) async for e in self.client.list("")],
                         [("names", "Directory"), ("sizes", "Directory")])
        for limit in (1, 3, 1000):
            names = [entry.name async for entry in self.client.list("names", limit)]
            self.assertEqual(names, sorted(NAMES, key=str.encode))
        sizes = {entry.name: entry.size async for entry in self.client.list("sizes")}
        self.assertEqual(sizes, {f"{size}.bin": size for size in SIZES})

    async def test_every_name_can_be_opened_as_listed(self):
        async for entry in self.client.list("names"):
            data, _ = await self.client.get(f"names/{entry.name}")
            self.assertEqual(data.decode(), entry.name)

    async def test_requests_fail_with_the_code_of_the_table(self):
        client = self.client
        file = await client.open("sizes/8193.bin")
        empty = await client.open("sizes/0.bin")
        await asyncio.wait_for(file.root, 20)
        await asyncio.wait_for(empty.root, 20)
        run = {"first": 1, "count": 2}
        await self.assert_refused(4, client.request("Open", path="nothing"))
        await self.assert_refused(5, client.request("Open", path="sizes"))
        await self.assert_refused(6, client.request("List", path="sizes/0.bin", cursor=None, limit=1))
        await self.assert_refused(8, client.request("List", path="sizes", cursor="?", limit=1))
        await self.assert_refused(10, client.request("Blocks", handle=file.handle, run=run))
        await self.assert_refused(10, client.request("Blocks", handle=empty.handle, run={"first": 0, "count": 1}))
        await self.assert_refused(10, client.request("Hashes", handle=empty.handle, level=0, first=0, count=1))
        await self.assert_refused(10, client.request("Hashes", handle=file.handle, level=0, first=2, count=1))
        await client.close(file.handle)
        await self.assert_refused(11, client.request("Blocks", handle=file.handle, run={"first": 0, "count": 1}))

    async def test_stat_tells_of_one_entry(self):
        reply = await self.client.request("Stat", path="sizes/8193.bin")
        self.assertEqual((reply.entry["name"], reply.entry["kind"], reply.entry["size"]), ("8193.bin", "File", 8193))
        reply = await self.client.request("Stat", path="")
        self.assertEqual((reply.entry["name"], reply.entry["kind"]), ("", "Directory"))

    async def test_a_changed_file_is_never_served_mixed(self):
        path = self.share / "changing.bin"
        path.write_bytes(bytes(3 * BLOCK))
        try:
            file = await self.client.open("changing.bin")
            await self.client.blocks(file, 0, 1)
            path.write_bytes(b"x" * 3 * BLOCK + b"y")
            await self.assert_refused(9, self.client.blocks(file, 1, 1))
            again = await self.client.open("changing.bin")
            self.assertNotEqual(again.version, file.version)
            data, root = await self.client.get("changing.bin")
            self.assertEqual(root, blake3.blake3(data).digest())
        finally:
            path.unlink()

    async def test_a_request_cancelled_ends_exactly_once(self):
        file = await self.client.open(f"sizes/{70 * BLOCK}.bin")
        requests = [asyncio.create_task(self.client.blocks(file, first, 32)) for first in (0, 32)]
        await asyncio.sleep(0)
        await self.client.send(wire.encode("Cancel", id=self.client.last_id))
        await self.client.send(wire.encode("Cancel", id=4_000_000))
        for outcome in await asyncio.gather(*requests, return_exceptions=True):
            self.assertTrue(isinstance(outcome, bytes) or outcome.code == 15, outcome)
        self.assertEqual(self.client.waiting, {})

    async def last_words(self, *messages, greet=True):
        """The server's last messages before it closes the connection."""
        async with websockets.connect(self.url, compression=None) as socket:
            if greet:
                hello = wire.encode("Hello", min_version=1, max_version=1, features=0, agent="", token=None)
                await socket.send(hello)
                self.assertEqual(wire.decode(await socket.recv())[0], "Welcome")
            for message in messages:
                await socket.send(message)
            frames = []
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    frames.append(wire.decode(await socket.recv()))
        self.assertEqual([name for name, _ in frames], ["Failure"])
        return frames[0][1]

    async def test_a_breach_of_the_protocol_ends_the_connection_with_words(self):
        ping = wire.encode("Ping", nonce=1)
        out = wire.encode("Open", id=1, path="../secret")
        newer = wire.encode("Hello", min_version=2, max_version=9, features=0, agent="", token=None)
        for code, greet, message in (
            (1, True, "text"), (1, True, b""), (1, True, b"\x7f"), (1, True, out), (1, False, ping), (2, False, newer),
            (1, True, wire.encode("Hello", min_version=1, max_version=1, features=0, agent="", token=None)),
        ):
            failure = await asyncio.wait_for(self.last_words(message, greet=greet), 20)
            self.assertEqual((failure.id, failure.code), (None, code), message)

    async def test_bundles_have_small_files_and_say_of_others_why_not(self):
        small = [f"{size}.bin" for size in SIZES if size <= 128 * 1024]
        files = await self.client.bundle("sizes", [*small, "nothing", f"{900_001}.bin"])
        for name in small:
            self.assertEqual(files[name], make_vectors.sample(int(name.split(".")[0])), name)
        self.assertEqual((files["nothing"], files["900001.bin"]), (4, 18))
        self.assertEqual((await self.client.bundle("", ["sizes"]))["sizes"], 5)
        names = await self.client.bundle("names", NAMES)
        self.assertEqual({name: data.decode() for name, data in names.items()}, {name: name for name in NAMES})

    async def test_a_bundle_without_the_feature_is_a_breach(self):
        bundle = wire.encode("Bundle", id=1, path="sizes", names=["0.bin"])
        failure = await asyncio.wait_for(self.last_words(bundle), 20)
        self.assertEqual((failure.id, failure.code), (None, 1))

    async def test_mirrors_are_named_to_a_client_that_asks(self):
        self.assertEqual(await asyncio.wait_for(self.client.mirrors, 20), MIRRORS)
        async with await Client.connect(self.url, features=0) as older:
            self.assertEqual((older.welcome.features, older.mirrors), (0, None))
            # Had the server named any, the client would have taken that for a breach by now.
            await older.request("Stat", path="")
            self.assertIsNone(older.broken)

    async def test_a_later_client_is_understood(self):
        hello = wire.encode("Hello", min_version=1, max_version=7, features=1 << 40, agent="later", token=None)
        async with websockets.connect(self.url, compression=None) as socket:
            await socket.send(hello + b"what a later version adds")
            name, welcome = wire.decode(await socket.recv())
            self.assertEqual((name, welcome.version, welcome.features), ("Welcome", 1, 0))
            await socket.send(wire.encode("Ping", nonce=(1 << 64) - 1))
            name, pong = wire.decode(await socket.recv())
            self.assertEqual((name, pong.nonce), ("Pong", (1 << 64) - 1))

    async def test_requests_right_behind_the_greeting_are_answered_after_the_welcome(self):
        hello = wire.encode("Hello", min_version=1, max_version=1, features=wire.EARLY, agent="early", token=None)
        async with websockets.connect(self.url, compression=None) as socket:
            self.assertIn("WSTP-Early", socket.response.headers)
            listing = wire.encode("List", id=2, path="nothing", cursor=None, limit=1)
            for frame in (hello, wire.encode("Stat", id=1, path="sizes"), listing):
                await socket.send(frame)
            frames = [wire.decode(await socket.recv()) for _ in range(3)]
            self.assertEqual((frames[0][0], frames[0][1].features), ("Welcome", wire.EARLY))
            self.assertEqual({(name, message.id) for name, message in frames[1:]}, {("StatReply", 1), ("Failure", 2)})

    async def test_the_same_frames_go_over_http(self):
        url = self.url.replace("ws://", "http://", 1)
        for carrier in ({"url": url}, {"url": self.url, "downstream": True}):
            # Its root is told unasked.
            later = self.share / "hashed later.bin"
            later.write_bytes(make_vectors.sample(3 * BLOCK))
            async with await Client.connect(**carrier) as client:
                self.assertEqual(await asyncio.wait_for(client.mirrors, 20), MIRRORS)
                for path in (f"sizes/{70 * BLOCK}.bin", later.name):
                    data, root = await client.get(path)
                    self.assertEqual(data, (self.share / path).read_bytes())
                    self.assertEqual(root, blake3.blake3(data).digest())
                await self.assert_refused(4, client.request("Open", path="nothing"))
            later.unlink()
        again = Exchanges(url)
        await again.send(b"\x7f")
        name, failure = wire.decode(await again.recv())
        self.assertEqual((name, failure.id, failure.code), ("Failure", None, 1))
        with self.assertRaises(Ended):
            await again.recv()


if __name__ == "__main__":
    if len(sys.argv) > 1 and os.path.exists(sys.argv[1]):
        SERVER = sys.argv.pop(1)
    unittest.main(verbosity=2)
