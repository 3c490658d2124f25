"""Bytes and bodies that are wrong: a clear refusal that repeats nothing of what was sent, neither to the sender nor
into any log, and a daemon that goes on as if nothing had been."""
import json
import re
import time
import unittest

from canaries import CanaryCase
from harness import CARD, card_number, random_token, raw_request

# What must never be seen again. Each stands in every place where a client can put something.
WORD = "canary7f3a9e51c2"
NUMBER = card_number("40")  # 0 stands in no key id: "AMPK" and this number are none


def with_wrong_digit(place):
    """NUMBER with one digit changed, which its check digit always shows (a digit cut off it shows nine times in ten)."""
    return NUMBER[:place] + str((int(NUMBER[place]) + 1) % 10) + NUMBER[place + 1:]


class BadInputCase(CanaryCase):
    canaries = (WORD, NUMBER)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = f"{cls.daemon.host}:{cls.daemon.port}"

    def assert_bad(self, answer, status, code):
        self.assert_refused(answer, status, code)
        self.assert_untold(answer)

    def assert_alive(self, connection=None):
        """The next request is served: on this connection, or on a fresh one."""
        if connection is not None:
            connection.send(f"GET /healthz HTTP/1.1\r\nhost: {self.authority}\r\n\r\n".encode())
            self.assertEqual(connection.read_answer().status, 200)
        self.assertEqual(self.client.get("/healthz", signed=False).status, 200)

    def signed(self, body, path="/v1/tokens", headers=None):
        """The bytes of a signed request."""
        fields = self.client.signer.headers("POST", self.daemon.url + path, body,
                                            {"content-type": "application/json", **(headers or {})})
        return raw_request("POST", path, self.authority, {**fields, "content-length": len(body)}, body)


