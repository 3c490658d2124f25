"""Debian's boto3 (query protocol, XML answers), unmodified: every action of SQS, and its errors by their names."""
import hashlib
import json
import secrets
import string
import threading
import time
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import CARD, DaemonCase


def fresh_name(prefix, suffix=""):
    """Of letters alone: digits could happen to look like a card number, and no queue may be called that."""
    return prefix + "".join(secrets.choice(string.ascii_lowercase) for _ in range(20)) + suffix


def sqs_client(daemon, key_id=None, secret=None, **config):
    settings = dict({"retries": {"max_attempts": 6, "mode": "standard"}, "max_pool_connections": 16}, **config)
    return boto3.session.Session().client(
        "sqs", endpoint_url=daemon.url, region_name=daemon.region, verify=daemon.ca,
        aws_access_key_id=key_id or daemon.key_id, aws_secret_access_key=secret or daemon.secret, config=Config(**settings))


class SqsCase(DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sqs = sqs_client(cls.daemon)

    def queue(self, suffix="", **attributes):
        """A queue of a name never used before."""
        name = fresh_name("q-", suffix)
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def receive_all(self, url, expect, **options):
        """As many messages as expected, deleted as they come."""
        found = []
        deadline = time.monotonic() + 20
        while len(found) < expect and time.monotonic() < deadline:
            for message in self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1,
                                                    **options).get("Messages", []):
                found.append(message)
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def refused(self, code, call, **arguments):
        with self.assertRaises(ClientError) as refusal:
            call(**arguments)
        self.assertEqual(refusal.exception.response["Error"]["Code"], code)
        return refusal.exception.response

    def arn(self, url):
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


