"""The packages of the JavaScript world that these tests drive: installed once, from package-lock.json."""
import fcntl
import hashlib
import os
import shutil
import subprocess
import unittest

from harness import DaemonCase

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")


def why_not():
    """Why these cases cannot run here; None where they can. Installs what package-lock.json names, once."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "node and npm are not installed"
    with open(os.path.join(FOLDER, "package.json"), encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # several test files may come here at once
        return install()


def install():
    with open(os.path.join(FOLDER, "package-lock.json"), "rb") as lock:
        wanted = hashlib.sha256(lock.read()).hexdigest()
    mark = os.path.join(FOLDER, "node_modules", ".installed")
    if os.path.exists(mark):
        with open(mark, encoding="ascii") as found:
            if found.read() == wanted:
                return None
    try:
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True,
                       timeout=300, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return "npm could not install the packages (is the registry reachable?)"
    with open(mark, "w", encoding="ascii") as out:
        out.write(wanted)
    return None


class NodeCase(DaemonCase):
    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)
        super().setUpClass()

    def node(self, *words, seconds=600):
        """Runs a script of the folder to its end; what it printed, line by line."""
        done = subprocess.run(["node", *words], cwd=FOLDER, env={**os.environ, **self.daemon.env}, capture_output=True,
                              text=True, timeout=seconds, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.splitlines()
