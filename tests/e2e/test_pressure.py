"""The daemon without something that it needs: memory, its scribe, its keeper, its front. What it accepted it keeps;
what it cannot do it says."""
import json
import os
import signal
import threading
import time
import unittest

from harness import CARD, Daemon, DaemonCase, Stopped, card_number, far_from_midnight, wait_until


class MemoryCapTest(unittest.TestCase):
    def test_a_full_vault_refuses_and_loses_nothing(self):
        with Daemon(settings={"vault": {"memory_max": "4MiB"}}) as daemon:
            client = daemon.client()
            accepted = {}  # token: what it stands for
            refusal = None
            for count in range(1000):
                card = dict(CARD, number=card_number(), name="A NAME " * 18)
                content = {"card": card} if count % 2 == 0 else {"data": [card["number"]] * 1000}
                answer = client.post("/v1/tokens", {**content, "ttl_ms": 600000})
                if answer.status != 201:
                    refusal = answer
                    break
                accepted[answer.json()["token"]] = content
            self.assertEqual((refusal.status, refusal.code), (503, "vault_full"))
            self.assertGreaterEqual(int(refusal.headers["retry-after"]), 1)
            self.assertGreater(len(accepted), 100)
            # Batches and idempotent requests are refused as well, and leave nothing half done.
            batch = client.post("/v1/tokens/batch", {"items": [{"card": CARD, "ttl_ms": 600000}] * 100})
            results = batch.json().get("results", [])
            for result in results:
                if "token" in result:
                    accepted[result["token"]] = {"card": CARD}
            self.assertIn("vault_full", [result.get("error", {}).get("code") for result in results] or [batch.code])
            # Looking, claiming, aborting and redeeming go on.
            tokens = list(accepted)
            self.assertEqual(client.post("/v1/inspect", {"token": tokens[0]}).status, 200)
            claim = client.post("/v1/claim", {"token": tokens[0]})
            self.assertEqual(claim.status, 200)
            self.assertEqual(client.post("/v1/abort", {"claim": claim.json()["claim"]}).status, 204)
            for token in tokens:
                taken = client.post("/v1/redeem", {"token": token})
                self.assertEqual(taken.status, 200)
                self.assertEqual({name: taken.json()[name] for name in accepted[token]}, accepted[token])
            # And there is room again, though not all of it: tombstones take some.
            self.assertTrue(client.tokenize())

    def test_a_full_replay_memory_refuses_and_serves_nothing_twice(self):
        with Daemon(settings={"auth": {"replay_max": "1000"}}) as daemon:
            client = daemon.client()
            token = client.tokenize(ttl_ms=600000)
            answers = [client.post("/v1/inspect", {"token": token}) for _ in range(1500)]
            full = [answer for answer in answers if answer.status == 503]
            self.assertTrue(full)
            self.assertEqual({answer.code for answer in full}, {"replay_memory_full"})
            self.assertGreaterEqual(int(full[0].headers["retry-after"]), 1)
            self.assertGreaterEqual(sum(answer.status == 200 for answer in answers), 900)
            self.assertEqual(client.post("/v1/redeem", {"token": token}).code, "replay_memory_full")
            self.assertEqual(client.get("/healthz", signed=False).status, 200)


class Later:
    """A call under way in a thread of its own."""

    def __init__(self, call):
        self.answer = None
        self.call = call
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        self.answer = self.call()

    def is_answered(self):
        return not self.thread.is_alive()

    def result(self):
        self.thread.join(60)
        return self.answer


