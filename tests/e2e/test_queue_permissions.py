"""Who may do what: every action of the SQS API against every permission, and nothing without one."""
import os
import re
import unittest

from botocore.loaders import Loader

from harness import ROOT, DaemonCase, wait_until
from sqs import Sqs, error_of, message_ids, queue_arn, unique_name

PERMISSIONS = ("tokenize", "claim", "inspect", "revoke", "send", "receive", "manage")
SEE = {"send", "receive", "manage"}

# action: (what opens it, its members for a queue, the same in the query protocol). PROTOCOL 2.4
ACTIONS = {
    "AddPermission": ({"manage"}, lambda q: {"QueueUrl": q.url, "Label": "l", "AWSAccountIds": ["1"],
                                             "Actions": ["*"]},
                      lambda q: {"QueueUrl": q.url, "Label": "l", "AWSAccountId.1": "1", "ActionName.1": "*"}),
    "CancelMessageMoveTask": ({"manage"}, lambda q: {"TaskHandle": q.task}, None),
    "ChangeMessageVisibility": ({"receive"}, lambda q: {"QueueUrl": q.url, "ReceiptHandle": q.receipt,
                                                        "VisibilityTimeout": 30}, None),
    "ChangeMessageVisibilityBatch": (
        {"receive"}, lambda q: {"QueueUrl": q.url, "Entries": [{"Id": "a", "ReceiptHandle": q.receipt,
                                                                "VisibilityTimeout": 30}]},
        lambda q: {"QueueUrl": q.url, "ChangeMessageVisibilityBatchRequestEntry.1.Id": "a",
                   "ChangeMessageVisibilityBatchRequestEntry.1.ReceiptHandle": q.receipt,
                   "ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout": "30"}),
    "CreateQueue": ({"manage"}, lambda q: {"QueueName": q.name}, None),
    "DeleteMessage": ({"receive"}, lambda q: {"QueueUrl": q.url, "ReceiptHandle": q.receipt}, None),
    "DeleteMessageBatch": (
        {"receive"}, lambda q: {"QueueUrl": q.url, "Entries": [{"Id": "a", "ReceiptHandle": q.receipt}]},
        lambda q: {"QueueUrl": q.url, "DeleteMessageBatchRequestEntry.1.Id": "a",
                   "DeleteMessageBatchRequestEntry.1.ReceiptHandle": q.receipt}),
    "DeleteQueue": ({"manage"}, lambda q: {"QueueUrl": q.url}, None),
    "GetQueueAttributes": (SEE, lambda q: {"QueueUrl": q.url}, None),
    "GetQueueUrl": (SEE, lambda q: {"QueueName": q.name}, None),
    "ListDeadLetterSourceQueues": (SEE, lambda q: {"QueueUrl": q.url}, None),
    "ListMessageMoveTasks": (SEE, lambda q: {"SourceArn": q.arn}, None),
    "ListQueueTags": (SEE, lambda q: {"QueueUrl": q.url}, None),
    "ListQueues": (None, lambda q: {"QueueNamePrefix": q.name}, None),  # everybody is told of what is his
    "PurgeQueue": ({"manage"}, lambda q: {"QueueUrl": q.url}, None),
    "ReceiveMessage": ({"receive"}, lambda q: {"QueueUrl": q.url, "VisibilityTimeout": 0}, None),
    "RemovePermission": ({"manage"}, lambda q: {"QueueUrl": q.url, "Label": "l"}, None),
    "SendMessage": ({"send"}, lambda q: {"QueueUrl": q.url, "MessageBody": "x"}, None),
    "SendMessageBatch": ({"send"}, lambda q: {"QueueUrl": q.url, "Entries": [{"Id": "a", "MessageBody": "x"}]},
                         lambda q: {"QueueUrl": q.url, "SendMessageBatchRequestEntry.1.Id": "a",
                                    "SendMessageBatchRequestEntry.1.MessageBody": "x"}),
    "SetQueueAttributes": ({"manage"}, lambda q: {"QueueUrl": q.url, "Attributes": {"DelaySeconds": "0"}},
                           lambda q: {"QueueUrl": q.url, "Attribute.1.Name": "DelaySeconds",
                                      "Attribute.1.Value": "0"}),
    "StartMessageMoveTask": ({"manage"}, lambda q: {"SourceArn": q.arn}, None),
    "TagQueue": ({"manage"}, lambda q: {"QueueUrl": q.url, "Tags": {"a": "b"}},
                 lambda q: {"QueueUrl": q.url, "Tag.1.Key": "a", "Tag.1.Value": "b"}),
    "UntagQueue": ({"manage"}, lambda q: {"QueueUrl": q.url, "TagKeys": ["a"]},
                   lambda q: {"QueueUrl": q.url, "TagKey.1": "a"}),
}
DENIED = "AccessDenied"


