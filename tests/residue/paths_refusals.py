"""Every refusal of a request that holds a card, and every way to break off in its middle."""
import json
import os
import signal
import socket
import ssl
import struct

from harness import LOOPBACK_SOURCES, wait_until


def contents(stage):
    """Well-formed JSON that says something that may not be."""
    name = stage.where
    for code, members in (
            ("card_number_invalid", {"number": stage.plants.bad_number(name("Luhn"))}),
            ("card_number_invalid", {"number": stage.plants.number(name("spaced")) + " "}),
            ("card_number_invalid", {"number": stage.word("no digits")}),
            ("card_number_must_be_string", {"number": int(stage.plants.number(name("as a number")))}),
            ("card_expiry_invalid", {"exp_month": 13}), ("card_expired", {"exp_year": 2020}),
            ("card_cvc_invalid", {"cvc": stage.plants.long_code(name("code"))}),
            ("wrong_type", {"name": [stage.word("list")]}), ("unknown_field", {stage.word("member"): 1}),
            ("unknown_field", {stage.plants.number(name("as a member")): 1}), ("missing_field", {"number": None})):
        card = {key: value for key, value in {**stage.card(code), **members}.items() if value is not None}
        stage.refuse({"card": card}, code)
    for code, members in (
            ("unknown_field", {"note": stage.plants.number(name("beside"))}), ("wrong_type", {"queue": 5}),
            (None, {"queue": stage.plants.number(name("queue"))}), (None, {"ttl_ms": 10 ** 9}),
            (None, {"metadata": {stage.word("key", length=60): "x"}}),
            (None, {"metadata": {"a": stage.word("x") * 40}}),
            (None, {"data": stage.word("both")})):
        stage.refuse({"card": stage.card("members"), **members}, code)
    for path, member in (("redeem", "token"), ("claim", "token"), ("inspect", "token"), ("revoke", "token"),
                         ("commit", "claim"), ("abort", "claim")):
        stage.refuse({member: stage.plants.number(name(path))}, path="/v1/" + path)
        stage.refuse({member: "tok_" + stage.word(path, length=43)}, path="/v1/" + path)


def broken_json(stage):
    """Cut, and made wrong, at every place behind the card's number, signed all the same."""
    client = stage.daemon.client()
    client.sources = LOOPBACK_SOURCES
    sample = json.dumps({"card": stage.card()})
    first = sample.index("4") + 16
    for offset in range(0, len(sample) - first, 2):
        body = json.dumps({"card": stage.card(f"cut {offset}")}).encode()
        stage.refused(client.post("/v1/tokens", body[:first + offset]))
        body = json.dumps({"card": stage.card(f"wrong {offset}")}).encode()
        stage.refused(client.post("/v1/tokens", body[:first + offset] + b"\x01" + body[first + offset:]))
    client.close()
    number = stage.plants.number(stage.where("forms"))
    for body in (f'{{"card":{{"number":"{number}","number":"{number}"}}}}', f'{{"card":{{"number":"{number}"}}}} x',
                 f'{{"data":{"[" * 40}"{number}"{"]" * 40}}}', f'{{"data":"{number}\\ud800"}}',
                 f'{{"data":"{number}\\u0000"}}', f'["{number}"]', f'"{number}"', number, f'{{"{number}":1}}',
                 f'{{"card":{{"number":"{number}\\q"}}}}', f'\ufeff{{"data":"{number}"}}'):
        stage.refuse(body.encode())
    stage.refuse(f'{{"data":"{number}'.encode() + b'\xff\xfe"}')


