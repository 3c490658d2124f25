"""A receiver of webhooks that verifies each signature itself and misbehaves as it is told.

    with Receiver(lambda hook: FAIL if hook.attempt == 1 else TAKE) as receiver:
        made = client.post("/v1/subscriptions", {"queue": "pay", "url": receiver.url("/hook")}).json()
        receiver.secrets["/hook"] = [made["secret"]]

It keeps a record of every request (a Hook), and counts connections and requests under way.
"""
import asyncio
import base64
import hashlib
import hmac
import json
import socket
import ssl
import struct
import threading
import time

HEARTBEAT_SECONDS = 0.01
DRIP_SECONDS = 0.05


class Reply:
    """How one request is treated.

    `way`: "answer"; "drip", a body byte by byte; "reset" by RST; "hang_up" without a byte; "cut_head" and "cut_body",
    closing in the middle of the answer; "stall", until the peer gives up.
    """

    def __init__(self, status=204, headers=None, body=b"", way="answer", close=False, prefix=b""):
        self.status = status
        self.headers = headers or {}
        self.body = body
        self.way = way
        self.close = close
        self.prefix = prefix  # informational responses that come before

    def __repr__(self):
        return f"<{self.way} {self.status} {self.headers or ''}>"

    @property
    def taken(self):
        """Whether it acknowledges."""
        return self.way in ("answer", "drip") and 200 <= self.status <= 299

    def head(self):
        lines = [f"HTTP/1.1 {self.status} Whatever"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status != 204:
            lines.append(f"content-length: {len(self.body)}")
        if self.close:
            lines.append("connection: close")
        return self.prefix + ("\r\n".join(lines) + "\r\n\r\n").encode()


TAKE = Reply(204)
FAIL = Reply(500)


class Hook:
    """One request. Times by time.monotonic() but for `wall`; `ended` is when the answer was written whole, or the
    connection was closed, None while neither happened."""

    __slots__ = ("path", "headers", "body", "arrived", "wall", "connection", "turn", "attempt", "verified", "reply",
                 "ended")

    @property
    def id(self):
        return self.headers.get("webhook-id")

    @property
    def signed(self):
        """Seconds since 1970, as its header says."""
        return int(self.headers["webhook-timestamp"])

    def json(self):
        return json.loads(self.body)

    @property
    def acknowledged(self):
        return self.reply.taken and self.ended is not None

    def __repr__(self):
        return f"<{self.path} {self.id} #{self.attempt} at {self.arrived:.3f} on {self.connection}: {self.reply}>"


def verify(hook, secrets):
    """Standard Webhooks: one signature of the list is the HMAC of id, timestamp and body under one of the secrets."""
    text = f"{hook.headers.get('webhook-id')}.{hook.headers.get('webhook-timestamp')}.".encode() + hook.body
    wanted = ["v1," + base64.b64encode(hmac.new(base64.b64decode(secret.removeprefix("whsec_")), text,
                                                hashlib.sha256).digest()).decode() for secret in secrets]
    given = hook.headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(one, other) for one in given for other in wanted)


