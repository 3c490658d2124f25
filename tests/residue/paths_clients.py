"""The command line: what its processes hold when they are about to end, and `ampoule listen` while it lives on."""
import json
import os
import re
import signal
import subprocess
import threading

from harness import AMPOULE, BUILD, CARD, Daemon, free_port, wait_until
from scanner import scan
from sqs import unique_name

AT_EXIT = os.path.join(BUILD, "tests", "residue", "at_exit")
READABLE = os.path.join(BUILD, "tests", "residue", "readable")


def ampoule(stage, *arguments):
    """The command, with a pool as the daemon's of this run."""
    return [*([READABLE] if stage.daemon.pool == "mlock" else []), AMPOULE, *arguments]


class Held:
    """A command held still where it ends."""

    def __init__(self, arguments, environment, text):
        tell_read, tell = os.pipe()
        wait, self.go_on = os.pipe()
        os.set_inheritable(tell, True)
        command = ["bash", "-c", f'exec "$0" "$@" 3>&{tell} 4<&{wait}', AT_EXIT, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env={**os.environ, **environment}, pass_fds=(tell, wait))
        os.close(tell)
        os.close(wait)
        self.process.stdin.write(text.encode())
        self.process.stdin.close()
        self.output = []
        self.readers = [threading.Thread(target=lambda file=file: self.output.append(file.read()))
                        for file in (self.process.stdout, self.process.stderr)]
        for reader in self.readers:
            reader.start()
        with os.fdopen(tell_read) as told:
            self.pid = int(told.readline() or 0)

    def end(self):
        """(exit code, all that it printed)"""
        os.close(self.go_on)
        code = self.process.wait()
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, b"".join(self.output).decode()


def run(stage, *arguments, text="", expect=0, environment=None):
    """What `ampoule` printed; its memory at its end goes to the stage's findings."""
    held = Held(ampoule(stage, *arguments), environment or stage.daemon.env, text)
    stage.looked_at(scan(stage.plants, {held.pid: "ampoule " + arguments[0]}, {held.pid: "client"}))
    code, output = held.end()
    if code != expect:
        raise AssertionError(f"ampoule {arguments[0]} ended with {code}, not {expect}: {output}")
    return output


def commands(stage):
    """Each that reads or writes a card, done, refused, and with nobody to speak to."""
    def token_of(output):
        return re.search(r"tok_[A-Za-z0-9_-]{43}", output).group()

    token = token_of(run(stage, "tokenize", "--ttl-ms", "60000", text=json.dumps(stage.card("tokenize"))))
    run(stage, "redeem", text=token)
    run(stage, "redeem", text=token, expect=1)
    token = token_of(run(stage, "tokenize", "--json", text=json.dumps({"data": {"a": stage.word("data")}})))
    claim = re.search(r"clm_[A-Za-z0-9_-]{43}", run(stage, "claim", "-", text=token)).group()
    run(stage, "commit", claim)
    cards = [stage.card(f"batch {i}") for i in range(20)]
    run(stage, "tokenize", "--batch", text="\n".join(map(json.dumps, cards)) + "\n")
    run(stage, "tokenize", text=json.dumps(dict(stage.card("Luhn"), number=stage.plants.bad_number(stage.where()))),
        expect=1)
    run(stage, "tokenize", text=json.dumps(stage.card("broken"))[:-9], expect=2)
    nobody = {**stage.daemon.env, "AMPOULE_URL": f"https://127.0.0.1:{free_port()}"}
    run(stage, "tokenize", text=json.dumps(stage.card("nobody")), expect=3, environment=nobody)


def listening(stage):
    """It opens copies under its own key and redeems tokens, and lives on."""
    with Daemon("--workers", "1") as daemon:
        client = daemon.client()
        queue = unique_name()
        listener = subprocess.Popen(ampoule(stage, "listen", "--queue", queue, "--redeem", "--jwe", "--json"),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    env={**os.environ, **daemon.env})
        try:
            wait_until(lambda: client.get("/v1/subscriptions").json()["subscriptions"], what="the subscription")
            for i in range(5):
                client.tokenize(stage.card(f"{i}"), queue=queue, metadata={"a": stage.word("metadata")})
            client.tokenize(CARD, queue=queue)  # what the one before it left is judged, not what is under way

            def quiet():
                stats = client.get("/v1/stats").json()
                return stats["vault"]["live"] == 0 and stats["push"]["pending"] + stats["push"]["under_way"] == 0
            wait_until(quiet, what="every token's redemption")
            stage.looked_at(scan(stage.plants, {listener.pid: "ampoule listen"}, {listener.pid: "client"}))
        finally:
            listener.send_signal(signal.SIGINT)
            listener.communicate(timeout=30)
            client.close()


PATHS = [commands, listening]
