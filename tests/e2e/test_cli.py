"""The command line against a running daemon: every command, every exit code, and --json."""
import json
import os
import re
import socket
import subprocess
import tempfile
import unittest

from harness import AMPOULE, CARD, DaemonCase, free_port, make_certificate, random_token

DONE, REFUSED, USAGE, UNREACHABLE = range(4)


class CliCase(DaemonCase):
    def run_cli(self, *args, expect=DONE, input=None, env=None):
        done = self.daemon.cli(*args, input=input, env=env)
        self.assertEqual(done.returncode, expect, (args, done.stdout, done.stderr))
        if expect == DONE:
            self.assertEqual(done.stderr, "")
        else:
            self.assertTrue(done.stderr, args)
        return done

    def json(self, *args, **options):
        """What --json printed."""
        return json.loads(self.run_cli(*args, "--json", **options).stdout)

    def token(self, **members):
        return self.client.tokenize(**members)


class CommandsTest(CliCase):
    def test_tokenize_and_redeem(self):
        made = self.run_cli("tokenize", "--queue", "payments", "--ttl-ms", "60000", "--metadata", "order=42",
                            input=json.dumps(CARD))
        token = re.search(r"tok_[A-Za-z0-9_-]{43}", made.stdout).group(0)
        self.assertIn("visa 411111...1111", made.stdout)
        self.assertNotIn(CARD["number"], made.stdout)
        self.assertEqual(json.loads(self.run_cli("redeem", token).stdout), CARD)
        gone = self.run_cli("redeem", token, expect=REFUSED)
        self.assertIn("token_gone (used)", gone.stderr)
        self.assertEqual(gone.stdout, "")

    def test_in_json(self):
        made = self.json("tokenize", input=json.dumps({"data": {"iban": "DE89"}, "metadata": {"a": "b"}}))
        taken = self.json("redeem", made["token"])
        self.assertEqual((taken["data"], taken["metadata"]), ({"iban": "DE89"}, {"a": "b"}))
        gone = self.json("redeem", made["token"], expect=REFUSED)["error"]
        self.assertEqual((gone["code"], gone["reason"], gone["status"]), ("token_gone", "used", 410))

    def test_the_token_from_standard_input(self):
        """Arguments can be seen by other users."""
        for args in (("redeem",), ("redeem", "-")):
            self.assertEqual(json.loads(self.run_cli(*args, input=self.token() + "\n").stdout), CARD)

    def test_a_closed_standard_output(self):
        """Its number would be the connection's, and the card would follow the request in the clear."""
        token = self.token()
        done = subprocess.run(["bash", "-c", 'exec "$0" "$@" >&-', AMPOULE, "redeem", token], stderr=subprocess.PIPE,
                              text=True, timeout=60, check=False, env={**os.environ, **self.daemon.env})
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertIn("standard output", done.stderr)
        self.assertNotIn(CARD["number"], done.stderr)

    def test_batch(self):
        cards = [dict(CARD, name=f"J DOE {i}") for i in range(3)]
        for text in (json.dumps(cards), "\n".join(map(json.dumps, cards)) + "\n"):
            tokens = self.run_cli("tokenize", "--batch", input=text).stdout.split()
            self.assertEqual([json.loads(self.run_cli("redeem", token).stdout) for token in tokens], cards)
        mixed = self.daemon.cli("tokenize", "--batch", input=json.dumps([CARD, dict(CARD, number="4111111111111112")]))
        self.assertEqual(mixed.returncode, REFUSED)
        self.assertIn("refused: card_number_invalid", mixed.stdout)

    def test_claim_commit_abort(self):
        token = self.token(ttl_ms=60000)
        shown = self.run_cli("claim", token, "--lease-ms", "20000").stdout
        claim = re.search(r"clm_[A-Za-z0-9_-]{43}", shown).group(0)
        self.assertIn(CARD["number"], shown)
        self.run_cli("claim", token, expect=REFUSED)
        self.run_cli("abort", claim)
        again = self.json("claim", token)
        self.assertEqual(again["card"], CARD)
        self.assertEqual(self.json("commit", again["claim"]), {})
        self.run_cli("commit", again["claim"], expect=REFUSED)

    def test_inspect_and_revoke(self):
        token = self.token(queue="payments")
        shown = self.run_cli("inspect", token).stdout
        self.assertIn("active", shown)
        self.assertNotIn(CARD["number"], shown)
        self.assertEqual(self.json("inspect", token)["card"]["last4"], "1111")
        self.run_cli("revoke", token)
        self.assertEqual(self.json("inspect", token, expect=REFUSED)["error"]["reason"], "revoked")

    def test_idempotency_key(self):
        first, again = (self.json("tokenize", "--idempotency-key", "order-7", input=json.dumps(CARD)) for _ in range(2))
        self.assertEqual(first["token"], again["token"])
        token = self.token()
        first, again = (self.json("claim", token, "--idempotency-key", "try-1") for _ in range(2))
        self.assertEqual(first["claim"], again["claim"])

    def test_bench(self):
        report = self.json("bench", "--requests", "200", "--connections", "2", "--threads", "1")
        self.assertIn("200", json.dumps(report))

    def test_version_and_help(self):
        self.assertRegex(self.run_cli("version").stdout, r"^ampoule \d+\.\d+\.\d+\n$")
        self.assertIn("version", self.json("version"))
        overview = self.run_cli("help").stdout
        commands = re.findall(r"^  (\w+) +", overview.split("commands:")[1].split("\n\n")[0], re.MULTILINE)
        self.assertIn("redeem", commands)
        for command in commands:
            for shown in (self.run_cli(command, "--help"), self.run_cli("help", command)):
                self.assertIn("usage: ampoule", shown.stdout)


