"""What the calls promise (docs/PROTOCOL.md sections 3 and 4), seen from outside."""
import json
import time
import unittest

from harness import CARD, DaemonCase, card_number, far_from_midnight, parse_time, wait_until


class TokenTest(DaemonCase):
    def test_a_token_is_random_and_never_of_the_card(self):
        tokens = [self.client.tokenize() for _ in range(20)]
        self.assertEqual(len(set(tokens)), 20)
        for token in tokens:
            self.assertRegex(token, r"^tok_[A-Za-z0-9_-]{43}$")

    def test_the_answer_shows_the_card_masked(self):
        number = card_number("5500")
        answer = self.client.post("/v1/tokens", {"card": dict(CARD, number=number)})
        self.assertEqual(answer.json()["card"], {"brand": "mastercard", "bin": number[:6], "last4": number[-4:],
                                                 "exp_month": 12, "exp_year": 2030})
        for secret in (number, CARD["cvc"], CARD["name"]):
            self.assertNotIn(f'"{secret}"'.encode(), answer.body)

    def test_brands(self):
        for number, brand, cvc in (("4111111111111111", "visa", "123"), ("5555555555554444", "mastercard", "123"),
                                   ("2223003122003222", "mastercard", "123"), ("378282246310005", "amex", "1234"),
                                   ("6011111111111117", "discover", "123"), ("30569309025904", "diners", "123"),
                                   ("3530111333300000", "jcb", "123"), ("6250941006528599", "unionpay", "123"),
                                   ("6759649826438453", "maestro", "123"), (card_number("9"), "unknown", "1234")):
            answer = self.client.post("/v1/tokens", {"card": dict(CARD, number=number, cvc=cvc)})
            self.assertEqual(answer.json()["card"]["brand"], brand, number)
            taken = self.client.post("/v1/redeem", {"token": answer.json()["token"]})
            self.assertEqual(taken.json()["card"]["number"], number)

    def test_a_card_without_the_optional_members(self):
        bare = {name: CARD[name] for name in ("number", "exp_month", "exp_year")}
        token = self.client.tokenize(bare)
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).json()["card"], bare)

    def test_the_card_that_expires_this_month_is_good(self):
        far_from_midnight()
        now = time.gmtime()
        self.assertTrue(self.client.tokenize(dict(CARD, exp_month=now.tm_mon, exp_year=now.tm_year)))

    def test_data_comes_back_byte_for_byte(self):
        for data in ("1", "-0.0", "1e400", "12345678901234567890123", '""', '"\\u00e4\\/"', "null", "true", "[ 1,2 ,3]",
                     '{"b":1,  "a":{"x":[]}}', '"\U0001f600"', '"' + "x" * 100000 + '"'):
            made = self.client.post("/v1/tokens", f'{{"data":{data}}}'.encode())
            self.assertEqual(made.status, 201, (data[:50], made))
            self.assertNotIn("card", made.json())
            taken = self.client.post("/v1/redeem", {"token": made.json()["token"]})
            self.assertEqual(taken.body, f'{{"queue":"default","data":{data}}}'.encode())

    def test_metadata_and_queue_come_back(self):
        metadata = {"order": "42", "k" * 40: "v" * 500, "": "", "unicode": "\u20ac"}
        for queue in ("payments", "a-b_c", "x" * 80, "orders.fifo"):
            token = self.client.tokenize(queue=queue, metadata=metadata)
            taken = self.client.post("/v1/redeem", {"token": token}).json()
            self.assertEqual((taken["queue"], taken["metadata"]), (queue, metadata))

    def test_time_to_live(self):
        for wanted, expected in ((None, 10), (1000, 1), (900000, 900), (60001, 60.001)):
            before = time.time()
            answer = self.client.post("/v1/tokens", {"card": CARD, **({"ttl_ms": wanted} if wanted else {})})
            made = parse_time(answer.json()["expires_at"]) - expected
            self.assertTrue(before - 0.01 <= made <= time.time() + 0.01, (wanted, made))

    def test_headers_of_every_answer(self):
        for answer in (self.client.post("/v1/tokens", {"card": CARD}), self.client.post("/v1/redeem", {}),
                       self.client.get("/healthz", signed=False), self.client.get("/nowhere")):
            self.assertEqual(answer.headers["cache-control"], "no-store")
            self.assertRegex(answer.headers["x-request-id"], r"^[0-9a-f]{16}$")
            self.assertRegex(answer.headers["date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")

    def test_revoke(self):
        token = self.client.tokenize()
        self.assertEqual(self.client.post("/v1/revoke", {"token": token}).status, 204)
        for path in ("redeem", "claim", "inspect", "revoke"):
            gone = self.assert_refused(self.client.post("/v1/" + path, {"token": token}), 410, "token_gone")
            self.assertEqual(gone["reason"], "revoked")


class NothingIsConsumedTest(DaemonCase):
    def test_by_inspecting(self):
        token = self.client.tokenize(queue="payments", ttl_ms=60000)
        for _ in range(5):
            seen = self.client.post("/v1/inspect", {"token": token}).json()
            self.assertEqual((seen["state"], seen["queue"], seen["kind"]), ("active", "payments", "card"))
            self.assertEqual(seen["card"]["last4"], "1111")
            self.assertNotIn(CARD["number"], json.dumps(seen))
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).status, 200)

    def test_by_get_or_head(self):
        token = self.client.tokenize()
        for method in ("GET", "HEAD"):
            for path in ("/v1/redeem", f"/v1/redeem?token={token}", "/v1/claim", f"/v1/tokens/{token}"):
                answer = self.client.request(method, path, json.dumps({"token": token}).encode())
                self.assertIn(answer.status, (404, 405), path)
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).status, 200)

    def test_by_being_refused(self):
        token = self.client.tokenize()
        self.assertEqual(self.client.post("/v1/redeem", {"token": token, "x": 1}).code, "unknown_field")
        self.assertEqual(self.client.post("/v1/redeem", {"token": token},
                                          headers={"content-type": "text/plain"}).status, 415)
        self.assertEqual(self.client.post("/v1/claim", {"token": token, "lease_ms": 0}).code, "lease_invalid")
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).status, 200)


