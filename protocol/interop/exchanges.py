"""Frames over HTTP, with the interface of a WebSocket: docs/protocol.md, section "Frames over HTTP".

Each exchange is a request of `http.client` in a thread of its own. A response is read to its end before its frames are
handed on, as some proxies do. A `Downstream` is one long response beside a WebSocket (section 17.4).
"""

import asyncio
import contextlib
import http.client
import struct
import threading
from urllib.parse import urlsplit

TYPE = "application/x-wstp"
RECORD = struct.Struct("<IQ")
MAX_SERVER_FRAME = 262_164
MAX_REQUEST = 65_536
MOST = 3
ASK_AFTER = 1
PATIENCE = 30


class Ended(ConnectionError):
    """The session is over."""


def records(body):
    """The frames of a response with their numbers, and whether the session goes on."""
    found, at = [], 0
    while at + RECORD.size <= len(body):
        length, number = RECORD.unpack_from(body, at)
        at += RECORD.size
        if length == 0:
            if at != len(body):
                raise Ended("there is more behind the last record")
            return found, True
        if length > MAX_SERVER_FRAME or at + length > len(body):
            break
        found.append((number, body[at:at + length]))
        at += length
    return found, False


class Exchanges:
    """A session over HTTP. Its frames come out in order, as from a WebSocket."""

    def __init__(self, url):
        self.url = urlsplit(url)
        self.session = None
        self.unsent, self.sent = [], 0
        self.early, self.next = {}, 0
        self.frames = asyncio.Queue()
        self.open, self.timer, self.ended = set(), None, False

    async def send(self, frame):
        if self.ended:
            raise Ended("the session is over")
        self.unsent.append(frame)
        # Frames of the same turn go together.
        asyncio.get_running_loop().call_soon(self.begin)

    async def recv(self):
        frame = await self.frames.get()
        if frame is None:
            # For those who ask again.
            self.frames.put_nowait(None)
            raise Ended("the server ended the session")
        return frame

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return await self.recv()
        except Ended:
            raise StopAsyncIteration from None

    async def close(self):
        was_over, self.ended = self.ended, True
        if self.timer:
            self.timer.cancel()
        if self.session and not was_over:
            await asyncio.to_thread(self.request, "DELETE", None)

    def begin(self, asks=False):
        """Begins an exchange if there is something to say, or to ask."""
        if self.ended or not (self.unsent or asks) or len(self.open) >= (MOST if self.session else 1):
            return
        if self.timer:
            self.timer.cancel()
        body = b""
        while self.unsent and len(body) + RECORD.size + len(self.unsent[0]) <= MAX_REQUEST:
            frame = self.unsent.pop(0)
            body += RECORD.pack(len(frame), self.sent) + frame
            self.sent += 1
        task = asyncio.create_task(self.exchange(body))
        self.open.add(task)
        task.add_done_callback(self.done)

    def done(self, task):
        self.open.discard(task)
        if task.exception() and not self.ended:
            self.ended = True
            self.frames.put_nowait(None)
        self.begin()
        if not self.open and not self.ended:
            self.timer = asyncio.get_running_loop().call_later(ASK_AFTER, self.begin, True)

    async def exchange(self, body):
        found, goes_on = records(await asyncio.to_thread(self.request, "POST", body))
        for number, frame in found:
            if number < self.next or number in self.early:
                raise Ended("a number came twice")
            self.early[number] = frame
        while self.next in self.early:
            self.frames.put_nowait(self.early.pop(self.next))
            self.next += 1
        if not goes_on:
            raise Ended("the response has no last record")

    def request(self, method, body):
        secure = self.url.scheme in ("wss", "https")
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self.url.hostname, self.url.port, timeout=PATIENCE)
        try:
            fields = {"Content-Type": TYPE} | ({"WSTP-Session": self.session} if self.session else {})
            connection.request(method, self.url.path, body, fields)
            response = connection.getresponse()
            if method == "POST" and (response.status != 200 or response.headers["Content-Type"] != TYPE):
                raise Ended(f"the server answers with the status {response.status}")
            self.session = self.session or response.headers["WSTP-Session"]
            return response.read()
        finally:
            connection.close()


class Downstream:
    """A session whose server speaks in a response, and whose client speaks over `websocket`, which was just opened."""

    def __init__(self, url, websocket):
        self.url, self.websocket = urlsplit(url), websocket
        self.frames = asyncio.Queue()

    async def begin(self):
        self.connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=PATIENCE)
        response = await asyncio.to_thread(self.request)
        if response.status != 200 or response.headers["Content-Type"] != TYPE:
            raise Ended(f"the server answers with the status {response.status}")
        loop = asyncio.get_running_loop()
        threading.Thread(target=self.read, args=(response, loop), daemon=True).start()
        await self.websocket.send(response.headers["WSTP-Session"])
        return self

    def request(self):
        self.connection.request("POST", self.url.path, b"", {"Content-Type": TYPE, "WSTP-Session": "websocket"})
        return self.connection.getresponse()

    def read(self, response, loop):
        """Reads records until the response ends; the numbers count up from 0."""
        number = 0
        try:
            while len(head := response.read(RECORD.size)) == RECORD.size:
                length, at = RECORD.unpack(head)
                if at != number or not 0 < length <= MAX_SERVER_FRAME or len(frame := response.read(length)) < length:
                    break
                number += 1
                loop.call_soon_threadsafe(self.frames.put_nowait, frame)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self.frames.put_nowait, None)

    async def send(self, frame):
        await self.websocket.send(frame)

    async def recv(self):
        if (frame := await self.frames.get()) is None:
            self.frames.put_nowait(None)
            raise Ended("the response ended")
        return frame

    __aiter__, __anext__ = Exchanges.__aiter__, Exchanges.__anext__

    async def close(self):
        await self.websocket.close()
