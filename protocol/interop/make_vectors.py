"""Writes the worked examples in protocol/vectors/ and the seeds in protocol/fuzz/seeds/, or with --check compares them; with
--show prints the frames field by field.

The bytes come from wire.py and blake3_tree.py, which share no code with the Rust crate. Before a root is written, it is compared
with that of the `blake3` package.
"""

import json
import re
import struct
import sys
from pathlib import Path

import blake3

import blake3_tree as tree
import wire

CRATE = Path(__file__).resolve().parent.parent
LONGEST_SEED = 4096
BLOCK = tree.BLOCK
TREES = {
    0: [],
    1: [(0, 0, 1), (0, 0, 4), (51, 0, 1)],
    8191: [(0, 0, 1)],
    8192: [(0, 0, 1)],
    8193: [(0, 0, 1), (0, 1, 1), (0, 0, 2), (1, 0, 1)],
    16385: [(0, 0, 1), (0, 2, 1), (0, 2, 2), (0, 0, 4), (1, 0, 1), (1, 1, 1), (2, 0, 1)],
    5 * BLOCK: [(0, 0, 4), (0, 4, 1), (0, 4, 4), (0, 0, 8), (1, 0, 1), (1, 2, 1), (1, 0, 4), (2, 1, 1), (3, 0, 1)],
    70 * BLOCK: [
        (0, 0, 16), (0, 48, 16), (0, 64, 16), (0, 69, 1), (0, 0, 128), (1, 32, 4), (1, 34, 1), (2, 16, 1), (2, 17, 1),
        (3, 0, 8), (3, 8, 8), (4, 0, 4), (5, 0, 1), (5, 2, 1), (6, 0, 2), (7, 0, 1),
    ],
}


def sample(size):
    """Byte i is i xor (i >> 8) xor (i >> 16), of which the lowest eight bits."""
    return bytes((i ^ i >> 8 ^ i >> 16) & 0xFF for i in range(size))