class KeyTest(CliCase):
    def key(self, *args, **options):
        return self.run_cli("key", *args, "--state", self.daemon.state, **options)

    def test_life_of_a_key(self):
        made = self.key("create", "--name", "till", "--may", "tokenize,inspect:payments", "--may", "revoke", "--rate",
                        "50",
                        "--json")
        made = json.loads(made.stdout)
        env = {"AWS_ACCESS_KEY_ID": made["key_id"], "AWS_SECRET_ACCESS_KEY": made["secret"]}
        token = self.json("tokenize", "--queue", "payments", input=json.dumps(CARD), env=env)["token"]
        self.assertEqual(self.json("redeem", token, env=env, expect=REFUSED)["error"]["code"], "not_permitted")
        listed = json.loads(self.key("list", "--json").stdout)["keys"]
        mine = next(key for key in listed if key["key_id"] == made["key_id"])
        self.assertEqual((mine["name"], mine["state"], mine["rate"], mine["may"]),
                         ("till", "active", 50, ["tokenize,inspect:payments", "revoke:*"]))
        self.assertIn(made["key_id"], self.key("list").stdout)
        self.assertNotIn(made["secret"], self.key("list").stdout)
        fresh = json.loads(self.key("rotate", made["key_id"], "--overlap-ms", "60000", "--json").stdout)
        states = {key["key_id"]: key["state"] for key in json.loads(self.key("list", "--json").stdout)["keys"]}
        self.assertEqual((states[made["key_id"]], states[fresh["key_id"]]), ("expiring", "active"))
        again = self.key("rotate", made["key_id"], "--json", expect=REFUSED)
        self.assertEqual(json.loads(again.stdout)["error"]["code"], "key_rotated")
        self.key("disable", made["key_id"])
        self.json("tokenize", "--queue", "payments", input=json.dumps(CARD), env=env, expect=REFUSED)

    def test_a_key_whose_overlap_is_over_is_told_as_disabled(self):
        made = json.loads(self.key("create", "--name", "kiosk", "--may", "tokenize", "--json").stdout)
        self.key("rotate", made["key_id"], "--overlap-ms", "0")
        listed = json.loads(self.key("list", "--json").stdout)["keys"]
        mine = next(key for key in listed if key["key_id"] == made["key_id"])
        self.assertEqual(mine["state"], "disabled")
        self.assertNotIn("expires_at", mine)
        self.assertGreaterEqual(mine["ended_at"], mine["created_at"])
        again = self.key("rotate", made["key_id"], "--json", expect=REFUSED)
        self.assertEqual(json.loads(again.stdout)["error"]["code"], "key_disabled")

    def test_a_key_is_deleted_once_it_has_ended(self):
        made = json.loads(self.key("create", "--name", "stall", "--may", "tokenize", "--json").stdout)
        early = self.key("delete", made["key_id"], "--json", expect=REFUSED)
        self.assertEqual(json.loads(early.stdout)["error"]["code"], "key_in_use")
        self.key("disable", made["key_id"])
        self.key("delete", made["key_id"])
        self.assertNotIn(made["key_id"], self.key("list").stdout)

    def test_lines_for_a_shell(self):
        lines = self.key("create", "--name", "shell", "--may", "all", "--env").stdout
        shown = subprocess.run(["sh", "-c", f'{lines}\nprintf %s "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY"'],
                               capture_output=True, text=True, timeout=30, check=True).stdout.split()
        env = {"AWS_ACCESS_KEY_ID": shown[0], "AWS_SECRET_ACCESS_KEY": shown[1]}
        self.assertIn("tok_", self.run_cli("tokenize", input=json.dumps(CARD), env=env).stdout)

    def test_what_is_refused(self):
        for args in (("create", "--name", "no/slash", "--may", "all"), ("disable", "AMPK" + "A" * 16),
                     ("rotate", "AMPK" + "A" * 16)):
            self.key(*args, expect=REFUSED)

    def test_wrong_usage(self):
        for args in ((), ("nonsense",), ("create",), ("create", "--name", "x"),
                     ("create", "--name", "x" * 65, "--may", "all"),
                     ("create", "--may", "all"),
                     ("create", "--name", "x", "--may", "everything"), ("disable",), ("disable", "short"),
                     ("list", "more")):
            self.key(*args, expect=USAGE)
        self.run_cli("key", "list", expect=USAGE, env={"AMPOULE_STATE": ""})

    def test_no_daemon(self):
        with tempfile.TemporaryDirectory() as empty:
            self.run_cli("key", "list", "--state", empty, expect=UNREACHABLE)