class MessagesTest(SqsCase):
    def test_send_receive_delete(self):
        url = self.queue()
        body = "<&>\"'\\ \u20ac \U0001f600\r\n\ttext"
        sent = self.sqs.send_message(QueueUrl=url, MessageBody=body)
        self.assertEqual(sent["MD5OfMessageBody"], hashlib.md5(body.encode()).hexdigest())
        got = self.sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
        self.assertEqual([message["Body"] for message in got], [body])
        self.assertEqual(got[0]["MessageId"], sent["MessageId"])
        self.assertEqual(got[0]["Attributes"]["SenderId"], self.daemon.key_id)
        self.assertEqual(got[0]["Attributes"]["ApproximateReceiveCount"], "1")
        self.assertLess(abs(int(got[0]["Attributes"]["SentTimestamp"]) / 1000 - time.time()), 60)
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
        self.assertNotIn("Messages", self.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0))

    def test_message_attributes_and_their_digests(self):
        url = self.queue()
        attributes = {"text": {"DataType": "String", "StringValue": "a \u20ac <&>"},
                      "count": {"DataType": "Number.int", "StringValue": "-12.5"},
                      "blob": {"DataType": "Binary.png", "BinaryValue": bytes(range(256))}}
        self.sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes,
                              MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5"}})
        got = self.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"],
                                       VisibilityTimeout=0)["Messages"][0]
        self.assertEqual(got["MessageAttributes"], attributes)  # boto3 has checked both digests
        self.assertEqual(got["Attributes"]["AWSTraceHeader"], "Root=1-5")
        some = self.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["te.*", "count"])["Messages"][0]
        self.assertEqual(set(some["MessageAttributes"]), {"text", "count"})

    def test_attributes_may_be_sent_on_as_a_function_gets_them(self):
        """With the lists that AWS reserves, which are empty."""
        url = self.queue()
        attribute = {"DataType": "String", "StringValue": "v", "StringListValues": [], "BinaryListValues": []}
        self.sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes={"a": attribute})
        message = self.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"][0]
        self.assertEqual(message["MessageAttributes"]["a"]["StringValue"], "v")

    def test_batches(self):
        url = self.queue()
        entries = [{"Id": f"e{i}", "MessageBody": f"body {i}",
                    "MessageAttributes": {"n": {"DataType": "Number", "StringValue": str(i)}}} for i in range(10)]
        sent = self.sqs.send_message_batch(QueueUrl=url, Entries=entries)
        self.assertEqual({one["Id"] for one in sent["Successful"]}, {f"e{i}" for i in range(10)})
        got = []
        while len(got) < 10:
            got += self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        hidden = self.sqs.change_message_visibility_batch(QueueUrl=url, Entries=[
            {"Id": str(i), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 600}
            for i, message in enumerate(got)])
        self.assertEqual(len(hidden["Successful"]), 10)
        deleted = self.sqs.delete_message_batch(QueueUrl=url, Entries=[
            {"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]} for i, message in enumerate(got[:9])]
            + [{"Id": "bad", "ReceiptHandle": "not a handle"}])
        self.assertEqual(len(deleted["Successful"]), 9)
        self.assertEqual([(one["Id"], one["Code"], one["SenderFault"]) for one in deleted["Failed"]],
                         [("bad", "ReceiptHandleIsInvalid", True)])
        counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        self.assertEqual((counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]), ("0", "1"))

    def test_batch_errors_have_their_names(self):
        url = self.queue()
        entry = {"Id": "a", "MessageBody": "x"}
        self.refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", self.sqs.send_message_batch, QueueUrl=url,
                     Entries=[dict(entry, Id=str(i)) for i in range(11)])
        self.refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", self.sqs.send_message_batch, QueueUrl=url,
                     Entries=[entry, entry])
        self.refused("AWS.SimpleQueueService.InvalidBatchEntryId", self.sqs.send_message_batch, QueueUrl=url,
                     Entries=[dict(entry, Id="not an id")])
        self.refused("AWS.SimpleQueueService.EmptyBatchRequest", self.sqs.send_message_batch, QueueUrl=url, Entries=[])
        self.refused("AWS.SimpleQueueService.BatchRequestTooLong", self.sqs.send_message_batch, QueueUrl=url,
                     Entries=[{"Id": str(i), "MessageBody": "x" * 300000} for i in range(4)])

    def test_the_largest_message(self):
        url = self.queue()
        body = "x" * 1048576
        self.sqs.send_message(QueueUrl=url, MessageBody=body)
        self.assertEqual(self.sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"], body)
        self.refused("InvalidParameterValue", self.sqs.send_message, QueueUrl=url, MessageBody=body + "x")

    def test_characters_that_xml_has_not(self):
        url = self.queue()
        self.refused("InvalidMessageContents", self.sqs.send_message, QueueUrl=url, MessageBody="bell \a")

    def test_visibility(self):
        url = self.queue()
        self.sqs.send_message(QueueUrl=url, MessageBody="x")
        first = self.sqs.receive_message(QueueUrl=url, VisibilityTimeout=1000)["Messages"][0]
        self.assertNotIn("Messages", self.sqs.receive_message(QueueUrl=url))
        self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
        again = self.sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"], WaitTimeSeconds=2)
        self.assertEqual(again["Messages"][0]["Attributes"], {"ApproximateReceiveCount": "2"})
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=again["Messages"][0]["ReceiptHandle"])
        self.refused("ReceiptHandleIsInvalid", self.sqs.change_message_visibility, QueueUrl=url, ReceiptHandle="x",
                     VisibilityTimeout=1)

    def test_delay(self):
        url = self.queue()
        self.sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=3)
        self.assertNotIn("Messages", self.sqs.receive_message(QueueUrl=url))
        delayed = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"])
        self.assertEqual(delayed["Attributes"], {"ApproximateNumberOfMessagesDelayed": "1"})
        self.assertEqual(self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"][0]["Body"], "later")

    def test_long_poll_is_woken_by_a_message(self):
        url = self.queue(ReceiveMessageWaitTimeSeconds="20")
        found = []
        started = time.monotonic()
        poller = threading.Thread(target=lambda: found.extend(
            sqs_client(self.daemon).receive_message(QueueUrl=url).get("Messages", [])))
        poller.start()
        time.sleep(0.3)  # so that it most likely waits already; where it does not yet, the test is still right
        self.sqs.send_message(QueueUrl=url, MessageBody="wake up")
        poller.join(15)
        self.assertEqual([message["Body"] for message in found], ["wake up"])
        self.assertLess(time.monotonic() - started, 15)

    def test_long_poll_ends_empty(self):
        url = self.queue()
        started = time.monotonic()
        self.assertNotIn("Messages", self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1))
        self.assertGreaterEqual(time.monotonic() - started, 0.9)

    def test_life_below_a_minute_by_tag(self):
        url = self.queue()
        self.sqs.tag_queue(QueueUrl=url, Tags={"ampoule:ttl-ms": "1000"})
        self.sqs.send_message(QueueUrl=url, MessageBody="short-lived")
        time.sleep(1.2)  # the life of the message itself
        self.assertNotIn("Messages", self.sqs.receive_message(QueueUrl=url))

    def test_values_out_of_range(self):
        url = self.queue()
        for arguments in ({"MaxNumberOfMessages": 11}, {"MaxNumberOfMessages": 0}, {"WaitTimeSeconds": 21},
                          {"VisibilityTimeout": 43201}):
            self.refused("InvalidParameterValue", self.sqs.receive_message, QueueUrl=url, **arguments)
        self.refused("InvalidParameterValue", self.sqs.send_message, QueueUrl=url, MessageBody="x", DelaySeconds=901)
        self.refused("MissingParameter", self.sqs.send_message, QueueUrl=url, MessageBody="")


