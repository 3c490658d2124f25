// Every action of SQS by AWS's own SDK (AWS JSON 1.0), and a worker by sqs-consumer. The connection and the key come
// from the environment, as for `ampoule`. Prints one JSON object a line: {"step", ...what came}; throws where the SDK does.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";

import * as sdk from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";

const { AMPOULE_URL, AMPOULE_CA, AWS_REGION } = process.env;
const agent = new https.Agent({ ca: readFileSync(AMPOULE_CA), keepAlive: true, maxSockets: 8 });
const sqs = new sdk.SQSClient({
  endpoint: AMPOULE_URL, region: AWS_REGION, maxAttempts: 6, requestHandler: { httpsAgent: agent },
});

const call = (name, input) => sqs.send(new sdk[`${name}Command`](input));
const REQUEST_ID = /^[0-9a-f]{16}$/;
const say = (step, more = {}) => console.log(JSON.stringify({ step, ...more }));
// Of letters alone: digits could happen to look like a card number, and no queue may be called that.
const name = (suffix = "") => `js-${randomUUID().replace(/[^a-f]/g, "x")}${randomUUID().replace(/[^a-f]/g, "y")}${suffix}`;

async function make(suffix = "", Attributes = undefined) {
  return (await call("CreateQueue", { QueueName: name(suffix), Attributes })).QueueUrl;
}

async function refused(expected, action, input) {
  try {
    await call(action, input);
  } catch (error) {
    assert.equal(error.name, expected, `${action}: ${error.name}: ${error.message}`);
    assert.match(error.$metadata.requestId, REQUEST_ID);
    return error;
  }
  assert.fail(`${action} should have been refused with ${expected}`);
}

async function arnOf(QueueUrl) {
  return (await call("GetQueueAttributes", { QueueUrl, AttributeNames: ["QueueArn"] })).Attributes.QueueArn;
}

async function messages() {
  const QueueUrl = await make();
  const MessageBody = "<&>\"'\\ \u20ac \u{1f600}\r\n\ttext";
  const MessageAttributes = {
    text: { DataType: "String", StringValue: "a \u20ac" },
    count: { DataType: "Number.int", StringValue: "7" },
    blob: { DataType: "Binary", BinaryValue: new Uint8Array([0, 1, 254, 255]) },
  };
  const sent = await call("SendMessage", { QueueUrl, MessageBody, MessageAttributes });
  const got = await call("ReceiveMessage", {
    QueueUrl, MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"], WaitTimeSeconds: 1,
  });
  assert.equal(got.Messages.length, 1);
  assert.equal(got.Messages[0].Body, MessageBody);
  assert.equal(got.Messages[0].MessageId, sent.MessageId);
  assert.match(sent.$metadata.requestId, REQUEST_ID);
  assert.deepEqual(got.Messages[0].MessageAttributes.blob.BinaryValue, MessageAttributes.blob.BinaryValue);
  assert.equal(got.Messages[0].MessageAttributes.text.StringValue, "a \u20ac");
  assert.equal(got.Messages[0].Attributes.ApproximateReceiveCount, "1");
  const { ReceiptHandle } = got.Messages[0];
  await call("ChangeMessageVisibility", { QueueUrl, ReceiptHandle, VisibilityTimeout: 60 });
  await call("DeleteMessage", { QueueUrl, ReceiptHandle });
  const none = await call("ReceiveMessage", { QueueUrl });
  assert.equal(none.Messages, undefined);
  say("messages");
}

async function batches() {
  const QueueUrl = await make();
  const Entries = Array.from({ length: 10 }, (_, i) => ({ Id: `e${i}`, MessageBody: `body ${i}` }));
  assert.equal((await call("SendMessageBatch", { QueueUrl, Entries })).Successful.length, 10);
  const got = [];
  while (got.length < 10) {
    got.push(...(await call("ReceiveMessage", { QueueUrl, MaxNumberOfMessages: 10 })).Messages);
  }
  const handles = got.map(({ ReceiptHandle }, i) => ({ Id: `e${i}`, ReceiptHandle }));
  const hidden = await call("ChangeMessageVisibilityBatch", {
    QueueUrl, Entries: handles.map((entry) => ({ ...entry, VisibilityTimeout: 60 })),
  });
  assert.equal(hidden.Successful.length, 10);
  const bad = [{ Id: "bad", ReceiptHandle: "nothing" }, ...handles.slice(1)];
  const deleted = await call("DeleteMessageBatch", { QueueUrl, Entries: bad });
  assert.equal(deleted.Successful.length, 9);
  assert.deepEqual(deleted.Failed.map(({ Id, Code, SenderFault }) => [Id, Code, SenderFault]),
    [["bad", "ReceiptHandleIsInvalid", true]]);
  await refused("TooManyEntriesInBatchRequest", "SendMessageBatch", { QueueUrl, Entries: [...Entries, { Id: "x", MessageBody: "x" }] });
  await refused("BatchEntryIdsNotDistinct", "SendMessageBatch", { QueueUrl, Entries: [Entries[0], Entries[0]] });
  await refused("EmptyBatchRequest", "SendMessageBatch", { QueueUrl, Entries: [] });
  await refused("InvalidBatchEntryId", "SendMessageBatch", { QueueUrl, Entries: [{ Id: "a b", MessageBody: "x" }] });
  say("batches");
}

