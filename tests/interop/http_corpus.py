"""Requests that two parsers might read in two ways: the known families, and seeded mutations of all of them.

Each is bytes, with {H} already filled in; a marker follows on the same connection (differential.py)."""
import random

HOST = b"localhost"


def request(method=b"GET", target=b"/healthz", *fields, body=b"", version=b"HTTP/1.1", host=True):
    lines = [method + b" " + target + b" " + version]
    lines += [b"Host: " + HOST] if host else []
    return b"\r\n".join(lines + list(fields)) + b"\r\n\r\n" + body


def post(*fields, body=b"", target=b"/v1/inspect"):
    return request(b"POST", target, *fields, body=body)


CHUNKED = b"Transfer-Encoding: chunked"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nX: y"
HIDDEN = SMUGGLED + b"\r\n\r\n"


def length(value):
    return b"Content-Length: " + (value if isinstance(value, bytes) else str(value).encode())


def plain():
    """What is no attack: were it refused by all, nothing would be compared."""
    yield request()
    yield request(b"HEAD")
    yield request(b"GET", b"/healthz?a=1&b=%20")
    yield request(b"OPTIONS")
    yield request(b"DELETE", b"/v1/tokens/x")
    for size in (0, 1, 13, 700):
        yield post(length(size), body=b"x" * size)
    yield post(CHUNKED, body=b"0\r\n\r\n")
    yield post(CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n")
    yield post(CHUNKED, body=b"5\r\nhello\r\n00a\r\n0123456789\r\n0\r\n\r\n")
    yield post(length(13), b"Content-Type: application/json", b"Accept: */*", body=b'{"token":"x"}')
    yield post(length(len(HIDDEN)), body=HIDDEN)
    yield post(CHUNKED, body=b"%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n")
    yield post(b"Expect: 100-continue", length(5), body=b"hello")
    yield request(b"GET", b"/healthz", b"Connection: keep-alive", b"X-Empty:", b"X-Tab:\tv\t")
    yield request(b"GET", b"/healthz", b"Connection: close")


def two_framings():
    chunks = b"0\r\n\r\n"
    for fields in ((length(5), CHUNKED), (CHUNKED, length(5)), (length(0), CHUNKED), (CHUNKED, length(0)),
                   (length(len(chunks)), CHUNKED), (length(len(chunks) + len(HIDDEN)), CHUNKED)):
        yield post(*fields, body=chunks)
        yield post(*fields, body=chunks + HIDDEN)
        yield post(*fields, body=b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED)


def codings():
    for value in (b"chunked ", b"\tchunked", b"Chunked", b"CHUNKED", b"chunked,", b",chunked", b"chunked, chunked", b"xchunked",
                  b"chunkedx", b"identity", b"identity, chunked", b"chunked, identity", b"gzip, chunked", b"gzip", b'"chunked"',
                  b"chunked;q=1", b"\x0bchunked", b"\x0cchunked", b"chunked\x00", b"chun\x00ked", b"", b" ", b"\xa0chunked",
                  b"c\r\n hunked", b"\r\n chunked", b"chunked\r", b"trailers, chunked", b"null", b"chunked chunked"):
        for body in (b"0\r\n\r\n", b"0\r\n\r\n" + HIDDEN, b"5\r\nhello\r\n0\r\n\r\n"):
            yield post(b"Transfer-Encoding: " + value, body=body)
            yield post(b"Transfer-Encoding: " + value, length(len(body)), body=body)
    for name in (b"Transfer-Encoding ", b" Transfer-Encoding", b"Transfer-Encoding\t", b"Transfer_Encoding", b"Transfer-Encoding\x00",
                 b"X: y\nTransfer-Encoding", b"X: y\rTransfer-Encoding", b"\x0bTransfer-Encoding", b"tRANSFER-eNCODING",
                 b"Transfer\xadEncoding", b"X:\x00\r\nTransfer-Encoding", b"TE"):
        yield post(name + b": chunked", length(5), body=b"0\r\n\r\n")
        yield post(name + b": chunked", body=b"0\r\n\r\n" + HIDDEN)
        yield post(name + b":chunked", length(6), body=b"0\r\n\r\nG")
    yield post(CHUNKED, CHUNKED, body=b"0\r\n\r\n")
    yield post(CHUNKED, b"Transfer-Encoding: identity", body=b"0\r\n\r\n")
    yield post(b"Transfer-Encoding: identity", CHUNKED, body=b"0\r\n\r\n")
    yield request(b"POST", b"/v1/inspect", CHUNKED, version=b"HTTP/1.0", body=b"0\r\n\r\n")
    yield request(b"GET", b"/healthz", CHUNKED, body=b"0\r\n\r\n")
    yield request(b"GET", b"/healthz", CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n")


def lengths():
    for value in (b"+5", b"-5", b" 5", b"5 ", b"\t5", b"5\t", b"05", b"0000000000000000000005", b"0x5", b"5.0", b"5e0", b"5,5", b"5, 5",
                  b"5 5", b"5;5", b"", b"five", b"18446744073709551621", b"9223372036854775813", b"4294967301", b"\x0b5",
                  b"5\x00", b"5\r\n 0", b"\r\n 5", b"\xb2", b"5_0", b"0 5", b"'5'", b"0,5", b"5\x0c", b"00", b"0", b"5\r"):
        yield post(length(value), body=b"hello")
        yield post(length(value), body=b"hello" + HIDDEN)
    for pair in ((5, 5), (5, 6), (6, 5), (0, 5), (5, 0), (b"5", b"+5"), (b"5", b"")):
        yield post(length(pair[0]), length(pair[1]), body=b"hello")
        yield post(length(pair[0]), b"content-length:" + (length(pair[1])[15:]), body=b"hello" + SMUGGLED)
    for name in (b"Content-Length ", b" Content-Length", b"Content-Length\t", b"Content_Length", b"Content-Length\x00", b"X: y\nContent-Length",
                 b"X: y\rContent-Length", b"Content Length"):
        yield post(name + b": 5", body=b"hello")
        yield post(name + b": 5", length(0), body=b"hello")
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
        yield request(method, b"/healthz", length(5), body=b"hello")
        yield request(method, b"/healthz", length(len(HIDDEN)), body=HIDDEN)


def chunks():
    for size in (b"5;a=b", b"5;", b"5 ;a", b"5 ", b" 5", b"\t5", b"+5", b"-5", b"0x5", b"05", b"0000000000000000000000005",
                 b"000000000000005", b"5\x00", b"5\x0b", b"g", b"", b"5\n", b"\n5", b"5\r", b"10000000000000005",
                 b"ffffffffffffffff", b"fffffffffffffffb", b"100000005", b"7fffffffffffffff", b"5;" + b"a" * 300, b'5;a="\r\n"',
                 b"5;\n", b"5\r\r", b"5_0", b"5.", b"5h"):
        yield post(CHUNKED, body=size + b"\r\nhello\r\n0\r\n\r\n")
        yield post(CHUNKED, body=size + b"\r\nhello\r\n0\r\n\r\n" + HIDDEN)
    for body in (b"5\nhello\n0\n\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\r\n0\r\n\n",
                 b"5\r\nhello\r\n0\n\r\n", b"5\r\nhello\r\n0\r\nX", b"5\r\nhello\r\n\r\n0\r\n\r\n", b"6\r\nhello\r\n0\r\n\r\n",
                 b"4\r\nhello\r\n0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"5\r\nhello\r\n0\r\nHost: y\r\n\r\n",
                 b"0\r\n: x\r\n\r\n", b"0\r\nbad\r\n\r\n", b"0\r\n X: y\r\n\r\n", b"0;x\r\n\r\n", b"00\r\n\r\n", b"0 \r\n\r\n", b"0\r\n",
                 b"0\r\n\r", b"\r\n0\r\n\r\n", b"-1\r\n\r\n", b"5\rhello\r0\r\r", b"5\r\nhello\r0\r\n\r\n", b"0\r\n\r\n\r\n"):
        yield post(CHUNKED, body=body)
        yield post(CHUNKED, body=body + HIDDEN)


def fields():
    for line in (b": v", b"name : v", b"name\t: v", b" name: v", b"\tname: v", b"na me: v", b"name", b"n\x00ame: v", b"name: v\x00w",
                 b"name: v\rw", b"name: v\nw", b"name: \x01", b"name: \x7f", b"name: \xff\xfe", b"n\xe4me: v", b"(name): v", b"name: v\r\n folded",
                 b"name: v\r\n\tfolded", b"name: v\r\n \r\n", b"name:\r\n Host: evil", b"name: v\n\nGET /x HTTP/1.1", b"name:v\r\rX: y", b"@: v",
                 b'"name": v', b"name=: v", b"name,: v", b"\xef\xbb\xbfname: v", b"name: \xe2\x80\xa8v", b"x" * 300 + b": v", b"X: " + b"y" * 9000,
                 b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"Upgrade: websocket\r\nConnection: Upgrade",
                 b"Connection: Content-Length", b"Connection: Host", b"Connection: close, keep-alive", b"Connection: Transfer-Encoding",
                 b"Expect: 100-continue", b"Expect: 200-ok", b"Expect:", b"Proxy-Connection: close", b"Keep-Alive: 300", b"Trailer: X",
                 b"Max-Forwards: 0", b"Range: bytes=0-1", b"X-HTTP-Method-Override: DELETE", b"X-Forwarded-Host: evil", b"Forwarded: host=evil"):
        yield request(b"GET", b"/healthz", line)
        yield post(line, length(5), body=b"hello")
        yield post(length(5), line, body=b"hello")
        yield post(line, CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n")


def hosts():
    for value in (b"localhost, evil", b"localhost evil", b"", b"local\x00host", b"user@localhost", b"localhost:", b"localhost:0x1", b"localhost:99999",
                  b"localhost#x", b"localhost/x", b"[::1]", b"[::1", b"loc\xe4l", b"localhost\\evil", b"localhost:80:81", b"%6cocalhost", b"localhost?x"):
        yield request(b"GET", b"/healthz", b"Host: " + value, host=False)
    yield request(host=False)
    for pair in ((b"Host: localhost", b"Host: localhost"), (b"Host: localhost", b"Host: evil"), (b"Host: localhost", b"Host : evil"),
                 (b"Host: localhost", b" Host: evil"), (b"host: localhost", b"HOST: localhost")):
        yield request(b"GET", b"/healthz", *pair, host=False)


def lines():
    rest = b"\r\nHost: localhost\r\n\r\n"
    for line in (b"GET  /healthz HTTP/1.1", b"GET /healthz  HTTP/1.1", b" GET /healthz HTTP/1.1", b"GET /healthz HTTP/1.1 ", b"GET\t/healthz\tHTTP/1.1",
                 b"GET /healthz", b"GET /healthz ", b"GET /healthz HTTP/0.9", b"GET /healthz HTTP/1.0", b"GET /healthz HTTP/1.2", b"GET /healthz HTTP/2.0",
                 b"GET /healthz HTTP/11", b"GET /healthz HTTP/1.10", b"GET /healthz HTTP/01.1", b"GET /healthz http/1.1", b"GET /healthz HTTP/1.1x",
                 b"GET /healthz HTTP/1,1", b"GET /healthz H\x00TP/1.1", b"GET healthz HTTP/1.1", b"GET * HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT localhost:443 HTTP/1.1",
                 b"GET http://localhost/healthz HTTP/1.1", b"GET https://localhost/healthz HTTP/1.1", b"GET http://evil/healthz HTTP/1.1", b"GET //evil/healthz HTTP/1.1",
                 b"GET http://localhost HTTP/1.1", b"GET http:/healthz HTTP/1.1", b"GET localhost:443 HTTP/1.1", b"GET /healthz#x HTTP/1.1", b"GET /heal\x00thz HTTP/1.1",
                 b"GET /heal thz HTTP/1.1", b"GET /h\xe4 HTTP/1.1", b"GET /%zz HTTP/1.1", b"GET /a/../healthz HTTP/1.1", b"GET /./healthz HTTP/1.1", b"GET /a%2f..%2fhealthz HTTP/1.1",
                 b"GET \\healthz HTTP/1.1", b"GET /healthz;x HTTP/1.1", b"GET /healthz?a b HTTP/1.1", b"GET /healthz?\xff HTTP/1.1", b"G\x00T /healthz HTTP/1.1", b"get /healthz HTTP/1.1",
                 b"GE(T /healthz HTTP/1.1", b"G" * 80 + b" /healthz HTTP/1.1", b"GET /" + b"a" * 3000 + b" HTTP/1.1", b"/healthz HTTP/1.1", b"PRI * HTTP/2.0",
                 b"GET /healthz HTTP/1.1\r\n\r\nX", b"\r\nGET /healthz HTTP/1.1", b"\nGET /healthz HTTP/1.1", b"\r\n\r\nGET /healthz HTTP/1.1", b"\x00GET /healthz HTTP/1.1",
                 b"\xef\xbb\xbfGET /healthz HTTP/1.1", b"GET /healthz\x0bHTTP/1.1", b"GET /healthz HTTP/1.1\r", b"GET /<x>|{y} HTTP/1.1", b'GET /"x" HTTP/1.1', b"GET /^`' HTTP/1.1"):
        yield line + rest
    good = request()
    yield good.replace(b"\r\n", b"\n")
    yield good.replace(b"\r\n", b"\r")
    yield good.replace(b"\r\n", b"\n", 1)
    yield good.replace(b"\r\n", b"\r\r\n", 1)
    yield good[:-2] + b"\n"
    yield good[:-4] + b"\n\n"
    yield good[:-4] + b"\n\r\n"
    yield good[:-4] + b"\r\n\n"
    yield good[:-4] + b"\r\n \r\n\r\n"
    yield b"GET /healthz\r\n"
    yield request(version=b"HTTP/1.0")
    yield request(b"GET", b"/healthz", b"Connection: keep-alive", version=b"HTTP/1.0")
    yield request(b"POST", b"/v1/inspect", length(5), b"Connection: keep-alive", version=b"HTTP/1.0", body=b"hello")
    yield request(b"POST", b"/v1/inspect", version=b"HTTP/1.0", body=b"hello")


FAMILIES = (plain, two_framings, codings, lengths, chunks, fields, hosts, lines)


def corpus():
    """[(name, bytes)], none twice."""
    seen, cases = set(), []
    for family in FAMILIES:
        for number, data in enumerate(family()):
            if data not in seen:
                seen.add(data)
                cases.append((f"{family.__name__}-{number}", data))
    return cases


PIECES = (b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b",", b";", b"\x00", b"\x0b", b"\x7f", b"\xff", b"0", b"5", b"+", b"-", b"0x",
          b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n",
          b"Host: evil\r\n", b"Connection: close\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"HTTP/1.0", b"HTTP/1.1", b"chunked", HIDDEN)


def mutate(data, other, rng):
    """One to three small changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            data = data[:at] + rng.choice(PIECES) + data[at:]
        elif kind == 1:
            data = data[:at] + data[at + rng.choice((1, 1, 2, 4, 8)):]
        elif kind == 2:
            data = data[:at] + bytes((rng.randrange(256),)) + data[at + 1:]
        elif kind == 3:  # a whole line once more, somewhere else
            pieces = data.split(b"\r\n")
            pieces.insert(rng.randrange(len(pieces)), rng.choice(pieces))
            data = b"\r\n".join(pieces)
        elif kind == 4:  # the end of another
            data = data[:at] + other[rng.randrange(len(other) + 1):]
        else:
            data = data[:at] + data[at:].replace(b"\r\n", rng.choice((b"\n", b"\r\n ", b"\r", b"\r\n\r\n")), 1)
        data = data or b"x"
    return data


def mutations(count, seed=1):
    """[(name, bytes)]: the same for the same seed, half of them of requests that are no attack."""
    rng = random.Random(seed)
    parents = [data for _, data in corpus() if len(data) < 2000]
    honest = [data for data in plain()]
    return [(f"mutation-{seed}-{number}", mutate(rng.choice(rng.choice((parents, honest))), rng.choice(parents), rng))
            for number in range(count)]
