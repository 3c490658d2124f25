"""The units in packaging/systemd: how exposed systemd finds them, and that the daemon works with what they leave."""
import glob
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

import harness
import units
from harness import ROOT, wait_until
from receiver import Receiver
from units import ROLES, SUPERVISOR, UNITS, UnitDaemon

INTRUDER = os.path.join(harness.BUILD, "tests", "e2e", "intruder")
OPEN, SENDTO = 2, 44  # system calls, on x86-64
FRONT = 1  # AMP_ROLE_FRONT
THRESHOLD = 13  # tenths: what `systemd-analyze security` may say of any unit at most
# What OPERATIONS.md says of each.
EXPOSURE = {"ampouled.service": 1.2, "ampoule-courier@.service": 1.2, "ampoule-front@.service": 0.4,
            "ampoule-keeper@.service": 0.4, "ampoule-scribe@.service": 0.4}


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
class ExposureTest(unittest.TestCase):
    def analyze(self, name, text, threshold=THRESHOLD):
        """(whether systemd finds it exposed no more than that, what it says)"""
        with tempfile.TemporaryDirectory() as folder:
            unit = os.path.join(folder, name)
            with open(unit, "w", encoding="utf-8") as file:
                file.write(text)
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                                   f"--threshold={threshold}", unit], capture_output=True, text=True, check=False)
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
        self.assertIsNotNone(found, done.stdout + done.stderr)
        return done.returncode == 0, float(found[1])

    def test_systemd_finds_every_unit_hardly_exposed(self):
        shipped = {os.path.basename(path): read(path) for path in glob.glob(os.path.join(UNITS, "*.service"))}
        self.assertEqual(set(shipped), set(EXPOSURE))
        manual = read(os.path.join(ROOT, "docs", "OPERATIONS.md"))
        for name, text in shipped.items():
            good, exposure = self.analyze(name, text)
            self.assertTrue(good, f"{name}: {exposure}")
            self.assertLessEqual(exposure, EXPOSURE[name], name)
            self.assertTrue(re.search(rf"`{re.escape(name)}`.*\| {EXPOSURE[name]} \|", manual), f"OPERATIONS.md on {name}")

    def test_one_that_is_exposed_is_noticed(self):
        text = read(os.path.join(UNITS, "ampouled.service"))
        self.assertFalse(self.analyze("ampouled.service", text + "[Service]\nAmbientCapabilities=CAP_SETUID\n"
                                      "CapabilityBoundingSet=CAP_SETUID\nSystemCallFilter=@setuid\n")[0])

    def test_systemd_understands_all_that_the_units_say(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = glob.glob(os.path.join(UNITS, "*.s*")) + [os.path.join(ROOT, "packaging", "systemd", "ampoule.slice")]
            for path in paths:
                with open(os.path.join(folder, os.path.basename(path).replace("@.", "@1.")), "w", encoding="utf-8") as to:
                    to.write(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", read(path)))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                                   *sorted(glob.glob(os.path.join(folder, "*")))],
                                  env={**os.environ, "SYSTEMD_UNIT_PATH": folder + ":"}, capture_output=True, text=True,
                                  check=False)
        wrong = [line for line in done.stderr.splitlines() if folder in line]
        self.assertEqual(wrong, [])


class MemoryTest(unittest.TestCase):
    def test_the_kernel_gives_what_the_daemon_may_take_by_default(self):
        group = read(os.path.join(ROOT, "packaging", "systemd", "ampoule.slice"))
        default = re.search(r"\| `memory_max` \| size \| `(\d+)GiB`", read(os.path.join(ROOT, "docs", "OPERATIONS.md")))[1]
        self.assertEqual(int(re.search(r"^MemoryMax=(\d+)M$", group, re.MULTILINE)[1]), int(default) * 1024 + 512)
        self.assertIn("\nMemorySwapMax=0\n", group)
        for path in glob.glob(os.path.join(UNITS, "*.service")):
            self.assertIn("\nSlice=ampoule.slice\n", read(path), path)


class ServiceTest(unittest.TestCase):
    def test_every_process_may_open_as_many_files_as_it_has_connections(self):
        for path in glob.glob(os.path.join(UNITS, "*.service")):
            self.assertEqual(re.findall(r"(?m)^LimitNOFILE=(.*)", read(path)), ["524288"], path)

    def test_what_cannot_start_is_not_started_for_ever(self):
        unit = read(os.path.join(UNITS, "ampouled.service"))
        for line in ("Restart=on-failure", "RestartSec=1", "RestartPreventExitStatus=2", "StartLimitIntervalSec=120",
                     "StartLimitBurst=5"):
            self.assertIn(f"\n{line}\n", unit)

    def test_roles_are_not_started_or_stopped_by_hand(self):
        for role in ROLES:
            unit = read(units.unit_path(role))
            self.assertIn("\nRefuseManualStart=yes\nRefuseManualStop=yes\n", unit)


class UnitCase(unittest.TestCase):
    def setUp(self):
        why = units.lacks()
        if why:
            self.skipTest(why)

    def daemon(self, **options):
        options.setdefault("settings", {"keys": {"provider": "ephemeral"}})
        daemon = UnitDaemon(**options)
        self.addCleanup(daemon.destroy)
        return daemon

    def start(self, **options):
        daemon = self.daemon(**options)
        daemon.start()
        self.assertEqual(daemon.said(), "READY=1")
        return daemon

    def assert_serves(self, daemon):
        wait_until(lambda: len(daemon.roles()) == len(ROLES), 60, "four roles")
        daemon.wait_ready()
        client = daemon.client()
        card = client.post("/v1/redeem", {"token": client.tokenize()}).json()["card"]
        self.assertEqual(card["number"], harness.CARD["number"])
        client.close()

    def wait_another(self, daemon, role, pid):
        wait_until(lambda: daemon.roles().get(role, pid) != pid, 60, f"another {role}")


class ConfinedTest(UnitCase):
    def test_each_process_has_its_own_user_no_rights_and_the_daemon_works(self):
        daemon = self.start()
        self.assert_serves(daemon)
        # Where RLIMIT_MEMLOCK is finite they keep CAP_IPC_LOCK, see units.py.
        locked = 0 if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] == resource.RLIM_INFINITY else 1 << 14
        for name, fields in daemon.status().items():
            self.assertEqual(set(fields["Uid"].split()), {str(ROLES.get(name, SUPERVISOR))}, name)
            self.assertEqual(set(fields["Gid"].split()), {str(ROLES.get(name, SUPERVISOR))}, name)
            self.assertEqual((fields["NoNewPrivs"], fields["Seccomp"], fields["Groups"].strip()), ("1", "2", ""), name)
            for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(fields[kind], 16) & ~locked, 0, f"{name} {kind}")
        protections = daemon.client().get("/readyz", signed=False).json()["protections"]
        self.assertLessEqual({"user", "landlock", "seccomp"}, set(protections["sandbox"]))
        owners = {role: os.stat(daemon.directory(role)).st_uid for role in ("keeper", "scribe")}
        self.assertEqual(owners, {role: ROLES[role] for role in owners})
        self.assertFalse({"keys", "audit"} & set(os.listdir(daemon.state)))

    def test_it_tells_how_it_is_and_ends_with_all_that_it_had_started(self):
        daemon = self.start()
        self.assertEqual(daemon.reload(), "success")
        self.assertEqual([daemon.said(), daemon.said()], ["RELOADING=1", "READY=1"])
        daemon.stop()
        self.assertEqual(daemon.said(), "STOPPING=1")
        wait_until(lambda: not any(daemon.below().values()), what="the end of all starters")
        self.assertIn("service.stop", [event["event"] for event in daemon.events()])

    def test_what_is_left_when_the_supervisor_is_killed_ends_at_once(self):
        daemon = self.start()
        daemon.process.kill()
        daemon.process.wait()
        wait_until(lambda: not any(daemon.below().values()), what="the end of all roles")
        daemon.process = None

    def test_keys_outlive_keeper_and_daemon_with_a_kek_that_does(self):
        daemon = self.daemon()
        daemon.settings["keys"] = {"provider": "file", "file": os.path.join(daemon.directory("keeper"), "kek")}
        daemon.start()
        os.kill(daemon.roles()["keeper"], signal.SIGKILL)
        daemon.wait_event(lambda event: event["event"] == "role.died" and event["subject"] == "keeper")
        self.assert_serves(daemon)
        daemon.stop()
        daemon.launch()
        self.assert_serves(daemon)

    def test_keys_under_an_ephemeral_kek_outlive_the_keeper_alone(self):
        daemon = self.start()
        keyring = os.path.join(daemon.directory("keeper"), "keyring")
        keeper = daemon.roles()["keeper"]
        os.kill(keeper, signal.SIGKILL)
        self.wait_another(daemon, "keeper", keeper)
        self.assert_serves(daemon)
        self.assertTrue(os.path.exists(keyring))
        daemon.stop()
        daemon.start()
        self.assertIn("its ephemeral KEK died with that run", daemon.log())
        self.assert_serves(daemon)

    def test_a_courier_that_was_killed_is_replaced_and_delivers(self):
        daemon = self.daemon()
        tls = harness.make_certificate(daemon.home, "endpoint")
        os.chmod(tls[0], 0o644)
        daemon.settings["push"] = {"ca": tls[0], "allow": ["127.0.0.1"]}
        daemon.start()
        receiver = self.enterContext(Receiver(tls=tls))
        client = daemon.client()
        self.addCleanup(client.close)
        made = client.post("/v1/subscriptions", {"queue": "pay", "url": receiver.url("/hook")})
        self.assertEqual(made.status, 201, made)
        client.tokenize(queue="pay", ttl_ms=60000)
        wait_until(lambda: len(receiver.hooks) == 1, what="a webhook")
        courier = daemon.roles()["courier"]
        os.kill(courier, signal.SIGKILL)
        client.tokenize(queue="pay", ttl_ms=60000)
        wait_until(lambda: len({hook.id for hook in list(receiver.hooks)}) == 2, what="a webhook of another courier")
        self.assertNotEqual(daemon.roles()["courier"], courier)
        daemon.wait_event(lambda event: event["event"] == "role.died" and event["subject"] == "courier")