class DurableFirstTest(DaemonCase):
    """The record of a redemption is on disk before the card leaves."""

    def another(self):
        client = self.daemon.client()
        self.addCleanup(client.close)
        return client

    def state(self, token):
        return self.client.post("/v1/inspect", {"token": token}).json()["state"]

    def test_no_card_while_the_scribe_stands_still(self):
        tokens = [self.client.tokenize(ttl_ms=600000) for _ in range(2)]
        clients = [self.another() for _ in tokens]
        for client in clients:
            client.post("/v1/inspect", {"token": tokens[0]})  # connected, its key known
        with Stopped(self.daemon.roles()["scribe"]):
            under_way = [Later(lambda c=client, p=path, t=token: c.post("/v1/" + p, {"token": t}))
                         for client, path, token in zip(clients, ("redeem", "claim"), tokens)]
            # Both are taken: nobody else can have them meanwhile. Nobody has been told the card.
            for token in tokens:
                wait_until(lambda token=token: self.state(token) == "claimed", what="the claim")
            time.sleep(0.5)
            self.assertEqual([later.is_answered() for later in under_way], [False, False])
            for token in tokens:
                self.assertEqual(self.client.post("/v1/redeem", {"token": token}).code, "token_claimed")
        answers = [later.result() for later in under_way]
        self.assertEqual([answer.status for answer in answers], [200, 200])
        for answer in answers:
            self.assertEqual(answer.json()["card"], CARD)
            # The record was there before: it needs no waiting.
            request = answer.headers["x-request-id"]
            self.assertTrue([event for event in self.daemon.events() if event.get("request") == request], answer)

    def test_a_record_that_does_not_come_frees_the_token(self):
        token = self.client.tokenize(ttl_ms=600000)
        with Stopped(self.daemon.roles()["scribe"]):
            started = time.monotonic()
            answer = self.client.post("/v1/redeem", {"token": token})
            waited = time.monotonic() - started
            self.assert_refused(answer, 503, "audit_unavailable")
            self.assertGreaterEqual(waited, 9)
            self.assertNotIn(CARD["number"].encode(), answer.body)
        wait_until(lambda: self.client.post("/v1/inspect", {"token": token}).status == 200, 30, "recovery")
        self.assertEqual(self.state(token), "active")
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).json()["card"], CARD)

    def test_each_card_that_left_has_its_record_though_the_scribe_is_killed(self):
        """Redemptions go on while the scribe dies again and again: each answer 200 has its record."""
        made = []
        for _ in range(4):
            results = self.client.post("/v1/tokens/batch", {"items": [{"card": CARD, "ttl_ms": 600000}] * 100})
            made += [result["token"] for result in results.json()["results"]]
        self.daemon.wait_event(lambda event: event.get("request") == results.headers["x-request-id"])
        answers = []
        end = threading.Event()

        def redeem(mine):
            client = self.another()
            for token in mine:
                while not end.is_set():
                    answer = client.post("/v1/redeem", {"token": token})
                    answers.append(answer)
                    if answer.status != 503:
                        break
                    time.sleep(0.02)
        threads = [threading.Thread(target=redeem, args=(made[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for kill in range(2):
            wanted = len(made) * (kill + 1) // 3
            wait_until(lambda wanted=wanted: sum(a.status == 200 for a in list(answers)) >= wanted, 60, "progress")
            scribe = self.daemon.roles().get("scribe")
            os.kill(scribe, signal.SIGKILL)
            wait_until(lambda scribe=scribe: self.daemon.roles().get("scribe", scribe) != scribe, 30, "another scribe")
        for thread in threads:
            thread.join(120)
        end.set()
        told = [answer for answer in answers if answer.status == 200]
        self.assertEqual({answer.status for answer in answers} - {200, 503}, set())
        self.assertEqual(len(told), len(made))
        records = {}
        for event in self.daemon.events():
            if event["event"] == "token.redeem" and event["outcome"] == "success":
                records[event["request"]] = records.get(event["request"], 0) + 1
        for answer in told:
            # Once more for each scribe that died between writing it and saying so.
            self.assertIn(records.get(answer.headers["x-request-id"]), (1, 2, 3))


class AbsenceTest(DaemonCase):
    def refused(self):
        """The answer to a request, where it is a refusal."""
        answer = self.client.post("/v1/tokens", {"card": CARD})
        return None if answer.status == 201 else answer

    def test_without_the_scribe_no_work_is_accepted(self):
        """Until it is back: refusals say why, and the token that was there is there."""
        token = self.client.tokenize(ttl_ms=600000)
        for _ in range(3):
            scribe = self.daemon.roles()["scribe"]
            with Stopped(self.daemon.process.pid):  # nobody starts another
                os.kill(scribe, signal.SIGKILL)
                refusal = wait_until(self.refused, what="a refusal")
                self.assertEqual((refusal.status, refusal.code), (503, "audit_unavailable"))
            wait_until(lambda: self.client.post("/v1/tokens", {"card": CARD}).status == 201, what="recovery")
            self.assertNotEqual(self.daemon.roles()["scribe"], scribe)
        self.assertEqual(self.client.get("/healthz", signed=False).status, 200)
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).json()["card"], CARD)

    def test_readyz_knows_of_a_scribe_that_is_gone(self):
        scribe = self.daemon.roles()["scribe"]

        def state():
            answer = self.client.get("/readyz", signed=False)
            return answer.status, answer.json()["checks"]["log_writable"]
        with Stopped(self.daemon.process.pid):  # nobody starts another
            os.kill(scribe, signal.SIGKILL)
            wait_until(lambda: state() == (503, False), what="what is missing")
        wait_until(lambda: state() == (200, True), what="recovery")
        self.assertNotEqual(self.daemon.roles()["scribe"], scribe)

    def test_without_the_keeper_known_keys_go_on(self):
        """The day's keys are in front; a key that it does not know waits for the keeper or is refused."""
        far_from_midnight()
        stranger = self.daemon.new_key("all", name="not-seen-yet")
        self.addCleanup(stranger.close)
        token = self.client.tokenize(ttl_ms=600000)
        with Stopped(self.daemon.roles()["keeper"]):
            self.assertEqual(self.client.post("/v1/inspect", {"token": token}).status, 200)
            self.assertTrue(self.client.tokenize())
            later = Later(lambda: stranger.post("/v1/inspect", {"token": token}))
            time.sleep(0.3)
            self.assertFalse(later.is_answered())
            self.assertEqual(self.client.post("/v1/redeem", {"token": token}).status, 200)
        self.assertEqual(later.result().status, 410)

    def test_a_keeper_that_does_not_answer(self):
        far_from_midnight(60)
        stranger = self.daemon.new_key("all", name="in-vain")
        self.addCleanup(stranger.close)
        wait_until(lambda: self.client.post("/v1/tokens", {"card": CARD}).status == 201)  # its key is known
        with Stopped(self.daemon.roles()["keeper"]):
            answer = stranger.post("/v1/inspect", {"token": self.client.tokenize()})
            self.assert_refused(answer, 503, "keeper_unavailable")
        wait_until(lambda: stranger.post("/v1/tokens", {"card": CARD}).status == 201, 30, "recovery")

    def deaths_of_front(self):
        return [event for event in self.daemon.events()
                if event["event"] == "role.died" and event.get("subject") == "front"]

    def test_tokens_die_with_front_and_the_log_says_so(self):
        token = self.client.tokenize(ttl_ms=600000)
        front = self.daemon.roles()["front"]
        deaths = self.deaths_of_front()
        os.kill(front, signal.SIGKILL)
        wait_until(lambda: self.daemon.roles().get("front", front) != front, 30, "another front")
        self.daemon.wait_ready()
        self.client.close()
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).code, "token_unknown")
        wait_until(lambda: len(self.deaths_of_front()) > len(deaths), what="the record of its death")
        died = self.deaths_of_front()
        self.assertEqual(len(died), len(deaths) + 1)
        self.assertTrue(died[-1]["alarm"])

    def test_a_replay_across_the_death_of_front_is_refused(self):
        """The replay memory dies with front: the next one refuses every date up to its own start."""
        body = json.dumps({"card": CARD}).encode()
        headers = self.client.signer.headers("POST", self.daemon.url + "/v1/tokens", body,
                                             {"content-type": "application/json"})
        self.assertEqual(self.client.send("POST", "/v1/tokens", body, headers).status, 201)
        front = self.daemon.roles()["front"]
        os.kill(front, signal.SIGKILL)
        wait_until(lambda: self.daemon.roles().get("front", front) != front, 30, "another front")
        self.daemon.wait_ready()
        self.client.close()
        self.assertIn(self.client.send("POST", "/v1/tokens", body, headers).code, ("clock_skew", "request_replayed"))
        self.assertTrue(self.client.tokenize())


