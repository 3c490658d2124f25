"""Signatures over the wire: whatever was changed, cut off, left out or sent twice is refused under its own name,
changes nothing, and stands in the event log."""
import collections
import datetime
import hashlib
import hmac
import json
import secrets
import time
import unittest

from harness import LOOPBACK_SOURCES, CARD, DaemonCase, parse_time, random_token


def hand_signed(client, method, path, headers, body=b"", query="", signed=None, payload_hash=None, moment=None,
                scope=("us-east-1", "ampoule", "aws4_request"), key_id=None):
    """The value of Authorization, made by the letter of the specification and not by a library: it signs whatever it
    is told to. `headers`: [(name, value)] with x-amz-date among them unless `moment` is given."""
    moment = moment or dict((name.lower(), value) for name, value in headers)["x-amz-date"]
    names = signed if signed is not None else sorted({name.lower() for name, _ in headers})
    values = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    lines = "".join(f"{name}:{','.join(values.get(name, []))}\n" for name in names)
    payload_hash = payload_hash or hashlib.sha256(body).hexdigest()
    canonical = "\n".join([method, path, query, lines, ";".join(names), payload_hash])
    where = "/".join((moment[:8],) + scope)
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, where, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + client.signer.credentials.secret_key).encode()
    for part in (moment[:8],) + scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    key_id = client.signer.credentials.access_key if key_id is None else key_id
    return (f"AWS4-HMAC-SHA256 Credential={key_id}/{where}, SignedHeaders={';'.join(names)}, "
            f"Signature={signature}")


def amz_date(shift=0):
    moment = datetime.datetime.utcnow() + datetime.timedelta(seconds=shift)
    return moment.strftime("%Y%m%dT%H%M%SZ")


class SignatureCase(DaemonCase):
    """Every forgery asks to redeem a token; behind all of them the token must still be whole."""

    recent = collections.deque(maxlen=400)  # when the last refusals came

    def setUp(self):
        super().setUp()
        self.client.sources = LOOPBACK_SOURCES
        self.token = self.client.tokenize(ttl_ms=600000)
        self.body = json.dumps({"token": self.token}).encode()
        self.refusals = []

    def forge(self, status, code, change=None, body=None, headers=None, client=None, path="/v1/redeem", **signing):
        """A signed redemption, changed after signing."""
        client = client or self.client
        answer = client.request("POST", path, self.body if body is None else body, headers, change=change, **signing)
        self.note(answer, status, code)
        return answer

    def note(self, answer, status, code, **members):
        self.assert_refused(answer, status, code)
        self.assertEqual(answer.headers.get("www-authenticate"), "AWS4-HMAC-SHA256" if status == 401 else None)
        self.refusals.append((answer, {"outcome": "refused", "code": code, "role": "front", **members}))
        self.leave_room()

    def leave_room(self):
        """Each refusal shall have a record of its own. A worker writes 500 a second, and 20 for all addresses that share
        a place of its table; of sources with two refusals each, ten do not."""
        if len(self.refusals) % 2 == 0:
            self.client.close()  # the next comes from another
        if len(self.recent) == self.recent.maxlen:
            time.sleep(max(0, self.recent[0] + 1.1 - time.monotonic()))
        self.recent.append(time.monotonic())

    def raw(self, headers, body=None, target="/v1/redeem"):
        """Sends these headers [(name, value)], twins and all."""
        body = self.body if body is None else body
        lines = [f"POST {target} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers]
        lines.append(f"content-length: {len(body)}")
        with self.daemon.raw(source=next(LOOPBACK_SOURCES)) as connection:
            connection.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
            return connection.read_answer()

    def headers(self, **more):
        """What an honest request has, unsigned yet."""
        return [("host", f"{self.daemon.host}:{self.daemon.port}"), ("content-type", "application/json"),
                ("x-amz-date", amz_date()), ("x-ampoule-nonce", secrets.token_hex(8))] + list(more.items())

    def sign(self, headers, **options):
        options.setdefault("body", self.body)
        return headers + [("authorization", hand_signed(self.client, "POST", "/v1/redeem", headers, **options))]

    def tearDown(self):
        self.assert_events(self.refusals)
        taken = self.client.post("/v1/redeem", {"token": self.token})
        self.assertEqual((taken.status, taken.json().get("card")), (200, CARD))


def edit(name, function):
    """A change to one header, whatever its case of letters."""
    def change(headers):
        for key in headers:
            if key.lower() == name.lower():
                headers[key] = function(headers[key])
                return
        raise AssertionError(f"no header {name} to change")
    return change


def in_authorization(old, new):
    def replaced(value):
        assert old in value, value
        return value.replace(old, new)
    return edit("authorization", replaced)


def flipped(text, place, bit):
    return text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1:]


