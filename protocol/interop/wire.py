"""Frames of WSTP 1, written from docs/protocol.md alone.

A type is an object with `put(value, out)` and `get(reader)`. `put` calls `out` with the bytes of each field and its name, so that
a frame can also be shown field by field.
"""

import struct
from types import SimpleNamespace

import zstandard


class Malformed(Exception):
    """A frame that breaks the protocol."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise Malformed("the frame ends too early")
        self.at += n
        return self.data[self.at - n:self.at]

    def byte(self):
        return self.take(1)[0]


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Unsigned:
    def __init__(self, bits):
        self.bits = bits

    def put(self, value, out, name):
        out(varint(value), f"{name} = {value}")

    def get(self, reader):
        value = 0
        for shift in range(0, self.bits, 7):
            byte = reader.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> self.bits:
                    raise Malformed("a number is too large")
                return value
        raise Malformed("a number is too long")


class Byte:
    def put(self, value, out, name):
        out(bytes([value]), f"{name} = {value}")

    def get(self, reader):
        return reader.byte()


class Signed:
    def put(self, value, out, name):
        out(varint(value << 1 ^ value >> 63), f"{name} = {value}")

    def get(self, reader):
        value = U64.get(reader)
        return value >> 1 ^ -(value & 1)


class Text:
    def put(self, value, out, name):
        data = value.encode()
        out(varint(len(data)) + data, f'{name} = "{value}"')

    def get(self, reader):
        try:
            return reader.take(U32.get(reader)).decode()
        except UnicodeDecodeError as error:
            raise Malformed("a text is not UTF-8") from error


class Data:
    def put(self, value, out, name):
        out(varint(len(value)) + value, name)

    def get(self, reader):
        return reader.take(U32.get(reader))


class Option:
    def __init__(self, inner):
        self.inner = inner

    def put(self, value, out, name):
        if value is None:
            out(b"\0", f"{name}: absent")
        else:
            out(b"\1", f"{name}: present")
            self.inner.put(value, out, name)

    def get(self, reader):
        tag = reader.byte()
        if tag > 1:
            raise Malformed("an option is neither absent nor present")
        return self.inner.get(reader) if tag else None


class Sequence:
    def __init__(self, inner, most):
        self.inner, self.most = inner, most

    def put(self, value, out, name):
        out(varint(len(value)), f"{name}: {len(value)}")
        for i, element in enumerate(value):
            self.inner.put(element, out, f"{name}[{i}]")

    def get(self, reader):
        count = U32.get(reader)
        if count > self.most:
            raise Malformed("a sequence is too long")
        return [self.inner.get(reader) for _ in range(count)]


class Raw:
    def __init__(self, length):
        self.length = length

    def put(self, value, out, name):
        out(value, name)

    def get(self, reader):
        return reader.take(self.length)


class Struct:
    def __init__(self, **fields):
        self.fields = fields

    def put(self, value, out, name=""):
        for field, kind in self.fields.items():
            kind.put(value[field], out, f"{name}.{field}" if name else field)

    def get(self, reader):
        return {field: kind.get(reader) for field, kind in self.fields.items()}


U8, U16, U32, U64, I64 = Byte(), Unsigned(16), Unsigned(32), Unsigned(64), Signed()
TEXT, HASH = Text(), Raw(32)
KINDS = ("Directory", "File", "Dangling", "Unreadable", "LeadsOut", "Circle")


class Kind:
    def put(self, value, out, name):
        out(varint(KINDS.index(value)), f"{name} = {value}")

    def get(self, reader):
        number = U32.get(reader)
        if number >= len(KINDS):
            raise Malformed("an entry is of an unknown kind")
        return KINDS[number]


class Bundled:
    """The result for one name of a bundle: the file's fields, or only the code of the refusal."""

    def put(self, value, out, name):
        if "code" in value:
            out(b"\1", f"{name}: Refused")
            U16.put(value["code"], out, f"{name}.code")
        else:
            out(b"\0", f"{name}: File")
            BUNDLED_FILE.put(value, out, name)

    def get(self, reader):
        kind = U32.get(reader)
        if kind > 1:
            raise Malformed("a file of a bundle is of an unknown kind")
        return {"code": U16.get(reader)} if kind else BUNDLED_FILE.get(reader)


ENTRY = Struct(name=TEXT, kind=Kind(), size=U64, modified_ms=Option(I64))
HIT = Struct(folder=TEXT, entry=ENTRY)
LIMITS = Struct(requests=U32, handles=U32, run_blocks=U32, page_nodes=U32, idle_timeout_ms=U32)
BUNDLED_FILE = Struct(modified_ms=Option(I64), version=Raw(16), root=HASH, data=Data())
RUN = Struct(first=U64, count=U32)

