"""Every route that the daemon says it has: none acts for a stranger, nor for a principal without the permission."""
import itertools
import json
import os
import unittest

from harness import CARD, ROOT, DaemonCase, random_token

WORDS = ("tokenize", "claim", "inspect", "revoke", "send", "receive", "manage")
# How the SQS API tells what the native one tells by these codes.
AWS = {"not_signed": (403, "MissingAuthenticationTokenException"),
       "signature_mismatch": (403, "InvalidSignatureException"),
       "presigned_refused": (400, "IncompleteSignatureException"),
       "not_permitted": (403, "AccessDeniedException")}
QUEUES = (f"queue-{number}" for number in itertools.count())


class Call:
    """One operation of the document, with a request that would be right."""

    def __init__(self, method, template, operation, service):
        self.method = method
        self.template = template
        self.operation = operation
        self.service = service
        self.permission = "send" if service == "sqs" else operation["x-ampoule-permission"]
        self.path = template
        self.body = None
        self.headers = {}

    def __repr__(self):
        return f"{self.method} {self.path}"

    def ask(self, client, body="own", path=None, headers=None, **options):
        return client.request(self.method, path or self.path, self.body if body == "own" else body,
                              headers={**self.headers, **(headers or {})}, **options)


class RoutesTest(DaemonCase):
    def setUp(self):
        super().setUp()
        answer = self.client.get("/openapi.json", signed=False)
        self.assertEqual(answer.status, 200)
        self.document = answer.json()
        self.served = answer.body

    def operations(self):
        """(method, path, operation) of all that the document has."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                if method in ("get", "post", "put", "delete", "patch", "head"):
                    yield method.upper(), path, operation

    def signed_calls(self):
        for method, path, operation in self.operations():
            security = operation.get("security", self.document["security"])
            if security:
                call = Call(method, path, operation, "sqs" if "sigv4sqs" in security[0] else "ampoule")
                self.make_right(call)
                yield call

    def make_right(self, call):
        """Gives it what it asks for: a token of its own, a subscription of its own, a queue."""
        if call.service == "sqs":
            call.path = call.path.replace("{id}", "default")
            call.headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage"}
            call.body = {"QueueUrl": self.daemon.url + "/000000000000/default", "MessageBody": "x"}
        elif "{id}" in call.path:
            made = self.client.post("/v1/subscriptions", self.subscription())
            self.assertEqual(made.status, 201, made)
            call.path = call.path.replace("{id}", made.json()["id"])
            call.body = {} if call.method == "POST" else None
        elif call.method == "POST":
            good = {"/v1/tokens": lambda: {"card": CARD},
                    "/v1/tokens/batch": lambda: {"items": [{"card": CARD}, {"data": 1}]},
                    "/v1/commit": lambda: {"claim": random_token("clm")},
                    "/v1/abort": lambda: {"claim": random_token("clm")},
                    "/v1/subscriptions": self.subscription}
            call.body = good.get(call.path, lambda: {"token": self.client.tokenize(ttl_ms=600000)})()

    def subscription(self):
        return {"queue": next(QUEUES), "url": "https://127.0.0.1:1/"}

    def client_for(self, call, client=None, **keys):
        """Of the same principal, for this call's API."""
        if client is not None:
            keys = {"key_id": client.signer.credentials.access_key, "secret": client.signer.credentials.secret_key}
        made = self.daemon.client(service=call.service, **keys)
        self.addCleanup(made.close)
        return made

    def assert_refused_in_form(self, call, answer, status, code):
        if call.method == "HEAD":
            self.assertEqual((answer.status, answer.body), (status, b""), call)
        elif call.service == "sqs":
            status, name = AWS[code]
            self.assertEqual((answer.status, answer.json()["__type"]), (status, "com.amazonaws.sqs#" + name), call)
            self.assertEqual(answer.headers["content-type"], "application/x-amz-json-1.0")
            self.assertTrue(answer.headers["x-amzn-query-error"].endswith(";Sender"), answer.headers)
        else:
            self.assert_refused(answer, status, code)

    def test_the_document_is_the_file(self):
        with open(os.path.join(ROOT, "docs", "openapi.json"), "rb") as file:
            self.assertEqual(json.loads(self.served), json.load(file))

    def test_there_are_routes(self):
        """So that the loops below do something."""
        calls = list(self.signed_calls())
        self.assertEqual(len(calls), 18)
        self.assertEqual(sum(call.service == "sqs" for call in calls), 2)
        self.assertEqual({path for _, path, operation in self.operations()
                          if not operation.get("security", self.document["security"])},
                         {"/healthz", "/readyz", "/openapi.json"})

    def test_each_refuses_an_unsigned_request(self):
        for call in self.signed_calls():
            with self.subTest(call):
                answer = call.ask(self.client, signed=False)
                self.assert_refused_in_form(call, answer, 401, "not_signed")
                self.assert_whole(call)

    def test_each_refuses_a_wrong_signature(self):
        for call in self.signed_calls():
            with self.subTest(call):
                answer = call.ask(self.client_for(call, secret="A" * 43))
                self.assert_refused_in_form(call, answer, 401, "signature_mismatch")
                self.assert_whole(call)

    def test_each_refuses_the_other_apis_signature(self):
        for call in self.signed_calls():
            with self.subTest(call):
                other = self.daemon.client(service="ampoule" if call.service == "sqs" else "sqs")
                self.addCleanup(other.close)
                answer = call.ask(other)
                self.assertEqual(answer.status, 403 if call.service == "sqs" else 401, answer)
                self.assert_whole(call)

    def test_each_refuses_credentials_in_other_places(self):
        for call in self.signed_calls():
            with self.subTest(call):
                secret = self.daemon.secret
                for headers in ({"authorization": f"Bearer {secret}"}, {"x-api-key": secret},
                                {"cookie": f"key={secret}"}):
                    answer = call.ask(self.client, signed=False, headers=headers)
                    self.assertIn(answer.status, (400, 403) if call.service == "sqs" else (401,), answer)
                answer = call.ask(self.client, path=f"{call.path}?X-Amz-Signature={'0' * 64}", signed=False)
                self.assert_refused_in_form(call, answer, 401, "presigned_refused")

    def test_each_refuses_a_principal_with_every_permission_but_its_own(self):
        for call in self.signed_calls():
            with self.subTest(call):
                self.assertIn(call.permission, WORDS)
                key = self.daemon.new_key(",".join(word for word in WORDS if word != call.permission),
                                          name="no-" + call.permission)
                self.addCleanup(key.close)
                if call.body and "claim" in call.body:
                    claim = self.client.post("/v1/claim", {"token": self.client.tokenize()}).json()["claim"]
                    call.body = {"claim": claim}
                answer = call.ask(self.client_for(call, key))
                self.assert_not_his(call, answer)
                self.assert_whole(call)
                if answer.status == 403:
                    self.assert_event(answer, outcome="refused", code="not_permitted",
                                      who=key.signer.credentials.access_key)

    def assert_not_his(self, call, answer):
        """What is somebody else's does not exist for him; what does not exist has no queue."""
        if call.template in ("/v1/commit", "/v1/abort"):
            self.assert_refused(answer, 404, "claim_unknown")
        elif call.template.startswith("/v1/subscriptions/"):
            self.assert_refused(answer, 404, "subscription_unknown")
        else:
            self.assert_refused_in_form(call, answer, 403, "not_permitted")

    def test_each_refuses_the_permission_for_another_queue(self):
        for call in self.signed_calls():
            with self.subTest(call):
                key = self.daemon.new_key(f"{call.permission}:elsewhere", name=f"{call.permission}-elsewhere")
                self.addCleanup(key.close)
                answer = call.ask(self.client_for(call, key))
                if call.template == "/v1/tokens/batch":
                    self.assertEqual([result["error"]["code"] for result in answer.json()["results"]],
                                     ["not_permitted"] * 2)
                elif (call.method, call.template) == ("GET", "/v1/subscriptions"):
                    self.assertEqual(answer.json(), {"subscriptions": []})
                elif (call.method, call.template) != ("HEAD", "/v1/subscriptions"):
                    self.assert_not_his(call, answer)
                self.assert_whole(call)

    def test_open_endpoints_need_nothing(self):
        for path in ("/healthz", "/readyz", "/openapi.json"):
            answer = self.client.get(path, signed=False)
            self.assertEqual(answer.status, 200)
            head = self.client.request("HEAD", path, signed=False)
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(head.headers["content-length"], str(len(answer.body)))

    def test_answers_are_as_described(self):
        """Each status that the calls give here is one that the document lists for them."""
        for call in self.signed_calls():
            client = self.client_for(call)
            for answer in (call.ask(client, signed=False), call.ask(client), call.ask(client, body={})):
                self.assertIn(str(answer.status), call.operation["responses"], (call, answer))

    def assert_whole(self, call):
        """The token or subscription that was asked for is still there, as it was."""
        if call.body and "token" in call.body:
            self.assertEqual(self.client.post("/v1/inspect", {"token": call.body["token"]}).json()["state"], "active")
        if call.template.startswith("/v1/subscriptions/"):
            listed = self.client.get("/v1/subscriptions").json()["subscriptions"]
            self.assertIn(call.path.split("/")[3], [subscription["id"] for subscription in listed])


if __name__ == "__main__":
    unittest.main()
