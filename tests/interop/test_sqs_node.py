"""AWS's SDK for JavaScript (AWS JSON 1.0) and sqs-consumer, unmodified: every action, and errors by their names."""
import json
import unittest

from node_case import NodeCase


class SqsNodeTest(NodeCase):
    def test_every_action_and_a_worker(self):
        steps = [json.loads(line) for line in self.node("sqs.mjs")]
        self.assertEqual([step["step"] for step in steps],
                         ["messages", "batches", "fifo", "queues", "redrive", "consumer"])
        self.assertEqual(steps[4]["status"], "COMPLETED")
        self.assertEqual(steps[5]["seen"], 25)


if __name__ == "__main__":
    unittest.main()
