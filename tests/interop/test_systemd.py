"""The unit in packaging/systemd: how exposed systemd finds it, and that the daemon works with what it leaves."""
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import unittest

import harness
from harness import ROOT, Daemon

UNIT = os.path.join(ROOT, "packaging", "systemd", "ampouled.service.in")
DROP_IN = os.path.join(ROOT, "packaging", "systemd", "separate-users.conf")
# What OPERATIONS.md says of the unit, alone and with the drop-in.
EXPOSURE = 1.2
EXPOSURE_WITH_DROP_IN = 2.9
SOMEBODY = 61010  # no user of this machine's has this number


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
class ExposureTest(unittest.TestCase):
    def exposure(self, text):
        with harness.tempfile.TemporaryDirectory() as folder:
            unit = os.path.join(folder, "ampouled.service")
            with open(unit, "w", encoding="utf-8") as file:
                file.write(text.replace("@sbindir@", "/usr/sbin"))
            said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit], capture_output=True,
                                  text=True, check=False)
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said.stdout)
        self.assertIsNotNone(found, said.stdout + said.stderr)
        return float(found[1])

    def test_systemd_finds_the_unit_hardly_exposed(self):
        unit, _ = unit_and_drop_in()
        self.assertLessEqual(self.exposure(unit), EXPOSURE)
        self.assertGreater(self.exposure(unit.replace("\nUser=ampoule\n", "\n")), EXPOSURE)

    def test_with_the_drop_in_it_is_as_exposed_as_the_manual_says(self):
        unit, drop_in = unit_and_drop_in()
        self.assertLessEqual(self.exposure(with_drop_in(unit, drop_in)), EXPOSURE_WITH_DROP_IN)
        self.assertGreater(self.exposure(with_drop_in(unit, drop_in + "CapabilityBoundingSet=~\n")), EXPOSURE_WITH_DROP_IN)


    def test_no_unit_that_changes_users_is_as_little_exposed(self):
        """Whatever else is taken from it: what OPERATIONS.md says of why there are two."""
        unit, _ = unit_and_drop_in()
        changes = ("SystemCallFilter=@setuid\nCapabilityBoundingSet=CAP_SETUID CAP_SETGID\n"
                   "AmbientCapabilities=CAP_SETUID CAP_SETGID\n")
        takes = "RootDirectory=/srv\nIPAddressDeny=any\nIPAddressAllow=192.0.2.0/24\n"
        self.assertGreater(self.exposure(unit.partition("\n[Install]")[0] + "\n" + changes + takes), 1.3)


class MemoryTest(unittest.TestCase):
    def test_the_kernel_gives_what_the_daemon_may_take_by_default(self):
        unit, _ = unit_and_drop_in()
        with open(os.path.join(ROOT, "docs", "OPERATIONS.md"), encoding="utf-8") as manual:
            default = re.search(r"\| `memory_max` \| size \| `(\d+)GiB`", manual.read())[1]
        most = int(re.search(r"^MemoryMax=(\d+)M$", unit, re.MULTILINE)[1])
        self.assertEqual(most, int(default) * 1024 + 512)
        self.assertIn("\nMemorySwapMax=0\n", unit)


def unit_and_drop_in():
    with open(UNIT, encoding="utf-8") as unit, open(DROP_IN, encoding="utf-8") as drop_in:
        return unit.read(), drop_in.read()


def with_drop_in(unit, drop_in):
    """The text of a unit with a drop-in's settings behind its own."""
    return unit.partition("\n[Install]")[0] + "\n" + drop_in.partition("[Service]")[2]


