"""Push: copies for subscribers, endpoints that fail in every way, subscriptions that come, change and go."""
import json

from harness import free_port, wait_until
from receiver import Reply
from sqs import unique_name
from test_push_secrecy import ec_jwk, rsa_jwk


def copies(stage):
    """The mask to one, a JWE to each that has a key, and one that repeats to us what it got."""
    queue = unique_name()
    stage.subscribe(queue, "/plain", lambda hook: Reply(200, body=hook.body))
    stage.subscribe(queue, "/p256", jwk=ec_jwk("P-256", "P-256", 32))
    stage.subscribe(queue, "/p384", jwk=ec_jwk("P-384", "P-384", 48))
    stage.subscribe(queue, "/rsa", jwk=rsa_jwk())
    for i in range(5):
        token = stage.token(f"{i}", queue=queue, metadata={"a": stage.word("metadata")}, ttl_ms=600000)
        if i % 2:
            stage.note_token(token, "redeemed")
            stage.post("/v1/redeem", {"token": token})
    stage.post("/v1/tokens/batch", {"items": [{"card": stage.card("batch"), "queue": queue} for _ in range(5)]})
    stage.wait_pushed()


def failing_endpoints(stage):
    """Down, 500, slow, broken off, redirecting, in the end gone: what they were sent is a client's text."""
    queue = unique_name()
    ways = {"/500": Reply(500, body=b"no"), "/stall": Reply(way="stall"), "/reset": Reply(way="reset"),
            "/hang": Reply(way="hang_up"), "/cut": Reply(200, body=b"abc", way="cut_body"),
            "/redirect": Reply(302, {"location": stage.receiver.url("/elsewhere")}), "/gone": Reply(410)}
    for path, way in ways.items():
        stage.subscribe(queue, path, way)
    stage.post("/v1/subscriptions", {"queue": queue, "url": f"https://127.0.0.1:{free_port()}/down"}, 201)
    for detail in ("small", "large"):
        body = json.dumps({"text": stage.word(detail), "filler": "x" * (100_000 if detail == "large" else 0)})
        sent = stage.sqs.send(stage.sqs.url(queue), body)
    stage.token("tokenized", queue=queue, ttl_ms=1500)
    wait_until(lambda: len(stage.receiver.at("/500")) >= 6 and stage.receiver.at("/stall"), what=f"attempts of {sent}")
    stage.sqs.call("PurgeQueue", QueueUrl=stage.sqs.url(queue))
    for entry in stage.client.get("/v1/subscriptions").json()["subscriptions"]:
        if entry["queue"] == queue:
            stage.expect(stage.client.delete("/v1/subscriptions/" + entry["id"]), 204)
    stage.wait_pushed()


def subscriptions(stage):
    """Made, tested, rotated, repeated, refused, deleted."""
    queue = unique_name()
    made = stage.subscribe(queue, "/life")
    stage.post(f"/v1/subscriptions/{made}/test", {})
    headers = {"idempotency-key": stage.word("key")}
    for _ in range(2):
        rotated = stage.post(f"/v1/subscriptions/{made}/rotate", {}, headers=headers)
    stage.daemon.plant_webhook_secret(rotated["secret"], stage.where("rotated"))
    stage.token("signed twice", queue=queue)
    private = dict(ec_jwk("P-256", "P-256", 32), d=stage.word("private key", length=43))
    for members in ({"jwk": private}, {"jwk": {"kty": stage.word("kind")}}, {"secret": stage.word("secret")},
                    {"url": f"https://user:{stage.word('password')}@127.0.0.1/"}):
        stage.refuse({"queue": queue, "url": stage.receiver.url("/x"), **members}, path="/v1/subscriptions")
    stage.wait_pushed()
    stage.expect(stage.client.delete("/v1/subscriptions/" + made), 204)


PATHS = [copies, failing_endpoints, subscriptions]