CLIENT = {
    "Hello": (0x01, Struct(min_version=U16, max_version=U16, features=U64, agent=TEXT, token=Option(TEXT))),
    "List": (0x02, Struct(id=U32, path=TEXT, cursor=Option(TEXT), limit=U32)),
    "Stat": (0x03, Struct(id=U32, path=TEXT)),
    "Open": (0x04, Struct(id=U32, path=TEXT)),
    "Blocks": (0x05, Struct(id=U32, handle=U32, run=RUN)),
    "Hashes": (0x06, Struct(id=U32, handle=U32, level=U8, first=U64, count=U32)),
    "Cancel": (0x07, Struct(id=U32)),
    "Close": (0x08, Struct(handle=U32)),
    "Ping": (0x09, Struct(nonce=U64)),
    "Bundle": (0x0A, Struct(id=U32, path=TEXT, names=Sequence(TEXT, 256))),
    "Search": (0x0B, Struct(id=U32, path=TEXT, words=TEXT, cursor=Option(TEXT), limit=U32)),
}
SERVER = {
    "Welcome": (0x81, Struct(version=U16, features=U64, agent=TEXT, limits=LIMITS)),
    "Listing": (0x82, Struct(id=U32, entries=Sequence(ENTRY, 1000), next=Option(TEXT))),
    "StatReply": (0x83, Struct(id=U32, entry=ENTRY)),
    "Opened": (0x84, Struct(id=U32, handle=U32, size=U64, version=Raw(16), root=Option(HASH))),
    "HashPage": (0x86, Struct(id=U32, nodes=Sequence(HASH, 2048), uncles=Sequence(HASH, 51))),
    "Failure": (0x87, Struct(id=Option(U32), code=U16, text=TEXT, retry_after_ms=Option(U32))),
    "Pong": (0x89, Struct(nonce=U64)),
    "RootReady": (0x8A, Struct(handle=U32, root=HASH)),
    "Stale": (0x8B, Struct(handle=U32)),
    "Goodbye": (0x8C, Struct(retry_after_ms=U32)),
    "Mirrors": (0x8D, Struct(urls=Sequence(TEXT, 16))),
    "BundleReply": (0x8E, Struct(id=U32, files=Sequence(Bundled(), 256))),
    "Zeros": (0x8F, Struct(id=U32, first=U64, count=U64)),
    "SearchReply": (0x91, Struct(id=U32, hits=Sequence(HIT, 1000), next=Option(TEXT))),
}
BLOCKS_TAG = 0x85
COMPRESSED_TAG = 0x90
MAX_SERVER_FRAME = 262_164
# Feature bits.
MIRRORS = 1 << 0
BUNDLES = 1 << 1
LINKS = 1 << 2
ZEROS = 1 << 3
COMPRESSED = 1 << 4
EARLY = 1 << 6
SEARCH = 1 << 7


def fields(name, message):
    """The frame of a message in pieces: bytes and what they are."""
    if name == "BlocksReply":
        return [
            (bytes([BLOCKS_TAG]), "tag: Blocks reply"), (bytes(3), "reserved"),
            (struct.pack("<I", message["id"]), f"id = {message['id']}"),
            (struct.pack("<I", message["count"]), f"count = {message['count']}"),
            (struct.pack("<Q", message["first"]), f"first = {message['first']}"), (message["data"], "data"),
        ]
    if name == "Compressed":
        return [
            (bytes([COMPRESSED_TAG]), "tag: Compressed"), (bytes(3), "reserved"),
            (struct.pack("<I", message["id"]), f"id = {message['id']}"),
            (struct.pack("<I", message["length"]), f"length = {message['length']}"), (message["data"], "data"),
        ]
    tag, body = (CLIENT | SERVER)[name]
    pieces = [(bytes([tag]), f"tag: {name}")]
    body.put(message, lambda data, what: pieces.append((data, what)))
    return pieces


def encode(name, **message):
    """The frame of a message."""
    return b"".join(data for data, _ in fields(name, message))


def decode(frame):
    """Name and fields of a frame from the server."""
    if len(frame) > MAX_SERVER_FRAME:
        raise Malformed("the frame is too long")
    if not frame:
        raise Malformed("the frame is empty")
    if frame[0] == BLOCKS_TAG:
        return "BlocksReply", decode_blocks(frame)
    if frame[0] == COMPRESSED_TAG:
        return "Compressed", decode_compressed(frame)
    for name, (tag, body) in SERVER.items():
        if frame[0] == tag:
            reader = Reader(frame[1:])
            message = SimpleNamespace(**body.get(reader))
            if name != "Welcome" and reader.at != len(reader.data):
                raise Malformed("the frame goes on behind its body")
            return name, message
    raise Malformed(f"unknown tag {frame[0]:#04x}")


def decode_blocks(frame):
    if len(frame) < 20 or frame[1:4] != bytes(3):
        raise Malformed("a block frame has a bad header")
    request, count, first = struct.unpack_from("<IIQ", frame, 4)
    data = frame[20:]
    if not 1 <= count <= 32 or not (count - 1) * 8192 < len(data) <= count * 8192 or first + count >= 1 << 64:
        raise Malformed("a block frame has a bad length")
    return SimpleNamespace(id=request, count=count, first=first, data=data)


def decode_compressed(frame):
    if len(frame) < 13 or frame[1:4] != bytes(3):
        raise Malformed("a compressed frame has a bad header")
    request, length = struct.unpack_from("<II", frame, 4)
    if not 1 <= length <= MAX_SERVER_FRAME:
        raise Malformed("a compressed frame has a bad length")
    return SimpleNamespace(id=request, length=length, data=frame[12:])


def decompress(message):
    """Name and fields of the reply in a compressed frame."""
    try:
        parameters = zstandard.get_frame_parameters(message.data)
        if parameters.content_size != message.length or parameters.window_size > MAX_SERVER_FRAME or parameters.dict_id:
            raise Malformed("compressed data of another length than announced")
        plain = zstandard.ZstdDecompressor().decompress(message.data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Malformed("compressed data are damaged") from error
    name, reply = decode(plain)
    if name not in ("BlocksReply", "BundleReply") or reply.id != message.id:
        raise Malformed("a compressed frame has another reply inside than it says")
    return name, reply
