"""The SQS API without an SDK, in both of its protocols: what no SDK would send, and what it would hide."""
import json
import re
import secrets
import string
import urllib.parse

from harness import Client, raw_request

JSON_TYPE = "application/x-amz-json-1.0"
FORM_TYPE = "application/x-www-form-urlencoded"


def unique_name(suffix=""):
    """Of letters: what could be a card number is no queue's name."""
    return "q-" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(16)) + suffix


def queue_url(daemon, name):
    return f"{daemon.url}/000000000000/{name}"


def queue_arn(daemon, name):
    return f"arn:aws:sqs:{daemon.region}:000000000000:{name}"


def error_of(answer):
    """AWS's code of an error answer, which header, JSON and XML agree on; None of a success."""
    if answer.headers["x-amzn-requestid"] != answer.headers["x-request-id"]:
        raise AssertionError(f"two names, two ids: {answer!r}")
    if answer.status == 200:
        return None
    code, fault = answer.headers["x-amzn-query-error"].split(";")
    if (fault == "Sender") != (answer.status < 500):
        raise AssertionError(f"the fault does not fit the status: {answer!r}")
    if answer.headers["content-type"].startswith(JSON_TYPE):
        if not answer.json()["__type"].startswith("com.amazonaws.sqs#") or not answer.json()["message"]:
            raise AssertionError(f"no error of AWS JSON: {answer!r}")
    elif f"<Code>{code}</Code>".encode() not in answer.body:
        raise AssertionError(f"no error of the query protocol: {answer!r}")
    return code


def form_of(action, members):
    """The query protocol's form: lists and structures flattened by their names there, given as they are."""
    return urllib.parse.urlencode({"Action": action, "Version": "2012-11-05", **members}).encode()


class Sqs:
    """Signed calls over one keep-alive connection. Members are the JSON protocol's; of the query protocol: its own."""

    def __init__(self, daemon, key=None):
        """`key`: a Client of it; None: the one that may do everything."""
        self.daemon = daemon
        signer = key.signer.credentials if key else None
        self.client = Client(daemon, signer and signer.access_key, signer and signer.secret_key, "sqs")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def url(self, name):
        return queue_url(self.daemon, name)

    def json(self, action, members=None, **signing):
        body = members if isinstance(members, bytes) else json.dumps(members or {}).encode()
        return self.client.post("/", body, headers={"content-type": JSON_TYPE, "x-amz-target": "AmazonSQS." + action},
                                **signing)

    def form(self, action, members=None, path="/", **signing):
        body = members if isinstance(members, bytes) else form_of(action, members or {})
        return self.client.post(path, body, headers={"content-type": FORM_TYPE}, **signing)

    def call(self, action, **members):
        """The answer's members; AssertionError where it is refused."""
        answer = self.json(action, members)
        if answer.status != 200:
            raise AssertionError(f"{action}: {answer!r}")
        return answer.json()

    def create(self, name, attributes=None, tags=None):
        self.call("CreateQueue", QueueName=name, Attributes=attributes or {}, tags=tags or {})
        return self.url(name)

    def send(self, url, body, **members):
        return self.call("SendMessage", QueueUrl=url, MessageBody=body, **members)

    def send_many(self, url, bodies):
        """In batches; how many were taken."""
        taken = 0
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies[start:start + 10])]
            taken += len(self.call("SendMessageBatch", QueueUrl=url, Entries=entries).get("Successful", []))
        return taken

    def receive(self, url, **members):
        return self.call("ReceiveMessage", QueueUrl=url, **members).get("Messages", [])

    def delete_many(self, url, messages):
        if messages:
            entries = [{"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
                       for place, message in enumerate(messages)]
            failed = self.call("DeleteMessageBatch", QueueUrl=url, Entries=entries).get("Failed")
            if failed:
                raise AssertionError(f"not deleted: {failed}")

    def drain(self, url):
        """The bodies of all that can be received now; they are deleted."""
        bodies = []
        while True:
            messages = self.receive(url, MaxNumberOfMessages=10)
            if not messages:
                return bodies
            bodies += [message["Body"] for message in messages]
            self.delete_many(url, messages)

    def counts(self, url):
        """(visible, in flight, delayed)"""
        attributes = self.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return tuple(int(attributes["ApproximateNumberOfMessages" + kind]) for kind in ("", "NotVisible", "Delayed"))

    def signed(self, action, members, fresh=True):
        """The bytes of a request in the JSON protocol, for a connection of one's own."""
        body = json.dumps(members).encode()
        fields = self.client.signer.headers(
            "POST", self.daemon.url + "/", body,
            {"content-type": JSON_TYPE, "x-amz-target": "AmazonSQS." + action}, fresh=fresh)
        return raw_request("POST", "/", f"{self.daemon.host}:{self.daemon.port}",
                           {**fields, "content-length": len(body)}, body)

    def signed_form(self, action, members, fresh=True):
        body = form_of(action, members)
        fields = self.client.signer.headers("POST", self.daemon.url + "/", body, {"content-type": FORM_TYPE},
                                            fresh=fresh)
        return raw_request("POST", "/", f"{self.daemon.host}:{self.daemon.port}",
                           {**fields, "content-length": len(body)}, body)


def message_ids(answer):
    """Of a success in either protocol."""
    return re.findall(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?=\"|</MessageId>)", answer.body)
