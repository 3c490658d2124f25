"""What ends or fills up: the log, the memory, the roles, the daemon."""
import json
import os
import signal

from harness import LOOPBACK_SOURCES, wait_until
from sqs import unique_name


def reload(stage):
    """A good configuration, one that is refused, and new TLS files."""
    settings = stage.daemon.settings
    for outcome, members in (("success", {"mask": {"bin8": False}}), ("failure", {"workers": "3"}), ("success", {})):
        stage.token(outcome, ttl_ms=600000)
        told = stage.daemon.reload({**settings, **members})
        if (told == "success") != (outcome == "success"):
            raise AssertionError(f"reload: {told} where {outcome} was expected")
    stage.client.close()
    stage.token("behind it")


def stuck_log(stage):
    """What cannot be recorded is not told: the card was opened, its answer stood ready, and is wiped."""
    stage.post("/v1/redeem", {"token": stage.token("before")})
    tokens = [stage.token(f"{i}", ttl_ms=600000) for i in range(3)]
    scribe = stage.daemon.roles()["scribe"]
    clients = [stage.daemon.client() for _ in tokens]
    os.kill(scribe, signal.SIGSTOP)
    try:
        for client, token in zip(clients, tokens):
            stage.refused(client.post("/v1/redeem", {"token": token}))
        stage.refused(clients[0].post("/v1/tokens", {"card": stage.card("tokenized")}))
    finally:
        os.kill(scribe, signal.SIGCONT)
    for client in clients:
        client.close()
    stage.daemon.wait_ready()


def full_vault(stage):
    """Tokens until there is no room, and those that found none."""
    for i in range(800):
        items = [{"data": "x" * 2000, "ttl_ms": 12000} for _ in range(99)]
        items.append({"card": stage.card(f"{i}"), "ttl_ms": 12000})
        results = stage.post("/v1/tokens/batch", {"items": items})["results"]
        if "error" in results[-1]:
            break
    else:
        raise AssertionError("the vault took everything")
    stage.refused(stage.client.post("/v1/tokens", {"card": stage.card("refused"), "metadata": {"a": "x" * 500}}),
                  "vault_full")
    wait_until(lambda: stage.client.get("/v1/stats").json()["vault"]["bytes"] < 12 << 20, what="room")


def full_queues(stage):
    """Messages until there is no room; tokens of such a queue are refused, too."""
    name = unique_name()
    url = stage.sqs.create(name)
    for i in range(100):
        answer = stage.sqs.json("SendMessage", {"QueueUrl": url, "MessageBody": stage.word(f"{i}") + "x" * 200_000})
        if answer.status != 200:
            break
    stage.refused(answer)
    for size in (100_000, 10_000, 1000, 100):
        while stage.sqs.json("SendMessage", {"QueueUrl": url, "MessageBody": "x" * size}).status == 200:
            pass
    stage.refuse({"card": stage.card("token"), "queue": name}, "vault_full")
    items = [{"card": stage.card("batch"), "queue": name} for _ in range(3)]
    if any("error" not in result for result in stage.post("/v1/tokens/batch", {"items": items})["results"]):
        raise AssertionError("a token found room")
    stage.sqs.call("DeleteQueue", QueueUrl=url)


def full_pool(stage):
    """Bodies that are not complete until one is refused for want of room, then all broken off."""
    connections = []
    body = json.dumps({"data": [stage.word("unfinished"), "x" * 250_000]}).encode()
    for _ in range(40):
        connection = stage.raw()
        connection.send(stage.signed(body)[:-10])
        connections.append(connection)
    stage.token("meanwhile")
    for connection in connections:
        connection.close()
    stage.wait_alone()


def dying_roles(stage):
    """Each role dies in its turn by the signal of this run; the others go on, and it comes back."""
    for role in ("courier", "scribe", "keeper", "front"):
        queue = unique_name()
        stage.subscribe(queue, f"/{role}")
        stage.token(f"before {role}", ttl_ms=600000, queue=queue)
        stage.sqs.send(stage.sqs.url(queue), stage.word(f"message before {role}"))
        stage.wait_pushed()
        unfinished = stage.raw()
        unfinished.send(stage.signed(stage.card_body(f"unfinished, {role}"))[:-3])
        old = stage.daemon.roles()[role]
        os.kill(old, stage.fatal_signal)
        wait_until(lambda r=role, o=old: stage.daemon.roles().get(r, o) != o, what=f"another {role}")
        unfinished.close()
        stage.client.close()
        stage.sqs.client.close()
        stage.daemon.wait_ready(60)
        stage.post("/v1/redeem", {"token": stage.token(f"behind {role}")})
    stage.wait_alone()


def drain(stage):
    """SIGTERM while requests are under way and tokens live. When the last is answered, and before the log is complete,
    everything is held still and looked at; behind the end, the files."""
    stage.token("lives", ttl_ms=600000)
    late = stage.raw()
    whole = stage.signed(stage.card_body("under way"))
    late.send(whole[:-5])
    parked = stage.daemon.raw(source=next(LOOPBACK_SOURCES))
    parked.send(stage.sqs.signed("ReceiveMessage", {"QueueUrl": stage.sqs.create(unique_name()), "WaitTimeSeconds": 5}))
    stage.client.close()
    stage.sqs.client.close()
    os.kill(stage.daemon.roles()["scribe"], signal.SIGSTOP)
    stage.daemon.process.send_signal(signal.SIGTERM)
    late.send(whole[-5:])
    if late.read_answer().status not in (201, 503):  # where this machine is slow, the log is held too long
        raise AssertionError("what was under way was not answered")
    parked.read_answer()
    stage.daemon.settle()
    processes = stage.daemon.pids()
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        stage.looked_at(stage.daemon.search())
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
    late.close()
    parked.close()
    stage.daemon.stop()


PATHS = [reload, stuck_log, full_vault, full_queues, full_pool, dying_roles, drain]
