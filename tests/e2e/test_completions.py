"""What the shells offer behind words of the command line; the program itself is asked, no daemon."""
import os
import shutil
import subprocess
import unittest

from harness import AMPOULE, ROOT

FOLDER = os.path.join(ROOT, "packaging", "completions")
BASH = """. "$0"; COMP_WORDS=(ampoule "$@"); COMP_CWORD=$#; _ampoule; printf '%s\\n' "${COMPREPLY[@]}\""""
FISH = "source $argv[1]; complete -C (string join -- ' ' ampoule $argv[2..])"


def run(*command):
    env = {**os.environ, "PATH": f"{os.path.dirname(AMPOULE)}:{os.environ['PATH']}"}
    for name in ("AMPOULE_URL", "AMPOULE_STATE"):
        env.pop(name, None)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=env)
    return {line.split("\t")[0] for line in done.stdout.splitlines() if line}


def bash(*words):
    return run("bash", "-c", BASH, os.path.join(FOLDER, "ampoule.bash"), *words)


def fish(*words):
    return run("fish", "--no-config", "-c", FISH, os.path.join(FOLDER, "ampoule.fish"), *words)


class Offers:
    def offered(self, *words):
        raise NotImplementedError

    def test_commands(self):
        self.assertEqual(self.offered("rede"), {"redeem"})

    def test_verbs(self):
        verbs = {"create", "list", "rotate", "disable"}
        self.assertLessEqual(verbs, self.offered("key", ""))
        self.assertFalse(verbs & self.offered("key", "rotate", ""))

    def test_options_where_a_name_could_stand(self):
        self.assertEqual(self.offered("receive", "--f"), {"--follow"})
        self.assertLessEqual({"--tag", "--rate", "--json"}, self.offered("queue", "create", "--") | self.offered(
            "queue", "move", "--"))

    def test_options_of_the_verb_alone(self):
        own = self.offered("key", "rotate", "--")
        self.assertLessEqual({"--overlap-ms", "--env", "--state", "--socket", "--json"}, own)
        self.assertFalse({"--name", "--may", "--rate", "--burst"} & own)
        self.assertNotIn("--overlap-ms", self.offered("key", "create", "--"))
        self.assertNotIn("--rate", self.offered("queue", "create", "--"))
        self.assertNotIn("--tag", self.offered("queue", "move", "--"))

    def test_all_options_before_a_verb(self):
        self.assertLessEqual({"--overlap-ms", "--name", "--json"}, self.offered("key", "--"))


class BashTest(Offers, unittest.TestCase):
    offered = staticmethod(bash)

    def test_no_option_for_a_value(self):
        self.assertEqual(self.offered("key", "create", "--name", ""), set())


@unittest.skipUnless(shutil.which("fish"), "no fish here")
class FishTest(Offers, unittest.TestCase):
    offered = staticmethod(fish)


if __name__ == "__main__":
    unittest.main()
