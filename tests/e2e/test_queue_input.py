"""Requests to queues that are wrong, in both protocols: refused in AWS's form, nothing that was sent told again, to the
sender or in any log, and the connection goes on."""
import base64
import json
import os
import unittest
import urllib.parse

from canaries import CanaryCase
from harness import card_number
from sqs import FORM_TYPE, JSON_TYPE, Sqs, error_of, form_of, unique_name

# What must never be seen again. Each stands in every place where a client can put something.
WORD = "canary4e8b1d07fa"
NUMBER = card_number("4")
CANARY = WORD + " " + NUMBER
MIB = 1 << 20


class InputCase(CanaryCase):
    canaries = (WORD, NUMBER)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sqs = Sqs(cls.daemon)
        cls.name = unique_name()
        cls.url = cls.sqs.create(cls.name)
        cls.fifo_url = cls.sqs.create(unique_name(".fifo"), {"FifoQueue": "true"})

    @classmethod
    def tearDownClass(cls):
        cls.sqs.client.close()
        super().tearDownClass()

    def assert_refused_silently(self, answer, what):
        self.assertTrue(400 <= answer.status < 500, (what, answer))
        self.assertIsNotNone(error_of(answer), (what, answer))
        self.assert_untold(answer, what)

    def assert_goes_on(self, answer, source, what):
        """The same connection serves the next request."""
        if answer.headers.get("connection") != "close":
            self.sqs.call("ListQueueTags", QueueUrl=self.url)
            self.assertEqual(self.sqs.client.source, source, what)

    def refuse(self, ask, what):
        self.sqs.call("ListQueueTags", QueueUrl=self.url)  # connected
        source = self.sqs.client.source
        answer = ask()
        self.assert_refused_silently(answer, what)
        self.assert_goes_on(answer, source, what)
        return answer

    def json(self, action, members, code=None):
        what = (action, members if len(str(members)) < 300 else str(members)[:300])
        answer = self.refuse(lambda: self.sqs.json(action, members), what)
        if code:
            self.assertEqual(error_of(answer), code, (what, answer))

    def form(self, body, code=None):
        answer = self.refuse(lambda: self.sqs.form("", body), body[:300])
        if code:
            self.assertEqual(error_of(answer), code, (body[:300], answer))


