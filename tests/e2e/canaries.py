"""What is sent and must never be seen again. Where it is seen, no second run forgives it."""
import os
import re
import subprocess
import unittest

from again import Unforgivable
from harness import ROOT, DaemonCase, windows

# Hashes, MACs and ids: thousands of them have 8 digits of any number somewhere.
HEXADECIMAL = re.compile(r"\b[0-9a-f]{16,}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def assert_untold(number, text, where):
    """Unforgivable where the text has pieces of the number: 8 digits in a row or, in hexadecimal words, 12."""
    plain = HEXADECIMAL.sub(lambda word: word.group() if word.group().isdigit() else "#", text)
    told = [piece for piece in windows(number) if piece in plain] + [
        number[at:at + 12] for at in range(len(number) - 11) if number[at:at + 12] in text]
    if told:
        raise Unforgivable(f"{where} has {told}")


def assert_no_file_has(number, daemon):
    """No file that the daemon wrote has pieces of the number."""
    for folder, _, names in os.walk(daemon.home):
        for path in (os.path.join(folder, name) for name in names):
            if os.path.isfile(path):
                with open(path, encoding="latin-1") as file:
                    assert_untold(number, file.read(), path)


def scan(number, *pids):
    """The exit code and words of scripts/residue; SkipTest where it may not look."""
    done = subprocess.run([os.path.join(ROOT, "scripts", "residue"), *pids], input=number, capture_output=True, text=True,
                          timeout=120, check=False)
    if done.returncode == 3:
        raise unittest.SkipTest("may not read other processes' memory")
    return done.returncode, done.stdout


def assert_no_process_has(number, daemon):
    """Neither the supervisor nor one of its four roles has the number in its memory."""
    code, words = scan(number, "--tree", str(daemon.process.pid))
    if code == 1:
        raise Unforgivable(words)
    assert code == 0 and words.count("nothing found") == 5, words


class CanaryCase(DaemonCase):
    """No file that the daemon wrote holds a canary: not the event log, not its messages."""

    canaries = ()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.check_logs()  # its directory stands until the class cleanups

    @classmethod
    def check_logs(cls):
        checked = []
        for folder, _, names in os.walk(cls.daemon.home):
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    text = file.read().lower()
                checked.append(name)
                for canary in cls.canaries:
                    if canary.encode() in text:
                        raise Unforgivable(f"{canary} stands in {path}")
        assert any(name.endswith(".jsonl") for name in checked) and "stderr.log" in checked, checked

    def assert_untold(self, answer, what=None):
        """Nothing of what was sent comes back, in the body or in a header."""
        told = answer.body.lower() + str(answer.headers).lower().encode()
        for canary in self.canaries:
            if canary.encode() in told:
                raise Unforgivable(f"{canary} is told: {what or answer}")