class ExitCodesTest(CliCase):
    def test_usage(self):
        card = json.dumps(CARD)
        for args, input_ in (((), None), (("nonsense",), None), (("redeem", "a", "b"), None),
                             (("redeem", "--nonsense"), None),
                             (("tokenize", "--ttl-ms", "soon"), card), (("tokenize", "--ttl-ms"), card),
                             (("tokenize", "--metadata", "=x"), card), (("tokenize",), ""), (("tokenize",), "not json"),
                             (("tokenize",), "[]"), (("tokenize", "--batch"), "[]"), (("redeem",), ""),
                             (("tokenize", "--url", "http://127.0.0.1:1"), card),
                             (("redeem", random_token(), "--ca", "/no"), None),
                             (("redeem", random_token(), "--secret-file", "/nonexistent"), None)):
            self.run_cli(*args, expect=USAGE, input=input_)

    def test_a_missing_environment(self):
        for name in ("AMPOULE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            done = self.run_cli("redeem", random_token(), expect=USAGE, env={name: ""})
            self.assertIn(name, done.stderr)

    def test_a_card_in_the_arguments_is_not_taken_nor_repeated(self):
        done = self.daemon.cli("tokenize", CARD["number"], input=json.dumps(CARD))
        self.assertNotIn(CARD["number"], done.stdout + done.stderr)
        done = self.run_cli("tokenize", "--number", CARD["number"], expect=USAGE, input="")
        self.assertNotIn(CARD["number"], done.stdout + done.stderr)

    def test_refused(self):
        self.run_cli("redeem", random_token(), expect=REFUSED)
        self.run_cli("commit", random_token("clm"), expect=REFUSED)
        wrong = self.run_cli("redeem", random_token(), expect=REFUSED, env={"AWS_SECRET_ACCESS_KEY": "wrong"})
        self.assertIn("signature_mismatch", wrong.stderr)
        unknown = self.json("redeem", random_token(), expect=REFUSED, env={"AWS_ACCESS_KEY_ID": "AMPK" + "A" * 16})
        self.assertEqual(unknown["error"]["code"], "unknown_key")
        invalid = self.run_cli("tokenize", expect=REFUSED, input=json.dumps(dict(CARD, number="4111111111111112")))
        self.assertNotIn("4111111111111112", invalid.stdout + invalid.stderr)

    def test_unreachable(self):
        nobody = {"AMPOULE_URL": f"https://127.0.0.1:{free_port()}"}
        done = self.json("redeem", random_token(), expect=UNREACHABLE, env=nobody)
        self.assertEqual(done["error"]["code"], "connection_refused")
        done = self.json("bench", "--requests", "1", expect=UNREACHABLE, env=nobody)
        self.assertEqual(done["error"]["code"], "connection_refused")
        with tempfile.TemporaryDirectory() as folder:
            other, _ = make_certificate(folder, "other")
            self.run_cli("redeem", random_token(), expect=UNREACHABLE, env={"AMPOULE_CA": other})
            with socket.socket(socket.AF_UNIX) as left:  # of a daemon that died
                left.bind(os.path.join(folder, "admin.sock"))
            done = self.json("key", "list", "--state", folder, expect=UNREACHABLE)
            self.assertEqual(done["error"]["code"], "connection_refused")
        self.run_cli("tokenize", expect=UNREACHABLE, input=json.dumps(CARD), env=nobody)

    def test_options_in_place_of_the_environment(self):
        with tempfile.NamedTemporaryFile("w", suffix=".secret") as secret:
            secret.write(self.daemon.secret + "\n")
            secret.flush()
            env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AMPOULE_"))}
            done = subprocess.run([AMPOULE, "redeem", self.token(), "--url", self.daemon.url, "--ca", self.daemon.ca,
                                   "--key-id", self.daemon.key_id, "--secret-file", secret.name, "--region",
                                   "eu-west-1"],
                                  env=env, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, DONE, done.stderr)

    def test_a_secret_is_never_shown(self):
        """Neither in messages nor in the arguments that others can see."""
        done = self.run_cli("redeem", random_token(), expect=REFUSED)
        self.assertNotIn(self.daemon.secret, done.stdout + done.stderr)
        done = self.run_cli("redeem", "--secret", self.daemon.secret, expect=USAGE)
        self.assertNotIn(self.daemon.secret, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