def frames():
    """Every kind of message: its name in the vectors, the message's name, and its fields."""
    root = blake3.blake3(sample(5 * BLOCK)).digest()
    five = hashes(sample(5 * BLOCK))
    version = bytes(range(16))
    limits = {"requests": 64, "handles": 64, "run_blocks": 32, "page_nodes": 2048, "idle_timeout_ms": 120_000}
    entries = [
        {"name": "photos", "kind": "Directory", "size": 0, "modified_ms": 1_700_000_000_000},
        {"name": "<b>.txt", "kind": "File", "size": 40_960, "modified_ms": -1},
        {"name": "gone", "kind": "Dangling", "size": 0, "modified_ms": None},
        {"name": "locked", "kind": "Unreadable", "size": 0, "modified_ms": None},
    ]
    links = [
        {"name": "caf\uefe9", "kind": "File", "size": 3, "modified_ms": None},
        {"name": "etc", "kind": "LeadsOut", "size": 0, "modified_ms": None},
        {"name": "self", "kind": "Circle", "size": 0, "modified_ms": None},
    ]
    found = {"name": "Spaß 2.txt", "kind": "File", "size": 3, "modified_ms": None}
    bundled = [
        {"modified_ms": 1_700_000_000_000, "version": version, "root": blake3.blake3(b"abc").digest(), "data": b"abc"},
        {"modified_ms": None, "version": version, "root": blake3.blake3(b"").digest(), "data": b""},
        {"code": 4},
        {"code": 18},
    ]
    page = {"nodes": five[:4], "uncles": five[4:]}
    # A reply with 8,192 times the same byte: one segment with its size in 2 bytes, a block of 20 raw bytes, and one of a
    # repeated byte.
    reply = wire.encode("BlocksReply", id=300, first=1, count=1, data=b"")
    compressed = (
        b"\x28\xb5\x2f\xfd\x60" + struct.pack("<H", len(reply) + BLOCK - 256) + zstd_block(len(reply), 0, 0) + reply
        + zstd_block(BLOCK, 1, 1) + b"a")
    client = [
        ("hello", "Hello", {"min_version": 1, "max_version": 1, "features": 0, "agent": "demo 1", "token": None}),
        ("hello-token", "Hello",
         {"min_version": 1, "max_version": 300, "features": 1 << 63, "agent": "demo 1", "token": "s3cret"}),
        ("hello-mirrors", "Hello",
         {"min_version": 1, "max_version": 1, "features": wire.MIRRORS, "agent": "demo 1", "token": None}),
        ("list-first", "List", {"id": 1, "path": "", "cursor": None, "limit": 100}),
        ("list-next", "List", {"id": 2, "path": "photos/späß", "cursor": "d61", "limit": 1000}),
        ("stat", "Stat", {"id": 3, "path": "photos"}),
        ("open", "Open", {"id": 4, "path": "<b>.txt"}),
        ("blocks", "Blocks", {"id": 300, "handle": 1, "run": {"first": 3, "count": 2}}),
        ("blocks-far", "Blocks", {"id": 0xFFFFFFFF, "handle": 70_000, "run": {"first": (1 << 51) - 32, "count": 32}}),
        ("hashes", "Hashes", {"id": 6, "handle": 1, "level": 0, "first": 0, "count": 4}),
        ("cancel", "Cancel", {"id": 300}),
        ("close", "Close", {"handle": 1}),
        ("ping", "Ping", {"nonce": 0x0123456789ABCDEF}),
        ("hello-bundles", "Hello",
         {"min_version": 1, "max_version": 1, "features": wire.MIRRORS | wire.BUNDLES, "agent": "demo 1", "token": None}),
        ("bundle", "Bundle", {"id": 7, "path": "photos", "names": ["a.txt", "empty", "gone", "film.mkv"]}),
        ("search", "Search", {"id": 9, "path": "photos", "words": "späß 2", "cursor": "fa/b.txt", "limit": 100}),
    ]
    server = [
        ("welcome", "Welcome", {"version": 1, "features": 0, "agent": "wstp-server 0.1.0", "limits": limits}),
        ("welcome-mirrors", "Welcome",
         {"version": 1, "features": wire.MIRRORS, "agent": "wstp-server 0.1.0", "limits": limits}),
        ("mirrors", "Mirrors", {"urls": ["wss://mirror.example/ws", "https://mirror.example:8443/pub/"]}),
        ("mirrors-none", "Mirrors", {"urls": []}),
        ("listing", "Listing", {"id": 1, "entries": entries, "next": "f6c6f636b6564"}),
        ("listing-empty", "Listing", {"id": 2, "entries": [], "next": None}),
        ("stat-reply", "StatReply", {"id": 3, "entry": entries[0]}),
        ("opened-pending", "Opened", {"id": 4, "handle": 1, "size": 40_960, "version": version, "root": None}),
        ("opened", "Opened", {"id": 4, "handle": 1, "size": 40_960, "version": version, "root": root}),
        ("blocks-reply", "BlocksReply", {"id": 300, "first": 1, "count": 1, "data": bytes([0, 0x12, 0xFF])}),
        ("hash-page", "HashPage", {"id": 6} | page),
        ("failure", "Failure", {"id": 5, "code": 13, "text": "Try again.", "retry_after_ms": 500}),
        ("failure-connection", "Failure", {"id": None, "code": 2, "text": "Update.", "retry_after_ms": None}),
        ("pong", "Pong", {"nonce": 0x0123456789ABCDEF}),
        ("root-ready", "RootReady", {"handle": 1, "root": root}),
        ("stale", "Stale", {"handle": 1}),
        ("goodbye", "Goodbye", {"retry_after_ms": 2000}),
        ("bundle-reply", "BundleReply", {"id": 7, "files": bundled}),
        ("listing-links", "Listing", {"id": 8, "entries": links, "next": None}),
        ("zeros", "Zeros", {"id": 300, "first": 3, "count": 13_107_197}),
        ("compressed", "Compressed", {"id": 300, "length": 20 + BLOCK, "data": compressed}),
        ("search-reply", "SearchReply", {"id": 9, "hits": [{"folder": "c/d", "entry": found}], "next": "dz"}),
    ]
    return client, server


def zstd_block(size, is_repeated, is_last):
    """The header of a block of a Zstandard frame (RFC 8878, section 3.1.1.2)."""
    return struct.pack("<I", size << 3 | is_repeated << 1 | is_last)[:3]