class LeaseTest(DaemonCase):
    def test_a_claim_holds_alone(self):
        token = self.client.tokenize()
        claim = self.client.post("/v1/claim", {"token": token, "lease_ms": 20000})
        self.assertEqual((claim.status, claim.json()["card"]), (200, CARD))
        self.assertRegex(claim.json()["claim"], r"^clm_[A-Za-z0-9_-]{43}$")
        self.assertEqual(self.client.post("/v1/inspect", {"token": token}).json()["state"], "claimed")
        for path in ("claim", "redeem", "revoke"):
            answer = self.client.post("/v1/" + path, {"token": token})
            self.assert_refused(answer, 409, "token_claimed")
            self.assert_event(answer, code="token_claimed", alarm=True if path != "revoke" else None)
        self.assertEqual(self.client.post("/v1/commit", {"claim": claim.json()["claim"]}).status, 204)
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).json()["reason"], "used")

    def test_an_abort_frees(self):
        token = self.client.tokenize()
        for _ in range(3):
            claim = self.client.post("/v1/claim", {"token": token}).json()["claim"]
            self.assertEqual(self.client.post("/v1/abort", {"claim": claim}).status, 204)
            self.assert_refused(self.client.post("/v1/commit", {"claim": claim}), 410, "claim_gone")
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).status, 200)

    def test_a_lease_runs_out_and_frees(self):
        token = self.client.tokenize(ttl_ms=60000)
        claim = self.client.post("/v1/claim", {"token": token, "lease_ms": 300}).json()["claim"]
        wait_until(lambda: self.client.post("/v1/inspect", {"token": token}).json()["state"] == "active",
                   what="the end of the lease")
        self.assert_refused(self.client.post("/v1/commit", {"claim": claim}), 410, "claim_gone")
        again = self.client.post("/v1/claim", {"token": token})
        self.assertEqual(again.status, 200)
        self.assertNotEqual(again.json()["claim"], claim)

    def test_a_claim_defers_expiry_to_its_end_and_not_past_it(self):
        _, claim = self.claimed_beyond_its_time(lease_ms=30000)
        self.assertEqual(self.client.post("/v1/commit", {"claim": claim}).status, 204)
        token, claim = self.claimed_beyond_its_time(lease_ms=2500)
        wait_until(lambda: self.client.post("/v1/inspect", {"token": token}).status == 410, what="its end")
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).json()["reason"], "expired")
        self.assert_refused(self.client.post("/v1/commit", {"claim": claim}), 410, "claim_gone")

    def claimed_beyond_its_time(self, lease_ms):
        """(token, claim): the token's own time is over, the claim was made within it."""
        made = self.client.post("/v1/tokens", {"card": CARD, "ttl_ms": 2000}).json()
        claim = self.client.post("/v1/claim", {"token": made["token"], "lease_ms": lease_ms})
        self.assertEqual(claim.status, 200, claim)
        time.sleep(max(0, parse_time(made["expires_at"]) - time.time()) + 0.01)
        return made["token"], claim.json()["claim"]

    def test_an_abort_after_expiry_expires(self):
        token, claim = self.claimed_beyond_its_time(lease_ms=30000)
        self.assertEqual(self.client.post("/v1/abort", {"claim": claim}).status, 204)
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).json()["reason"], "expired")

    def test_somebody_elses_claim(self):
        token = self.client.tokenize()
        claim = self.client.post("/v1/claim", {"token": token}).json()["claim"]
        other = self.daemon.new_key("all", name="other")
        self.addCleanup(other.close)
        for path in ("commit", "abort"):
            self.assert_refused(other.post("/v1/" + path, {"claim": claim}), 404, "claim_unknown")
        self.assert_refused(other.post("/v1/claim", {"token": token}), 409, "token_claimed")
        self.assertEqual(self.client.post("/v1/commit", {"claim": claim}).status, 204)

    def test_the_next_key_of_a_rotation_goes_on(self):
        first = self.daemon.new_key("all", name="rotating")
        self.addCleanup(first.close)
        claim = first.post("/v1/claim", {"token": first.tokenize()}).json()["claim"]
        made = json.loads(self.daemon.admin("rotate", first.signer.credentials.access_key, "--json").stdout)
        second = self.daemon.client(made["key_id"], made["secret"])
        self.addCleanup(second.close)
        self.assertEqual(second.post("/v1/commit", {"claim": claim}).status, 204)

    def test_reuse_raises_an_alarm(self):
        token = self.client.tokenize()
        first = self.client.post("/v1/redeem", {"token": token})
        again = self.client.post("/v1/redeem", {"token": token})
        self.assert_refused(again, 410, "token_gone")
        events = self.assert_events([(first, {"outcome": "success", "alarm": None}),
                                     (again, {"outcome": "refused", "code": "token_gone", "alarm": True})])
        self.assertEqual(events[0]["token"], events[1]["token"])
        self.assertRegex(events[0]["token"], r"^[0-9a-f]{32}$")


