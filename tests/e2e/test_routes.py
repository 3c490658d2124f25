"""Every route that the daemon says it has: none acts for a stranger, nor for a principal without the permission."""
import json
import os
import unittest

from harness import CARD, ROOT, DaemonCase, random_token

GOOD_BODIES = {
    "/v1/tokens": lambda: {"card": CARD},
    "/v1/tokens/batch": lambda: {"items": [{"card": CARD}, {"data": 1}]},
    "/v1/commit": lambda: {"claim": random_token("clm")},
    "/v1/abort": lambda: {"claim": random_token("clm")},
}


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

    def signed_operations(self):
        """Those that need a signature, with a body that would be right."""
        for method, path, operation in self.operations():
            if operation.get("security", self.document["security"]):
                body = GOOD_BODIES.get(path, lambda: {"token": self.client.tokenize(ttl_ms=600000)})()
                yield method, path, operation, body

    def test_the_document_is_the_file(self):
        with open(os.path.join(ROOT, "docs", "openapi.json"), "rb") as file:
            self.assertEqual(json.loads(self.served), json.load(file))

    def test_there_are_routes(self):
        """So that the loops below do something."""
        self.assertEqual(len(list(self.signed_operations())), 8)
        self.assertEqual({path for _, path, operation in self.operations()
                          if not operation.get("security", self.document["security"])},
                         {"/healthz", "/readyz", "/openapi.json"})

    def test_each_refuses_an_unsigned_request(self):
        for method, path, _, body in self.signed_operations():
            with self.subTest(path):
                answer = self.client.request(method, path, body, signed=False)
                self.assert_refused(answer, 401, "not_signed")
                self.assert_whole(body)

    def test_each_refuses_a_wrong_signature(self):
        forger = self.daemon.client(secret="A" * 43)
        self.addCleanup(forger.close)
        for method, path, _, body in self.signed_operations():
            with self.subTest(path):
                self.assert_refused(forger.request(method, path, body), 401, "signature_mismatch")
                self.assert_whole(body)

    def test_each_refuses_credentials_in_other_places(self):
        for method, path, _, body in self.signed_operations():
            with self.subTest(path):
                secret = self.daemon.secret
                for headers in ({"authorization": f"Bearer {secret}"}, {"x-api-key": secret},
                                {"cookie": f"key={secret}"}):
                    answer = self.client.request(method, path, body, signed=False, headers=headers)
                    self.assertEqual(answer.status, 401, answer)
                answer = self.client.request(method, f"{path}?X-Amz-Signature={'0' * 64}", body, signed=False)
                self.assert_refused(answer, 401, "presigned_refused")

    def test_each_refuses_a_principal_with_every_permission_but_its_own(self):
        words = ("tokenize", "claim", "inspect", "revoke")
        for method, path, operation, body in self.signed_operations():
            with self.subTest(path):
                wanted = operation["x-ampoule-permission"]
                self.assertIn(wanted, words)
                other = self.daemon.new_key(",".join(word for word in words if word != wanted), name="no-" + wanted)
                self.addCleanup(other.close)
                if "claim" in body:
                    body = {"claim": self.client.post("/v1/claim", {"token": self.client.tokenize()}).json()["claim"]}
                answer = other.request(method, path, body)
                if path in ("/v1/commit", "/v1/abort"):
                    # Somebody else's claim does not exist for him, and what does not exist has no queue.
                    self.assert_refused(answer, 404, "claim_unknown")
                    self.assertEqual(self.client.post("/v1/commit", body).status, 204)
                else:
                    self.assert_refused(answer, 403, "not_permitted")
                    self.assert_whole(body)
                    self.assert_event(answer, outcome="refused", code="not_permitted",
                                      who=other.signer.credentials.access_key)

    def test_each_refuses_the_permission_for_another_queue(self):
        for method, path, operation, body in self.signed_operations():
            with self.subTest(path):
                wanted = operation["x-ampoule-permission"]
                other = self.daemon.new_key(f"{wanted}:elsewhere", name=f"{wanted}-elsewhere")
                self.addCleanup(other.close)
                answer = other.request(method, path, body)
                if path == "/v1/tokens/batch":
                    self.assertEqual([result["error"]["code"] for result in answer.json()["results"]],
                                     ["not_permitted"] * 2)
                elif "claim" in body:
                    self.assert_refused(answer, 404, "claim_unknown")
                else:
                    self.assert_refused(answer, 403, "not_permitted")
                    self.assert_whole(body)

    def test_open_endpoints_need_nothing(self):
        for path in ("/healthz", "/readyz", "/openapi.json"):
            answer = self.client.get(path, signed=False)
            self.assertEqual(answer.status, 200)
            head = self.client.request("HEAD", path, signed=False)
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(head.headers["content-length"], str(len(answer.body)))

    def test_answers_are_as_described(self):
        """Each status that the calls give here is one that the document lists for them."""
        for method, path, operation, body in self.signed_operations():
            for answer in (self.client.request(method, path, body, signed=False),
                           self.client.request(method, path, body),
                           self.client.request(method, path, {})):
                self.assertIn(str(answer.status), operation["responses"], (path, answer))

    def assert_whole(self, body):
        """The token that was asked for is still there."""
        if "token" in body:
            self.assertEqual(self.client.post("/v1/inspect", {"token": body["token"]}).json()["state"], "active")


if __name__ == "__main__":
    unittest.main()
