"""What several HTTP parsers make of the same bytes, as lists of (method, target, body).

    Reader            ampouled's own parser (http_reader.c)
    Front             nginx or haproxy before an Echo, which tells what they forwarded
    judge, judge_forwarded, judge_answers     where two of them differ
"""
import asyncio
import dataclasses
import os
import re
import shutil
import subprocess
import tempfile

from harness import BUILD, free_port, wait_until

MARKER = ("GET", "/marker", b"")
MARKER_BYTES = b"GET /marker HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PATIENCE_MS = 300  # a proxy's for what is missing; bytes are all there at once, so it is not waited for where all is well
AT_ONCE = 24


@dataclasses.dataclass
class Reading:
    """`requests` in order; `end` is "end", "more", "close" or "refused"."""
    requests: list
    end: str


class Reader:
    """ampouled's parser in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests", "interop", "http_reader")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __call__(self, data):
        self.process.stdin.write(len(data).to_bytes(4, "big") + data)
        self.process.stdin.flush()
        *requests, end = self.process.stdout.readline().decode().rstrip("\n").split(" ")
        parts = [[bytes.fromhex(part) for part in text.split(",")] for text in requests]
        return Reading([(method.decode(), target.decode("latin-1"), body) for method, target, body in parts], end)


# proxies and what stands behind them

@dataclasses.dataclass
class Forwarded:
    """One upstream connection, which carries one request: body None where it did not come whole."""
    request: tuple
    raw: bytes


async def read_forwarded(reader, writer):
    """(head, body or None, raw) of the one request that a proxy writes; its form is strict, so this reads it strictly."""
    raw = await reader.readuntil(b"\r\n\r\n")
    head = raw
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if "expect" in fields:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = b""
    try:
        if "transfer-encoding" in fields:
            while True:
                size = await reader.readuntil(b"\r\n")
                raw += size
                chunk = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
                raw += chunk
                if int(size.split(b";")[0], 16) == 0:
                    break
                body += chunk[:-2]
        else:
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            raw += body
    except (asyncio.IncompleteReadError, ValueError, asyncio.LimitOverrunError):
        body = None
    return lines[0], fields, body, raw


class Echo:
    """A backend that answers all and keeps what came, by the client's address and port as the proxy names them."""

    def __init__(self):
        self.by_client = {}

    async def serve(self, reader, writer):
        try:
            line, fields, body, raw = await read_forwarded(reader, writer)
            method, target, _ = line.split(" ", 2)
            item = Forwarded((method, target, body), raw)
            self.by_client.setdefault(fields.get("x-client"), []).append(item)
            writer.write(b"HTTP/1.1 200 OK\r\nX-Echo: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            item.raw += await asyncio.wait_for(reader.read(), 5)  # what else the proxy takes for this request
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()


NGINX = """
worker_processes 1; daemon off; master_process off; pid {home}/nginx.pid; error_log {home}/nginx.err crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  client_header_timeout {patience}ms; client_body_timeout {patience}ms; keepalive_timeout 5; lingering_timeout 200ms;
  upstream echo {{ server 127.0.0.1:{echo} max_fails=0; }}
  upstream daemon {{ server 127.0.0.1:{daemon} max_fails=0; keepalive 1; }}
  proxy_http_version 1.1; proxy_next_upstream off; proxy_request_buffering off; proxy_set_header Connection ""; proxy_set_header Host $http_host;
  server {{ listen 127.0.0.1:{bare}; location / {{ proxy_set_header X-Client $remote_addr:$remote_port;
    proxy_set_header Host $http_host; proxy_set_header Connection ""; proxy_pass http://echo; }} }}
  server {{ listen 127.0.0.1:{before} ssl; ssl_certificate {crt}; ssl_certificate_key {key};
    location / {{ proxy_pass https://daemon; }} }}
}}
"""
HAPROXY = """
global
  nbthread 1
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  timeout http-request {patience}ms
  timeout http-keep-alive 5s
frontend bare
  bind 127.0.0.1:{bare}
  timeout client {patience}ms
  http-request set-header x-client %[src]:%[src_port]
  default_backend echo
backend echo
  option httpclose
  http-reuse never
  server echo 127.0.0.1:{echo}
frontend before
  bind 127.0.0.1:{before} ssl crt {pem}
  timeout client {patience}ms
  default_backend daemon
backend daemon
  http-reuse always
  server daemon 127.0.0.1:{daemon} ssl verify none
"""


class Front:
    """nginx or haproxy: `bare` without TLS before an echo, `before` with TLS before a daemon. A context manager."""

    def __init__(self, kind, echo_port, daemon_port, crt, key):
        self.kind = kind
        self.echo_port, self.daemon_port = echo_port, daemon_port
        self.crt, self.key = crt, key
        self.bare, self.before = free_port(), free_port()
        self.home = self.process = None

    @staticmethod
    def is_installed(kind):
        return find_program(kind) is not None

    def __enter__(self):
        self.home = tempfile.mkdtemp(prefix="ampoule-front-")
        try:
            self._start(self._write_config())
            wait_until(self._listens, 20, self.kind)
        except BaseException:
            self.close()
            raise
        return self

    def _write_config(self):
        pem = os.path.join(self.home, "both.pem")
        with open(pem, "wb") as both:
            for path in (self.crt, self.key):
                with open(path, "rb") as part:
                    both.write(part.read())
        path = os.path.join(self.home, "config")
        with open(path, "w", encoding="utf-8") as config:
            config.write({"nginx": NGINX, "haproxy": HAPROXY}[self.kind].format(
                home=self.home, patience=PATIENCE_MS, echo=self.echo_port, daemon=self.daemon_port, bare=self.bare,
                before=self.before, crt=self.crt, key=self.key, pem=pem))
        return path

    def _start(self, config):
        words = [find_program(self.kind), *{"nginx": ("-p", self.home, "-c"), "haproxy": ("-db", "-f")}[self.kind], config]
        with open(os.path.join(self.home, "out"), "wb") as out:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def _listens(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.home, "out"), encoding="utf-8", errors="replace") as out:
                raise AssertionError(f"{self.kind} ended: {out.read()}")
        with open("/proc/net/tcp", encoding="ascii") as table:
            listening = {line.split()[1] for line in table if line.split()[3] == "0A"}
        return {f"0100007F:{port:04X}" for port in (self.bare, self.before)} <= listening

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def find_program(kind):
    return shutil.which(kind, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


# clients

async def read_all(reader, seconds):
    data = b""
    try:
        while True:
            more = await asyncio.wait_for(reader.read(65536), seconds)
            if not more:
                return data
            data += more
    except (asyncio.TimeoutError, ConnectionError, OSError):
        return data


async def connect(port, context, source):
    """A proxy counts the handshake too, and on a busy machine its patience may end before."""
    for attempt in range(20):
        try:
            return await asyncio.open_connection("127.0.0.1", port, ssl=context, local_addr=(source, 0) if source else None,
                                                 server_hostname="localhost" if context else None)
        except ConnectionError:
            if attempt == 19:
                raise
            await asyncio.sleep(0.02 * attempt)  # others are let go first
    raise AssertionError("not reached")


async def exchange(port, data, context=None, source=None, seconds=10):
    """(everything that comes back until the peer closes, this end's address as "ADDRESS:PORT")"""
    reader, writer = await connect(port, context, source)
    name = "{}:{}".format(*writer.get_extra_info("sockname")[:2])
    try:
        writer.write(data)
        await writer.drain()
        back = await read_all(reader, seconds)
    except (ConnectionError, OSError):
        back = b""
    finally:
        writer.close()
    return back, name


ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


def split_answers(data):
    """[(status, head)] of a stream, interim ones left out. Bodies are skipped by their length, which answers to HEAD do
    not have: the next answer is looked for at its first line."""
    answers, at = [], 0
    while True:
        found = ANSWER.search(data, at)
        if found is None:
            return answers
        if found[1] != b"100":
            answers.append((int(found[1]), found[2].lower()))
        length = re.search(rb"content-length: (\d+)", found[2].lower())
        end = found.end() + (int(length[1]) if length else 0)
        at = end if data[end:end + 5] in (b"HTTP/", b"") else found.end()


async def through(front, echo, cases):
    """{name: ([Forwarded], [(status, head)])} of all cases, each followed by the marker."""
    gate, results = asyncio.Semaphore(AT_ONCE), {}

    async def one(name, data):
        async with gate:
            back, client = await exchange(front.bare, data + MARKER_BYTES)
            results[name] = (echo.by_client.pop(client, []), split_answers(back))
    await asyncio.gather(*(one(name, data) for name, data in cases))
    return results


# judgements: each returns what is wrong as text, or None

def judge(reading, forwarded, answers):
    """Whether what ampouled accepts is read alike by a proxy, or refused by it."""
    passed = [item.request for item in forwarded]
    for number, (own, other) in enumerate(zip(reading.requests, passed)):
        if other[2] is None and number + 1 >= len(passed) and any(status >= 400 for status, _ in answers[number:]):
            return None  # refused in the middle
        if own != other:
            return f"request {number} is {own!r} to ampouled and {other!r} to the proxy"
    whole = [request for request in passed if request[2] is not None]
    if reading.end == "more" and len(whole) > len(reading.requests):
        return f"ampouled waits for the rest of what the proxy takes for {whole[len(reading.requests)]!r}"
    return None


def judge_forwarded(read, item):
    """Whether what a proxy forwarded as one request is one to ampouled, with the same boundaries, or refused."""
    raw = item.raw.replace(b"\r\nconnection: close\r\n", b"\r\n", 1)  # haproxy's own, so that something may follow
    reading = read(raw + MARKER_BYTES)
    if reading.requests == [item.request, MARKER] or (reading.requests == [] and reading.end == "refused"):
        return None
    if reading.requests == [item.request] and reading.end == "close":
        return None
    return f"the proxy forwarded {item.request!r} as {raw!r}, which ampouled reads as {reading!r}"


def judge_answers(reading, answers):
    """Whether a server answered as often as the parser says: it may stop early, and then must close."""
    expected = len(reading.requests) + (reading.end == "refused")
    if reading.end == "more":
        expected += 1  # the deadline's answer
    if len(answers) == expected or (len(answers) < expected and answers and b"connection: close" in answers[-1][1]):
        return None
    return f"{len(answers)} answers {[status for status, _ in answers]} to what reads as {reading!r}"


# X-Request-Id of ampouled is a counter behind a mix that can be undone: how many requests it read in between

MASK, STEP = (1 << 64) - 1, 0x9E3779B97F4A7C15


def unshift(value, bits):
    result = value
    for _ in range(64 // bits + 1):
        result = value ^ result >> bits
    return result


def mix(number):
    """A request id for this place; what ampouled does."""
    value = number * STEP & MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def sequence(request_id):
    """The place in its worker's sequence of requests, but for a constant."""
    value = unshift(request_id, 31) * pow(0x94D049BB133111EB, -1, 1 << 64) & MASK
    value = unshift(value, 27) * pow(0xBF58476D1CE4E5B9, -1, 1 << 64) & MASK
    return unshift(value, 30) * pow(STEP, -1, 1 << 64) & MASK


def request_ids(answers):
    return [int(found[1], 16) for _, head in answers for found in (re.search(rb"x-request-id: ([0-9a-f]{16})", head),) if found]