def signatures(stage):
    """A card in a body whose signature is not right, or not permitted, or comes twice."""
    def tampered(name, value):
        return lambda fields: fields.update({name: value})

    def resigned(fields):
        last = fields["Authorization"][-1]
        fields["Authorization"] = fields["Authorization"][:-1] + ("1" if last == "0" else "0")

    stage.refuse({"card": stage.card("wrong")}, "signature_mismatch", change=resigned)
    stage.refuse({"card": stage.card("none")}, "not_signed", signed=False)
    stage.refuse({"card": stage.card("old")}, "clock_skew", shift=-4000)
    stage.refuse({"card": stage.card("garbage")}, "malformed_signature",
                 change=tampered("Authorization", "AWS4-HMAC-SHA256 " + stage.plants.number(stage.where("field"))))
    body = stage.card_body("other body")
    whole = stage.signed(body)
    stage.refused(stage.exchange(whole[:-len(body)] + stage.card_body("other")[:len(body)].ljust(len(body))))
    for service in ("sqs", "s3"):
        client = stage.daemon.client(service=service)
        stage.refused(client.post("/v1/tokens", {"card": stage.card("service")}), "wrong_scope")
        client.close()
    client = stage.daemon.client("AMPK" + "A" * 16, stage.word("guessed secret", length=40))
    stage.refused(client.post("/v1/tokens", {"card": stage.card("unknown key")}), "unknown_key")
    client.close()
    client = stage.daemon.new_key("inspect", rate=1, burst=1)
    stage.daemon.plant_principal(client.signer.credentials.secret_key, stage.where("may little"))
    answers = [client.post("/v1/tokens", {"card": stage.card("not permitted")}) for _ in range(4)]
    for answer in answers:
        stage.refused(answer)
    client.close()
    whole = stage.signed(stage.card_body("replayed"))
    stage.expect(stage.exchange(whole), 201)
    stage.refused(stage.exchange(whole), "request_replayed")


def transport(stage):
    """A card in the path, the query, a header, a body of another type or too large, bytes that are no HTTP."""
    def number(detail):
        return stage.plants.number(stage.where(detail))

    stage.refuse({"card": stage.card("query")}, "query_refused", path=f"/v1/tokens?number={number('query')}")
    for path in (f"/v1/{number('path')}", f"/{number('path')}", f"/v1/tokens/{number('path')}/x"):
        stage.refuse({"card": stage.card("no such path")}, path=path)
        stage.refused(stage.exchange(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode()))
    stage.refuse({"card": stage.card("media type")}, "unsupported_media_type", headers={"content-type": "text/plain"})
    stage.refuse({"card": stage.card("header")}, headers={"idempotency-key": number("field") + " x"})
    stage.refuse({"card": stage.card("method")}, "method_not_allowed", path="/healthz")
    stage.refused(stage.client.request("PUT", "/v1/tokens", {"card": stage.card("method")}), "method_not_allowed")
    stage.refused(stage.exchange(stage.signed(stage.card_body("too large", data="x" * 300_000))), "body_too_large")
    host = f"{stage.daemon.host}:{stage.daemon.port}"
    line = f"POST /v1/tokens HTTP/1.1\r\nhost: {host}\r\n"
    for rest in (f"x-card: {number('control')}\x01\r\n\r\n", f"x-{number('name')} : 1\r\n\r\n",
                 f"x-card: {number('folded')}\r\n folded\r\n\r\n", f"{number('no colon')}\r\n\r\n",
                 f"content-length: 5\r\ncontent-length: 5\r\n\r\n{number('smuggled')}",
                 f"content-length: {number('length')}\r\n\r\n", f"transfer-encoding: {number('coding')}\r\n\r\n",
                 f"transfer-encoding: chunked\r\n\r\n{number('chunk')}\r\nx",
                 f"transfer-encoding: chunked\r\n\r\n10\r\n{number('chunk')}x\r\n0\r\n\r\n",
                 f"transfer-encoding: chunked\r\n\r\n10\r\n{number('chunk')}\r\n0\r\nx: y\r\n\r\n",
                 f"expect: {number('expect')}\r\n\r\n",
                 "".join(f"x-{i}: {number('many')}\r\n" for i in range(70)) + "\r\n",
                 f"x-long: {number('long')}{'y' * 17000}{number('long')}\r\n\r\n",
                 f"content-length: 2\r\n\r\n{{}}{number('behind')} HTTP/1.1\r\n\r\n"):
        stage.refused(stage.exchange((line + rest).encode("latin-1")))
    for first in (number("no HTTP"), f"GET /{number('version')} HTTP/0.9",
                  f"POST /{'z' * 2100}{number('long')} HTTP/1.1"):
        stage.refused(stage.exchange(f"{first}\r\nhost: {host}\r\n\r\n".encode()))
    plain = socket.create_connection((stage.daemon.host, stage.daemon.port), source_address=(next(LOOPBACK_SOURCES), 0))
    plain.sendall(f"POST / HTTP/1.1\r\n\r\n{number('without TLS')}".encode())
    while plain.recv(4096):
        pass
    plain.close()