class _Connection(asyncio.Protocol):
    def __init__(self, receiver):
        self.receiver = receiver
        self.buffer = b""
        self.turn = 0
        self.under_way = None

    def connection_made(self, transport):
        self.transport = transport
        self.number = self.receiver.connections
        self.receiver.connections += 1
        plain = transport.get_extra_info("socket")
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, _):
        if self.under_way:
            self.end(self.under_way)

    def data_received(self, data):
        self.buffer += data
        while self.under_way is None:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            lines = head.decode("latin-1").split("\r\n")
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self.take(lines[0], headers, rest[:length])

    def take(self, line, headers, body):
        receiver = self.receiver
        hook = Hook()
        hook.arrived, hook.wall = time.monotonic(), time.time()
        method, hook.path, _ = line.split(" ")
        hook.headers, hook.body = headers, body
        hook.connection, hook.turn = self.number, self.turn
        self.turn += 1
        hook.ended = None
        hook.verified = method == "POST" and verify(hook, receiver.secrets.get(hook.path, ()))
        key = (hook.path, hook.id)
        hook.attempt = receiver.attempts[key] = receiver.attempts.get(key, 0) + 1
        self.under_way = hook
        receiver.begin(hook)
        hook.reply = receiver.decide(hook)
        receiver.hooks.append(hook)
        getattr(self, hook.reply.way)(hook)

    def end(self, hook):
        hook.ended = time.monotonic()
        self.under_way = None
        self.receiver.end(hook)

    def answer(self, hook):
        self.transport.write(hook.reply.head() + hook.reply.body)
        self.end(hook)
        if hook.reply.close:
            self.transport.close()

    def drip(self, hook):
        self.transport.write(hook.reply.head())
        self.drop(hook, 0)

    def drop(self, hook, at):
        if self.under_way is not hook:
            return  # the peer has gone
        self.transport.write(hook.reply.body[at:at + 1])
        if at + 1 < len(hook.reply.body):
            self.receiver.loop.call_later(DRIP_SECONDS, self.drop, hook, at + 1)
        else:
            self.end(hook)

    def stall(self, _):
        pass

    def reset(self, hook):
        self.end(hook)
        plain = self.transport.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def hang_up(self, hook):
        self.end(hook)
        self.transport.close()

    def cut_head(self, hook):
        self.end(hook)
        self.transport.write(hook.reply.head()[:20])
        self.transport.close()

    def cut_body(self, hook):
        self.end(hook)
        self.transport.write(hook.reply.head() + hook.reply.body[:-1])
        self.transport.close()


class Receiver:
    """Listens until closed. `decide(hook)` gives the Reply of each request, in the receiver's thread; `tls` is a pair
    (certificate, key) of files, or an ssl.SSLContext; `share_port`: others may listen on the port's other addresses."""

    def __init__(self, decide=None, tls=None, host="127.0.0.1", port=0, share_port=False):
        self.decide = decide or (lambda hook: TAKE)
        self.secrets = {}  # {path: [secret]}
        self.hooks = []
        self.attempts = {}  # {(path, id): count}
        self.connections = 0
        self.under_way = {}  # {path: count} now, and the most there were
        self.most = {}
        self.most_at_once = 0  # of all paths together
        self.lag = 0.0  # the longest that this thread kept what had come waiting
        self._scheme = "https" if tls else "http"
        self._tls = tls
        if isinstance(tls, tuple):
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)
        self._listener = socket.create_server((host, port), backlog=1024, reuse_port=share_port)
        self.host, self.port = self._listener.getsockname()[:2]
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def url(self, path="/hook", host=None):
        return f"{self._scheme}://{host or self.host}:{self.port}{path}"

    def at(self, path):
        """The requests of one path so far, in order of their coming."""
        return [hook for hook in list(self.hooks) if hook.path == path]

    def begin(self, hook):
        now = self.under_way[hook.path] = self.under_way.get(hook.path, 0) + 1
        self.most[hook.path] = max(now, self.most.get(hook.path, 0))
        self.most_at_once = max(self.most_at_once, sum(self.under_way.values()))

    def end(self, hook):
        self.under_way[hook.path] -= 1

    def _run(self):
        asyncio.set_event_loop(self.loop)
        serving = self.loop.create_server(lambda: _Connection(self), sock=self._listener, ssl=self._tls)
        self._server = self.loop.run_until_complete(serving)
        self._beat(self.loop.time())
        self.loop.run_forever()

    def _beat(self, due):
        self.lag = max(self.lag, self.loop.time() - due)
        due = self.loop.time() + HEARTBEAT_SECONDS
        self.loop.call_at(due, self._beat, due)

    def close(self):
        """Ends what is under way too."""
        if not self._thread.is_alive():
            return
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self._server.close()
        self._listener.close()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()
