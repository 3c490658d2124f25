"""Clients that are not ours do the whole job: curl's own SigV4, and botocore's."""
import json
import secrets
import ssl
import unittest
import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import CARD, DaemonCase


class CurlTest(DaemonCase):
    def curl(self, path, body, expect):
        """curl --aws-sigv4 as the first page shows it; the answer's JSON, or None where it has no body."""
        done = self.daemon.curl(path, "--json", json.dumps(body), "-H", f"x-ampoule-nonce: {secrets.token_hex(8)}",
                                "-w", "\n%{http_code}")
        self.assertEqual(done.returncode, 0, done.stderr)
        text, _, status = done.stdout.rpartition("\n")
        self.assertEqual(int(status), expect, text)
        return json.loads(text) if text else None

    def test_tokenize_and_redeem(self):
        made = self.curl("/v1/tokens", {"card": CARD, "queue": "payments", "metadata": {"order": "42"}}, 201)
        self.assertEqual(made["card"], {"brand": "visa", "bin": "411111", "last4": "1111", "exp_month": 12,
                                        "exp_year": 2030})
        taken = self.curl("/v1/redeem", {"token": made["token"]}, 200)
        self.assertEqual(taken, {"queue": "payments", "card": CARD, "metadata": {"order": "42"}})
        self.assertEqual(self.curl("/v1/redeem", {"token": made["token"]}, 410)["code"], "token_gone")

    def test_claim_and_commit(self):
        token = self.curl("/v1/tokens", {"card": CARD}, 201)["token"]
        claimed = self.curl("/v1/claim", {"token": token}, 200)
        self.assertEqual(claimed["card"], CARD)
        self.assertIsNone(self.curl("/v1/commit", {"claim": claimed["claim"]}, 204))
        self.assertEqual(self.curl("/v1/claim", {"token": token}, 410)["reason"], "used")

    def test_without_a_nonce_of_its_own(self):
        """Plain curl: what it sends once in a second is taken."""
        done = self.daemon.curl("/v1/tokens", "--json", json.dumps({"card": dict(CARD, name="WITHOUT NONCE")}))
        self.assertIn("tok_", done.stdout, done.stderr)

    def test_form_and_upload_of_curl_that_do_not_cover_the_body(self):
        """curl 7.88 signs the empty body for -F and -T: that must never pass."""
        form = self.daemon.curl("/v1/tokens", "-F", "card=4111111111111111")
        upload = self.daemon.curl("/v1/tokens", "-T", "-", "-X", "POST", "-H", "content-type: application/json",
                                  input=json.dumps({"card": CARD}))
        for answer in (form, upload):
            self.assertIn(json.loads(answer.stdout)["status"], (401, 415), answer.stdout)
            self.assertNotIn("tok_", answer.stdout)


class BotocoreTest(DaemonCase):
    """As the first page shows it: nothing but botocore and urllib."""

    def call(self, path, body, expect):
        request = AWSRequest("POST", self.daemon.url + path, data=json.dumps(body).encode(),
                             headers={"content-type": "application/json", "x-ampoule-nonce": secrets.token_hex(8)})
        SigV4Auth(Credentials(self.daemon.key_id, self.daemon.secret), "ampoule", "eu-central-1").add_auth(request)
        plain = urllib.request.Request(request.url, request.data, dict(request.headers), method="POST")
        context = ssl.create_default_context(cafile=self.daemon.ca)
        try:
            with urllib.request.urlopen(plain, context=context) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                status, text = refusal.code, refusal.read()
        self.assertEqual(status, expect, text)
        return json.loads(text) if text else None

    def test_the_whole_job(self):
        token = self.call("/v1/tokens", {"card": CARD}, 201)["token"]
        self.assertEqual(self.call("/v1/inspect", {"token": token}, 200)["card"]["last4"], "1111")
        claim = self.call("/v1/claim", {"token": token, "lease_ms": 5000}, 200)
        self.call("/v1/abort", {"claim": claim["claim"]}, 204)
        again = self.call("/v1/claim", {"token": token}, 200)
        self.assertEqual(again["card"], CARD)
        self.call("/v1/commit", {"claim": again["claim"]}, 204)
        self.assertEqual(self.call("/v1/redeem", {"token": token}, 410)["reason"], "used")

    def test_batch_and_redeem(self):
        items = [{"card": dict(CARD, name=f"J DOE {i}")} for i in range(10)]
        results = self.call("/v1/tokens/batch", {"items": items}, 200)["results"]
        for item, result in zip(items, results):
            self.assertEqual(self.call("/v1/redeem", {"token": result["token"]}, 200)["card"], item["card"])


if __name__ == "__main__":
    unittest.main()
