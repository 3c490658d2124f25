"""Deadlines and caps of connections, and what HTTP/1.1 allows within them."""
import itertools
import json
import socket
import time
import unittest

from harness import ANSWER_SECONDS, CARD, Daemon, DaemonCase, raw_request, wait_until


class DeadlineTest(DaemonCase):
    # Long enough for a busy machine to do in it what is done in time here.
    settings = {"workers": "1", "limits": {"handshake": "2s", "header": "2s", "body": "2s", "idle": "2s"}}
    LEAST_SECONDS = 1.99

    def closes(self, connection):
        self.assertTrue(connection.is_closed())

    def test_a_handshake_that_does_not_come(self):
        for first in (b"", b"\x16\x03\x01\x02\x00\x01"):
            started = time.monotonic()
            with socket.create_connection((self.daemon.host, self.daemon.port), timeout=ANSWER_SECONDS) as plain:
                plain.sendall(first)
                while plain.recv(1000):
                    pass
                self.assertGreater(time.monotonic() - started, self.LEAST_SECONDS)

    def test_a_head_that_does_not_come(self):
        with self.daemon.raw() as connection:
            connection.send(b"POST /v1/tokens HTTP/1.1\r\nhost: a\r\n")
            self.assert_refused(connection.read_answer(), 408, "request_timeout")
            self.closes(connection)

    def test_a_head_that_drips(self):
        """Each byte comes in time; the whole does not."""
        head = b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-slow: " + b"y" * 1000
        with self.daemon.raw() as connection:
            started = time.monotonic()
            connection.socket.settimeout(0.1)
            answer = b""
            for byte in head:
                try:
                    connection.send(bytes([byte]))
                    answer += connection.socket.recv(4096)
                except TimeoutError:
                    continue
                except OSError:
                    break
                if answer:
                    break
            self.assertIn(b"408", answer[:20])
            self.assertLess(time.monotonic() - started, ANSWER_SECONDS)  # of 100 seconds that it would have taken

    def test_a_body_that_does_not_come(self):
        for head in (b"content-length: 100\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n5\r\n{"):
            with self.daemon.raw() as connection:
                connection.send(b"POST /v1/tokens HTTP/1.1\r\nhost: a\r\n" + head)
                self.assert_refused(connection.read_answer(), 408, "request_timeout")
                self.closes(connection)

    def test_an_idle_connection(self):
        for request in (b"", b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"):
            started = time.monotonic()
            with self.daemon.raw() as connection:
                connection.send(request)
                if request:
                    self.assertEqual(connection.read_answer().status, 200)
                self.closes(connection)
            self.assertGreater(time.monotonic() - started, self.LEAST_SECONDS)

    def test_the_timeouts_stand_in_the_log(self):
        with self.daemon.raw() as connection:
            connection.send(b"POST /v1/tokens HTTP/1.1\r\n")
            answer = connection.read_answer()
            source = "{}:{}".format(*connection.socket.getsockname())
        self.assert_event(answer, event="request", outcome="refused", code="request_timeout", source=source)

    def test_a_peer_that_does_not_read(self):
        """Answers pile up to a bound, then the connection ends."""
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect((self.daemon.host, self.daemon.port))
        connection = self.daemon.tls_context().wrap_socket(plain, server_hostname=self.daemon.host)
        connection.settimeout(20)
        request = b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n" * 100
        sent = 0
        with self.assertRaises(OSError):
            while sent < 1 << 28:
                sent += connection.send(request)
        connection.close()
        self.assertEqual(self.client.get("/healthz", signed=False).status, 200)


def wait_alone(client):
    """Until those connections are gone by which the harness looked whether the daemon is ready."""
    def is_alone():
        stats = client.get("/v1/stats").json()
        return (stats["connections"], stats["startups"]) == (1, 0)
    wait_until(is_alone, what="the end of all other connections")


class CapTest(unittest.TestCase):
    def served(self, connection):
        """Whether this connection, opened before, is served."""
        try:
            connection.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            return connection.read_answer() is not None
        except OSError:
            return False

    def open(self, daemon):
        """A connection, or None where it was closed at once."""
        try:
            connection = daemon.raw()
        except OSError:
            return None
        if self.served(connection):
            return connection
        connection.close()
        return None

    def check(self, limits, most, workers):
        with Daemon(settings={"workers": workers, "limits": {"exempt": [], **limits}}) as daemon:
            looker = daemon.client()
            self.addCleanup(looker.close)
            wait_alone(looker)
            held = []
            for _ in range(most + 3):
                held.append(self.open(daemon))
            good = [connection for connection in held if connection is not None]
            self.assertEqual(len(good), most - 1)  # and the looker's
            self.assertIsNone(held[-1])
            for connection in good:
                self.assertTrue(self.served(connection))
            good.pop().close()
            fresh = wait_until(lambda: self.open(daemon), what="a place that is free again")
            fresh.close()
            # Those that were closed at once are counted in the log.
            daemon.wait_event(lambda event: event["event"] == "connection" and event["code"] == "overloaded"
                              and event["count"] >= 1)
            for connection in good:
                connection.close()

    def test_connections_of_all(self):
        self.check({"max_connections": "8", "max_connections_per_source": "100", "startups": "100:30:200"}, 8, workers="4")

    def test_connections_of_one_source(self):
        """Whichever worker each of them comes to."""
        self.check({"max_connections_per_source": "5"}, 5, workers="4")


class StrangersTest(unittest.TestCase):
    """Penalties and the throttle, from outside; the honest client comes from another address than they."""
    HONEST = "127.0.0.2"

    def daemon(self, **limits):
        return Daemon(settings={"workers": "2", "limits": {"exempt": [], **limits}})

    def honest(self, daemon):
        client = daemon.client()
        client.sources = itertools.repeat(self.HONEST)
        self.addCleanup(client.close)
        return client

    def misbehave(self, daemon, source, data):
        """The status of the answer; None where the connection is closed as it comes."""
        try:
            with daemon.raw(source=source) as connection:
                connection.send(data)
                answer = connection.read_answer()
                return answer and answer.status
        except OSError:
            return None

    def check_penalty(self, data, status, forgiven):
        with self.daemon(header="500ms") as daemon:
            honest = self.honest(daemon)
            honest.tokenize()
            stands = daemon.raw(source="127.0.0.3")
            self.addCleanup(stands.close)
            for _ in range(forgiven + 1):
                self.assertEqual(self.misbehave(daemon, "127.0.0.3", data), status)
            self.assertIsNone(self.misbehave(daemon, "127.0.0.3", data))
            stands.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertEqual(stands.read_answer().status, 200)
            honest.tokenize()
            honest.close()
            honest.tokenize()
            refused = honest.get("/v1/stats").json()["refused"]
            self.assertGreaterEqual(refused["penalty"], 1)
            self.assertEqual((refused["full"], refused["source"], refused["startups"]), (0, 0, 0))
            daemon.wait_event(lambda event: event["event"] == "connection" and event["code"] == "source_penalised"
                              and event["count"] >= 1 and event["source"] == "local")

    def test_bad_signatures(self):
        unsigned = b"GET /v1/stats HTTP/1.1\r\nhost: a\r\n\r\n"
        self.check_penalty(unsigned, 401, 3)

    def test_what_is_no_request(self):
        self.check_penalty(b"nonsense\r\n\r\n", 400, 3)

    def test_heads_that_do_not_come(self):
        self.check_penalty(b"GET", 408, 1)

    def test_a_merchant_behind_the_address_of_who_fails(self):
        with self.daemon() as daemon:
            merchant, more = self.honest(daemon), self.honest(daemon)
            merchant.tokenize()
            for _ in range(20):
                self.assertEqual(self.misbehave(daemon, self.HONEST, b"nonsense\r\n\r\n"), 400)
            more.tokenize()
            self.assertEqual(more.get("/v1/stats").json()["refused"]["penalty"], 0)

    def test_a_penalty_ends(self):
        with self.daemon(penalty_min="1s", penalty_max="2s") as daemon:
            while self.misbehave(daemon, "127.0.0.3", b"nonsense\r\n\r\n") is not None:
                pass
            wait_until(lambda: self.misbehave(daemon, "127.0.0.3", b"nonsense\r\n\r\n") == 400, what="another chance")

    def test_exempt_addresses_are_not_penalised(self):
        with Daemon(settings={"limits": {"exempt": ["127.0.0.3"]}}) as daemon:
            for _ in range(20):
                self.assertEqual(self.misbehave(daemon, "127.0.0.3", b"nonsense\r\n\r\n"), 400)

    def test_a_principals_connection_stays(self):
        """It fails as often as a connection may, and costs its address nothing."""
        with self.daemon() as daemon:
            client = self.honest(daemon)
            for _ in range(4):
                client.tokenize()
                for _ in range(8):
                    self.assertEqual(client.get("/v1/stats", signed=False).status, 401)
                client.close()
            client.tokenize()

    def test_startups(self):
        """Who sits there unsigned keeps those out that nobody knows, and no merchant who was heard before."""
        with self.daemon(startups="3:100:4") as daemon:
            honest = self.honest(daemon)
            wait_alone(honest)
            sitting = []
            for host in range(10, 20):
                try:
                    sitting.append(daemon.raw(source=f"127.0.0.{host}"))
                except OSError:
                    pass
            self.assertEqual(len(sitting), 3)
            honest.close()
            honest.tokenize()
            stats = honest.get("/v1/stats").json()
            self.assertEqual(stats["startups"], 3)
            self.assertEqual(stats["refused"]["startups"], 7)
            for connection in sitting:
                connection.close()
            wait_until(lambda: honest.get("/v1/stats").json()["startups"] == 0, what="places that are free again")


class PrincipalTest(unittest.TestCase):
    def principal(self, daemon, name, may="all"):
        made = json.loads(daemon.admin("create", "--name", name, "--may", may, "--json").stdout)
        return made["key_id"], made["secret"]

    def test_connections_of_one_principal(self):
        with Daemon(settings={"workers": "4", "limits": {"max_connections_per_principal": "3"}}) as daemon:
            greedy, other = self.principal(daemon, "greedy"), self.principal(daemon, "other")
            clients = [daemon.client(*greedy) for _ in range(4)]
            for client in clients[:3]:
                client.tokenize()
            answer = clients[3].get("/v1/stats")
            self.assertEqual((answer.status, answer.code), (429, "rate_limited"))
            self.assertEqual(answer.headers["retry-after"], "1")
            self.assertEqual(answer.headers["connection"], "close")
            for client in clients[:3]:
                client.tokenize()
            with_other = daemon.client(*other)
            with_other.tokenize()
            clients[0].close()
            wait_until(lambda: clients[3].get("/v1/stats").status == 200, what="a place that is free again")
            for client in [*clients, with_other]:
                client.close()


class KeepAliveTest(DaemonCase):
    def signed(self, path, body):
        fields = self.client.signer.headers("POST", self.daemon.url + path, body, {"content-type": "application/json"})
        whole = raw_request("POST", path, f"{self.daemon.host}:{self.daemon.port}", fields, body)
        return whole[:-len(body)], body

    def test_200_requests_in_one_piece(self):
        """Their answers come in order, each to its own question."""
        tokens = [self.client.tokenize(dict(CARD, name=f"NUMBER {i}"), ttl_ms=600000) for i in range(50)]
        whole = b""
        for token in tokens:
            redeem, inspect = (b"".join(self.signed(path, json.dumps({"token": token}).encode()))
                               for path in ("/v1/redeem", "/v1/inspect"))
            whole += b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n" + redeem + inspect
            whole += b"HEAD /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
        with self.daemon.raw() as connection:
            connection.send(whole)
            for i in range(50):
                self.assertEqual(connection.read_answer().status, 200)
                self.assertEqual(connection.read_answer().json()["card"]["name"], f"NUMBER {i}")
                self.assertEqual(connection.read_answer().code, "token_gone")
                head = connection.read_answer_to_head()
                self.assertEqual(head.status, 200)

    def test_requests_cut_anywhere(self):
        one = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
        whole = one * 20
        with self.daemon.raw() as connection:
            for start in range(0, len(whole), 7):
                connection.send(whole[start:start + 7])
            for _ in range(20):
                self.assertEqual(connection.read_answer().status, 200)

    def test_connection_close(self):
        with self.daemon.raw() as connection:
            connection.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            answer = connection.read_answer()
            self.assertEqual((answer.status, answer.headers.get("connection")), (200, "close"))
            self.assertTrue(connection.is_closed())

    def test_expect_100_continue(self):
        head, body = self.signed("/v1/tokens", json.dumps({"card": CARD}).encode())
        head = head.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n")
        with self.daemon.raw() as connection:
            connection.send(head)
            self.assertEqual(connection.read_answer().status, 100)
            connection.send(body)
            self.assertEqual(connection.read_answer().status, 201)

    def test_expectations_that_are_refused(self):
        base = b"POST /v1/tokens HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        for more, status in ((b"expect: 200-ok\r\ncontent-length: 5\r\n\r\n", 417),
                             (b"expect: 100-continue\r\ncontent-length: 300000\r\n\r\n", 413)):
            with self.daemon.raw() as connection:
                connection.send(base + more)
                self.assertEqual(connection.read_answer().status, status)
                self.assertTrue(connection.is_closed())
        with self.daemon.raw() as connection:
            elsewhere = base.replace(b"/v1/tokens", b"/nowhere")
            connection.send(elsewhere + b"expect: 100-continue\r\ncontent-length: 5\r\n\r\n")
            self.assertEqual(connection.read_answer().status, 404)

    def test_body_sent_with_the_expectation(self):
        head, body = self.signed("/v1/tokens", json.dumps({"card": CARD}).encode())
        with self.daemon.raw() as connection:
            connection.send(head.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n") + body)
            answer = connection.read_answer()
            self.assertEqual((connection.read_answer() if answer.status == 100 else answer).status, 201)

    def test_many_idle_connections_leave_others_alone(self):
        idle = [self.daemon.raw() for _ in range(300)]
        slowest = 0
        for _ in range(50):
            started = time.monotonic()
            self.client.tokenize()
            slowest = max(slowest, time.monotonic() - started)
        for connection in idle:
            connection.close()
        self.assertLess(slowest, ANSWER_SECONDS / 3)


if __name__ == "__main__":
    unittest.main()