class FifoTest(SqsCase):
    def test_order_within_groups_and_deduplication(self):
        url = self.queue(".fifo", FifoQueue="true", ContentBasedDeduplication="true")
        numbers = []
        for i in range(6):
            sent = self.sqs.send_message(QueueUrl=url, MessageBody=f"m{i}", MessageGroupId=f"g{i % 2}")
            numbers.append(int(sent["SequenceNumber"]))
        self.assertEqual(numbers, sorted(set(numbers)))
        twin = self.sqs.send_message(QueueUrl=url, MessageBody="m0", MessageGroupId="g0")
        self.assertEqual(int(twin["SequenceNumber"]), numbers[0])
        first = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, AttributeNames=["All"])["Messages"][0]
        self.assertEqual((first["Body"], first["Attributes"]["MessageGroupId"]), ("m0", "g0"))
        rest = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        self.assertEqual([message["Body"] for message in rest], ["m1", "m3", "m5"])  # g0 has one in flight
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
        self.assertEqual([message["Body"] for message in self.receive_all(url, 2)], ["m2", "m4"])

    def test_what_a_fifo_queue_demands(self):
        self.refused("InvalidParameterValue", self.sqs.create_queue, QueueName="no-fifo-behind",
                     Attributes={"FifoQueue": "true"})
        url = self.queue(".fifo", FifoQueue="true")
        self.refused("MissingParameter", self.sqs.send_message, QueueUrl=url, MessageBody="x")
        self.refused("InvalidParameterValue", self.sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="g")
        self.sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="d")
        attempt = {"QueueUrl": url, "ReceiveRequestAttemptId": "a1"}
        first = self.sqs.receive_message(**attempt)["Messages"][0]
        self.assertEqual(self.sqs.receive_message(**attempt)["Messages"][0]["MessageId"], first["MessageId"])

    def test_a_receipt_ends_with_the_visibility_timeout(self):
        url = self.queue(".fifo", FifoQueue="true", ContentBasedDeduplication="true")
        self.sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g")
        shown = self.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"][0]["ReceiptHandle"]
        self.refused("ReceiptHandleIsInvalid", self.sqs.delete_message, QueueUrl=url, ReceiptHandle=shown)
        failed = self.sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": shown}])["Failed"]
        self.assertEqual([(entry["Code"], entry["Message"]) for entry in failed],
                         [("ReceiptHandleIsInvalid", "The receipt handle has expired.")])
        self.assertEqual([message["Body"] for message in self.receive_all(url, 1)], ["x"])


class QueuesTest(SqsCase):
    def test_create_find_list_delete(self):
        prefix = fresh_name("list-", "-")
        urls = [self.sqs.create_queue(QueueName=f"{prefix}{i}")["QueueUrl"] for i in range(5)]
        self.assertEqual(urls[0], f"{self.daemon.url}/000000000000/{prefix}0")
        self.assertEqual(self.sqs.get_queue_url(QueueName=f"{prefix}3")["QueueUrl"], urls[3])
        self.assertEqual(self.sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"], urls)
        pages = self.sqs.get_paginator("list_queues").paginate(QueueNamePrefix=prefix, PaginationConfig={"PageSize": 2})
        self.assertEqual([page["QueueUrls"] for page in pages], [urls[0:2], urls[2:4], urls[4:5]])
        self.sqs.delete_queue(QueueUrl=urls[0])
        self.refused("AWS.SimpleQueueService.NonExistentQueue", self.sqs.get_queue_url, QueueName=f"{prefix}0")
        self.refused("AWS.SimpleQueueService.QueueDeletedRecently", self.sqs.create_queue, QueueName=f"{prefix}0")
        self.refused("AWS.SimpleQueueService.NonExistentQueue", self.sqs.send_message, QueueUrl=urls[0], MessageBody="x")

    def test_create_again(self):
        name = fresh_name("again-")
        url = self.sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "3"})["QueueUrl"]
        self.assertEqual(self.sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "3"})["QueueUrl"], url)
        self.refused("QueueAlreadyExists", self.sqs.create_queue, QueueName=name, Attributes={"DelaySeconds": "4"})

    def test_attributes(self):
        url = self.queue(DelaySeconds="5", MessageRetentionPeriod="60")
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "77", "MaximumMessageSize": "2048"})
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        expect = {"DelaySeconds": "5", "MessageRetentionPeriod": "60", "VisibilityTimeout": "77",
                  "MaximumMessageSize": "2048", "ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true"}
        self.assertEqual({name: found[name] for name in expect}, expect)
        self.refused("InvalidParameterValue", self.sqs.send_message, QueueUrl=url, MessageBody="x" * 2049)
        self.refused("InvalidAttributeName", self.sqs.set_queue_attributes, QueueUrl=url, Attributes={"Nonsense": "1"})
        self.refused("InvalidAttributeValue", self.sqs.set_queue_attributes, QueueUrl=url,
                     Attributes={"VisibilityTimeout": "43201"})
        self.refused("InvalidAttributeName", self.sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["Nonsense"])

    def test_tags(self):
        url = self.sqs.create_queue(QueueName=fresh_name("t-"), tags={"team": "payments", "a": ""})["QueueUrl"]
        self.sqs.tag_queue(QueueUrl=url, Tags={"a": "b", "\u20ac": "<&>"})
        self.assertEqual(self.sqs.list_queue_tags(QueueUrl=url)["Tags"], {"team": "payments", "a": "b", "\u20ac": "<&>"})
        self.sqs.untag_queue(QueueUrl=url, TagKeys=["team", "\u20ac"])
        self.assertEqual(self.sqs.list_queue_tags(QueueUrl=url)["Tags"], {"a": "b"})

    def test_purge(self):
        url = self.queue()
        self.sqs.send_message(QueueUrl=url, MessageBody="x")
        self.sqs.purge_queue(QueueUrl=url)
        self.assertNotIn("Messages", self.sqs.receive_message(QueueUrl=url))
        self.refused("AWS.SimpleQueueService.PurgeQueueInProgress", self.sqs.purge_queue, QueueUrl=url)

    def test_permissions_of_aws_are_not_supported(self):
        url = self.queue()
        self.refused("AWS.SimpleQueueService.UnsupportedOperation", self.sqs.add_permission, QueueUrl=url, Label="l",
                     AWSAccountIds=["000000000000"], Actions=["SendMessage"])
        self.refused("AWS.SimpleQueueService.UnsupportedOperation", self.sqs.remove_permission, QueueUrl=url, Label="l")

    def test_bad_names(self):
        for name in ("with space", "x" * 81, "dot.ted"):
            self.refused("InvalidParameterValue", self.sqs.create_queue, QueueName=name)