async function fifo() {
  const QueueUrl = await make(".fifo", { FifoQueue: "true", ContentBasedDeduplication: "true" });
  for (let i = 0; i < 4; i++) {
    const sent = await call("SendMessage", { QueueUrl, MessageBody: `m${i}`, MessageGroupId: "g" });
    assert.match(sent.SequenceNumber, /^\d{20}$/);
  }
  await call("SendMessage", { QueueUrl, MessageBody: "m0", MessageGroupId: "g" });
  const bodies = [];
  for (;;) {
    const got = await call("ReceiveMessage", { QueueUrl, MaxNumberOfMessages: 1, ReceiveRequestAttemptId: randomUUID() });
    if (got.Messages === undefined) break;
    bodies.push(got.Messages[0].Body);
    await call("DeleteMessage", { QueueUrl, ReceiptHandle: got.Messages[0].ReceiptHandle });
  }
  assert.deepEqual(bodies, ["m0", "m1", "m2", "m3"]);
  await refused("MissingParameter", "SendMessage", { QueueUrl, MessageBody: "x" });
  say("fifo");
}

async function queues() {
  const QueueName = name();
  const { QueueUrl } = await call("CreateQueue", { QueueName, Attributes: { DelaySeconds: "2" }, tags: { a: "b" } });
  assert.equal((await call("GetQueueUrl", { QueueName })).QueueUrl, QueueUrl);
  assert.deepEqual((await call("ListQueues", { QueueNamePrefix: QueueName })).QueueUrls, [QueueUrl]);
  await call("SetQueueAttributes", { QueueUrl, Attributes: { VisibilityTimeout: "44" } });
  const { Attributes } = await call("GetQueueAttributes", { QueueUrl, AttributeNames: ["All"] });
  assert.equal(Attributes.VisibilityTimeout, "44");
  assert.equal(Attributes.DelaySeconds, "2");
  await call("TagQueue", { QueueUrl, Tags: { c: "d" } });
  assert.deepEqual((await call("ListQueueTags", { QueueUrl })).Tags, { a: "b", c: "d" });
  await call("UntagQueue", { QueueUrl, TagKeys: ["a"] });
  assert.deepEqual((await call("ListQueueTags", { QueueUrl })).Tags, { c: "d" });
  await call("PurgeQueue", { QueueUrl });
  await refused("PurgeQueueInProgress", "PurgeQueue", { QueueUrl });
  await refused("QueueNameExists", "CreateQueue", { QueueName, Attributes: { DelaySeconds: "3" } });
  await refused("InvalidAttributeName", "SetQueueAttributes", { QueueUrl, Attributes: { Nonsense: "1" } });
  await refused("InvalidAttributeValue", "SetQueueAttributes", { QueueUrl, Attributes: { DelaySeconds: "-1" } });
  await refused("UnsupportedOperation", "AddPermission", { QueueUrl, Label: "l", AWSAccountIds: ["0"], Actions: ["*"] });
  await refused("UnsupportedOperation", "RemovePermission", { QueueUrl, Label: "l" });
  await refused("ReceiptHandleIsInvalid", "DeleteMessage", { QueueUrl, ReceiptHandle: "nothing" });
  await refused("InvalidMessageContents", "SendMessage", { QueueUrl, MessageBody: "bell \u0007" });
  await call("DeleteQueue", { QueueUrl });
  await refused("QueueDoesNotExist", "SendMessage", { QueueUrl, MessageBody: "x" });
  await refused("QueueDeletedRecently", "CreateQueue", { QueueName });
  say("queues");
}

async function redrive() {
  const dead = await make();
  const deadLetterTargetArn = await arnOf(dead);
  const QueueUrl = await make("", { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 1 }) });
  assert.deepEqual((await call("ListDeadLetterSourceQueues", { QueueUrl: dead })).queueUrls, [QueueUrl]);
  await call("SendMessage", { QueueUrl, MessageBody: "poison" });
  assert.equal((await call("ReceiveMessage", { QueueUrl, VisibilityTimeout: 0 })).Messages.length, 1);
  assert.equal((await call("ReceiveMessage", { QueueUrl })).Messages, undefined);
  const { TaskHandle } = await call("StartMessageMoveTask", { SourceArn: deadLetterTargetArn });
  const back = await call("ReceiveMessage", { QueueUrl, WaitTimeSeconds: 5 });
  assert.equal(back.Messages[0].Body, "poison");
  const { Results } = await call("ListMessageMoveTasks", { SourceArn: deadLetterTargetArn });
  assert.equal(Results.length, 1);
  assert.equal(Results[0].ApproximateNumberOfMessagesMoved, 1);
  await refused("ResourceNotFoundException", "CancelMessageMoveTask", { TaskHandle });
  say("redrive", { status: Results[0].Status });
}

// A worker as people write it: it must get each message, and delete it.
async function consumer() {
  const queueUrl = await make();
  const seen = new Set();
  const done = new Promise((resolve, reject) => {
    const worker = Consumer.create({
      queueUrl, sqs, batchSize: 10, waitTimeSeconds: 1,
      handleMessage: async (message) => {
        seen.add(message.Body);
        if (seen.size === 25) resolve(worker);
        return message;
      },
    });
    worker.on("error", reject);
    worker.on("processing_error", reject);
    worker.start();
  });
  for (let i = 0; i < 25; i++) await call("SendMessage", { QueueUrl: queueUrl, MessageBody: `job ${i}` });
  const worker = await done;
  const stopped = new Promise((resolve) => worker.on("stopped", resolve));
  worker.stop();
  await stopped;
  say("consumer", { seen: seen.size });
}

for (const step of [messages, batches, fifo, queues, redrive, consumer]) await step();
agent.destroy();