@unittest.skipUnless(os.uname().machine == "x86_64", "needs x86-64")
class ViolationTest(UnitCase):
    def test_what_a_sandbox_does_not_allow_is_recorded_though_another_process_sees_it(self):
        daemon = self.start()
        daemon.caused_deaths = (signal.SIGSYS,)
        self.assert_serves(daemon)
        for role in ROLES:
            pid = daemon.roles()[role]
            tried = subprocess.run([INTRUDER, str(pid), str(OPEN), "s:/etc/passwd", "0"], capture_output=True, text=True,
                                   timeout=60, check=True)
            self.assertEqual(tried.stdout.strip(), "killed 31", role)
            daemon.wait_event(lambda event, who=role: event["event"] == "role.violation" and event["subject"] == who
                              and event["code"] == "sandbox_violation" and event["alarm"])
            self.wait_another(daemon, role, pid)
            self.assert_serves(daemon)

    def test_who_is_accused_is_killed_though_it_does_nothing_any_more(self):
        daemon = self.start()
        self.assert_serves(daemon)
        roles = daemon.roles()
        os.kill(roles["courier"], signal.SIGSTOP)
        # AMP_IPC_VIOLATION, AMP_ROLE_COURIER: on the keeper's link to the supervisor
        subprocess.run([INTRUDER, str(roles["keeper"]), str(SENDTO), "3", "x:0504", "2", str(0x4040), "0", "0"],
                       capture_output=True, timeout=60, check=True)
        daemon.wait_event(lambda event: event["event"] == "role.violation" and event["subject"] == "courier"
                          and event["code"] == "invalid")
        self.wait_another(daemon, "courier", roles["courier"])
        self.assert_serves(daemon)