class HalfTls:
    """TLS whose records can be sent in parts."""

    def __init__(self, stage):
        self.plain = socket.create_connection((stage.daemon.host, stage.daemon.port), timeout=20,
                                              source_address=(next(LOOPBACK_SOURCES), 0))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = stage.daemon.tls_context().wrap_bio(self.incoming, self.outgoing, server_hostname=stage.daemon.host)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.plain.sendall(self.outgoing.read())
                self.incoming.write(self.plain.recv(65536))
        self.plain.sendall(self.outgoing.read())

    def records(self, data):
        self.tls.write(data)
        return self.outgoing.read()

    def wait_closed(self):
        try:
            while self.plain.recv(65536):
                pass
        except ConnectionResetError:
            pass
        self.plain.close()


def half_sent(stage):
    """Half a head, half a body, half a chunk, half a TLS record: until the deadline, and until the peer breaks off."""
    def pieces():
        body = stage.card_body("body")
        whole = stage.signed(body)
        head = whole[:-len(body)]
        chunked = head.replace(f"content-length: {len(body)}".encode(), b"transfer-encoding: chunked")
        yield whole[:-9]
        yield stage.signed(b"{}", headers={"x-card": stage.plants.number(stage.where("head"))})[:-30]
        yield chunked + b"%x\r\n%s" % (len(body), body[:-9])
        yield chunked + b"%x\r\n%s\r\n" % (len(body), body)

    waiting = []
    for way in ("deadline", "farewell", "end", "reset"):
        for data in pieces():
            connection = stage.raw()
            connection.send(data)
            if way == "deadline":
                waiting.append(connection)
            elif way == "reset":
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            else:
                if way == "farewell":
                    connection.socket.setblocking(False)
                    try:
                        connection.socket.unwrap()
                    except ssl.SSLError:
                        pass
                connection.close()
    halves = []
    for way in ("deadline", "end", "broken"):
        half = HalfTls(stage)
        first = half.records(stage.signed(stage.card_body("first record"))[:-5])
        second = half.records(stage.card_body("second record"))
        half.plain.sendall(first + second[:len(second) // 2])
        if way == "broken":
            half.plain.sendall(b"\0" * len(second))
        if way == "end":
            half.plain.close()
        else:
            halves.append(half)
    for connection in waiting:
        stage.refused(connection.read_answer(), "request_timeout")
        connection.close()
    for half in halves:
        half.wait_closed()
    stage.wait_alone()


def slow_reader(stage):
    """A connection that reads nothing, or hardly."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.bind((next(LOOPBACK_SOURCES), 0))
    plain.connect((stage.daemon.host, stage.daemon.port))
    return stage.daemon.tls_context().wrap_socket(plain, server_hostname=stage.daemon.host)


def untaken_answers(stage):
    """Who asked for cards and does not read them, breaks off while he does, or has gone when they come."""
    readers = [slow_reader(stage) for _ in range(2)]
    for reader in readers:
        for i in range(14):
            data = [stage.word(f"first {i}"), "x" * 240_000, stage.word(f"last {i}")]
            token = stage.post("/v1/tokens", {"data": data}, 201)["token"]
            reader.sendall(stage.signed(json.dumps({"token": token}).encode(), "/v1/redeem"))
    readers[0].recv(1000)
    readers[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    readers[0].close()
    token = stage.token("gone peer", ttl_ms=600000)
    scribe = stage.daemon.roles()["scribe"]
    os.kill(scribe, signal.SIGSTOP)
    try:
        gone = stage.raw()
        gone.send(stage.signed(json.dumps({"token": token}).encode(), "/v1/claim"))
        wait_until(lambda: stage.client.post("/v1/inspect", {"token": token}).json().get("state") == "claimed")
        gone.close()
    finally:
        os.kill(scribe, signal.SIGCONT)
    stage.wait_alone()
    readers[1].close()


PATHS = [contents, broken_json, signatures, transport, half_sent, untaken_answers]
