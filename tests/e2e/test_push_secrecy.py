"""What push shows of a card: to subscribers its mask, to those with a key the whole under that key, and to nobody's
memory or files anything."""
import base64
import json
import subprocess
import unittest

from canaries import assert_no_file_has, assert_no_process_has, assert_untold
from harness import CARD, Client, Daemon, card_number, is_sanitized, wait_until
from receiver import Receiver, Reply


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, key=None):
    return subprocess.run(["openssl", *arguments], input=key, capture_output=True, check=True).stdout


def ec_jwk(curve, name, size):
    key = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}")
    point = openssl("pkey", "-pubout", "-outform", "DER", key=key)[-2 * size:]
    return {"kty": "EC", "crv": name, "x": base64url(point[:size]), "y": base64url(point[size:])}


def rsa_jwk():
    key = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    modulus = openssl("rsa", "-modulus", "-noout", key=key).decode().strip().removeprefix("Modulus=")
    return {"kty": "RSA", "n": base64url(bytes.fromhex(modulus)), "e": "AQAB"}


class SecrecyCase(unittest.TestCase):
    def setUp(self):
        self.reply = lambda hook: Reply(204)
        self.receiver = self.enterContext(Receiver(lambda hook: self.reply(hook)))
        self.daemon = self.enterContext(Daemon("--workers", "2"))
        self.client = self.daemon.client()
        self.addCleanup(self.client.close)
        self.number = card_number()
        self.card = dict(CARD, number=self.number, cvc="987")

    def subscribe(self, path, **members):
        made = self.client.post("/v1/subscriptions", {"queue": "pay", "url": self.receiver.url(path), **members})
        self.assertEqual(made.status, 201, made)
        self.receiver.secrets[path] = [made.json()["secret"]]

    def wait_pushed(self):
        def pushed():
            push = self.client.get("/v1/stats").json()["push"]
            return push["pending"] + push["under_way"] == 0
        wait_until(pushed, 60, "the end of every delivery")

    def check_nowhere(self):
        """Neither in a process of the daemon nor in a file that it wrote."""
        if not is_sanitized():  # whose malloc keeps what was freed
            assert_no_process_has(self.number, self.daemon)
        assert_no_file_has(self.number, self.daemon)


class CopiesTest(SecrecyCase):
    def subscribe_all(self):
        self.subscribe("/plain")
        self.subscribe("/p256", jwk=ec_jwk("P-256", "P-256", 32))
        self.subscribe("/p384", jwk=ec_jwk("P-384", "P-384", 48))
        self.subscribe("/rsa", jwk=rsa_jwk())

    def test_each_gets_what_it_may_see(self):
        self.subscribe_all()
        token = self.client.tokenize(self.card, queue="pay")
        self.wait_pushed()
        hooks = {hook.path: hook for hook in self.receiver.hooks}
        self.assertEqual(set(hooks), {"/plain", "/p256", "/p384", "/rsa"})
        for path, hook in hooks.items():
            self.assertTrue(hook.verified)
            body = hook.json()
            self.assertEqual(body["token"], token)
            self.assertEqual(set(body["card"]), {"brand", "bin", "last4", "exp_month", "exp_year"})
            self.assertEqual((body["card"]["bin"], body["card"]["last4"]), (self.number[:6], self.number[-4:]))
            sealed = body.pop("sealed", None)
            headers = {name: value for name, value in hook.headers.items() if name != "webhook-timestamp"}
            assert_untold(self.number, json.dumps(body) + str(headers), path)
            self.assertEqual(sealed is None, path == "/plain")
            if sealed:
                header = json.loads(base64.urlsafe_b64decode(sealed.split(".")[0] + "=="))
                self.assertEqual(header["alg"], "RSA-OAEP-256" if path == "/rsa" else "ECDH-ES")
                assert_untold(self.number, sealed, path)
        copies = [hooks[path].json()["sealed"] for path in hooks if path != "/plain"]
        self.assertEqual(len(set(copies)), 3)

    def test_the_card_is_nowhere_while_copies_wait(self):
        """Tokenized, refused by every endpoint, waiting to be tried again: sealed in front, JWE in the courier."""
        self.reply = lambda hook: Reply(500, {"retry-after": "60"})
        self.subscribe_all()
        for _ in range(20):
            self.client.tokenize(self.card, queue="pay", ttl_ms=120000)
        wait_until(lambda: len(self.receiver.hooks) == 80, 60, "an attempt of each")
        self.check_nowhere()

    def test_the_card_is_nowhere_when_it_was_delivered(self):
        """Taken at once, at the second time, by an endpoint that says everything back, never, and not in time."""
        self.subscribe_all()
        ways = {"/plain": lambda hook: Reply(200, body=hook.body),
                "/p256": lambda hook: Reply(200 if hook.attempt > 1 else 500, body=hook.body),
                "/p384": lambda hook: Reply(way="reset") if hook.attempt % 2 else Reply(200, body=hook.body),
                "/rsa": lambda hook: Reply(400, body=hook.body)}
        self.reply = lambda hook: ways[hook.path](hook)
        for place in range(10):
            token = self.client.tokenize(self.card, queue="pay", ttl_ms=3000)
            if place < 5:
                self.assertEqual(self.client.post("/v1/redeem", {"token": token}).json()["card"]["number"], self.number)
        self.wait_pushed()
        wait_until(lambda: self.client.get("/v1/stats").json()["vault"]["live"] == 0, what="an empty vault")
        self.check_nowhere()

    def test_what_a_client_sent_is_nowhere_when_it_was_delivered(self):
        """A card that somebody sends by SQS is pushed as it is, and then wiped like one that was tokenized."""
        self.subscribe("/plain")
        self.reply = lambda hook: Reply(200 if hook.attempt > 1 else 500, body=hook.body)
        sqs = Client(self.daemon, service="sqs")
        self.addCleanup(sqs.close)
        for size in (0, 5000, 200_000):
            body = json.dumps({"card": self.card, "note": "x" * size})
            sent = sqs.request("POST", "/", json.dumps({"QueueUrl": f"{self.daemon.url}/000000000000/pay",
                                                        "MessageBody": body}).encode(),
                               {"content-type": "application/x-amz-json-1.0",
                                "x-amz-target": "AmazonSQS.SendMessage"})
            self.assertEqual(sent.status, 200, sent)
        self.wait_pushed()
        self.assertEqual(len({hook.id for hook in self.receiver.hooks if hook.acknowledged}), 3)
        self.check_nowhere()


if __name__ == "__main__":
    unittest.main()