class DeadLetterTest(SqsCase):
    def test_redrive_and_back(self):
        dead = self.queue()
        url = self.queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": "2"}))
        self.assertEqual(self.sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"], [url])
        self.sqs.send_message(QueueUrl=url, MessageBody="poison")
        for _ in range(2):
            self.assertEqual(len(self.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]), 1)
        self.assertNotIn("Messages", self.sqs.receive_message(QueueUrl=url))
        moved = self.sqs.receive_message(QueueUrl=dead, AttributeNames=["All"], VisibilityTimeout=0, WaitTimeSeconds=2)
        self.assertEqual(moved["Messages"][0]["Body"], "poison")
        self.assertEqual(moved["Messages"][0]["Attributes"]["DeadLetterQueueSourceArn"], self.arn(url))

    def test_a_policy_that_names_no_queue(self):
        self.refused("InvalidParameterValue", self.queue, RedrivePolicy=json.dumps(
            {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:none", "maxReceiveCount": "2"}))


class AccessTest(SqsCase):
    def test_a_wrong_secret_and_an_unknown_key(self):
        self.refused("SignatureDoesNotMatch", sqs_client(self.daemon, secret="x" * 43).list_queues)
        self.refused("InvalidClientTokenId", sqs_client(self.daemon, key_id="AMPKAAAAAAAAAAAAAAAA").list_queues)

    def test_permissions_are_for_queues_and_acts(self):
        mine, other = self.queue(), self.queue()
        name = mine.rsplit("/", 1)[1]
        keys = self.daemon.new_key(f"receive:{name}").signer.credentials
        reader = sqs_client(self.daemon, keys.access_key, keys.secret_key)
        self.sqs.send_message(QueueUrl=mine, MessageBody="x")
        self.assertEqual(len(reader.receive_message(QueueUrl=mine)["Messages"]), 1)
        self.assertEqual(reader.list_queues(QueueNamePrefix="q-")["QueueUrls"], [mine])
        self.refused("AccessDenied", reader.send_message, QueueUrl=mine, MessageBody="x")
        self.refused("AccessDenied", reader.receive_message, QueueUrl=other)
        self.refused("AccessDenied", reader.delete_queue, QueueUrl=mine)
        self.refused("AccessDenied", reader.receive_message, QueueUrl=other.replace(other[-5:], "none0"))


class TokensTest(SqsCase):
    def test_a_gateway_learns_of_tokens_by_polling(self):
        url = self.queue()
        queue = url.rsplit("/", 1)[1]
        token = self.daemon.client().tokenize(queue=queue, metadata={"order": "42"})
        message = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, AttributeNames=["SenderId"])["Messages"][0]
        body = json.loads(message["Body"])
        self.assertEqual(body["token"], token)
        self.assertEqual(body["card"]["last4"], CARD["number"][-4:])
        self.assertEqual(body["metadata"], {"order": "42"})
        self.assertNotIn(CARD["number"], message["Body"])
        self.assertEqual(self.daemon.client().post("/v1/redeem", {"token": token}).json()["card"], CARD)


if __name__ == "__main__":
    unittest.main()
