#!/usr/bin/env python3
"""Makes sqs_golden.h: requests as botocore serializes them in both protocols, answers that botocore parses, and MD5s of
message attributes computed apart from our code.

    /usr/bin/python3 tests/unit/wire/sqs_golden.py $AMPOULE_VECTORS/sqs >tests/unit/wire/sqs_golden.h
"""
import base64
import hashlib
import json
import struct
import sys
from urllib.parse import urlencode

from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

URL = "https://localhost:8443/000000000000/payments"
ARN = "arn:aws:sqs:us-east-1:000000000000:"
ATTRIBUTES = {
    "city": {"DataType": "String", "StringValue": "Z\u00fcrich & \U0001f600"},
    "weight": {"DataType": "Number.kg", "StringValue": "-12.5e3"},
    "picture": {"DataType": "Binary.png", "BinaryValue": b"\x89PNG\r\n\x1a\n\x00\xff"},
}
TRACE = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5e3d83c1-e6a0db584850d61342823d4c"}}
BODY = 'caf\u00e9 & "quotes" <b> + 100%\n\ttab=1;\u20ac'

REQUESTS = [
    ("AddPermission", {"QueueUrl": URL, "Label": "l", "AWSAccountIds": ["1", "2"], "Actions": ["SendMessage"]}),
    ("CancelMessageMoveTask", {"TaskHandle": "aGFuZGxl=="}),
    ("ChangeMessageVisibility", {"QueueUrl": URL, "ReceiptHandle": "r/+=", "VisibilityTimeout": 0}),
    ("ChangeMessageVisibilityBatch", {"QueueUrl": URL, "Entries": [
        {"Id": "a", "ReceiptHandle": "r1", "VisibilityTimeout": 43200}, {"Id": "b", "ReceiptHandle": "r2"}]}),
    ("CreateQueue", {"QueueName": "orders.fifo", "Attributes": {"FifoQueue": "true", "DelaySeconds": "0",
                     "RedrivePolicy": json.dumps({"deadLetterTargetArn": ARN + "dead.fifo", "maxReceiveCount": 3})},
                     "tags": {"ampoule:ttl-ms": "1500", "team": ""}}),
    ("CreateQueue", {"QueueName": "plain"}),
    ("DeleteMessage", {"QueueUrl": URL, "ReceiptHandle": "AQEB+/=="}),
    ("DeleteMessageBatch", {"QueueUrl": URL, "Entries": [
        {"Id": str(i), "ReceiptHandle": "r%d" % i} for i in range(1, 11)]}),
    ("DeleteQueue", {"QueueUrl": URL}),
    ("GetQueueAttributes", {"QueueUrl": URL, "AttributeNames": ["All", "QueueArn"]}),
    ("GetQueueUrl", {"QueueName": "payments", "QueueOwnerAWSAccountId": "000000000000"}),
    ("ListDeadLetterSourceQueues", {"QueueUrl": URL, "NextToken": "t", "MaxResults": 7}),
    ("ListMessageMoveTasks", {"SourceArn": ARN + "dead", "MaxResults": 10}),
    ("ListQueueTags", {"QueueUrl": URL}),
    ("ListQueues", {}),
    ("ListQueues", {"QueueNamePrefix": "pay", "NextToken": "cGF5", "MaxResults": 1000}),
    ("PurgeQueue", {"QueueUrl": URL}),
    ("ReceiveMessage", {"QueueUrl": URL}),
    ("ReceiveMessage", {"QueueUrl": URL, "AttributeNames": ["All"], "MessageAttributeNames": ["city", "bar.*"],
                        "MaxNumberOfMessages": 10, "VisibilityTimeout": 30, "WaitTimeSeconds": 20,
                        "ReceiveRequestAttemptId": "again"}),
    ("RemovePermission", {"QueueUrl": URL, "Label": "l"}),
    ("SendMessage", {"QueueUrl": URL, "MessageBody": BODY}),
    ("SendMessage", {"QueueUrl": URL, "MessageBody": BODY, "DelaySeconds": 900, "MessageAttributes": ATTRIBUTES,
                     "MessageSystemAttributes": TRACE, "MessageDeduplicationId": "d-1", "MessageGroupId": "g"}),
    ("SendMessageBatch", {"QueueUrl": URL, "Entries": [
        {"Id": "one", "MessageBody": "1", "DelaySeconds": 0},
        {"Id": "two", "MessageBody": BODY, "MessageAttributes": ATTRIBUTES, "MessageSystemAttributes": TRACE,
         "MessageGroupId": "g"},
        {"Id": "three", "MessageBody": "3", "MessageDeduplicationId": "d"}]}),
    ("SetQueueAttributes", {"QueueUrl": URL, "Attributes": {"VisibilityTimeout": "45"}}),
    ("StartMessageMoveTask", {"SourceArn": ARN + "dead", "DestinationArn": ARN + "live",
                              "MaxNumberOfMessagesPerSecond": 500}),
    ("TagQueue", {"QueueUrl": URL, "Tags": {"k": "v", "Owner": "\u00c5sa"}}),
    ("UntagQueue", {"QueueUrl": URL, "TagKeys": ["k", "Owner"]}),
]