class StrangerTest(UnitCase):
    def test_who_is_neither_root_nor_the_role_starts_nothing_and_is_recorded(self):
        daemon = self.start()
        self.assert_serves(daemon)
        courier = daemon.roles()["courier"]
        daemon.deactivate("courier")
        stranger = daemon.impersonate("courier")
        self.addCleanup(stranger.communicate)
        self.addCleanup(stranger.kill)
        os.kill(courier, signal.SIGKILL)
        daemon.wait_event(lambda event: event["event"] == "role.violation" and event["subject"] == "courier"
                          and event["code"] == "not_permitted" and event["alarm"])
        self.assertIn("neither root nor the role's user", daemon.log())
        self.assertEqual(stranger.communicate(timeout=60)[0].strip(), "0")  # and told nothing


class RefusedTest(UnitCase):
    """What is not as the units have it does not start, and says why."""

    def told(self, daemon, words):
        daemon.launch()
        wait_until(lambda: words in daemon.log(), 60, words)

    def refused(self, daemon, words, status=1):
        self.told(daemon, words)
        self.assertEqual(daemon.process.wait(harness.STOP_SECONDS), status, daemon.log())
        daemon.process = None

    def test_a_socket_that_nobody_listens_on(self):
        daemon = self.daemon()
        daemon.prepare()
        daemon.activate("scribe")
        daemon.deactivate("scribe")
        self.refused(daemon, '"a starter cannot be reached","role":"scribe","error":"No such file or directory"}')

    def test_a_role_that_is_started_as_another_user(self):
        self.refused(self.daemon(users={"scribe": units.STRANGER}), "the starter must be the user that sandbox.ROLE names", 2)

    def test_files_of_roles_that_the_supervisor_started_before(self):
        daemon = self.daemon()
        os.makedirs(os.path.join(daemon.state, "audit"), mode=0o700)
        os.chmod(daemon.state, 0o700)
        self.refused(daemon, "move them to the directories of the units", 2)

    def test_one_user_for_all(self):
        daemon = self.daemon(settings={"sandbox": {"users": "shared"}})
        self.refused(daemon, "--starters gives each role a user of its own", 2)

    def test_a_keyring_of_another_provider(self):
        daemon = self.daemon()
        daemon.settings["keys"] = {"provider": "file", "file": os.path.join(daemon.directory("keeper"), "kek")}
        daemon.start()
        daemon.stop()
        keyring = read_bytes(os.path.join(daemon.directory("keeper"), "keyring"))
        daemon.settings["keys"] = {"provider": "ephemeral"}
        self.refused(daemon, "belongs to another keys.provider", 2)
        self.assertEqual(read_bytes(os.path.join(daemon.directory("keeper"), "keyring")), keyring)


