"""Every act that the event log can name has a test that names it; those without one elsewhere are brought about here."""
import json
import os
import re
import unittest

from harness import DaemonCase, wait_until
from sqs import Sqs, queue_arn, unique_name

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
SOURCE = os.path.join(os.path.dirname(TESTS), "src", "audit", "event.h")
# Acts that this file brings about; all others have tests elsewhere that name them.
HERE_SEEN = {"token.create", "token.inspect", "token.claim", "token.commit", "token.abort", "token.redeem", "token.revoke",
             "token.expire", "token.lease_lapse", "message.move", "stats.read", "key.list", "subscription.create",
             "subscription.list", "subscription.rotate", "subscription.delete"}


def all_acts():
    """{name: symbol} of AMP_ACTS."""
    with open(SOURCE, encoding="utf-8") as source:
        rows = re.search(r"#define AMP_ACTS\(X\)(.*?)\n\n", source.read(), re.DOTALL).group(1)
    return {name: symbol for symbol, name in re.findall(r'X\((\w+), "([\w.]+)"\)', rows)}


def all_tests():
    """The text of every test but this one."""
    texts = []
    for folder, _, names in os.walk(TESTS):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith((".py", ".c")) and path != os.path.abspath(__file__):
                with open(path, encoding="utf-8") as text:
                    texts.append(text.read())
    return "\n".join(texts)


class ActsTest(DaemonCase):
    def acts(self):
        return {event["event"] for event in self.daemon.events() if event["outcome"] == "success"}

    def use_tokens(self):
        post, token = self.client.post, self.client.tokenize
        self.assertEqual(post("/v1/inspect", {"token": token()}).status, 200)
        for end in ("commit", "abort"):
            claim = post("/v1/claim", {"token": token()}).json()["claim"]
            self.assertEqual(post(f"/v1/{end}", {"claim": claim}).status, 204)
        self.assertEqual(post("/v1/redeem", {"token": token()}).status, 200)
        self.assertEqual(post("/v1/revoke", {"token": token()}).status, 204)
        self.assertEqual(post("/v1/claim", {"token": token(ttl_ms=60000), "lease_ms": 1000}).status, 200)  # lapses
        token(ttl_ms=1000)  # expires

    def use_subscriptions(self):
        made = self.client.post("/v1/subscriptions", {"queue": unique_name(), "url": "https://hooks.example/hook"})
        self.assertEqual(made.status, 201, made)
        path = "/v1/subscriptions/" + made.json()["id"]
        self.assertEqual(self.client.get("/v1/subscriptions").status, 200)
        self.assertEqual(self.client.post(path + "/rotate", {}).status, 200)
        self.assertEqual(self.client.delete(path).status, 204)

    def move_messages(self):
        with Sqs(self.daemon) as sqs:
            source, dead = unique_name(), unique_name()
            url = sqs.create(dead)
            sqs.create(source, {"RedrivePolicy": json.dumps({"deadLetterTargetArn": queue_arn(self.daemon, dead),
                                                             "maxReceiveCount": "1"})})
            sqs.send(url, "moved")
            sqs.call("StartMessageMoveTask", SourceArn=queue_arn(self.daemon, dead),
                     DestinationArn=queue_arn(self.daemon, source))

    def test_each_act_of_the_table_appears(self):
        self.use_tokens()
        self.use_subscriptions()
        self.move_messages()
        self.assertEqual(self.client.get("/v1/stats").status, 200)
        self.assertEqual(self.daemon.admin("list").returncode, 0)
        wait_until(lambda: HERE_SEEN <= self.acts(), what="every act")

    def test_no_act_is_without_a_test(self):
        tests = all_tests()
        acts = all_acts()
        self.assertLessEqual(HERE_SEEN, set(acts))
        untested = [name for name, symbol in acts.items() if name not in HERE_SEEN and f'"{name}"' not in tests
                    and not re.search(rf"\bAMP_ACT_{symbol}\b", tests)]
        self.assertEqual(untested, [])


if __name__ == "__main__":
    unittest.main()