class BytesTest(BadInputCase):
    """What is not one well-formed HTTP/1.1 request: refused and closed."""

    def check(self, data, status=400, code="malformed_request", closes=True):
        with self.daemon.raw() as connection:
            connection.send(data)
            answer = connection.read_answer()
            self.assertIsNotNone(answer, data[:200])
            self.assert_bad(answer, status, code)
            if closes:
                self.assertEqual(answer.headers.get("connection"), "close", data[:200])
                self.assertTrue(connection.is_closed(), data[:200])
            else:
                self.assert_alive(connection)
        self.assert_alive()
        return answer

    def post(self, *fields, body=b"", target="/v1/tokens"):
        head = [f"POST {target} HTTP/1.1".encode(), b"host: " + self.authority.encode()]
        head += [field if isinstance(field, bytes) else field.encode() for field in fields]
        return b"\r\n".join(head) + b"\r\n\r\n" + body

    def test_two_lengths_of_one_body(self):
        chunked = b"5\r\nhello\r\n0\r\n\r\n"
        self.check(self.post("content-length: 5", "transfer-encoding: chunked", body=chunked))
        self.check(self.post("transfer-encoding: chunked", "content-length: 5", body=chunked))
        for lengths in (("5", "5"), ("5", "6"), ("5, 5",), ("5,5",)):
            self.check(self.post(*(f"content-length: {length}" for length in lengths), body=b"hello"))

    def test_lengths_that_are_none(self):
        for length in ("", " ", "+5", "-5", "0x5", "5\t0", "5.0", "5e0", "\x0b5", "five", "9" * 30, "5;a", "00x"):
            self.check(self.post(f"content-length: {length}", body=b"hello"))

    def test_transfer_codings(self):
        for coding in ("gzip", "gzip, chunked", "chunked, chunked", "chunked;q=1", "chunkedx", "xchunked", "identity",
                       "", "chunked,", ", chunked", '"chunked"', "chunked gzip"):
            self.check(self.post(f"transfer-encoding: {coding}", body=b"0\r\n\r\n"))
        self.check(self.post("transfer-encoding: chunked", "transfer-encoding: chunked", body=b"0\r\n\r\n"))
        self.check(self.post("transfer-encoding : chunked", body=b"0\r\n\r\n"))

    def test_header_lines(self):
        for line in (": value", "name : value", "name\t: value", " name: value", "na me: value", "name", "n\x00ame: v",
                     "name: va\x00lue", "name: va\rlue", "name: va\nlue", "name: \x01", "name: \x7f", "na(me: v",
                     "first: value\r\n folded: value", "first: value\r\n\tfolded", "n\xe4me: v", f"{WORD} : {NUMBER}"):
            self.check(self.post(line.encode("latin-1")))

    def test_line_ends(self):
        good = f"GET /healthz HTTP/1.1\r\nhost: {self.authority}\r\n\r\n".encode()
        self.check(good.replace(b"\r\n", b"\n"))
        self.check(good.replace(b"\r\n", b"\n", 1))
        self.check(good.replace(b"\r\n", b"\r", 1))
        self.check(good[:-4] + b"\n\r\n")
        self.check(good.replace(b"\r\n", b"\r\r\n", 1))

    def test_request_lines(self):
        rest = f"\r\nhost: {self.authority}\r\n\r\n"
        for line in ("GET  /healthz HTTP/1.1", "GET /healthz  HTTP/1.1", " GET /healthz HTTP/1.1", "GET /healthz",
                     "GET /healthz HTTP/1.1 ", "GET\t/healthz\tHTTP/1.1", "GET healthz HTTP/1.1", "GET * HTTP/1.1",
                     "G(T /healthz HTTP/1.1", "GET /heal\x00thz HTTP/1.1", "GET /heal thz HTTP/1.1",
                     "GET /healthz http/1.1", "GET /healthz HTTP/1.1x", "GET /h\xe4 HTTP/1.1", "/healthz HTTP/1.1",
                     f"GET http://elsewhere.example/{WORD} HTTP/1.1", f"GET https://{self.authority}/healthz HTTP/1.1",
                     f"CONNECT {self.authority} HTTP/1.1", f"{WORD} {NUMBER}", "GET /healthz#fragment HTTP/1.1"):
            with self.daemon.raw() as connection:
                connection.send((line + rest).encode("latin-1"))
                answer = connection.read_answer()
                self.assertIsNotNone(answer, line)
                self.assertIn(answer.code, ("malformed_request", "http_version_not_supported", "not_found"), line)
                self.assertGreaterEqual(answer.status, 400, line)
                self.assert_untold(answer)
            self.assert_alive()

    def test_versions(self):
        for version in ("HTTP/0.9", "HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "HTTP/3.0"):
            self.check(f"GET /healthz {version}\r\nhost: {self.authority}\r\n\r\n".encode(), 505,
                       "http_version_not_supported")
        with self.daemon.raw() as connection:
            connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            answer = connection.read_answer()
            self.assertIn(answer.status, (400, 505))
        self.check(b"GET /healthz\r\n\r\n")

    def test_other_protocols(self):
        for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n",
                     b"SSH-2.0-OpenSSH_9\r\n\r\n",
                     b"\0" * 64 + b"\r\n\r\n", b"EHLO mail\r\n\r\n", b"*1\r\n$4\r\nPING\r\n\r\n"):
            with self.daemon.raw() as connection:
                connection.send(data)
                self.assertIn(connection.read_answer().status, (400, 505), data)
        self.assert_alive()

    def test_hosts(self):
        line = b"GET /healthz HTTP/1.1\r\n"
        self.check(line + b"\r\n")
        self.check(line + b"host: a\r\nhost: a\r\n\r\n")
        self.check(line + b"host: a\r\nHost: b\r\n\r\n")

    def test_chunks(self):
        for body in (b"5;ext=1\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
                     b"0x5\r\nhello\r\n0\r\n\r\n", b"00000000000000005\r\nhello\r\n0\r\n\r\n",
                     b"5 \r\nhello\r\n0\r\n\r\n",
                     b" 5\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"5\r\nhelloo\r\n0\r\n\r\n",
                     b"\r\nhello\r\n0\r\n\r\n",
                     b"g\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"0\r\ntrailer: x\r\n\r\n",
                     b"5\r\nhello\r\n0;x\r\n\r\n",
                     b"ffffffffffffffff0\r\n"):
            self.check(self.post("transfer-encoding: chunked", "content-type: application/json", body=body))

    def test_chunk_sizes_beyond_every_limit(self):
        for size in (b"40001", b"7fffffffffffffff", b"ffffffffffffffff"):
            self.check(self.post("transfer-encoding: chunked", body=size + b"\r\n"), 413, "body_too_large")

    def test_a_chunked_body_that_is_right(self):
        body = json.dumps({"card": CARD}).encode()
        whole = self.signed(body).replace(f"content-length: {len(body)}".encode(), b"transfer-encoding: chunked")
        head = whole[:-len(body)]
        pieces = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"
        with self.daemon.raw() as connection:
            connection.send(head + pieces)
            self.assertEqual(connection.read_answer().status, 201)
            self.assert_alive(connection)

    def test_what_hides_behind_a_refused_request(self):
        """Request smuggling: the bytes behind it are never served."""
        hidden = f"GET /healthz HTTP/1.1\r\nhost: {self.authority}\r\n\r\n".encode()
        for body_length in ("content-length: 0", "content-length: 5"):
            with self.daemon.raw() as connection:
                connection.send(self.post(body_length, "transfer-encoding: chunked", body=b"0\r\n\r\n" + hidden))
                self.assertEqual(connection.read_answer().status, 400)
                self.assertEqual(connection.read_to_end(), b"")

    def test_too_much_header(self):
        many = "".join(f"x-field-{i}: {WORD}\r\n" for i in range(70)).encode()
        line = f"GET /healthz HTTP/1.1\r\nhost: {self.authority}\r\n".encode()
        self.check(line + many + b"\r\n", 431, "headers_too_large")
        self.check(line + b"x-long: " + NUMBER.encode() * 1100 + b"\r\n\r\n", 431, "headers_too_large")
        self.check(b"GET /" + WORD.encode() * 200 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414, "uri_too_long")

    def test_the_largest_header_that_is_taken(self):
        line = f"GET /healthz HTTP/1.1\r\nhost: {self.authority}\r\n".encode()
        fields = "".join(f"x-field-{i}: {'v' * 200}\r\n" for i in range(63)).encode()
        with self.daemon.raw() as connection:
            connection.send(line + fields + b"\r\n")
            self.assertEqual(connection.read_answer().status, 200)
            self.assert_alive(connection)

    def test_a_body_one_byte_too_large(self):
        self.check(self.post(f"content-length: {256 * 1024 + 1}", "content-type: application/json", body=b"x" * 1000),
                   413, "body_too_large")
        for length in (2 ** 31, 2 ** 32, 2 ** 63 - 1, 2 ** 64 - 1):
            with self.daemon.raw() as connection:
                connection.send(self.post(f"content-length: {length}"))
                answer = connection.read_answer()
                self.assertIn(answer.status, (400, 413), length)
        self.assert_alive()

    def test_the_largest_body_that_is_taken(self):
        frame = json.dumps({"data": ""}).encode()
        body = json.dumps({"data": "x" * (256 * 1024 - len(frame))}).encode()
        self.assertEqual(len(body), 256 * 1024)
        made = self.client.post("/v1/tokens", body)
        self.assertEqual(made.status, 201, made)
        taken = self.client.post("/v1/redeem", {"token": made.json()["token"]})
        self.assertEqual(len(taken.json()["data"]), 256 * 1024 - len(frame))

    def test_a_gibibyte_in_chunks(self):
        """It is cut off long before, and the memory of front does not follow."""
        front = self.daemon.roles()["front"]
        before = resident_kib(front)
        with self.daemon.raw() as connection:
            connection.send(self.post("transfer-encoding: chunked", "content-type: application/json"))
            chunk = b"10000\r\n" + WORD.encode() * (0x10000 // len(WORD)) + b"\r\n"
            sent = 0
            try:
                while sent < 1 << 30:
                    connection.send(chunk)
                    sent += 0x10000
            except OSError:
                pass
            self.assertLess(sent, 64 << 20)
        self.assert_alive()
        self.assertLess(resident_kib(front) - before, 32 * 1024)

    def test_connections_that_break_off(self):
        """Cut at every tenth byte of a good request: each leaves nothing behind."""
        whole = self.signed(json.dumps({"card": CARD}).encode())
        for end in range(0, len(whole), 10):
            connection = self.daemon.raw()
            connection.send(whole[:end])
            connection.close()
        self.assert_alive()

    def test_one_byte_at_a_time(self):
        whole = self.signed(json.dumps({"card": CARD}).encode())
        with self.daemon.raw() as connection:
            for byte in whole:
                connection.send(bytes([byte]))
            self.assertEqual(connection.read_answer().status, 201)
            self.assert_alive(connection)


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def card(**changes):
    """The good card with changes; None takes a member away."""
    return {name: value for name, value in {**CARD, **changes}.items() if value is not None}


class BodyTest(BadInputCase):
    """Well signed, well formed HTTP, and wrong."""

    def check(self, body, status, code, path="/v1/tokens", **options):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        options.setdefault("headers", {"content-type": "application/json"})
        answer = self.client.request("POST", path, body, **options)
        self.assertEqual((answer.status, answer.code), (status, code), (body[:200], answer))
        self.assert_bad(answer, status, code)
        return answer

    def test_json_that_is_none(self):
        number, word = NUMBER.encode(), WORD.encode()
        for body in (b"[]", b'"' + word + b'"', b"4111", b"null"):
            self.check(body, 400, "wrong_type")
        for body in (b"", b"{", b"}", word, b'{"card":}', b'{"data":1}x',
                     b'{"data":1}{"data":2}', b'{"data":1,}', b"{data:1}", b"{'data':1}", b'{"data":01}',
                     b'{"data":+1}', b'{"data":1.}', b'{"data":.5}', b'{"data":NaN}', b'{"data":Infinity}',
                     b'{"data":tru}', b'{"data":"' + number, b'{"data":"\\x41"}', b'{"data":"\\u12"}',
                     b'{"data":"\x01"}', b'{"data":"' + word + b'\n"}', b'{"data":"\xff"}', b'{"data":"\xc0\xaf"}',
                     b'{"data":"\xed\xa0\x80"}', b'{"data":"\\ud800"}', b'{"data":"\\udc00\\ud800"}',
                     b'{"data":"\\u0000"}',
                     b'\xef\xbb\xbf{"data":1}', b'{"data":1}\0', b'\xff\xfe{\0}\0', b'{"data":/*' + word + b'*/1}'):
            self.check(body, 400, "malformed_json")

    def test_json_too_deep(self):
        for depth in (16, 17, 1000, 100000):
            self.check(b'{"data":' + b"[" * depth + b"]" * depth + b"}", 400, "json_too_deep")
        made = self.client.post("/v1/tokens", b'{"data":' + b"[" * 15 + b"]" * 15 + b"}")
        self.assertEqual(made.status, 201, made)

    def test_json_that_is_large_when_parsed(self):
        """Many small members do not cost many times their bytes."""
        front = self.daemon.roles()["front"]
        before = resident_kib(front)
        body = b'{"data":[' + b",".join([b"{}"] * 60000) + b"]}"
        for _ in range(20):
            made = self.client.post("/v1/tokens", body, fresh=True)
            self.assertEqual(made.status, 201)
            self.client.post("/v1/revoke", {"token": made.json()["token"]})
        self.assertLess(resident_kib(front) - before, 48 * 1024)

    def test_members_twice(self):
        for body in (b'{"data":1,"data":2}', b'{"data":1,"d\\u0061ta":2}', b'{"data":{"a":1,"a":2}}',
                     b'{"card":{"number":"4111111111111111","number":"' + NUMBER.encode() + b'"}}',
                     b'{"data":[{"x":{"' + WORD.encode() + b'":1,"' + WORD.encode() + b'":1}}]}'):
            self.check(body, 400, "json_duplicate_key")

    def test_unknown_members(self):
        self.check({"card": CARD, WORD: NUMBER}, 400, "unknown_field")
        self.check({"card": card(**{WORD: NUMBER})}, 400, "unknown_field")
        self.check({"card": card(pin=NUMBER)}, 400, "unknown_field")
        self.check({"Card": CARD}, 400, "unknown_field")
        for path, member in (("redeem", "token"), ("inspect", "token"), ("claim", "token"), ("revoke", "token")):
            self.check({member: random_token(), WORD: NUMBER}, 400, "unknown_field", "/v1/" + path)
        for path in ("commit", "abort"):
            self.check({"claim": random_token("clm"), WORD: NUMBER}, 400, "unknown_field", "/v1/" + path)

    def test_missing_members(self):
        self.check({"card": card(number=None)}, 400, "missing_field")
        self.check({"card": card(exp_month=None)}, 400, "missing_field")
        self.check({"card": card(exp_year=None)}, 400, "missing_field")
        for path in ("redeem", "inspect", "claim", "revoke", "commit", "abort", "tokens/batch"):
            self.check({}, 400, "missing_field", "/v1/" + path)

    def test_card_numbers(self):
        self.check(b'{"card":{"number":%s,"exp_month":12,"exp_year":2030}}' % NUMBER.encode(), 422,
                   "card_number_must_be_string")
        for number in ("", "4", with_wrong_digit(15), NUMBER[:11], NUMBER + "0" * 4, NUMBER[:-1] + "x",
                       " " + NUMBER, NUMBER + " ",
                       "-".join((NUMBER[:8], NUMBER[8:])), "4111 1111 1111 1111", "\u0664" * 16, "0" * 11,
                       NUMBER + "\u00a0",
                       f"{WORD}"):
            self.check({"card": card(number=number)}, 422, "card_number_invalid")
        for wrong in (True, [NUMBER], {"a": NUMBER}, None):
            self.check(json.dumps({"card": {**CARD, "number": wrong}}).encode(), 400, "wrong_type")

    def test_each_single_wrong_digit_fails_luhn(self):
        for place in range(16):
            self.check({"card": card(number=with_wrong_digit(place))}, 422, "card_number_invalid")

    def test_expiry_dates(self):
        for month, year in ((0, 2030), (13, 2030), (-1, 2030), (12, 30), (12, 99999), (12, 0), (1 << 40, 2030)):
            self.check({"card": card(exp_month=month, exp_year=year)}, 422, "card_expiry_invalid")
        last_year = time.gmtime().tm_year - 1
        self.check({"card": card(exp_year=last_year)}, 422, "card_expired")
        self.check({"card": card(exp_month="12")}, 400, "wrong_type")
        self.check(b'{"card":{"number":"4111111111111111","exp_month":12.0,"exp_year":2030}}', 400, "wrong_type")

    def test_codes_and_names(self):
        for cvc in ("12", "1234", "12a", "", "12 ", WORD):
            self.check({"card": card(cvc=cvc)}, 422, "card_cvc_invalid")
        self.check({"card": card(number="378282246310005", cvc="123")}, 422, "card_cvc_invalid")
        self.check({"card": card(cvc=123)}, 422, "card_cvc_invalid")
        for name in ("", "x" * 129, "a\tb", "a\nb", "a\u007fb", WORD + "\u0085"):
            self.check({"card": card(name=name)}, 422, "card_name_invalid")

    def test_card_or_data(self):
        self.check({}, 422, "card_or_data")
        self.check({"card": CARD, "data": NUMBER}, 422, "card_or_data")
        self.check({"queue": "payments"}, 422, "card_or_data")
        for wrong in (NUMBER, [CARD], 5, None, True):
            self.check(json.dumps({"card": wrong}).encode(), 400, "wrong_type")

    def test_queues_and_times(self):
        for queue in ("", "a b", "a/b", "x" * 81, "a.b", ".fifo", "ä", "*", "../" + WORD, "a.fifo.fifo"):
            self.check({"card": CARD, "queue": queue}, 422, "queue_invalid")
        for ttl in (0, -1, 900001, 1 << 62, 10 ** 30):
            self.check({"card": CARD, "ttl_ms": ttl}, 422, "ttl_invalid")
        for ttl in ("1000", True, None, [1000]):
            self.check(json.dumps({"card": CARD, "ttl_ms": ttl}).encode(), 400, "wrong_type")
        token = self.client.tokenize()
        for lease in (0, -1, 60001, 1 << 62):
            self.check({"token": token, "lease_ms": lease}, 422, "lease_invalid", "/v1/claim")

    def test_metadata(self):
        for metadata in ({"k" * 41: "v"}, {"k": "v" * 501}, {str(i): "v" for i in range(51)}):
            self.check({"card": CARD, "metadata": metadata}, 422, "metadata_invalid")
        for metadata in ("text", [1], 5):
            self.check({"card": CARD, "metadata": metadata}, 400, "wrong_type")
        for metadata in ({"k": 1}, {"k": {"a": NUMBER}}, {"k": None}):
            answer = self.client.post("/v1/tokens", {"card": CARD, "metadata": metadata})
            self.assertIn(answer.code, ("wrong_type", "metadata_invalid"))
            self.assert_untold(answer)

    def test_tokens_and_claims(self):
        for token in ("", "tok_", WORD, "tok_" + "A" * 42, "tok_" + "A" * 44, "tok_" + "A" * 42 + "!",
                      "clm_" + "A" * 43,
                      "TOK_" + "A" * 43, "tok_" + "B" * 43, NUMBER):
            for path in ("redeem", "inspect", "claim", "revoke"):
                self.check({"token": token}, 422, "token_malformed", "/v1/" + path)
        for claim in ("", "clm_", WORD, "tok_" + "A" * 43, "clm_" + "A" * 42, NUMBER):
            for path in ("commit", "abort"):
                self.check({"claim": claim}, 422, "claim_malformed", "/v1/" + path)
        for path in ("redeem", "inspect", "claim", "revoke"):
            self.check({"token": random_token()}, 404, "token_unknown", "/v1/" + path)
            self.check({"token": 5}, 400, "wrong_type", "/v1/" + path)
        for path in ("commit", "abort"):
            self.check({"claim": random_token("clm")}, 404, "claim_unknown", "/v1/" + path)

    def test_batches(self):
        for items in ([], [{"card": CARD}] * 101):
            self.check({"items": items}, 422, "batch_size", "/v1/tokens/batch")
        self.check({"items": {"0": {"card": CARD}}}, 400, "wrong_type", "/v1/tokens/batch")
        items = [{"card": card(number=with_wrong_digit(15))}, {WORD: NUMBER}, 5]
        answer = self.client.post("/v1/tokens/batch", {"items": items})
        self.assertEqual(answer.status, 200)
        self.assertEqual([result["error"]["code"] for result in answer.json()["results"]],
                         ["card_number_invalid", "unknown_field", "wrong_type"])
        self.assert_untold(answer)

    def test_methods(self):
        for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"):
            answer = self.client.request(method, "/v1/tokens")
            self.assertEqual((answer.status, answer.headers.get("allow")), (405, "POST"), method)
        for method in ("POST", "PUT", "DELETE"):
            answer = self.client.request(method, "/healthz")
            self.assertEqual((answer.status, answer.headers.get("allow")), (405, "GET, HEAD"), method)

    def test_content_types(self):
        body = json.dumps({"card": card(number=NUMBER)}).encode()
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data",
                     "json",
                     "application/jsonp", "application/json-patch+json", "text/json", WORD, "application/problem+json"):
            self.check(body, 415, "unsupported_media_type", headers={"content-type": kind})
        for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
            made = self.client.request("POST", "/v1/tokens", body, headers={"content-type": kind})
            self.assertEqual(made.status, 201, kind)

    def test_idempotency_keys(self):
        for key in ("x" * 256, ""):
            answer = self.client.post("/v1/tokens", {"card": CARD}, headers={"idempotency-key": key})
            self.assertEqual((answer.status, answer.code), (400, "idempotency_key_invalid"), key)

    def test_paths(self):
        for path in (f"/{WORD}", f"/v1/tokens/{NUMBER}", "/v1", "/v1/", "/V1/tokens", "/v1/tokens/", "/v1//tokens",
                     "/v1/./tokens", "/v1/x/../tokens", "/v1/%74okens", "//", "/v1/redeem/" + random_token()):
            answer = self.client.request("POST", path, json.dumps({"card": CARD}).encode())
            self.assert_bad(answer, 404, "not_found")

    def test_canaries_in_headers(self):
        """In every header that a client may fill, signed or not, with a body that is refused too."""
        for name in ("user-agent", "accept", "cookie", "referer", "origin", "x-forwarded-for", "x-ampoule-anything",
                     "x-amz-anything", "idempotency-key", "authorization", "x-amz-date", "host", "content-type",
                     "expect",
                     "te", "upgrade", "via", "forwarded", "range", "if-match", "accept-encoding", WORD):
            for signed in (True, False):
                def change(headers, name=name, signed=signed):
                    if not signed:
                        headers[name] = f"{WORD}{NUMBER}"
                try:
                    options = {"headers": {name: f"{WORD}{NUMBER}"}} if signed and name not in (
                        "authorization", "x-amz-date", "host") else {}
                    answer = self.client.post("/v1/redeem", {"token": WORD, "x": NUMBER}, change=change, **options)
                except OSError as broken:
                    raise AssertionError(f"{name}: {broken}") from broken
                self.assertGreaterEqual(answer.status, 400, name)
                self.assert_untold(answer)
        self.assert_alive()

    def test_a_card_number_for_a_key_id(self):
        """What claims to be a key id goes into the log: only what has the form of one."""
        for claim in (NUMBER, WORD, "AMPK" + NUMBER, NUMBER + "AAAA"):
            def change(headers, claim=claim):
                name = next(name for name in headers if name.lower() == "authorization")
                headers[name] = headers[name].replace(self.daemon.key_id, claim)
            answer = self.client.post("/v1/redeem", {"token": random_token()}, change=change)
            self.assert_bad(answer, 401, "unknown_key")
            self.daemon.wait_event(lambda event, id=answer.headers["x-request-id"]: event.get("request") == id)

    def test_after_each_refusal_the_same_connection_serves(self):
        with self.daemon.raw() as connection:
            for body, code in ((b"{", "malformed_json"), (b'{"x":1}', "unknown_field"), (b"", "malformed_json")):
                connection.send(self.signed(body))
                self.assertEqual(connection.read_answer().code, code)
                self.assert_alive(connection)


if __name__ == "__main__":
    unittest.main()