class IdempotencyTest(DaemonCase):
    def post(self, path, body, key, **options):
        return self.client.post(path, body, headers={"idempotency-key": key}, **options)

    def test_tokenize(self):
        body = {"card": CARD, "ttl_ms": 60000}
        first = self.post("/v1/tokens", body, "order-42")
        again = self.post("/v1/tokens", body, "order-42")
        self.assertEqual((first.status, again.status), (201, 201))
        self.assertEqual(first.json(), again.json())
        self.assertNotEqual(self.post("/v1/tokens", body, "order-43").json()["token"], first.json()["token"])
        self.assert_refused(self.post("/v1/tokens", dict(body, ttl_ms=50000), "order-42"), 422, "idempotency_mismatch")
        self.client.post("/v1/redeem", {"token": first.json()["token"]})
        gone = self.assert_refused(self.post("/v1/tokens", body, "order-42"), 410, "token_gone")
        self.assertEqual(gone["reason"], "used")

    def test_another_principal_has_keys_of_its_own(self):
        other = self.daemon.new_key("all", name="with-own-keys")
        self.addCleanup(other.close)
        mine = self.post("/v1/tokens", {"card": CARD}, "shared")
        theirs = other.post("/v1/tokens", {"card": CARD}, headers={"idempotency-key": "shared"})
        self.assertNotEqual(mine.json()["token"], theirs.json()["token"])

    def test_another_path_has_keys_of_its_own(self):
        token = self.post("/v1/tokens", {"card": CARD}, "k").json()["token"]
        self.assertEqual(self.post("/v1/claim", {"token": token}, "k").status, 200)

    def test_claim(self):
        token = self.client.tokenize()
        body = {"token": token, "lease_ms": 20000}
        first, again = (self.post("/v1/claim", body, "attempt") for _ in range(2))
        self.assertEqual((first.status, again.status), (200, 200))
        self.assertEqual(first.json(), again.json())
        self.assert_refused(self.post("/v1/claim", body, "other-attempt"), 409, "token_claimed")
        self.client.post("/v1/commit", {"claim": first.json()["claim"]})
        self.assert_refused(self.post("/v1/claim", body, "attempt"), 410, "claim_gone")

    def test_redeem_never_tells_the_card_twice(self):
        token = self.client.tokenize()
        first = self.post("/v1/redeem", {"token": token}, "once")
        again = self.post("/v1/redeem", {"token": token}, "once")
        self.assertEqual(first.status, 200)
        self.assertEqual(self.assert_refused(again, 410, "token_gone")["reason"], "used")
        self.assert_event(again, alarm=None)

    def test_what_ends_is_repeatable(self):
        claim = self.client.post("/v1/claim", {"token": self.client.tokenize()}).json()["claim"]
        token = self.client.tokenize()
        for path, body in (("/v1/commit", {"claim": claim}), ("/v1/revoke", {"token": token})):
            self.assertEqual([self.post(path, body, "end").status for _ in range(3)], [204] * 3)
            self.assertEqual(self.client.post(path, body).status, 410)

    def test_batch(self):
        body = {"items": [{"card": CARD}, {"card": dict(CARD, number="4111111111111112")}, {"data": [1]}]}
        first, again = (self.post("/v1/tokens/batch", body, "batch") for _ in range(2))
        self.assertEqual(first.json(), again.json())
        self.assertEqual([("token" in result) for result in first.json()["results"]], [True, False, True])

    def test_a_failed_request_leaves_the_key_free(self):
        self.assertEqual(self.post("/v1/tokens", {"card": dict(CARD, number="4")}, "free").status, 422)
        self.assertEqual(self.post("/v1/tokens", {"card": CARD}, "free").status, 201)