class JsonTest(InputCase):
    def test_cut_at_every_byte(self):
        whole = json.dumps({"QueueUrl": self.url, "MessageBody": CANARY, "DelaySeconds": 0, "MessageAttributes": {
            "a": {"DataType": "String", "StringValue": CANARY}}}).encode()
        for length in range(1, len(whole)):
            self.assert_refused_silently(self.sqs.json("SendMessage", whole[:length]), whole[:length])
        self.json("SendMessage", whole[:-1], "MalformedInput")
        self.json("SendMessage", whole + b"}")
        self.json("SendMessage", whole + whole)
        self.assertEqual(self.sqs.json("SendMessage", whole).status, 200)

    def test_no_object(self):
        for body in (b"null", b"[]", b'"' + CANARY.encode() + b'"', b"5", b" ", b"{", b"\xef\xbb\xbf{}", b"{}" * 2,
                     CANARY.encode(), b"{'QueueUrl':'x'}", b"{\"QueueUrl\":" + NUMBER.encode() + b"}"):
            self.json("SendMessage", body)

    def test_wrong_types(self):
        good = {"QueueUrl": self.url, "MessageBody": "x"}
        wrong = [5, 1.5, True, [CANARY], {"a": CANARY}, [], {}]
        for name in ("QueueUrl", "MessageBody", "MessageGroupId", "MessageDeduplicationId"):
            for value in wrong:
                self.json("SendMessage", {**good, name: value})
        for value in (CANARY, NUMBER, "5", 1.5, 1e99, -1, 901, 1 << 64, -(1 << 63), True, [5], {}):
            self.json("SendMessage", {**good, "DelaySeconds": value})
        for value in (5, CANARY, [CANARY], {CANARY: CANARY}, {"a": []}, {"a": {"DataType": 5}}):
            self.json("SendMessage", {**good, "MessageAttributes": value})
        for value in (5, CANARY, {"Id": CANARY}, [CANARY], [[]], [5], [{"Id": 5}], [{}]):
            self.json("SendMessageBatch", {"QueueUrl": self.url, "Entries": value})
        for name in ("MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds"):
            for value in (CANARY, NUMBER, "1", -1, 1 << 40, 1.5, [1]):
                self.json("ReceiveMessage", {"QueueUrl": self.url, name: value})
        for value in (CANARY, {"All": CANARY}, [5], [[CANARY]]):
            self.json("ReceiveMessage", {"QueueUrl": self.url, "AttributeNames": value})

    def test_nesting_and_names(self):
        deep = b'{"QueueUrl":"' + self.url.encode() + b'","MessageBody":'
        for count in (17, 1000, 100000):
            self.json("SendMessage", deep + b"[" * count)
            self.json("SendMessage", deep + b'{"' + WORD.encode() + b'":' * count)
            self.json("SendMessage", deep + b'{"a":' * count + b"1" + b"}" * count + b"}")
        for again in (b'"MessageBody":"' + CANARY.encode() + b'"', b'"QueueUrl":"' + WORD.encode() + b'"',
                      b'"\\u004dessageBody":"y"'):
            self.json("SendMessage", deep + b'"x",' + again + b"}", "MalformedInput")
        self.json("SendMessage", {"QueueUrl": self.url, "MessageBody": "x", WORD: CANARY})
        self.json("SendMessage", {"QueueUrl": self.url, "MessageBody": "x", "messagebody": CANARY})
        many = {f"{WORD}{place}": CANARY for place in range(50000)}
        self.json("SendMessage", {"QueueUrl": self.url, "MessageBody": "x", **many})

    def test_actions_that_are_none(self):
        for action in (WORD, "sendmessage", "", "SendMessageX", "Send Message", "A" * 3000):
            self.json(action, {"QueueUrl": self.url, "MessageBody": CANARY})
        for target in ("", "SendMessage", "AmazonSQS", "AmazonSNS.SendMessage", WORD, "AmazonSQS.SendMessage.x"):
            answer = self.refuse(lambda t=target: self.sqs.client.post(
                "/", {"QueueUrl": self.url, "MessageBody": CANARY},
                headers={"content-type": JSON_TYPE, "x-amz-target": t}), target)
            self.assertIn(answer.status, (400, 415))
        for content_type in ("application/json", "text/xml", WORD, ""):
            answer = self.sqs.client.post("/", {"QueueUrl": self.url, "MessageBody": CANARY},
                                          headers={"content-type": content_type,
                                                   "x-amz-target": "AmazonSQS.SendMessage"})
            self.assert_refused_silently(answer, content_type)

    def test_batches(self):
        def entries(ids):
            return {"QueueUrl": self.url, "Entries": [{"Id": one, "MessageBody": CANARY} for one in ids]}
        self.json("SendMessageBatch", entries([]), "AWS.SimpleQueueService.EmptyBatchRequest")
        self.json("SendMessageBatch", entries("abcdefghijk"), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
        self.json("SendMessageBatch", entries("aba"), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
        self.json("SendMessageBatch", entries([CANARY]), "AWS.SimpleQueueService.InvalidBatchEntryId")
        self.json("SendMessageBatch", entries(["x" * 81]), "AWS.SimpleQueueService.InvalidBatchEntryId")
        self.json("SendMessageBatch", {"QueueUrl": self.url, "Entries": [{"Id": "a", "MessageBody": "x"}] * 50000},
                  "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
        self.json("DeleteMessageBatch", {"QueueUrl": self.url, "Entries": [{}] * 100000})
        self.json("SendMessageBatch", {"QueueUrl": self.url, "Entries": [
            {"Id": one, "MessageBody": WORD * 9000} for one in "abcdefgh"]},
                  "AWS.SimpleQueueService.BatchRequestTooLong")
        # One bad entry is that entry's failure.
        answer = self.sqs.call("SendMessageBatch", QueueUrl=self.url, Entries=[
            {"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": CANARY + "\x00"}])
        self.assertEqual(([one["Id"] for one in answer["Successful"]], [one["Id"] for one in answer["Failed"]]),
                         (["good"], ["bad"]))
        self.assertNotIn(WORD, str(answer))

    def test_messages_that_cannot_be(self):
        def message(body, **members):
            return {"QueueUrl": self.url, "MessageBody": body, **members}
        for body in ("\x1f" + CANARY, CANARY + "\ufffe", CANARY + "\uffff", CANARY + "\x00", CANARY + "\ud800", "\udc00\ud800"):
            self.json("SendMessage", message(body), "InvalidMessageContents")
        self.json("SendMessage", message(""))
        self.json("SendMessage", message(CANARY + "x" * MIB))
        for broken in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\\x41", b"\\u12", b"\n"):
            self.json("SendMessage", b'{"QueueUrl":"' + self.url.encode() + b'","MessageBody":"' + CANARY.encode() +
                      broken + b'"}', "MalformedInput")
        text = {"DataType": "String", "StringValue": CANARY}
        for attributes in ({"AWS." + WORD: text}, {"amazon.x": text}, {".x": text}, {"x.": text}, {"a..b": text},
                           {CANARY: text}, {"": text}, {"x" * 257: text}, {"a": {**text, "DataType": CANARY}},
                           {"a": {"DataType": "Number", "StringValue": CANARY}}, {"a": {"DataType": "String"}},
                           {"a": {**text, "StringValue": ""}}, {"a": {**text, "BinaryValue": "eA=="}},
                           {"a": {"DataType": "Binary", "BinaryValue": CANARY}},
                           {"a": {"DataType": "Binary", "StringValue": CANARY}},
                           {f"a{place}": text for place in range(11)}, {"a": {**text, "StringValue": WORD + "\x00"}}):
            self.json("SendMessage", message("x", MessageAttributes=attributes))
        self.json("SendMessage", message("x", MessageSystemAttributes={WORD: text}))
        for members in ({}, {"MessageGroupId": CANARY}, {"MessageGroupId": "g", "MessageDeduplicationId": CANARY},
                        {"MessageGroupId": WORD * 20}, {"MessageGroupId": ""}, {"MessageGroupId": WORD}):
            self.json("SendMessage", {**message(CANARY, **members), "QueueUrl": self.fifo_url})
        self.json("SendMessage", message(CANARY, MessageDeduplicationId=WORD))

    def test_handles_and_names_that_are_none(self):
        for handle in (CANARY, "", "A" * 5000, base64.b64encode(os.urandom(40)).decode(), WORD):
            self.json("DeleteMessage", {"QueueUrl": self.url, "ReceiptHandle": handle})
            self.json("ChangeMessageVisibility", {"QueueUrl": self.url, "ReceiptHandle": handle,
                                                  "VisibilityTimeout": 1})
            self.json("CancelMessageMoveTask", {"TaskHandle": handle})
            self.json("ListQueues", {"NextToken": handle or "x", "MaxResults": 5})
        for url in (CANARY, "https://" + CANARY, self.url + "/" + CANARY, self.url + "?" + WORD, "", "/" + CANARY,
                    self.daemon.url + "/000000000000/" + urllib.parse.quote(CANARY),
                    self.daemon.url + "/000000000000/" + NUMBER, self.daemon.url + "/000000000000/" + WORD * 9):
            self.json("GetQueueAttributes", {"QueueUrl": url})
        for name in (CANARY, NUMBER, WORD * 9, WORD + "!", "", WORD + ".fif"):
            self.json("CreateQueue", {"QueueName": name})
            self.json("GetQueueUrl", {"QueueName": name})
        self.json("StartMessageMoveTask", {"SourceArn": CANARY})
        self.json("ListMessageMoveTasks", {"SourceArn": "arn:aws:sqs:us-east-1:000000000000:" + CANARY})

    def test_attributes_and_tags_that_are_none(self):
        for attributes in ({WORD: CANARY}, {"DelaySeconds": CANARY}, {"DelaySeconds": "901"}, {"QueueArn": CANARY},
                           {"RedrivePolicy": CANARY}, {"RedrivePolicy": '{"deadLetterTargetArn":"' + WORD + '"}'},
                           {"RedrivePolicy": '{"' + WORD + '":1}'}, {"RedrivePolicy": "[" * 100000},
                           {"RedriveAllowPolicy": CANARY}, {"MaximumMessageSize": "-1"}, {"FifoQueue": "maybe"},
                           {f"{WORD}{place}": CANARY for place in range(20000)}):
            self.json("SetQueueAttributes", {"QueueUrl": self.url, "Attributes": attributes})
            self.json("CreateQueue", {"QueueName": unique_name(), "Attributes": attributes})
        for tags in ({"aws:" + WORD: CANARY}, {"ampoule:" + WORD: CANARY}, {"ampoule:ttl-ms": WORD},
                     {"ampoule:ttl-ms": "999"}, {"AMPOULE:TTL-MS": "5000"}, {WORD * 20: CANARY}, {"a": CANARY * 20},
                     {"": CANARY}, {f"{WORD}{place}": CANARY for place in range(51)}, {"a": CANARY + "\x00"}):
            self.json("TagQueue", {"QueueUrl": self.url, "Tags": tags})
            self.json("CreateQueue", {"QueueName": unique_name(), "tags": tags})


class FormTest(InputCase):
    def send(self, more, action="SendMessage"):
        return f"Action={action}&QueueUrl={urllib.parse.quote(self.url)}&{more}".encode()

    def test_forms_that_are_none(self):
        for more in ("MessageBody=%", "MessageBody=%4", "MessageBody=%zz" + WORD, "MessageBody=" + WORD + "%ff",
                     "MessageBody=%c0%80", "MessageBody=a&MessageBody=" + WORD, WORD + "=" + WORD, "=" + WORD,
                     "MessageBody=x&" + WORD, "MessageBody=x&Action=SendMessage", "MessageBody%00=x",
                     "MessageBody=x&&&&=&" + WORD + "=1", "MessageBody=x&MessageBody.1=" + WORD):
            self.form(self.send(more))
        for body in (b"", b"&", b"=", WORD.encode(), b"Version=2012-11-05", b"Action=", b"Action=" + WORD.encode(),
                     b"Action=sendmessage", b"Action=SendMessage&Action=SendMessage", b"\xff" * 100, b"{}"):
            self.form(body)

    def test_100000_parameters(self):
        self.form(self.send("&".join(f"{WORD}{place}=x" for place in range(100000))))
        self.form(self.send("&".join("a=" for _ in range(100000))))
        self.form(self.send("&" * 100000))
        self.form(self.send("&".join(f"AttributeName.{place + 1}=All" for place in range(100000)),
                            "GetQueueAttributes"))
        self.form(self.send("&".join(f"SendMessageBatchRequestEntry.{place + 1}.Id=a" for place in range(30000)),
                            "SendMessageBatch"))

    def test_lists(self):
        entry = "SendMessageBatchRequestEntry"
        for number in ("0", "2", "-1", "01", "1.1", WORD, "99999999999999999999", "4294967297", "18446744073709551617",
                       "", " 1", "+1", "1e0"):
            self.form(self.send(f"{entry}.{number}.Id=a&{entry}.{number}.MessageBody={WORD}", "SendMessageBatch"))
        for more in (f"{entry}.1=x", f"{entry}.1.Id=a&{entry}.3.Id=b", f"{entry}.1.{WORD}=x", f"{entry}=x", f"{entry}.1.Id",
                     f"{entry}.1.Id.1=a", f"{entry}.1.MessageAttribute.1.Name={WORD}",
                     f"{entry}.1.Id=a&{entry}.1.Id=b&{entry}.1.MessageBody=x"):
            self.form(self.send(more, "SendMessageBatch"))
        for more in (f"MessageAttribute.1.Name={WORD}", f"MessageAttribute.1.Value.DataType={WORD}",
                     f"MessageAttribute.2.Name={WORD}", f"MessageAttribute.1.Name=a&MessageAttribute.1.Value.{WORD}=x",
                     f"MessageAttribute.1.Name=a&MessageAttribute.1.Value.DataType=Number&"
                     f"MessageAttribute.1.Value.StringValue={WORD}"):
            self.form(self.send("MessageBody=x&" + more))

    def test_values(self):
        for value in (WORD, NUMBER, "-1", "901", "1.5", "1e1", " 5", "5 ", "0x5", "", "99999999999999999999", "٥"):
            self.form(self.send("MessageBody=x&DelaySeconds=" + urllib.parse.quote(value)))
            self.form(self.send("MaxNumberOfMessages=" + urllib.parse.quote(value), "ReceiveMessage"))
        for body in (CANARY + "\x00", "\x1f" + CANARY, CANARY + "\ufffe"):
            self.form(form_of("SendMessage", {"QueueUrl": self.url, "MessageBody": body}), "InvalidMessageContents")
        self.form(form_of("SendMessage", {"QueueUrl": self.url, "MessageBody": ""}))
        self.form(form_of("SendMessage", {"QueueUrl": self.url, "MessageBody": WORD + "x" * MIB}))
        self.form(form_of("DeleteMessage", {"QueueUrl": self.url, "ReceiptHandle": CANARY}))
        for version in ("2011-10-01", WORD):
            self.sqs.form("", form_of("ListQueueTags", {"QueueUrl": self.url, "Version": version}))

    def test_paths(self):
        """Two names of the queue that differ, and names that none has."""
        for path in ("/000000000000/" + unique_name(), "/000000000001/" + self.name):
            answer = self.sqs.form("SendMessage", {"QueueUrl": self.url, "MessageBody": CANARY}, path=path)
            self.assertIn(answer.status, (400, 404), answer)
        answer = self.sqs.form("SendMessage", {"MessageBody": CANARY}, path="/000000000000/" + self.name)
        self.assertEqual(answer.status, 200)

    def test_too_large(self):
        """Beyond what any request may be."""
        for content_type in (JSON_TYPE, FORM_TYPE):
            answer = self.sqs.client.post("/", b"x" * (4 * MIB), headers={"content-type": content_type})
            self.assertEqual(answer.status, 413, answer)
        self.sqs.call("ListQueueTags", QueueUrl=self.url)


if __name__ == "__main__":
    unittest.main()
