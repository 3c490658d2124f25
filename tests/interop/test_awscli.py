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
        outside = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(["aws", "--endpoint-url", self.daemon.url, "--ca-bundle", self.daemon.ca, "--output", "json",
                               "sqs", *words],
                              env={**outside, **self.daemon.env, "AWS_PAGER": "", "HOME": self.daemon.home},
                              capture_output=True, text=True, timeout=300, check=False)
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

    def test_every_other_action_that_it_knows(self):
        name = "cli-" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(20))
        dead = self.aws("create-queue", "--queue-name", f"{name}-dead")["QueueUrl"]
        arn = self.aws("get-queue-attributes", "--queue-url", dead, "--attribute-names", "QueueArn")["Attributes"]["QueueArn"]
        url = self.aws("create-queue", "--queue-name", f"{name}.fifo", "--attributes", json.dumps(
            {"FifoQueue": "true", "ContentBasedDeduplication": "true"}))["QueueUrl"]
        self.aws("set-queue-attributes", "--queue-url", url, "--attributes", "DelaySeconds=0,VisibilityTimeout=30")
        self.aws("tag-queue", "--queue-url", url, "--tags", "team=payments,stage=test")
        self.aws("untag-queue", "--queue-url", url, "--tag-keys", "stage")
        self.assertEqual(self.aws("list-queue-tags", "--queue-url", url)["Tags"], {"team": "payments"})
        sent = self.aws("send-message-batch", "--queue-url", url, "--entries", json.dumps(
            [{"Id": f"e{i}", "MessageBody": f"m{i}", "MessageGroupId": "g"} for i in range(3)]))
        self.assertEqual(len(sent["Successful"]), 3)
        got = self.aws("receive-message", "--queue-url", url, "--max-number-of-messages", "10")["Messages"]
        self.assertEqual([message["Body"] for message in got], ["m0", "m1", "m2"])
        handles = [message["ReceiptHandle"] for message in got]
        self.aws("change-message-visibility", "--queue-url", url, "--receipt-handle", handles[0], "--visibility-timeout", "60")
        self.aws("change-message-visibility-batch", "--queue-url", url, "--entries", json.dumps(
            [{"Id": str(i), "ReceiptHandle": handle, "VisibilityTimeout": 60} for i, handle in enumerate(handles[1:])]))
        gone = self.aws("delete-message-batch", "--queue-url", url, "--entries", json.dumps(
            [{"Id": str(i), "ReceiptHandle": handle} for i, handle in enumerate(handles)]))
        self.assertEqual(len(gone["Successful"]), 3)
        source = self.aws("create-queue", "--queue-name", f"{name}-source", "--attributes", json.dumps(
            {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})}))["QueueUrl"]
        self.assertEqual(self.aws("list-dead-letter-source-queues", "--queue-url", dead)["queueUrls"], [source])
        self.aws("purge-queue", "--queue-url", source)
        self.assertIn("PurgeQueueInProgress", self.aws("purge-queue", "--queue-url", source, expect=255))
        self.assertIn("UnsupportedOperation", self.aws("add-permission", "--queue-url", url, "--label", "l",
                                                       "--aws-account-ids", "1", "--actions", "*", expect=255))
        self.assertIn("UnsupportedOperation", self.aws("remove-permission", "--queue-url", url, "--label", "l", expect=255))


if __name__ == "__main__":
    unittest.main()