TEXTS = ["QueueUrl", "QueueName", "QueueNamePrefix", "QueueOwnerAWSAccountId", "NextToken", "SourceArn",
         "DestinationArn", "TaskHandle", "ReceiveRequestAttemptId", "MaxResults", "MaxNumberOfMessages",
         "MaxNumberOfMessagesPerSecond", "WaitTimeSeconds"]
ENTRY_TEXTS = ["Id", "MessageBody", "ReceiptHandle", "MessageGroupId", "MessageDeduplicationId", "DelaySeconds",
               "VisibilityTimeout"]


def shown_attributes(name, attributes):
    out = name + "{"
    for key, value in attributes.items():
        binary = value.get("BinaryValue")
        out += "%s(%s)=%s," % (key, value["DataType"], binary.hex() if binary is not None else value["StringValue"])
    return out + "}"


def shown_entry(params):
    out = "".join("%s=%s;" % (name, params[name]) for name in ENTRY_TEXTS if name in params)
    for name in ("MessageAttributes", "MessageSystemAttributes"):
        if name in params:
            out += shown_attributes(name, params[name])
    return out


def shown(params):
    """What the test shows of a request decoded from these parameters."""
    out = "".join("%s=%s;" % (name, params[name]) for name in TEXTS if name in params)
    for name in ("Attributes", "tags", "Tags"):
        if name in params:
            out += name.capitalize() + "{" + "".join("%s=%s," % pair for pair in params[name].items()) + "}"
    for name in ("AttributeNames", "MessageAttributeNames", "TagKeys"):
        if name in params:
            out += name + "[" + "".join(value + "," for value in params[name]) + "]"
    out += shown_entry(params)
    if "Entries" in params:
        out += "Entries[" + "".join(shown_entry(entry) + "|" for entry in params["Entries"]) + "]"
    return out


def md5_of(attributes):
    """SQS Developer Guide, "Calculating the MD5 message digest for message attributes"."""
    def with_length(data):
        return struct.pack("!I", len(data)) + data
    encoded = b""
    for name in sorted(attributes):
        attribute = attributes[name]
        encoded += with_length(name.encode()) + with_length(attribute["DataType"].encode())
        if "BinaryValue" in attribute:
            encoded += b"\x02" + with_length(attribute["BinaryValue"])
        else:
            encoded += b"\x01" + with_length(attribute["StringValue"].encode())
    return hashlib.md5(encoded).hexdigest()


def string(value):
    return {"DataType": "String", "StringValue": value}


DIGESTS = [
    {"a": string("b")},
    {"timestamp": {"DataType": "Number", "StringValue": "1493147359900"}},
    {"blob": {"DataType": "Binary", "BinaryValue": bytes(range(256))}},
    {"z": string("1"), "a": string("2"), "Z": string("3"), "a.b": string("4"), "a-b": string("5"), "a_b": string("6"),
     "ab": string("7")},
    ATTRIBUTES,
    TRACE,
    {"label": {"DataType": "String.some-label_1", "StringValue": "\u0416 \U0001f4a3"}, "n": {"DataType": "Number.int",
     "StringValue": "0"}, "b": {"DataType": "Binary.gif", "BinaryValue": b"\0"}},
    {"name%d" % i: string("x" * i) for i in range(1, 11)},
]

META = "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"
MD5 = "00112233445566778899aabbccddeeff"


def xml(action, result, has_result=True):
    inner = "<%sResult>%s</%sResult>" % (action, result, action) if has_result else result
    return '<%sResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/">%s%s</%sResponse>' % (
        action, inner, META, action)