class BatchTest(DaemonCase):
    def test_a_hundred(self):
        numbers = [card_number() for _ in range(100)]
        answer = self.client.post("/v1/tokens/batch", {"items": [{"card": dict(CARD, number=n), "ttl_ms": 600000}
                                                                    for n in numbers]})
        self.assertEqual(answer.status, 200)
        for number, result in zip(numbers, answer.json()["results"], strict=True):
            self.assertEqual(result["card"]["last4"], number[-4:])
            taken = self.client.post("/v1/redeem", {"token": result["token"]})
            self.assertEqual(taken.json()["card"]["number"], number)

    def test_items_stand_or_fall_alone(self):
        items = [{"card": CARD}, {"card": {}}, {"data": {"iban": "DE89"}, "queue": "q"}, {"card": CARD, "ttl_ms": -1},
                 {"card": CARD, "queue": "!"}, {}]
        results = self.client.post("/v1/tokens/batch", {"items": items}).json()["results"]
        self.assertEqual([result.get("error", {}).get("code") for result in results],
                         [None, "missing_field", None, "ttl_invalid", "queue_invalid", "card_or_data"])
        for result in results:
            if "error" in result:
                self.assertEqual(sorted(result["error"]), ["code", "detail", "status"])

    def test_broken_json_fails_all(self):
        answer = self.client.post("/v1/tokens/batch", b'{"items":[{"card":' + json.dumps(CARD).encode() + b"},{]}")
        self.assert_refused(answer, 400, "malformed_json")

    def test_each_item_has_a_record(self):
        answer = self.client.post("/v1/tokens/batch", {"items": [{"card": CARD}, {"card": {}}, {"data": 1}]})
        request = answer.headers["x-request-id"]

        def records():
            found = [event for event in self.daemon.events() if event.get("request") == request]
            return found if len(found) == 3 else None
        self.assertEqual([event["outcome"] for event in wait_until(records)], ["success", "refused", "success"])


