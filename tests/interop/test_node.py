"""Signers of the JavaScript world: aws4, and the one in the AWS SDK (@smithy/signature-v4)."""
import json
import os
import shutil
import subprocess
import unittest

from harness import DaemonCase

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")
CARD = {"number": "4111111111111111", "exp_month": 12, "exp_year": 2030, "cvc": "123", "name": "J DOE \u20ac"}


def why_not():
    """Why these cases cannot run here; None where they can. Installs what package-lock.json names, once."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "node and npm are not installed"
    lock = os.path.join(FOLDER, "package-lock.json")
    installed = os.path.join(FOLDER, "node_modules", ".package-lock.json")
    if os.path.exists(installed) and os.path.getmtime(installed) >= os.path.getmtime(lock):
        return None
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True,
                          text=True, timeout=300, check=False)
    return None if done.returncode == 0 else "npm could not install the packages (is the registry reachable?)"


class NodeTest(DaemonCase):
    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)
        super().setUpClass()

    def check(self, signer):
        done = subprocess.run(["node", "client.mjs", signer], cwd=FOLDER, env={**os.environ, **self.daemon.env},
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        calls = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([(call["call"], call["status"]) for call in calls],
                         [("tokenize", 201), ("inspect", 200), ("claim", 200), ("abort", 204), ("redeem", 200),
                          ("redeem again", 410)])
        self.assertEqual(calls[4]["body"], {"queue": "payments", "card": CARD, "metadata": {"order": "42"}})
        self.assertEqual(calls[5]["body"]["reason"], "used")

    def test_aws4(self):
        self.check("aws4")

    def test_the_signer_of_the_aws_sdk(self):
        self.check("smithy")


if __name__ == "__main__":
    unittest.main()
