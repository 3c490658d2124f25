"""Signers of the JavaScript world: aws4, and the one in the AWS SDK (@smithy/signature-v4)."""
import json
import unittest

from node_case import NodeCase

CARD = {"number": "4111111111111111", "exp_month": 12, "exp_year": 2030, "cvc": "123", "name": "J DOE \u20ac"}


class NodeTest(NodeCase):
    def check(self, signer):
        calls = [json.loads(line) for line in self.node("client.mjs", signer)]
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