class HangTest(UnitCase):
    """A starter that does nothing any more is not waited for."""

    def freeze(self, daemon, role):
        """Its starter."""
        pid = daemon.roles()[role]
        os.kill(int(dict(line.split(":\t", 1) for line in read(f"/proc/{pid}/status").splitlines())["PPid"]), signal.SIGSTOP)
        return pid

    def test_a_role_whose_starter_does_not_tell_of_its_end_is_replaced(self):
        daemon = self.start()
        self.assert_serves(daemon)
        courier = self.freeze(daemon, "courier")
        os.kill(courier, signal.SIGKILL)
        daemon.wait_event(lambda event: event["event"] == "role.died" and event["subject"] == "courier",
                          harness.START_SECONDS)
        self.assertIn("a starter tells nothing", daemon.log())
        self.assert_serves(daemon)

    def test_the_others_drain_all_the_same(self):
        daemon = self.start()
        self.assert_serves(daemon)
        self.freeze(daemon, "courier")
        daemon.process.terminate()
        self.assertEqual(daemon.process.wait(harness.STOP_SECONDS), 1, daemon.log())
        daemon.process = None
        self.assertIn("service.stop", [event["event"] for event in daemon.events()])

    def test_a_starter_that_never_begins_is_given_up(self):
        daemon = self.start()
        self.assert_serves(daemon)
        courier = daemon.roles()["courier"]
        daemon.deactivate("courier")
        where = os.path.join(daemon.starters, "courier")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(where)
            os.chmod(where, 0o666)
            listener.listen()
            listener.settimeout(harness.START_SECONDS)
            os.kill(courier, signal.SIGKILL)
            with listener.accept()[0] as order:
                order.settimeout(2 * harness.START_SECONDS)
                text, given, _, _ = socket.recv_fds(order, 65536, 16)
                for fd in given:  # its end of the control link among them: it is not closed meanwhile
                    self.addCleanup(os.close, fd)
                self.assertTrue(text and given)
                self.assertEqual(order.recv(65536), b"")
        self.assertIn("a starter tells nothing", daemon.log())


