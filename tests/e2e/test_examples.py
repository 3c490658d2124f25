"""The programs of examples/, built against libampoule as it is installed, do what they say."""
import base64
import json
import os
import re
import subprocess
import tempfile
import unittest

from harness import ANSWER_SECONDS, BUILD, CARD, ROOT, DaemonCase, wait_until
from test_push import Endpoint


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def private_jwk():
    """An EC key on P-256 (RFC 7518, section 6.2): its whole, and its public half."""
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                         capture_output=True, check=True).stdout
    # ECPrivateKey (RFC 5915): 30 len 02 01 01 04 20 <d> ...
    der = subprocess.run(["openssl", "ec", "-outform", "DER"], input=key, capture_output=True, check=True).stdout
    point = subprocess.run(["openssl", "pkey", "-pubout", "-outform", "DER"], input=key, capture_output=True,
                           check=True).stdout[-64:]
    public = {"kty": "EC", "crv": "P-256", "x": base64url(point[:32]), "y": base64url(point[32:])}
    return dict(public, d=base64url(der[7:39])), public


class ExamplesTest(DaemonCase):
    def example(self, name, *args, input=None, env=None, expect=0):
        done = subprocess.run([os.path.join(BUILD, "examples", f"example_{name}"), *args], input=input, text=True,
                              capture_output=True, timeout=4 * ANSWER_SECONDS, check=False,
                              env={**os.environ, **self.daemon.env, **(env or {})})
        self.assertEqual(done.returncode, expect, done.stderr + done.stdout)
        return done

    def test_a_shop_and_its_gateway(self):
        made = self.daemon.cli("queue", "create", "orders")
        self.assertEqual(made.returncode, 0, made.stderr)
        sold = self.example("shop", "orders", input=CARD["number"] + "\n").stdout.splitlines()
        self.assertEqual(sold[0], "visa 411111...1111")
        self.assertRegex(sold[1], "^tok_[A-Za-z0-9_-]{43} is active$")
        took = self.example("gateway", "orders").stdout.splitlines()
        self.assertEqual(took, ["charged a card that ends in 1111 for order 42", "0 left"])
        token = sold[1].split()[0]
        self.assertEqual(self.client.post("/v1/claim", {"token": token}).json()["reason"], "used")

    def test_no_message_comes_again_whose_token_is_gone(self):
        """As behind a crash between commit and deletion."""
        self.assertEqual(self.daemon.cli("queue", "create", "gone").returncode, 0)
        token = self.client.tokenize(queue="default", ttl_ms=600000)
        self.example("gateway", token)
        self.assertEqual(self.daemon.cli("send", "gone", input=token).returncode, 0)
        done = self.example("gateway", "gone")
        self.assertEqual(done.stdout, "0 left\n")
        self.assertIn("token_gone", done.stderr)

    def test_a_token_by_hand(self):
        token = self.client.tokenize(queue="default", metadata={"order": "43"}, ttl_ms=600000)
        took = self.example("gateway", token).stdout.splitlines()
        self.assertRegex(took[0], "^HTTP 200, [0-9]+ bytes of JSON, NUL behind them: 0$")
        self.assertEqual(took[1:], ["charged a card that ends in 1111 for order 43"])

    def test_every_call_is_shown(self):
        with open(os.path.join(ROOT, "src", "client", "libampoule.map"), encoding="utf-8") as exported:
            calls = re.findall(r"\bamp_client_\w+", exported.read())
        shown = ""
        for name in ("shop", "gateway", "webhook"):
            with open(os.path.join(ROOT, "examples", name + ".c"), encoding="utf-8") as text:
                shown += text.read()
        self.assertEqual([call for call in calls if call + "(" not in shown], [])

    def test_they_say_what_is_wrong(self):
        self.assertIn("card_number_invalid", self.example("shop", "orders", input="4111111111111112\n", expect=1).stderr)
        self.assertIn("QueueDoesNotExist", self.example("gateway", "none", expect=1).stderr)
        done = self.example("shop", "orders", input="4\n", env={"AMPOULE_URL": "http://localhost"}, expect=1)
        self.assertIn("a handle: usage", done.stderr)

    def test_a_webhook(self):
        endpoint = Endpoint()
        self.addCleanup(endpoint.close)
        private, public = private_jwk()
        made = self.client.post("/v1/subscriptions", {"queue": "hooks", "url": endpoint.url, "jwk": public}).json()
        self.client.tokenize(dict(CARD, name="J DOE"), queue="hooks", ttl_ms=600000)
        wait_until(lambda: endpoint.got, what="the webhook")
        headers, body, _ = endpoint.got[0]
        headers = {name.lower(): value for name, value in headers.items()}
        fields = [headers["webhook-" + name] for name in ("id", "timestamp", "signature")]
        secret = {"WEBHOOK_SECRET": made["secret"]}
        with tempfile.NamedTemporaryFile("w", suffix=".jwk") as key:
            json.dump(private, key)
            key.flush()
            done = self.example("webhook", *fields, key.name, input=body.decode(), env=secret)
            self.assertEqual(done.stdout.splitlines(),
                             ["token of a card that ends in 1111", "card of J DOE: ok", "204"])
            done = self.example("webhook", *fields, key.name, input=body.decode() + " ", env=secret, expect=1)
            self.assertEqual(done.stdout, "401\n")
            self.assertIn("not believed: not_authentic", done.stderr)


if __name__ == "__main__":
    unittest.main()
