"""Receivers of others: npm standardwebhooks and svix verify our webhooks, npm jose opens our JWEs."""
import json
import os
import subprocess
import time
import unittest

from harness import CARD
from node_case import FOLDER, NodeCase


class Receiver:
    """receiver.mjs, running."""

    def __init__(self):
        self.process = subprocess.Popen(["node", "receiver.mjs"], cwd=FOLDER, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, env=dict(os.environ))
        hello = self.next()
        self.port, self.keys = hello["port"], hello["keys"]

    def next(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the receiver has ended")
        return json.loads(line)

    def verify_with(self, secret):
        self.process.stdin.write(json.dumps({"secret": secret}) + "\n")
        self.process.stdin.flush()
        while "taken" not in self.next():
            pass

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


class WebhooksTest(NodeCase):
    def setUp(self):
        self.receiver = Receiver()
        self.client = self.daemon.client()

    def tearDown(self):
        self.receiver.close()

    def subscribe(self, queue, **members):
        made = self.client.post("/v1/subscriptions", {"queue": queue, "url": f"http://127.0.0.1:{self.receiver.port}/hook",
                                                      **members})
        self.assertEqual(made.status, 201, made)
        return made.json()

    def check_verified(self, hook):
        self.assertEqual((hook["standard"], hook["svix"]), ("verified", "verified"))
        self.assertNotEqual(hook["tampered"], "verified")
        self.assertLess(abs(int(hook["headers"]["webhook-timestamp"]) - time.time()), 60)

    def test_a_token_is_told_signed(self):
        made = self.subscribe("hooks-plain")
        self.receiver.verify_with(made["secret"])
        token = self.client.tokenize(queue="hooks-plain", metadata={"order": "42"})
        hook = self.receiver.next()
        self.check_verified(hook)
        self.assertEqual((hook["body"]["token"], hook["body"]["metadata"]), (token, {"order": "42"}))
        self.assertNotIn("sealed", hook["body"])
        self.assertNotIn(CARD["number"], json.dumps(hook))

    def test_each_algorithm_of_jwe(self):
        for i, jwk in enumerate(self.receiver.keys):
            with self.subTest(jwk=jwk.get("crv", jwk["kty"])):
                made = self.subscribe(f"hooks-jwe-{i}", jwk=jwk)
                self.receiver.verify_with(made["secret"])
                self.client.tokenize(queue=f"hooks-jwe-{i}")
                hook = self.receiver.next()
                self.check_verified(hook)
                self.assertEqual(hook["opened"]["content"]["card"], CARD)
                self.assertEqual(hook["opened"]["header"]["enc"], "A256GCM")
                self.assertEqual(hook["opened"]["header"]["kid"], made["kid"])

    def test_both_secrets_sign_while_one_rotates(self):
        made = self.subscribe("hooks-rotate")
        fresh = self.client.post(f"/v1/subscriptions/{made['id']}/rotate").json()
        self.assertNotEqual(fresh["secret"], made["secret"])
        for secret in (made["secret"], fresh["secret"]):
            self.receiver.verify_with(secret)
            self.client.tokenize(queue="hooks-rotate")
            hook = self.receiver.next()
            self.check_verified(hook)
            self.assertEqual(len(hook["headers"]["webhook-signature"].split(" ")), 2)


if __name__ == "__main__":
    unittest.main()