class AloneTest(UnitCase):
    """Of keeper and scribe there is one to a directory, whoever started the other."""

    def launch_in_vain(self, daemon):
        daemon.launch()
        self.assertEqual(daemon.process.wait(harness.STOP_SECONDS), 1, daemon.log())
        daemon.process = None
        self.assertIn("still uses this directory", daemon.log())

    def test_a_second_daemon_is_refused_the_directories_of_the_first(self):
        daemon = self.start()
        second = self.daemon()
        second.directory = daemon.directory
        self.launch_in_vain(second)
        self.assert_serves(daemon)

    def test_a_scribe_that_outlives_its_supervisor_keeps_the_next_one_out(self):
        daemon = self.start()
        self.assert_serves(daemon)
        left = daemon.below()["scribe"]
        for pid in left:
            os.kill(pid, signal.SIGSTOP)
        daemon.process.kill()
        daemon.process.wait()
        daemon.process = None
        wait_until(lambda: not any(pids for role, pids in daemon.below().items() if role != "scribe"), what="the others' end")
        self.launch_in_vain(daemon)
        for pid in left:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not any(daemon.below().values()), what="the end of what was left")
        daemon.start()
        self.assert_serves(daemon)


class StarterTest(unittest.TestCase):
    """By itself."""

    def starter(self, role, stdin, **options):
        return subprocess.Popen([harness.AMPOULED, "--starter", role], stdin=stdin, stderr=subprocess.PIPE, text=True,
                                **options)

    def test_it_is_not_started_by_hand(self):
        for role in ("front", "nobody"):
            starter = self.starter(role, subprocess.DEVNULL)
            self.assertIn("run by a service manager", starter.communicate(timeout=60)[1])
            self.assertEqual(starter.returncode, 2)

    def test_what_is_no_order_ends_it(self):
        for nonsense in (b"\x01", b"\x02" * 64, b"x" * 4096, b""):
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            starter = self.starter("front", its)
            its.close()
            if nonsense:
                ours.send(nonsense)
            else:
                ours.close()
            self.assertIn("no order came", starter.communicate(timeout=60)[1])
            self.assertEqual(starter.returncode, 1)
            ours.close()

    def order_program(self, program):
        """What the starter says that is told to run this as another user."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        starter = self.starter("front", its)
        its.close()
        with ours, open(os.devnull, "rb") as nothing:
            # daemon/order.c: form, role, first, which descriptors; user, group, workers, sockets; what to resume
            order = struct.pack(">BBBBIIIIH", 2, FRONT, 1, 0b111, os.geteuid() + 1, os.getegid(), 1, 0, 0)
            socket.send_fds(ours, [order], [program, nothing.fileno(), nothing.fileno()])
            said = starter.communicate(timeout=60)[1]
            self.assertEqual(struct.unpack(">I", ours.recv(16))[0] >> 8, 2, said)  # refused for good
        return said

    def test_of_other_programs_it_runs_only_what_an_upgrade_replaced(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "program"), "wb") as program:
                os.fchmod(program.fileno(), 0o755)
                self.assertIn("is not for this starter", self.order_program(program.fileno()))
                os.unlink(program.name)
                self.assertIn("must be the user", self.order_program(program.fileno()))
                os.fchmod(program.fileno(), 0o775)
                self.assertIn("is not for this starter", self.order_program(program.fileno()))


if __name__ == "__main__":
    unittest.main()