# name, action, what botocore reads of it, the JSON, the XML's result
ANSWERS = [
    ("delete_message", "DeleteMessage", {}, "{}", None),
    ("create_queue", "CreateQueue", {"QueueUrl": URL}, '{"QueueUrl":"%s"}' % URL, "<QueueUrl>%s</QueueUrl>" % URL),
    ("list_queues", "ListQueues", {"QueueUrls": [URL, URL + "2"], "NextToken": "t"},
     '{"QueueUrls":["%s","%s2"],"NextToken":"t"}' % (URL, URL),
     "<QueueUrl>%s</QueueUrl><QueueUrl>%s2</QueueUrl><NextToken>t</NextToken>" % (URL, URL)),
    ("get_queue_attributes", "GetQueueAttributes", {"Attributes": {"DelaySeconds": "0", "Policy": '{"a":"<&>"}'}},
     '{"Attributes":{"DelaySeconds":"0","Policy":"{\\"a\\":\\"<&>\\"}"}}',
     "<Attribute><Name>DelaySeconds</Name><Value>0</Value></Attribute><Attribute><Name>Policy</Name>"
     "<Value>{&quot;a&quot;:&quot;&lt;&amp;&gt;&quot;}</Value></Attribute>"),
    ("list_queue_tags", "ListQueueTags", {"Tags": {"a\"b": "c"}}, '{"Tags":{"a\\"b":"c"}}',
     "<Tag><Key>a&quot;b</Key><Value>c</Value></Tag>"),
    ("send_message", "SendMessage", {"MD5OfMessageBody": MD5, "MessageId": "id-1", "SequenceNumber": "18"},
     '{"MD5OfMessageBody":"%s","MessageId":"id-1","SequenceNumber":"18"}' % MD5,
     "<MD5OfMessageBody>%s</MD5OfMessageBody><MessageId>id-1</MessageId>"
     "<SequenceNumber>18</SequenceNumber>" % MD5),
    ("send_message_batch", "SendMessageBatch",
     {"Successful": [{"Id": "a", "MessageId": "m", "MD5OfMessageBody": MD5}],
      "Failed": [{"Id": "b", "SenderFault": True, "Code": "InvalidMessageContents", "Message": "no"}]},
     '{"Successful":[{"Id":"a","MessageId":"m","MD5OfMessageBody":"%s"}],'
     '"Failed":[{"Id":"b","SenderFault":true,"Code":"InvalidMessageContents","Message":"no"}]}' % MD5,
     "<SendMessageBatchResultEntry><Id>a</Id><MessageId>m</MessageId><MD5OfMessageBody>%s</MD5OfMessageBody>"
     "</SendMessageBatchResultEntry><BatchResultErrorEntry><Id>b</Id><SenderFault>true</SenderFault>"
     "<Code>InvalidMessageContents</Code><Message>no</Message></BatchResultErrorEntry>" % MD5),
    ("receive_nothing", "ReceiveMessage", {}, "{}", ""),
    ("receive_message", "ReceiveMessage",
     {"Messages": [
         {"MessageId": "m1", "Body": "a\r\nb\t<&>\"'\u20ac", "MD5OfBody": MD5,
          "Attributes": {"SenderId": "AKIA", "ApproximateReceiveCount": "1"},
          "MessageAttributes": {"s": string("x\ry"), "b": {"DataType": "Binary.png", "BinaryValue": b"\0\1\xff"}}},
         {"MessageId": "m2", "Body": ""}]},
     '{"Messages":[{"MessageId":"m1","Body":"a\\u000d\\u000ab\\u0009<&>\\"\'\u20ac","MD5OfBody":"%s",'
     '"Attributes":{"SenderId":"AKIA","ApproximateReceiveCount":"1"},'
     '"MessageAttributes":{"s":{"StringValue":"x\\u000dy","DataType":"String"},'
     '"b":{"BinaryValue":"AAH/","DataType":"Binary.png"}}},{"MessageId":"m2","Body":""}]}' % MD5,
     "<Message><MessageId>m1</MessageId><Body>a&#xD;\nb\t&lt;&amp;&gt;&quot;'\u20ac</Body><MD5OfBody>%s</MD5OfBody>"
     "<Attribute><Name>SenderId</Name><Value>AKIA</Value></Attribute>"
     "<Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>"
     "<MessageAttribute><Name>s</Name><Value><StringValue>x&#xD;y</StringValue><DataType>String</DataType></Value>"
     "</MessageAttribute><MessageAttribute><Name>b</Name><Value><BinaryValue>AAH/</BinaryValue>"
     "<DataType>Binary.png</DataType></Value></MessageAttribute></Message>"
     "<Message><MessageId>m2</MessageId><Body></Body></Message>" % MD5),
    ("list_message_move_tasks", "ListMessageMoveTasks",
     {"Results": [{"TaskHandle": "h", "Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 0,
                   "StartedTimestamp": 1700000000123}]},
     '{"Results":[{"TaskHandle":"h","Status":"RUNNING","ApproximateNumberOfMessagesMoved":0,'
     '"StartedTimestamp":1700000000123}]}',
     "<ListMessageMoveTasksResultEntry><TaskHandle>h</TaskHandle><Status>RUNNING</Status>"
     "<ApproximateNumberOfMessagesMoved>0</ApproximateNumberOfMessagesMoved>"
     "<StartedTimestamp>1700000000123</StartedTimestamp></ListMessageMoveTasksResultEntry>"),
]


