"""Debian's awscli, unmodified: the queue work that people do by hand."""
import json
import os
import secrets
import shutil
import string
import subprocess
import unittest

from harness import DaemonCase


@unittest.skipUnless(shutil.which("aws"), "awscli is not installed")
class AwsCliTest(DaemonCase):
    def aws(self, *words, expect=0):
        done = subprocess.run(["aws", "--endpoint-url", self.daemon.url, "--ca-bundle", self.daemon.ca, "--region",
                               self.daemon.region, "--output", "json", "sqs", *words], env={**os.environ, **self.daemon.env, "AWS_PAGER": "", "HOME": self.daemon.home},
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr

    def test_a_queue_from_its_making_to_its_end(self):
        name = "cli-" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(20))  # no digits: see test_sqs_boto3
        url = self.aws("create-queue", "--queue-name", name, "--attributes", "VisibilityTimeout=5")["QueueUrl"]
        self.assertEqual(self.aws("get-queue-url", "--queue-name", name)["QueueUrl"], url)
        sent = self.aws("send-message", "--queue-url", url, "--message-body", "hello", "--message-attributes",
                        '{"a":{"DataType":"String","StringValue":"b"}}')
        got = self.aws("receive-message", "--queue-url", url, "--wait-time-seconds", "5", "--attribute-names", "All",
                       "--message-attribute-names", "All")["Messages"][0]
        self.assertEqual((got["MessageId"], got["Body"]), (sent["MessageId"], "hello"))
        self.assertEqual(got["MessageAttributes"]["a"]["StringValue"], "b")
        self.aws("delete-message", "--queue-url", url, "--receipt-handle", got["ReceiptHandle"])
        counts = self.aws("get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
        self.assertEqual((counts["ApproximateNumberOfMessages"], counts["VisibilityTimeout"]), ("0", "5"))
        self.assertIn(url, self.aws("list-queues")["QueueUrls"])
        self.aws("delete-queue", "--queue-url", url)
        said = self.aws("send-message", "--queue-url", url, "--message-body", "x", expect=255)
        self.assertIn("NonExistentQueue", said)


if __name__ == "__main__":
    unittest.main()