def refused():
    """Frames that break a rule: who sends them, bytes, and the rule."""
    hello = wire.encode("Hello", min_version=1, max_version=1, features=0, agent="x", token=None)
    block = wire.encode("BlocksReply", id=1, first=0, count=1, data=b"x")

    def listing(path, limit=1, cursor=None):
        return wire.encode("List", id=1, path=path, cursor=cursor, limit=limit)

    def blocks(first, count):
        return wire.encode("Blocks", id=1, handle=1, run={"first": first, "count": count})

    def hash_request(level, first, count):
        return wire.encode("Hashes", id=1, handle=1, level=level, first=first, count=count)

    def named(name):
        entry = {"name": name, "kind": "File", "size": 0, "modified_ms": None}
        return wire.encode("Listing", id=1, entries=[entry], next=None)

    def welcome(**change):
        limits = {"requests": 1, "handles": 1, "run_blocks": 1, "page_nodes": 1, "idle_timeout_ms": 1} | change
        return wire.encode("Welcome", version=1, features=0, agent="", limits=limits)

    def search(words, limit=1, cursor=None, path=""):
        return wire.encode("Search", id=1, path=path, words=words, cursor=cursor, limit=limit)

    def found(folder, name, next=None):
        entry = {"name": name, "kind": "File", "size": 0, "modified_ms": None}
        return wire.encode("SearchReply", id=1, hits=[{"folder": folder, "entry": entry}], next=next)

    def bundle(*names):
        return wire.encode("Bundle", id=1, path="", names=names)

    bundled = {"modified_ms": None, "version": bytes(16), "root": bytes(32), "data": b"x"}

    def bundle_reply(*files):
        return wire.encode("BundleReply", id=1, files=files)

    def zeros(first, count):
        return wire.encode("Zeros", id=1, first=first, count=count)

    def compressed(length, data=b"x"):
        return wire.encode("Compressed", id=1, length=length, data=data)

    def mirrors(*urls):
        return wire.encode("Mirrors", urls=urls)

    client = {
        "no byte at all": b"",
        "unknown tag": b"\x7f\x01",
        "tag of a server's message": wire.encode("Pong", nonce=1),
        "body ends early": hello[:-1],
        "bytes behind the body": wire.encode("Ping", nonce=1) + b"\0",
        "number of more than its bits": b"\x07\xff\xff\xff\xff\x1f",
        "number of too many bytes": b"\x07\x80\x80\x80\x80\x80\x00",
        "option neither absent nor present": hello[:-1] + b"\x02",
        "text that is not UTF-8": b"\x03\x01\x01\xff",
        "text longer than the frame": b"\x03\x01\xff\xff\xff\xff\x0f",
        "lowest version above the highest": wire.encode(
            "Hello", min_version=2, max_version=1, features=0, agent="", token=None),
        "agent of 65 bytes": wire.encode(
            "Hello", min_version=1, max_version=1, features=0, agent="a" * 65, token=None),
        "token of 257 bytes": wire.encode(
            "Hello", min_version=1, max_version=1, features=0, agent="", token="t" * 257),
        "absolute path": listing("/etc"),
        "path with ..": listing("a/../b"),
        "path with .": listing("./a"),
        "path with an empty name": listing("a//b"),
        "path with NUL": listing("a\0b"),
        "name of 1,025 bytes": listing("n" * 1025),
        "path of 4,097 bytes": listing("/".join(["n" * 1023] * 4) + "/nn"),
        "cursor of 1,281 bytes": listing("", cursor="c" * 1281),
        "page of no entries": listing("", limit=0),
        "page of 1,001 entries": listing("", limit=1001),
        "run of no blocks": blocks(0, 0),
        "run of 33 blocks": blocks(0, 33),
        "run that ends past 2^64": blocks((1 << 64) - 1, 1),
        "level 52": hash_request(52, 0, 1),
        "page of 3 nodes": hash_request(0, 0, 3),
        "page of 4,096 nodes": hash_request(0, 0, 4096),
        "page that is not aligned": hash_request(0, 2, 4),
        "bundle of no files": bundle(),
        "bundle of 257 files": bundle(*["a"] * 257),
        "bundle with a name that leads out": bundle(".."),
        "bundle with a path for a name": bundle("a/b"),
        "bundle with an empty name": bundle(""),
        "bundle with NUL in a name": bundle("a\0"),
        "bundle with a name of 1,025 bytes": bundle("n" * 1025),
        "bundle of an absolute folder": wire.encode("Bundle", id=1, path="/etc", names=["passwd"]),
        "bundle whose number of names is longer than the frame": b"\x0a\x01\x00\xff\xff\xff\xff\x0f",
        "search without words": search(""),
        "search with words of 257 bytes": search("w" * 257),
        "search for no hits": search("w", limit=0),
        "search for 1,001 hits": search("w", limit=1001),
        "search with a cursor of 4,098 bytes": search("w", cursor="c" * 4098),
        "search of an absolute path": search("w", path="/etc"),
        "frame of 8,193 bytes": hello + bytes(8193 - len(hello)),
    }
    server = {
        "unknown tag": b"\x88\x01",
        "tag of a client's message": wire.encode("Ping", nonce=1),
        "name with a slash": named("a/b"),
        "name that is empty": named(""),
        "name ..": named(".."),
        "name with NUL": named("a\0"),
        "name of 1,025 bytes": named("n" * 1025),
        "entry of unknown kind": named("a").replace(b"\x01a\x01", b"\x01a\x06"),
        "listing of 1,001 entries": b"\x82\x01\xe9\x07" + b"\x01a\x01\x00\x00" * 1001 + b"\0",
        "hash page of 52 uncles": b"\x86\x01\x00\x34" + bytes(52 * 32),
        "sequence longer than the frame": b"\x82\x01\xff\xff\xff\xff\x0f",
        "explanation of 513 bytes": wire.encode("Failure", id=None, code=1, text="e" * 513, retry_after_ms=None),
        "run limit 0": welcome(run_blocks=0),
        "run limit 33": welcome(run_blocks=33),
        "page limit that is no power of two": welcome(page_nodes=3),
        "request limit 0": welcome(requests=0),
        "handle limit 0": welcome(handles=0),
        "idle timeout 0": welcome(idle_timeout_ms=0),
        "block frame cut in its header": block[:19],
        "block frame with a reserved byte set": block[:1] + b"\x01" + block[2:],
        "block frame without data": block[:20],
        "block frame with more than its blocks": block + bytes(8192),
        "block frame of no blocks": block[:8] + bytes(4) + block[12:],
        "17 mirrors": mirrors(*["ws://m/ws"] * 17),
        "mirror of another scheme": mirrors("ftp://mirror.example/"),
        "mirror without a host": mirrors("https:///pub/"),
        "mirror with a user": mirrors("https://user@mirror.example/"),
        "mirror with a query": mirrors("https://mirror.example/?a=b"),
        "mirror with a space": mirrors("https://mirror.example/a b"),
        "mirror of 1,025 bytes": mirrors("https://mirror.example/".ljust(1025, "p")),
        "bytes behind the mirrors": mirrors("ws://m/ws") + b"\0",
        "bundle of no files": bundle_reply(),
        "bundle of 257 files": bundle_reply(*[{"code": 4}] * 257),
        "bundle with a file of 131,073 bytes": bundle_reply(bundled | {"data": bytes(131_073)}),
        "bundle with a file of an unknown kind": b"\x8e\x01\x01\x02",
        "bundle with data longer than the frame": bundle_reply(bundled)[:-2] + b"\xff\xff\xff\xff\x0f",
        "bundle cut in its data": bundle_reply(bundled)[:-1],
        "bytes behind the bundle": bundle_reply(bundled) + b"\0",
        "zeros of no blocks": zeros(0, 0),
        "zeros that end past 2^64": zeros((1 << 64) - 1, 1),
        "zeros cut in their count": zeros(0, 1)[:-1],
        "bytes behind the zeros": zeros(0, 1) + b"\0",
        "hit with a slash in its name": found("", "a/b"),
        "hit in a folder that leads out": found("..", "a"),
        "hit with a cursor of 4,098 bytes": found("", "a", "c" * 4098),
        "1,001 hits": b"\x91\x01\xe9\x07" + b"\x00\x01a\x01\x00\x00" * 1001 + b"\0",
        "compressed frame cut in its header": compressed(20)[:11],
        "compressed frame with a reserved byte set": b"\x90\x01" + compressed(20)[2:],
        "compressed frame without data": compressed(20, b""),
        "compressed frame of no bytes": compressed(0),
        "compressed frame of 262,165 bytes": compressed(262_165),
    }
    return [("client", reason, frame) for reason, frame in client.items()] + [
        ("server", reason, frame) for reason, frame in server.items()
    ]