class QueueTest(DaemonCase):
    """Grants hold for the queue that a token was made for."""

    def test_each_queue_for_itself(self):
        shop = self.daemon.new_key("tokenize:payments", "tokenize:refunds", name="shop")
        gateway = self.daemon.new_key("claim,inspect:payments", name="gateway")
        for client in (shop, gateway):
            self.addCleanup(client.close)
        paid = shop.tokenize(queue="payments")
        refund = shop.tokenize(queue="refunds")
        self.assert_refused(shop.post("/v1/tokens", {"card": CARD, "queue": "other"}), 403, "not_permitted")
        self.assert_refused(shop.post("/v1/tokens", {"card": CARD}), 403, "not_permitted")
        self.assert_refused(shop.post("/v1/redeem", {"token": paid}), 403, "not_permitted")
        for path in ("inspect", "claim", "redeem"):
            self.assert_refused(gateway.post("/v1/" + path, {"token": refund}), 403, "not_permitted")
        self.assert_refused(gateway.post("/v1/revoke", {"token": paid}), 403, "not_permitted")
        self.assertEqual(gateway.post("/v1/inspect", {"token": paid}).status, 200)
        self.assertEqual(gateway.post("/v1/redeem", {"token": paid}).json()["card"], CARD)
        self.assertEqual(self.client.post("/v1/redeem", {"token": refund}).status, 200)

    def test_a_mixed_batch(self):
        shop = self.daemon.new_key("tokenize:payments", name="mixed")
        self.addCleanup(shop.close)
        answer = shop.post("/v1/tokens/batch", {"items": [{"card": CARD, "queue": "payments"}, {"card": CARD}]})
        self.assertIn("token", answer.json()["results"][0])
        self.assertEqual(answer.json()["results"][1]["error"]["code"], "not_permitted")

    def test_names_that_look_alike(self):
        shop = self.daemon.new_key("tokenize:pay", name="alike")
        self.addCleanup(shop.close)
        for queue in ("pay.fifo", "Pay", "pay-", "pa", "payments"):
            self.assert_refused(shop.post("/v1/tokens", {"card": CARD, "queue": queue}), 403, "not_permitted")

    def test_rate_limit(self):
        client = self.daemon.new_key("all", name="limited", rate=2, burst=5)
        other = self.daemon.new_key("all", name="unlimited")
        for each in (client, other):
            self.addCleanup(each.close)
        started, taken = time.monotonic(), 0
        while (refused := client.post("/v1/tokens", {"card": CARD})).status == 201:
            taken += 1
            self.assertLessEqual(taken, 5 + 1 + 2 * (time.monotonic() - started))
        self.assertGreaterEqual(taken, 5)
        problem = self.assert_refused(refused, 429, "rate_limited")
        self.assertEqual(refused.headers["retry-after"], str(problem["retry_after"]))
        self.assertGreaterEqual(problem["retry_after"], 1)
        self.assertTrue(other.tokenize())
        wait_until(lambda: client.post("/v1/tokens", {"card": CARD}).status == 201,
                   what="a new drop in the bucket")

    def test_rate_is_shared_by_the_keys_of_a_rotation(self):
        first = self.daemon.new_key("all", name="shared-rate", rate=1, burst=4)
        made = json.loads(self.daemon.admin("rotate", first.signer.credentials.access_key, "--json").stdout)
        second = self.daemon.client(made["key_id"], made["secret"])
        for each in (first, second):
            self.addCleanup(each.close)
        started, statuses = time.monotonic(), []
        while 429 not in statuses[-2:]:
            statuses += [client.post("/v1/tokens", {"card": CARD}).status for client in (first, second)]
            self.assertLessEqual(statuses.count(201), 4 + 1 + time.monotonic() - started)


if __name__ == "__main__":
    unittest.main()
