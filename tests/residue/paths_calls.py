"""Every call that carries a card, data, a token or a secret, where all goes well."""
import json

from harness import random_token, wait_until
from sqs import queue_arn, unique_name


def tokens(stage):
    """Each way in, each way out; what is not redeemed stays alive, sealed."""
    for detail in ("stays", "redeemed", "claimed", "aborted", "revoked"):
        token = stage.token(detail, ttl_ms=600000, metadata={"order": stage.word("metadata")})
        stage.post("/v1/inspect", {"token": token})
        if detail == "stays":
            continue
        stage.note_token(token, detail)
        if detail == "redeemed":
            stage.post("/v1/redeem", {"token": token})
        elif detail == "revoked":
            stage.post("/v1/revoke", {"token": token}, 204)
        else:
            claim = stage.post("/v1/claim", {"token": token})["claim"]
            stage.plants.add("claim", claim.partition("_")[2], stage.where(detail))
            stage.post("/v1/commit" if detail == "claimed" else "/v1/abort", {"claim": claim}, 204)


def kinds_of_card(stage):
    """Other lengths and brands, and data of any form."""
    for prefix, length in (("34", 15), ("5610", 12), ("5018", 19), ("36", 14)):
        number = stage.plants.number(stage.where(f"{length} digits"), length, prefix)
        card = dict(stage.card(), number=number, cvc=stage.plants.code(stage.where(), 4 if prefix == "34" else 3))
        token = stage.client.tokenize(card)
        if stage.post("/v1/redeem", {"token": token})["card"]["number"] != number:
            raise AssertionError("another card came back")
    number = stage.plants.number(stage.where("data"))
    for data in ({"iban": stage.word("data")}, [number, [number]], stage.word("string"), {number: int(number)}):
        made = stage.post("/v1/tokens", {"data": data, "metadata": {"note": stage.word("metadata")}}, 201)
        if stage.post("/v1/redeem", {"token": made["token"]})["data"] != data:
            raise AssertionError("other data came back")


def ways_of_writing(stage):
    """Escaped, chunked, dripped, pipelined, behind 100-continue, in one record and in many."""
    escaped = stage.card("escaped")
    escaped_number = "".join(f"\\u{ord(digit):04x}" for digit in escaped["number"])
    body = json.dumps({"card": escaped}).replace(escaped["number"], escaped_number).encode()
    stage.expect(stage.exchange(stage.signed(body)), 201)
    whole = stage.signed(stage.card_body("dripped"))
    stage.expect(stage.exchange(*(whole[at:at + 7] for at in range(0, len(whole), 7))), 201)
    body = stage.card_body("chunked")
    head = stage.signed(body)[:-len(body)]
    head = head.replace(f"content-length: {len(body)}".encode(), b"transfer-encoding: chunked")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at:at + 5]), body[at:at + 5]) for at in range(0, len(body), 5))
    stage.expect(stage.exchange(head, chunks, b"0\r\n\r\n"), 201)
    body = stage.card_body("continued")
    head = stage.signed(body, headers={"expect": "100-continue"})[:-len(body)]
    with stage.raw() as connection:
        connection.send(head)
        stage.expect(connection.read_answer(), 100)
        connection.send(body)
        stage.expect(connection.read_answer(), 201)
        connection.send(b"".join(stage.signed(stage.card_body(f"pipelined {i}")) for i in range(4)))
        for _ in range(4):
            stage.expect(connection.read_answer(), 201)


def batches(stage):
    items = [{"card": stage.card(f"item {i}"), "metadata": {"n": stage.word("metadata")}} for i in range(30)]
    for made in stage.post("/v1/tokens/batch", {"items": items})["results"]:
        stage.post("/v1/redeem", {"token": made["token"]})
    mixed = [{"card": stage.card("good")},
             {"card": dict(stage.card("bad"), number=stage.plants.bad_number(stage.where()))},
             {"card": dict(stage.card("bad code"), cvc=stage.plants.long_code(stage.where()))},
             {"card": stage.card("unknown member"), stage.word("member"): 1}, {"card": stage.card("good")}]
    results = stage.post("/v1/tokens/batch", {"items": mixed})["results"]
    if ["error" in result for result in results] != [False, True, True, True, False]:
        raise AssertionError(f"a mixed batch: {results}")


def repetitions(stage):
    """By Idempotency-Key: what is remembered is sealed."""
    for path, members in (("/v1/tokens", {"card": stage.card("tokens")}), ("/v1/claim", None), ("/v1/redeem", None)):
        members = members or {"token": stage.token(path)}
        headers = {"idempotency-key": stage.word("key")}
        first = stage.client.post(path, members, headers=headers)
        again = stage.client.post(path, members, headers=headers)
        if path == "/v1/redeem":
            stage.expect(first, 200)
            stage.refused(again, "token_gone")
        elif (first.status, first.body) != (again.status, again.body):
            raise AssertionError(f"{path} was not repeated: {first} {again}")
        other = {"card": stage.card("mismatch")} if path == "/v1/tokens" else {"token": random_token()}
        stage.refused(stage.client.post(path, other, headers=headers), "idempotency_mismatch")


