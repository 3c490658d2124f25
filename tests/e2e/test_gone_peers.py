"""Redemptions whose answer can reach nobody: the token is free again."""
import json
import ssl
import time
import unittest

from harness import CARD, Daemon, DaemonCase, Stopped, raw_request, wait_until


def signed(daemon, client, path, members):
    """The bytes of a signed request."""
    body = json.dumps(members).encode()
    fields = client.signer.headers("POST", daemon.url + path, body, {"content-type": "application/json"})
    return raw_request("POST", path, f"{daemon.host}:{daemon.port}", {**fields, "content-length": len(body)}, body)


def say_farewell(connection):
    """Sends TLS's close_notify and does not wait for the peer's."""
    timeout = connection.socket.gettimeout()
    connection.socket.settimeout(0)
    try:
        connection.socket.unwrap()
    except (ssl.SSLWantReadError, ssl.SSLSyscallError):
        pass
    connection.socket.settimeout(timeout)


class GonePeerTest(DaemonCase):
    def state(self, token):
        return self.client.post("/v1/inspect", {"token": token}).json().get("state")

    def test_who_breaks_off_before_the_record_is_durable_leaves_the_token(self):
        for path in ("/v1/redeem", "/v1/claim"):
            token = self.client.tokenize(ttl_ms=600000)
            with Stopped(self.daemon.roles()["scribe"]):
                connection = self.daemon.raw()
                connection.send(signed(self.daemon, self.client, path, {"token": token}))
                wait_until(lambda token=token: self.state(token) == "claimed", what="the claim")
                connection.close()  # without a farewell
                time.sleep(0.2)
            wait_until(lambda token=token: self.state(token) == "active", what="the token's freedom")
            self.assertEqual(self.client.post("/v1/redeem", {"token": token}).json()["card"], CARD)

    def test_who_only_stops_writing_gets_the_card(self):
        token = self.client.tokenize(ttl_ms=600000)
        with self.daemon.raw() as connection:
            with Stopped(self.daemon.roles()["scribe"]):  # no answer comes before
                connection.send(signed(self.daemon, self.client, "/v1/redeem", {"token": token}))
                say_farewell(connection)
            answer = connection.read_answer()
            self.assertEqual((answer.status, answer.json()["card"]), (200, CARD))


class ShortPatienceTest(unittest.TestCase):
    def test_no_deadline_of_the_connection_comes_before_ours(self):
        """Who was told 503 must not have spent the token."""
        with Daemon(settings={"limits": {"request": "1s"}}) as daemon:
            client = daemon.client()
            tokens = [client.tokenize(ttl_ms=600000) for _ in range(2)]
            with Stopped(daemon.roles()["scribe"]):
                answers = [client.post("/v1/redeem", {"token": token}) for token in tokens]
            self.assertEqual([(answer.status, answer.code) for answer in answers], [(503, "audit_unavailable")] * 2)
            for token in tokens:
                wait_until(lambda t=token: client.post("/v1/inspect", {"token": t}).json().get("state") == "active")
                self.assertEqual(client.post("/v1/redeem", {"token": token}).json()["card"], CARD)
            client.close()


if __name__ == "__main__":
    unittest.main()