class ConfinedDaemon(Daemon):
    """As a unit starts it: its user, its capabilities, its system calls. Notifications go to `notified`."""

    def __init__(self, unit, **options):
        super().__init__(**options)
        self.user = 0 if "\nUser=root" in unit else SOMEBODY
        self.capabilities = " ".join(re.findall(r"^CapabilityBoundingSet=(.*)", unit, re.MULTILINE)).lower().split()
        self.unit = os.path.join(self.home, "ampouled.service")
        with open(self.unit, "w", encoding="utf-8") as file:
            file.write(unit)
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.settimeout(harness.START_SECONDS)
        self.notified.bind(os.path.join(self.home, "notify"))
        for path, mode in ((self.home, 0o755), (self.unit, 0o644), (os.path.join(self.home, "notify"), 0o777)):
            os.chmod(path, mode)

    def _launch(self, *arguments):
        kept, unit = [name.removeprefix("cap_") for name in self.capabilities], self.unit
        # Who may not have LimitMEMLOCK=infinity here takes the capability instead: the daemon wants one of the two, and
        # each role calls capset(2) to keep no other.
        if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] != resource.RLIM_INFINITY:
            kept, unit = kept + ["ipc_lock"], unit + "+capset"
        bounds = ",".join(["-all", *("+" + name for name in kept)])
        words = ["setpriv", "--no-new-privs", "--bounding-set", bounds]
        if self.user != 0:
            for path in (self.state, *(os.path.join(self.home, name) for name in ("tls.crt", "tls.key"))):
                os.chown(path, self.user, self.user)
            words += ["--reuid", str(self.user), "--regid", str(self.user), "--clear-groups", "--inh-caps", bounds]
            words += ["--ambient-caps", bounds] if kept else []
        words += [os.path.join(ROOT, "tests", "interop", "confine.py"), unit, harness.AMPOULED, *arguments]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "NOTIFY_SOCKET": os.path.join(self.home, "notify")})

    def said(self):
        return self.notified.recv(256).decode()

    def status(self):
        """{process: {field: value}} of /proc/PID/status."""
        found = {}
        for name, pid in {"supervisor": self.process.pid, **self.roles()}.items():
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                found[name] = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        return found

    def destroy(self):
        super().destroy()
        self.notified.close()


@unittest.skipUnless(shutil.which("systemd-analyze") and shutil.which("setpriv"), "systemd or setpriv is not installed")
@unittest.skipUnless(os.geteuid() == 0, "only root can take another user")
@unittest.skipIf(harness.is_sanitized(), "a sanitizer asks the kernel for more")
class ConfinedTest(unittest.TestCase):
    def start(self, unit, sandbox, state=None):
        daemon = ConfinedDaemon(unit, settings={"sandbox": sandbox, "keys": {"provider": "ephemeral"}}, state=state)
        self.addCleanup(daemon.destroy)
        daemon.start()
        self.assertEqual(daemon.said(), "READY=1")
        return daemon

    def assert_serves(self, daemon):
        daemon.wait_next_second()
        client = daemon.client()
        card = client.post("/v1/redeem", {"token": client.tokenize()}).json()["card"]
        self.assertEqual(card["number"], harness.CARD["number"])
        client.close()
        for name, fields in daemon.status().items():
            self.assertEqual((fields["NoNewPrivs"], fields["Seccomp"]), ("1", "2"), name)

    def test_the_daemon_works_with_what_the_unit_leaves_and_tells_how_it_is(self):
        with open(UNIT, encoding="utf-8") as text:
            daemon = self.start(text.read(), {"users": "shared"})
        self.assert_serves(daemon)
        for name, fields in daemon.status().items():
            self.assertEqual(set(fields["Uid"].split()), {str(SOMEBODY)}, name)
        self.assertEqual(daemon.reload(), "success")
        self.assertEqual([daemon.said(), daemon.said()], ["RELOADING=1", "READY=1"])
        daemon.stop()
        self.assertEqual(daemon.said(), "STOPPING=1")

    def test_with_the_drop_in_each_role_has_its_own_user(self):
        with open(UNIT, encoding="utf-8") as text, open(DROP_IN, encoding="utf-8") as more:
            unit = with_drop_in(text.read(), more.read())
        roles = ("front", "keeper", "scribe", "courier")
        sandbox = {"users": "separate", **{role: str(SOMEBODY + place) for place, role in enumerate(roles, 1)}}
        first = self.start(unit, sandbox)
        self.assert_serves(first)
        found = {name: fields["Uid"].split()[0] for name, fields in first.status().items()}
        self.assertEqual(found, {"supervisor": str(SOMEBODY), **{role: sandbox[role] for role in roles}})
        held = {name: int(fields["CapEff"], 16) | int(fields["CapPrm"], 16) for name, fields in first.status().items()}
        self.assertTrue(held.pop("supervisor"))
        if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] == resource.RLIM_INFINITY:  # else they keep CAP_IPC_LOCK
            self.assertEqual(set(held.values()), {0})
        first.stop()
        self.assert_serves(self.start(unit, sandbox, state=first.state))  # what the roles own now opens again


if __name__ == "__main__":
    unittest.main()