class Queue:
    """A queue that is a dead-letter queue, with a message in flight and a move task that takes its time."""

    def __init__(self, sqs, name):
        self.name = name
        self.arn = queue_arn(sqs.daemon, name)
        self.url = sqs.create(name)
        self.source_name = unique_name("-source")
        self.source = sqs.create(self.source_name, {"RedrivePolicy": '{"deadLetterTargetArn":"' + self.arn +
                                                          '","maxReceiveCount":"1"}'})
        sqs.send(self.source, "x")
        sqs.receive(self.source, VisibilityTimeout=0)
        sqs.receive(self.source, VisibilityTimeout=0)
        self.receipt = sqs.receive(self.url)[0]["ReceiptHandle"]
        for _ in range(3):
            sqs.send(self.url, "x")
        self.task = sqs.call("StartMessageMoveTask", SourceArn=self.arn, DestinationArn=queue_arn(
            sqs.daemon, self.source_name), MaxNumberOfMessagesPerSecond=1)["TaskHandle"]


class MatrixTest(DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sqs = Sqs(cls.daemon)
        cls.mine, cls.other = Queue(cls.sqs, unique_name()), Queue(cls.sqs, unique_name())

    @classmethod
    def tearDownClass(cls):
        cls.sqs.client.close()
        super().tearDownClass()

    def ask(self, sqs, action, queue):
        """Both protocols; they agree."""
        _, members, flat = ACTIONS[action]
        by_json = error_of(sqs.json(action, members(queue)))
        by_form = error_of(sqs.form(action, (flat or members)(queue)))
        self.assertEqual(by_json == DENIED, by_form == DENIED, (action, by_json, by_form))
        return by_json

    def test_no_action_is_forgotten(self):
        with open(os.path.join(ROOT, "src", "wire", "sqs.h"), encoding="utf-8") as header:
            table = header.read().split("#define AMP_SQS_ACTIONS", 1)[1].split("enum amp_sqs_action", 1)[0]
        served = set(re.findall(r'"([A-Za-z]+)"', table))
        self.assertEqual(set(ACTIONS), served)
        self.assertEqual(len(served), 23)
        # Debian's model is older than the three of move tasks.
        self.assertLessEqual(set(Loader().load_service_model("sqs", "service-2")["operations"]), served)
        for opens, _, _ in ACTIONS.values():
            self.assertTrue(opens is None or opens <= set(PERMISSIONS))

    def test_no_grant_for_queues_opens_nothing(self):
        key = self.daemon.new_key("tokenize", "claim", "inspect", "revoke", "send:another", "receive:another",
                                  "manage:another")
        with Sqs(self.daemon, key) as nobody:
            for action, (opens, _, _) in ACTIONS.items():
                for queue in (self.mine, self.other):
                    self.assertEqual(self.ask(nobody, action, queue), DENIED if opens else None, action)
            self.assertEqual(nobody.call("ListQueues"), {})
            # Nor does it tell which queues there are.
            for action in ("GetQueueUrl", "CreateQueue"):
                self.assertEqual(error_of(nobody.json(action, {"QueueName": unique_name()})), DENIED)
            self.assertEqual(error_of(nobody.json("SendMessage", {"QueueUrl": nobody.url(unique_name()),
                                                                  "MessageBody": "x"})), DENIED)

    def test_each_permission_opens_its_actions_of_its_queue(self):
        for permission in PERMISSIONS:
            mine = Queue(self.sqs, unique_name())
            with Sqs(self.daemon, self.daemon.new_key(f"{permission}:{mine.name}",
                                                      f"{permission}:{mine.source_name}")) as holder:
                # What deletes comes last.
                for action in sorted(ACTIONS, key=lambda name: name in ("CancelMessageMoveTask", "DeleteQueue")):
                    opens = ACTIONS[action][0]
                    expected = opens is None or permission in opens
                    with self.subTest(permission=permission, action=action):
                        self.assertEqual(self.ask(holder, action, mine) != DENIED, expected)
                        self.assertEqual(self.ask(holder, action, self.other), DENIED if opens else None)

    def test_a_list_tells_of_what_one_may_see(self):
        for permission in PERMISSIONS:
            with Sqs(self.daemon, self.daemon.new_key(f"{permission}:{self.mine.name}")) as holder:
                self.assertEqual(holder.call("ListQueues").get("QueueUrls", []),
                                 [self.mine.url] if permission in SEE else [])

    def test_a_task_does_not_carry_messages_to_queues_of_others(self):
        """Who manages a dead-letter queue and one that names it sends nothing to a queue that did once."""
        victim, dead, own = unique_name(), unique_name(), unique_name()
        self.sqs.create(dead)
        policy = {"RedrivePolicy": '{"deadLetterTargetArn":"' + queue_arn(self.daemon, dead) +
                  '","maxReceiveCount":"1"}'}
        url = self.sqs.create(victim, policy)
        self.sqs.create(own, policy)
        self.sqs.call("SendMessage", QueueUrl=url, MessageBody="pay 100")
        self.assertEqual(len(self.sqs.receive(url, VisibilityTimeout=0)), 1)
        self.assertEqual(self.sqs.receive(url), [])
        self.sqs.call("SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": ""})
        with Sqs(self.daemon, self.daemon.new_key("manage:" + dead, "manage:" + own)) as other:
            arn = queue_arn(self.daemon, dead)
            answer = other.json("StartMessageMoveTask", {"SourceArn": arn})
            self.assertEqual(answer.status, 200, answer)
            wait_until(lambda: self.sqs.call("ListMessageMoveTasks", SourceArn=arn)["Results"][0]["Status"] != "RUNNING",
                       what="the task's end")
        self.assertEqual(self.sqs.receive(url), [])

    def test_a_task_needs_both_ends(self):
        """Who manages the source alone cannot move messages into another's queue."""
        with Sqs(self.daemon, self.daemon.new_key(f"manage:{self.mine.name}")) as holder:
            answer = holder.json("StartMessageMoveTask", {"SourceArn": self.mine.arn,
                                                          "DestinationArn": self.other.arn})
            self.assertEqual(error_of(answer), DENIED)
            # Nor back to where they came from.
            self.assertEqual(error_of(holder.json("StartMessageMoveTask", {"SourceArn": self.mine.arn})), DENIED)