def hashes(data):
    """The hash of every block."""
    blocks = tree.block_count(len(data))
    return [tree.block_hash(i, blocks, data[i * BLOCK:(i + 1) * BLOCK]) for i in range(blocks)]


def tree_vector(size, requests):
    data = sample(size)
    root = blake3.blake3(data).digest()
    leaves = hashes(data)
    blocks = len(leaves)
    assert (tree.fold(leaves, True) if leaves else tree.block_hash(0, 0, b"")) == root

    def node(low, high):
        return tree.fold(leaves[low:high], (low, high) == (0, blocks))

    pages = []
    for level, first, count in requests:
        end = min(first + count, tree.level_count(blocks, level))
        nodes = [node(*tree.covered(blocks, level, i, 1)) for i in range(first, end)]
        way = tree.uncles(blocks, *tree.covered(blocks, level, first, count))
        uncles = [node(low, high) for low, high, _ in way]
        assert tree.verify_page(size, root, level, first, count, nodes, uncles)
        pages.append({
            "level": level, "first": first, "count": count,
            "nodes": [node.hex() for node in nodes], "uncles": [uncle.hex() for uncle in uncles],
        })
    return {"size": size, "root": root.hex(), "blocks": [leaf.hex() for leaf in leaves], "pages": pages}


def as_json(value):
    return {key: as_json(v) for key, v in value.items()} if isinstance(value, dict) else (
        [as_json(v) for v in value] if isinstance(value, list) else
        value.hex() if isinstance(value, bytes) else value)