class ForgeryTest(SignatureCase):
    def test_the_hand_made_signature_is_right(self):
        """What the other cases change would have passed."""
        token = self.client.tokenize()
        body = json.dumps({"token": token}).encode()
        answer = self.raw(self.sign(self.headers(), body=body), body)
        self.assertEqual((answer.status, answer.json()["card"]), (200, CARD))

    def test_each_bit_of_the_signature(self):
        for place in range(64):
            for bit in range(4):
                def other(value):
                    start = value.index("Signature=") + len("Signature=") + place
                    return value[:start] + format(int(value[start], 16) ^ 1 << bit, "x") + value[start + 1:]
                self.forge(401, "signature_mismatch", edit("authorization", other))

    def test_each_length_of_the_signature_but_the_right_one(self):
        for length in list(range(64)) + [65, 66, 128]:
            def cut(value):
                start = value.index("Signature=") + len("Signature=")
                return value[:start] + (value[start:] * 2)[:length]
            self.forge(401, "malformed_signature", edit("authorization", cut))

    def test_signatures_of_other_letters(self):
        for letter in ("G", " ", "%61"):
            self.forge(401, "malformed_signature",
                       edit("authorization", lambda value, letter=letter: value[:-len(letter)] + letter))
        upper = self.client.request("POST", "/v1/redeem", self.body, change=edit(
            "authorization", lambda value: value[:-64] + "".join(sorted("ABCDEF0123456789" * 4))))
        self.assertEqual(upper.status, 401)

    def test_each_byte_of_the_body(self):
        for place in range(len(self.body)):
            headers = self.client.signer.headers("POST", self.daemon.url + "/v1/redeem", self.body,
                                                 {"content-type": "application/json"})
            other = bytearray(self.body)
            other[place] ^= 1 << place % 8
            self.note(self.client.send("POST", "/v1/redeem", bytes(other), headers), 401, "signature_mismatch")

    def test_a_body_longer_or_shorter_than_what_was_signed(self):
        for other in (self.body[:-1], self.body + b" ", b"", b" " + self.body):
            headers = self.client.signer.headers("POST", self.daemon.url + "/v1/redeem", self.body,
                                                 {"content-type": "application/json"})
            self.note(self.client.send("POST", "/v1/redeem", other, headers), 401, "signature_mismatch")

    def test_each_signed_header(self):
        nonce = secrets.token_hex(8)
        for place in range(len(nonce)):
            self.forge(401, "signature_mismatch", edit("x-ampoule-nonce", lambda v, p=place: flipped(v, p, p % 4)))
        self.forge(401, "signature_mismatch", edit("content-type", lambda v: v + ";charset=utf-8"))
        self.forge(401, "signature_mismatch", edit("x-amz-date", lambda v: v[:-2] + ("0Z" if v[-2] != "0" else "1Z")))
        self.forge(401, "signature_mismatch", lambda headers: headers.update(host="localhost:1"))
        self.forge(401, "signature_mismatch", headers={"idempotency-key": "first"},
                   change=edit("idempotency-key", lambda v: "other"))

    def test_the_path_and_the_query(self):
        def elsewhere(path, signed_path):
            headers = self.client.signer.headers("POST", self.daemon.url + signed_path, self.body,
                                                 {"content-type": "application/json"})
            return self.client.send("POST", path, self.body, headers)
        self.note(elsewhere("/v1/redeem", "/v1/inspect"), 401, "signature_mismatch")
        self.note(elsewhere("/v1/redeem", "/v1/redeem/"), 401, "signature_mismatch")
        self.note(elsewhere("/v1/redeem?a=1", "/v1/redeem"), 401, "signature_mismatch")
        self.note(elsewhere("/v1/redeem", "/v1/redeem?a=1"), 401, "signature_mismatch")

    def test_the_scope(self):
        self.forge(401, "signature_mismatch", in_authorization("/us-east-1/", "/us-east-2/"))
        self.forge(401, "wrong_scope", in_authorization("/ampoule/", "/sqs/"))
        self.forge(401, "wrong_scope", in_authorization("/ampoule/", "/s3/"))
        self.forge(401, "malformed_signature", in_authorization("/aws4_request", "/aws5_request"))
        self.forge(401, "malformed_signature", in_authorization("/aws4_request", ""))
        self.forge(401, "malformed_signature", in_authorization("/ampoule/", "//"))

        def yesterday(value):
            day = value.split("/")[1]
            return value.replace(f"/{day}/", "/20200101/")
        self.forge(401, "clock_skew", edit("authorization", yesterday))

    def test_a_signature_for_another_service(self):
        """Rightly signed, for something else."""
        for service in ("sqs", "s3", "execute-api"):
            other = self.daemon.client(service=service)
            self.addCleanup(other.close)
            self.forge(401, "wrong_scope", client=other)

    def test_any_region_that_was_signed(self):
        token = self.client.tokenize()
        elsewhere = self.daemon.client()
        self.addCleanup(elsewhere.close)
        elsewhere.signer.region = "antarctica-9"
        self.assertEqual(elsewhere.post("/v1/redeem", {"token": token}).status, 200)

    def test_another_algorithm(self):
        self.forge(401, "malformed_signature", in_authorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"))
        self.forge(401, "malformed_signature", in_authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"))
        self.forge(401, "malformed_signature", edit("authorization", lambda _: "Basic QWxhZGRpbjpvcGVu"))
        self.forge(401, "malformed_signature", edit("authorization", lambda _: "Bearer " + "x" * 64))
        self.forge(401, "malformed_signature", edit("authorization", lambda _: ""))


class LeftOutTest(SignatureCase):
    def test_no_signature_at_all(self):
        answer = self.client.post("/v1/redeem", self.body, signed=False)
        self.note(answer, 401, "not_signed")

    def test_unsigned_headers_that_change_the_meaning(self):
        for name in ("idempotency-key", "x-amz-security-token", "x-amz-target", "x-ampoule-anything", "X-AMZ-Foo"):
            self.forge(401, "header_not_signed", lambda headers, name=name: headers.update({name: "1"}))

    def test_host_and_date_unsigned(self):
        headers = self.headers()
        for name in ("host", "x-amz-date"):
            names = sorted({other for other, _ in headers} - {name})
            self.note(self.raw(self.sign(headers, signed=names)), 401, "header_not_signed")

    def test_a_signed_header_that_is_absent(self):
        headers = self.headers()
        names = sorted({name for name, _ in headers} | {"x-amz-meta"})
        self.note(self.raw(self.sign(headers, signed=names)), 401, "malformed_signature")

    def test_signed_names_out_of_order_or_twice(self):
        headers = self.headers()
        names = sorted(name for name, _ in headers)
        for wrong in (names[::-1], names + names[-1:], [name.upper() for name in names], names + [""], []):
            self.note(self.raw(self.sign(headers, signed=wrong)), 401, "malformed_signature")

    def test_date_missing(self):
        headers = [pair for pair in self.headers() if pair[0] != "x-amz-date"]
        self.note(self.raw(self.sign(headers, moment=amz_date())), 401, "malformed_signature")

    def test_signed_body_hash_that_is_none(self):
        """Each signature is right; what it covers is not this body."""
        wrong_hash = hashlib.sha256(b"something else").hexdigest()
        right_hash = hashlib.sha256(self.body).hexdigest()
        for claimed in ("UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", wrong_hash, right_hash.upper(), right_hash[:-1],
                        right_hash + "0", hashlib.sha256(b"").hexdigest(), "0"):
            headers = self.headers(**{"x-amz-content-sha256": claimed})
            self.note(self.raw(self.sign(headers, payload_hash=claimed)), 401, "body_not_signed")
            self.note(self.raw(self.sign(headers)), 401, "body_not_signed")

    def test_signed_body_hash_that_is_right(self):
        token = self.client.tokenize()
        body = json.dumps({"token": token}).encode()
        headers = self.headers(**{"x-amz-content-sha256": hashlib.sha256(body).hexdigest()})
        self.assertEqual(self.raw(self.sign(headers, body=body), body).status, 200)

    def test_unsigned_payload_without_the_header(self):
        self.note(self.raw(self.sign(self.headers(), payload_hash="UNSIGNED-PAYLOAD")), 401, "signature_mismatch")


class TwiceTest(SignatureCase):
    def test_two_authorizations(self):
        good = self.sign(self.headers())
        self.note(self.raw(good + good[-1:]), 401, "malformed_signature")
        self.note(self.raw([("Authorization", "Basic QQ==")] + good), 401, "malformed_signature")
        self.note(self.raw(good + [("authorization", "")]), 401, "malformed_signature")

    def test_two_dates(self):
        headers = self.headers()
        self.note(self.raw(self.sign(headers) + [("X-Amz-Date", amz_date())]), 401, "malformed_signature")
        self.note(self.raw(self.sign(headers + [("x-amz-date", amz_date(-60))])), 401, "malformed_signature")

    def test_parts_of_the_authorization_twice(self):
        def doubled(value):
            return value + ", Signature=" + "0" * 64
        self.forge(401, "malformed_signature", edit("authorization", doubled))
        self.forge(401, "malformed_signature",
                   edit("authorization", lambda v: v + ", Credential=" + v.split("Credential=")[1].split(",")[0]))
        self.forge(401, "malformed_signature", edit("authorization", lambda v: v + ", Extra=1"))

    def test_signature_in_the_query(self):
        query = (f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={self.client.signer.credentials.access_key}%2F"
                 f"{amz_date()[:8]}%2Fus-east-1%2Fampoule%2Faws4_request&X-Amz-Date={amz_date()}&X-Amz-Expires=300"
                 f"&X-Amz-SignedHeaders=host&X-Amz-Signature={'0' * 64}")
        self.note(self.client.post("/v1/redeem" + query, self.body, signed=False), 401, "presigned_refused")

    def test_signature_in_the_query_beside_a_header(self):
        for query in ("X-Amz-Signature=" + "0" * 64, "X-Amz-Credential=a", "X-Amz-Algorithm=AWS4-HMAC-SHA256",
                      "x-amz-signature=0", "X%2DAmz%2DSignature=0", "a=1&X-Amz-%53ignature=0", "X-Amz-Signature"):
            self.forge(401, "presigned_refused", path="/v1/redeem?" + query)


class ReplayTest(SignatureCase):
    def replayable(self):
        body = json.dumps({"token": self.client.tokenize()}).encode()
        return body, self.sign(self.headers(), body=body)

    def test_on_the_same_connection_and_on_another(self):
        body, headers = self.replayable()
        self.assertEqual(self.raw(headers, body).status, 200)
        self.note(self.raw(headers, body), 409, "request_replayed",
                  claims_to_be=self.daemon.key_id)
        answer = self.client.send("POST", "/v1/redeem", body, dict(headers))
        self.note(answer, 409, "request_replayed")
        self.note(self.client.send("POST", "/v1/redeem", body, dict(headers)), 409, "request_replayed")

    def test_in_another_dress(self):
        """The same signature behind other spellings of the same request."""
        body, headers = self.replayable()
        self.assertEqual(self.raw(headers, body).status, 200)
        self.note(self.raw(headers[::-1], body), 409, "request_replayed")
        self.note(self.raw([(name.upper(), "  " + value) for name, value in headers], body), 409, "request_replayed")
        self.note(self.raw(headers + [("accept", "*/*")], body), 409, "request_replayed")
        respelled = [(name, value.replace(", ", ",")) for name, value in headers]
        self.note(self.raw(respelled, body), 409, "request_replayed")

    def test_a_refused_request_may_not_be_repeated_either(self):
        body = json.dumps({"token": random_token()}).encode()
        headers = self.sign(self.headers(), body=body)
        self.assertEqual(self.raw(headers, body).status, 404)
        self.note(self.raw(headers, body), 409, "request_replayed")

    def test_what_did_not_verify_is_not_remembered(self):
        """Otherwise a stranger could use up the signature that he saw."""
        body, headers = self.replayable()
        self.note(self.raw(headers, body + b" "), 401, "signature_mismatch")
        self.note(self.raw(headers + [("idempotency-key", "x")], body), 401, "header_not_signed")
        self.assertEqual(self.raw(headers, body).status, 200)

    def test_many_at_once(self):
        """One request, sent on many connections at the same moment: one is served."""
        body, headers = self.replayable()
        lines = ["POST /v1/redeem HTTP/1.1"] + [f"{name}: {value}" for name, value in headers]
        whole = ("\r\n".join(lines + [f"content-length: {len(body)}"]) + "\r\n\r\n").encode() + body
        connections = [self.daemon.raw() for _ in range(20)]
        for connection in connections:
            connection.send(whole)
        answers = [connection.read_answer() for connection in connections]
        for connection in connections:
            connection.close()
        self.assertEqual(sorted(answer.status for answer in answers), [200] + [409] * 19)
        for answer in answers:
            if answer.status != 200:
                self.note(answer, 409, "request_replayed")


class ClockTest(SignatureCase):
    def test_dates_inside_the_window(self):
        for shift in (-260, -1, 1, 290):
            token = self.client.tokenize()
            answer = self.client.post("/v1/redeem", {"token": token}, shift=shift)
            self.assertEqual(answer.status, 200, (shift, answer))

    def test_dates_outside_the_window(self):
        # What lies ahead comes nearer while it is on its way.
        for shift in (-302, 360, -3600, 3600, -86400, 86400, -30 * 365 * 86400):
            self.forge(401, "clock_skew", shift=shift)

    def test_dates_that_are_none(self):
        for date in ("20261301T000000Z", "20260230T000000Z", "2026-01-01T00:00:00Z", "20260101T000000", "", "now",
                     "20260101T240000Z", "20260101T000000z", "Thu, 01 Jan 2026 00:00:00 GMT"):
            headers = [(name, date if name == "x-amz-date" else value) for name, value in self.headers()]
            self.note(self.raw(self.sign(headers, moment=amz_date())), 401, "malformed_signature")


class KeyTest(SignatureCase):
    def test_unknown_keys(self):
        for key_id in ("AMPK" + "A" * 16, "AMPK" + "7" * 16, "AKIAIOSFODNN7EXAMPLE", "AMPKaaaaaaaaaaaaaaaa", "x",
                       self.daemon.key_id[:-1], self.daemon.key_id + "A", self.daemon.key_id.lower()):
            stranger = self.daemon.client(key_id, self.daemon.secret)
            self.addCleanup(stranger.close)
            answer = self.forge(401, "unknown_key", client=stranger)
            self.refusals[-1][1].update(who=None, source=stranger.source)
            self.assertNotIn(key_id.encode(), answer.body.replace(b"unknown_key", b""))

    def test_key_ids_that_are_none(self):
        for key_id in ("", "a b", "AMPK/../" + "A" * 12, "AMPK%41" + "A" * 13, "\u00e4", "A" * 129):
            stranger = self.daemon.client(key_id or "-", self.daemon.secret)
            self.addCleanup(stranger.close)
            self.note(self.raw(self.sign(self.headers(), key_id=key_id)), 401, "malformed_signature")

    def test_a_wrong_secret(self):
        for secret in ("", self.daemon.secret[:-1], self.daemon.secret + "A", self.daemon.secret.swapcase()):
            forger = self.daemon.client(secret=secret)
            forger.signer.credentials.secret_key = secret
            self.addCleanup(forger.close)
            self.forge(401, "signature_mismatch", client=forger)

    def test_a_disabled_key(self):
        key = self.daemon.new_key("all", name="to-be-disabled")
        self.addCleanup(key.close)
        self.assertEqual(key.post("/v1/inspect", {"token": self.token}).status, 200)
        self.daemon.admin("disable", key.signer.credentials.access_key)
        self.forge(403, "key_disabled", client=key)

    def test_a_key_that_expired(self):
        key = self.daemon.new_key("all", name="to-be-rotated")
        self.addCleanup(key.close)
        self.assertEqual(key.post("/v1/inspect", {"token": self.token}).status, 200)
        self.daemon.admin("rotate", key.signer.credentials.access_key, "--overlap-ms", "0")
        self.forge(403, "key_disabled", client=key)

    def test_who_when_and_from_where(self):
        """What a discard leaves in the log."""
        before = time.time()
        forged = self.forge(401, "signature_mismatch", edit("authorization", lambda v: v[:-1] + format(int(v[-1], 16) ^ 1, "x")))
        event = self.assert_event(forged, event="token.redeem", outcome="refused", code="signature_mismatch",
                                  claims_to_be=self.daemon.key_id, who=None, source=self.client.source)
        self.assertTrue(before - 1 <= parse_time(event["time"]) <= time.time() + 1, event)
        unsigned = self.client.post("/v1/revoke", self.body, signed=False)
        self.assert_event(unsigned, event="token.revoke", outcome="refused", code="not_signed", who=None,
                          claims_to_be=None, source=self.client.source)
        gone = self.client.post("/v1/redeem", {"token": random_token()})
        self.assert_event(gone, event="token.redeem", outcome="refused", code="token_unknown",
                          who=self.daemon.key_id, source=self.client.source)


if __name__ == "__main__":
    unittest.main()