def long_bodies(stage):
    """Beyond the pool's small objects, and beyond one TLS record."""
    for size in (20_000, 100_000, 250_000):
        words = [stage.word(f"{size}") for _ in range(4)]
        filler = "x" * (size // 4)
        token = stage.post("/v1/tokens", {"data": [words[0], filler, words[1], filler, words[2], filler, words[3]]},
                           201)["token"]
        if stage.post("/v1/redeem", {"token": token})["data"][-1] != words[3]:
            raise AssertionError("other data came back")


def expiry(stage):
    """Of tokens by themselves, and of a lease."""
    live = stage.client.get("/v1/stats").json()["vault"]["live"]
    token = stage.token("lapsed lease", ttl_ms=3000)
    stage.post("/v1/claim", {"token": token, "lease_ms": 200})
    for detail in ("expired", "expired too"):
        stage.note_token(stage.token(detail, ttl_ms=50), detail)
    wait_until(lambda: stage.client.get("/v1/stats").json()["vault"]["live"] <= live, what="expiry")


def queues(stage):
    """Send, receive, hide, delete, one and many, in both protocols; dead letters, moves, a purge, a deleted queue."""
    sqs, attribute = stage.sqs, lambda: {"note": {"DataType": "String", "StringValue": stage.word("attribute")}}
    dead = sqs.create(unique_name())
    arn = queue_arn(stage.daemon, dead.rsplit("/", 1)[1])
    url = sqs.create(unique_name(), {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})})
    for size in (0, 20_000, 900_000):
        body = stage.word(f"sent {size}") + "x" * size + stage.word(f"sent {size}")
        sqs.send(url, body, MessageAttributes=attribute())
    answer = sqs.form("SendMessage", {"QueueUrl": url, "MessageBody": stage.word("form") + "é&<"})
    stage.expect(answer, 200)
    sqs.send_many(url, [stage.word(f"batch {i}") for i in range(10)])
    for _ in range(2):
        members = {"QueueUrl": url, "VisibilityTimeout": 0, "MaxNumberOfMessages": 10}
        stage.expect(sqs.form("ReceiveMessage", members), 200)
    for message in sqs.receive(url, MaxNumberOfMessages=2, MessageAttributeNames=["All"]):
        sqs.call("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=1)
        sqs.call("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.drain(url)
    sqs.drain(dead)
    sqs.send(dead, stage.word("purged"))
    sqs.call("PurgeQueue", QueueUrl=dead)
    sqs.send(url, stage.word("stays"))
    sqs.send(dead, stage.word("deleted with its queue"))
    sqs.call("DeleteQueue", QueueUrl=dead)


def queue_refusals(stage):
    """What SQS refuses: no such queue, too long, bad characters, bad handles, bad forms, a batch with some bad."""
    sqs = stage.sqs
    url = sqs.create(unique_name(), {"MaximumMessageSize": "1024"})
    for members in ({"QueueUrl": url + "x"}, {"MessageBody": "x" * 2000 + stage.word("too long")},
                    {"MessageBody": stage.word("bad text") + "\ufffe"}, {stage.word("member"): stage.word("value")},
                    {"MessageAttributes": {"a": {"DataType": stage.word("type"), "StringValue": stage.word("value")}}}):
        stage.refused(sqs.json("SendMessage", {"QueueUrl": url, "MessageBody": stage.word("body"), **members}))
        if "MessageAttributes" not in members:
            stage.refused(sqs.form("SendMessage", {"QueueUrl": url, "MessageBody": stage.word("form"), **members}))
    stage.refused(sqs.json("SendMessage", b'{"MessageBody":"' + stage.word("broken JSON").encode()))
    stage.refused(sqs.form("SendMessage", b"Action=SendMessage&MessageBody=%4" + stage.word("broken form").encode()))
    stage.refused(sqs.json(stage.word("action"), {"MessageBody": stage.word("unknown action")}))
    stage.refused(sqs.json("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": stage.word("handle")}))
    entries = [{"Id": str(i), "MessageBody": stage.word(f"entry {i}") + "y" * (2000 * (i % 2))} for i in range(4)]
    stage.refused(sqs.json("SendMessageBatch", {"QueueUrl": url, "Entries": entries * 4}))
    sqs.json("SendMessageBatch", {"QueueUrl": url, "Entries": entries})


def administration(stage):
    """Principals by the administrator's socket: made, rotated, disabled, and used meanwhile."""
    for detail in ("rotated", "disabled"):
        client = stage.daemon.new_key("all", name=detail)
        secret = client.signer.credentials.secret_key
        stage.daemon.plant_principal(secret, stage.where(detail))
        client.tokenize(stage.card(detail))
        key_id = client.signer.credentials.access_key
        arguments = ["rotate", key_id, "--overlap-ms", "1", "--json"] if detail == "rotated" else ["disable", key_id]
        done = stage.daemon.admin(*arguments)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        if detail == "rotated":
            stage.daemon.plant_principal(json.loads(done.stdout)["secret"], stage.where("new"))
        wait_until(lambda one=client: one.post("/v1/tokens", {"card": stage.card("ended")}).status in (401, 403), 10,
                   "the end of a key")
        client.close()


PATHS = [tokens, kinds_of_card, ways_of_writing, batches, repetitions, long_bodies, expiry, queues, queue_refusals,
         administration]