def page_seed(vector, page):
    """A page as the fuzz target `page` reads it."""
    place = struct.pack("<QBQIH", vector["size"], page["level"], page["first"], page["count"], len(page["nodes"]))
    return place + bytes.fromhex(vector["root"] + "".join(page["nodes"] + page["uncles"]))


def extra_seeds():
    """Inputs that once made a fuzz target fail: target, name, bytes."""
    return []


def files():
    """Paths within the crate, and their bytes."""
    client, server = frames()
    vectors = [
        {"name": name, "from": sender, "message": message, "fields": as_json(content),
         "hex": wire.encode(message, **content).hex()}
        for sender, group in (("client", client), ("server", server)) for name, message, content in group
    ]
    refusals = [{"from": sender, "reason": reason, "hex": frame.hex()} for sender, reason, frame in refused()]
    trees = [tree_vector(size, requests) for size, requests in TREES.items()]
    for name, value in (("frames", vectors), ("refused", refusals), ("trees", trees)):
        yield f"vectors/{name}.json", (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
    seeds = [(f"{vector['from']}_frame", vector["name"], bytes.fromhex(vector["hex"])) for vector in vectors]
    seeds += [
        (f"{refusal['from']}_frame", f"refused{number}-" + re.sub("[^a-z0-9]+", "-", refusal["reason"].lower()),
         bytes.fromhex(refusal["hex"])) for number, refusal in enumerate(refusals)
    ]
    seeds += [
        ("page", f"{vector['size']}-level{page['level']}-first{page['first']}-count{page['count']}",
         page_seed(vector, page)) for vector in trees for page in vector["pages"]
    ]
    for target, name, data in seeds + extra_seeds():
        if len(data) <= LONGEST_SEED:
            yield f"fuzz/seeds/{target}/{name}", data


def show():
    """Prints every frame as docs/protocol.md has it."""
    client, server = frames()
    for name, message, content in client + server:
        print(f"```hex {name}")
        for data, what in wire.fields(message, content):
            lines = [data[i:i + 16].hex(" ") for i in range(0, len(data), 16)]
            for i, line in enumerate(lines):
                print(f"{line:<48}; {what}" if i == 0 else line)
        print("```\n")


def differing():
    """The files that are not as generated."""
    return [path for path, data in files() if not (CRATE / path).is_file() or (CRATE / path).read_bytes() != data]


def main():
    if "--show" in sys.argv:
        return show()
    if "--check" in sys.argv:
        if paths := differing():
            sys.exit(f"not as generated: {', '.join(paths)}")
        return None
    for path, data in files():
        (CRATE / path).parent.mkdir(parents=True, exist_ok=True)
        (CRATE / path).write_bytes(data)
    return None


if __name__ == "__main__":
    main()