class EventTest(DaemonCase):
    """Each act has its record: who, which queue, which message, and never what was in it."""

    BODY = "canary-body-of-the-event-test"

    def setUp(self):
        super().setUp()
        self.sqs = Sqs(self.daemon)
        self.addCleanup(self.sqs.client.close)

    def act(self, action, members, event, queue=None, outcome="success", **wanted):
        answer = self.sqs.json(action, members)
        self.assertEqual(answer.status == 200, outcome == "success", answer)
        if queue is not None:
            wanted["queue"] = queue
        self.assert_event(answer, event=event, outcome=outcome, who=self.daemon.key_id, **wanted)
        return answer

    def test_each_act(self):
        name = unique_name()
        url = self.sqs.url(name)
        body = {"MessageBody": self.BODY}
        self.act("CreateQueue", {"QueueName": name}, "queue.create", name)
        self.act("TagQueue", {"QueueUrl": url, "Tags": {"a": self.BODY}}, "queue.change", name)
        self.act("SetQueueAttributes", {"QueueUrl": url, "Attributes": {"DelaySeconds": "0"}}, "queue.change", name)
        for action, members in (("GetQueueUrl", {"QueueName": name}), ("GetQueueAttributes", {"QueueUrl": url}),
                                ("ListQueueTags", {"QueueUrl": url}), ("ListDeadLetterSourceQueues", {"QueueUrl": url})):
            self.act(action, members, "queue.read", name)
        self.act("ListQueues", {}, "queue.read")
        answer = self.sqs.json("SendMessage", {"QueueUrl": url, **body})
        message = message_ids(answer)[0].decode()
        self.assert_event(answer, event="message.send", queue=name, message=message, who=self.daemon.key_id)
        receive = self.act("ReceiveMessage", {"QueueUrl": url}, "message.receive", name, message=message)
        handle = {"QueueUrl": url, "ReceiptHandle": receive.json()["Messages"][0]["ReceiptHandle"]}
        self.act("ChangeMessageVisibility", {**handle, "VisibilityTimeout": 60}, "message.hide", name, message=message)
        self.act("DeleteMessage", handle, "message.delete", name, message=message)
        entries = [{"Id": str(place), **body} for place in range(4)]
        self.act("SendMessageBatch", {"QueueUrl": url, "Entries": entries}, "message.send", name, count=4)
        receive = self.act("ReceiveMessage", {"QueueUrl": url, "MaxNumberOfMessages": 10}, "message.receive", name,
                           count=4)
        handles = [{"Id": str(place), "ReceiptHandle": one["ReceiptHandle"], "VisibilityTimeout": 9}
                   for place, one in enumerate(receive.json()["Messages"])]
        self.act("ChangeMessageVisibilityBatch", {"QueueUrl": url, "Entries": handles}, "message.hide", name, count=4)
        for entry in handles:
            del entry["VisibilityTimeout"]
        self.act("DeleteMessageBatch", {"QueueUrl": url, "Entries": handles[:2]}, "message.delete", name, count=2)
        self.act("PurgeQueue", {"QueueUrl": url}, "queue.purge", name, count=2)
        self.act("PurgeQueue", {"QueueUrl": url}, "queue.purge", name, outcome="refused", code="purge_in_progress")
        self.act("StartMessageMoveTask", {"SourceArn": queue_arn(self.daemon, name)}, "queue.move", name,
                 outcome="refused", code="move_source_invalid")
        self.sqs.send(url, self.BODY)
        self.act("DeleteQueue", {"QueueUrl": url}, "queue.delete", name, count=1)
        self.act("SendMessage", {"QueueUrl": url, **body}, "message.send", name, outcome="refused",
                 code="queue_unknown")
        self.assertNotIn(self.BODY, str(self.daemon.events()))

    def test_an_empty_receive(self):
        url = self.sqs.create(unique_name())
        self.assertEqual(self.sqs.receive(url), [])

    def test_what_is_refused_for_want_of_permission(self):
        name = unique_name()
        with Sqs(self.daemon, self.daemon.new_key("receive:another")) as nobody:
            answer = nobody.json("SendMessage", {"QueueUrl": nobody.url(name), "MessageBody": self.BODY})
            self.assertEqual(error_of(answer), DENIED)
            self.assert_event(answer, event="message.send", outcome="refused", code="not_permitted", queue=name)

    def test_what_time_does(self):
        """Expiry and dead letters are counted."""
        def total(event):
            return sum(record.get("count", 0) for record in self.daemon.events() if record["event"] == event)
        expired, dead = total("message.expire"), total("message.dead_letter")
        target = unique_name()
        self.sqs.create(target)
        url = self.sqs.create(unique_name(), {"RedrivePolicy": '{"deadLetterTargetArn":"' +
                                              queue_arn(self.daemon, target) + '","maxReceiveCount":"1"}'},
                              {"ampoule:ttl-ms": "5000"})
        self.sqs.send_many(url, ["x"] * 5)
        self.assertEqual(len(self.sqs.receive(url, MaxNumberOfMessages=10, VisibilityTimeout=0)), 5)
        self.assertEqual(self.sqs.receive(url, MaxNumberOfMessages=10, VisibilityTimeout=0), [])
        wait_until(lambda: total("message.dead_letter") - dead == 5, what="the record of dead letters")
        wait_until(lambda: total("message.expire") - expired == 5, what="the record of expiry")


if __name__ == "__main__":
    unittest.main()