def c_string(text):
    data = text if isinstance(text, bytes) else text.encode()
    out = '"'
    for byte in data:
        char = chr(byte)
        if char in '"\\':
            out += "\\" + char
        elif 0x20 <= byte < 0x7f:
            out += char
        else:
            out += "\\%03o" % byte
    return out + '"'


def model(folder, name):
    with open(folder + "/" + name, encoding="utf-8") as file:
        return ServiceModel(json.load(file), "sqs")


def check_answer(models, action, expected, as_json, as_xml):
    headers = {"x-amzn-requestid": "r-1"}
    for protocol, body in (("json", as_json), ("query", as_xml)):
        answer = {"status_code": 200, "headers": headers, "body": body.encode()}
        shape = models[protocol].operation_model(action).output_shape
        parsed = create_parser(protocol).parse(answer, shape)
        assert parsed["ResponseMetadata"]["RequestId"] == "r-1", parsed
        del parsed["ResponseMetadata"]
        assert parsed == expected, (action, protocol, parsed)


def print_requests(models):
    serializers = {protocol: create_serializer(protocol, False) for protocol in models}
    print("static const struct golden_request golden_requests[] = {")
    for action, params in REQUESTS:
        made = {protocol: serializers[protocol].serialize_to_request(params, models[protocol].operation_model(action))
                for protocol in models}
        print("    {AMP_SQS_%s," % "".join("_" + c if c.isupper() and i else c
                                           for i, c in enumerate(action)).upper())
        print("     %s," % c_string(made["json"]["headers"]["X-Amz-Target"]))
        print("     %s," % c_string(made["json"]["body"]))
        print("     %s," % c_string(urlencode(made["query"]["body"], doseq=True)))
        print("     %s}," % c_string(shown(params)))
    print("};\n")


def print_digests():
    print("static const struct golden_digest golden_digests[] = {")
    for attributes in DIGESTS:
        print("    {%s, %d, {" % (c_string(md5_of(attributes)), len(attributes)))
        for name, value in attributes.items():
            binary = "BinaryValue" in value
            data = value["BinaryValue"] if binary else value["StringValue"].encode()
            print("        {GOLDEN(%s), GOLDEN(%s), GOLDEN(%s), %s}," % (
                c_string(name), c_string(value["DataType"]), c_string(data), str(binary).lower()))
        print("    }},")
    print("};\n")


def print_answers(models):
    for name, action, expected, as_json, result in ANSWERS:
        as_xml = xml(action, result or "", result is not None)
        check_answer(models, action, expected, as_json, as_xml)
        print("static const struct golden_answer golden_%s = {" % name)
        print("    %s,\n    %s};\n" % (c_string(as_json), c_string(as_xml)))


def main():
    models = {"json": model(sys.argv[1], "botocore-sqs-service-2.json"),
              "query": model(sys.argv[1], "sqs-query-service-2.json")}
    print("/* Made by sqs_golden.py: requests as botocore writes them, answers that it reads, MD5s apart from ours. */")
    print("/* clang-format off */")
    print_requests(models)
    print_digests()
    print_answers(models)
    print("/* clang-format on */")


main()