class DrainTest(unittest.TestCase):
    def test_what_was_asked_before_the_end_is_answered(self):
        """Redemptions wait for the log when SIGTERM comes: they get their card, and then it ends with 0."""
        with Daemon("--workers", "2") as daemon:
            client = daemon.client()
            tokens = [client.tokenize(ttl_ms=600000) for _ in range(5)]
            clients = [daemon.client() for _ in tokens]
            for each in clients:
                each.post("/v1/inspect", {"token": tokens[0]})
            with Stopped(daemon.roles()["scribe"]):
                under_way = [Later(lambda c=c, t=t: c.post("/v1/redeem", {"token": t}))
                             for c, t in zip(clients, tokens)]
                for token in tokens:
                    wait_until(lambda t=token: client.post("/v1/inspect", {"token": t}).json()["state"] == "claimed")
                daemon.process.send_signal(signal.SIGTERM)
                wait_until(lambda: "ending" in daemon.log(), what="the drain")
            answers = [later.result() for later in under_way]
            self.assertEqual([answer.status for answer in answers], [200] * 5)
            self.assertEqual(daemon.process.wait(60), 0)
            daemon.process = None
            recorded = {event.get("request") for event in daemon.events() if event["event"] == "token.redeem"}
            self.assertTrue({answer.headers["x-request-id"] for answer in answers} <= recorded)
            for each in clients + [client]:
                each.close()

    def test_idle_connections_are_closed_and_new_ones_refused(self):
        with Daemon("--workers", "2") as daemon:
            idle = [daemon.raw() for _ in range(10)]
            daemon.process.send_signal(signal.SIGTERM)
            for connection in idle:
                self.assertTrue(connection.is_closed())
                connection.close()
            self.assertEqual(daemon.process.wait(60), 0)
            daemon.process = None
            with self.assertRaises(OSError):
                daemon.raw()


if __name__ == "__main__":
    unittest.main()
