"""The daemon's own life: starting, restarting what dies, draining, reloading, administration, and its event log."""
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import stat
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import audit_reader
from again import Unforgivable
from harness import (AMPOULE, AMPOULED, CARD, SANDBOX, Daemon, DaemonCase, free_port, is_sanitized, make_certificate,
                     raw_request, wait_until)

FILE_KEYS = {"keys": {"provider": "file", "file": ""}}


def run(*args, timeout=60):
    return subprocess.run([AMPOULED, *args], capture_output=True, text=True, timeout=timeout, check=False)


class CommandLineTest(unittest.TestCase):
    def test_help_and_version(self):
        self.assertIn("--check-config", run("--help").stdout)
        self.assertRegex(run("--version").stdout, r"^ampouled \d+\.\d+\.\d+\n$")

    def test_wrong_usage_is_told_and_exits_2(self):
        for args in ((), ("--dev",), ("--nonsense",), ("--config", "/nonexistent.yaml"), ("--role", "king"),
                     ("--dev", "--state", "/tmp/x", "--listen", "0.0.0.0:8443")):
            done = run(*args)
            self.assertEqual(done.returncode, 2, args)

    def test_a_role_cannot_be_started_by_hand(self):
        for role in ("front", "keeper", "scribe", "courier"):
            self.assertEqual(run("--role", role).returncode, 1)

    def test_configuration_is_checked_with_helpful_words(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.yaml")
            with open(path, "w", encoding="utf-8") as config:
                json.dump({"vault": {"ttl": "10"}, "state": "relative"}, config)
            done = run("--config", path, "--check-config")
            self.assertEqual(done.returncode, 2)
            self.assertIn('vault.ttl: "10" is not a duration such as', done.stderr)
            self.assertIn('state: "relative" is not an absolute path', done.stderr)
            self.assertIn("listen.cert is missing", done.stderr)

    def test_a_configuration_is_one_document_in_a_plain_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.yaml")
            for text in ("workers: 1\n---\nworkers: 2\n", "---\nworkers: 1\n--- \n", "workers: 1\n...\n"):
                with open(path, "w", encoding="utf-8") as config:
                    config.write(text)
                self.assertIn("more than one YAML document", run("--config", path, "--check-config").stderr)
            with open(path, "w", encoding="utf-8") as config:
                config.write("# ours\n---\nvault: {memory_max: 2TiB}\n")
            said = run("--config", path, "--check-config").stderr
            self.assertNotIn("more than one", said)
            self.assertIn('vault.memory_max: "2TiB" is out of bounds', said)
            os.unlink(path)
            os.mkfifo(path)
            done = run("--config", path, "--check-config")
            self.assertEqual(done.returncode, 2)
            self.assertIn("no plain file", done.stderr)

    def test_development_mode_is_asked_for_by_its_option_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.yaml")
            with open(path, "w", encoding="utf-8") as config:
                json.dump({"dev": "true", "state": folder, "listen": {"addresses": ["127.0.0.1:1"], "cert": "/c",
                                                                      "key": "/k"}}, config)
            done = run("--config", path)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--dev alone", done.stderr)


class StartTest(unittest.TestCase):
    def test_development_mode_says_so_and_keeps_its_files_private(self):
        with Daemon() as daemon:
            self.assertIn("DEVELOPMENT MODE - NOT FOR CARD DATA OF REAL PEOPLE", daemon.log())
            listed = daemon.cli("key", "list")  # its environment says where the daemon's socket is
            self.assertEqual((listed.returncode, listed.stderr), (0, ""))
            for name, mode in (("", 0o700), ("audit", 0o700), ("dev.env", 0o600), ("tls.key", 0o600),
                               ("keys", 0o700), ("keys/keyring", 0o600), ("keys/subscriptions", 0o600),
                               ("admin.sock", 0o600)):
                found = os.stat(os.path.join(daemon.state, name)).st_mode
                self.assertEqual(stat.S_IMODE(found), mode, name)
            for name in os.listdir(os.path.join(daemon.state, "audit")):
                self.assertEqual(stat.S_IMODE(os.stat(os.path.join(daemon.state, "audit", name)).st_mode), 0o600)

    def test_no_secret_in_arguments_or_environment_of_any_process(self):
        with Daemon(env={"SOME_PASSWORD": "swordfish"}) as daemon:
            for pid in daemon.pids()[1:]:
                for name in ("cmdline", "environ"):
                    with open(f"/proc/{pid}/{name}", "rb") as source:
                        content = source.read()
                    self.assertNotIn(b"swordfish", content)
                    self.assertNotIn(daemon.secret.encode(), content)

    @unittest.skipIf(is_sanitized(), "sanitizers have handlers of their own")
    def test_no_thread_can_be_made_to_spill_its_registers_by_a_signal(self):
        """A handler's frame would put them on the stack: there is none, and what could have one is blocked."""
        of_libc = 3 << 31  # 32 and 33, which nobody outside may have it handle
        ends_at_once = {signal.SIGABRT, signal.SIGQUIT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL,
                        signal.SIGTRAP, signal.SIGSYS, signal.SIGKILL, signal.SIGSTOP}
        with Daemon() as daemon:
            for pid in daemon.pids():
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as status:
                        masks = {key: int(value, 16) for key, value in
                                 (line.split() for line in status if line.startswith("Sig") and "/" not in line)}
                    self.assertEqual(masks["SigCgt:"] & ~of_libc, 0)
                    held = {number for number in signal.valid_signals() if masks["SigBlk:"] >> (number - 1) & 1}
                    self.assertEqual(signal.valid_signals() - held, ends_at_once)

    def test_roles_have_an_environment_of_their_own(self):
        """A library that binds late saves the vector registers on the stack, keys in them included."""
        daemon = Daemon()
        daemon.extra_env = {"SOMETHING_PRIVATE": "yes"}
        with daemon:
            for pid in daemon.roles().values():
                with open(f"/proc/{pid}/environ", "rb") as environ:
                    variables = environ.read().split(b"\0")
                self.assertIn(b"LD_BIND_NOW=1", variables)
                self.assertNotIn(b"SOMETHING_PRIVATE=yes", variables)

    def test_port_0_takes_a_free_one(self):
        daemon = Daemon("--workers", "2")
        daemon.port = 0
        with daemon:
            self.assertGreater(daemon.port, 0)
            self.assertTrue(daemon.client().tokenize())

    def test_the_certificate_is_kept_and_the_keyring_is_not(self):
        with Daemon() as daemon:
            with open(os.path.join(daemon.state, "tls.crt"), "rb") as cert:
                before = cert.read()
            old_key = daemon.key_id
            daemon.stop()
            self.assertFalse(os.path.exists(os.path.join(daemon.state, "dev.env")))  # its key is dead
            daemon.start()
            with open(os.path.join(daemon.state, "tls.crt"), "rb") as cert:
                self.assertEqual(cert.read(), before)
            self.assertNotEqual(daemon.key_id, old_key)
            for name in ("keyring", "subscriptions"):
                self.assertIn("a file of an earlier run was discarded: its ephemeral KEK died with that run\","
                              f"\"file\":\"{name}\"", daemon.log())

    def test_one_state_directory_serves_one_daemon(self):
        with Daemon() as daemon:
            done = run("--dev", "--state", daemon.state, "--listen", f"127.0.0.1:{free_port()}")
            self.assertEqual(done.returncode, 1)
            self.assertIn("another daemon uses this state directory", done.stderr)

    def test_a_port_in_use_is_refused(self):
        with Daemon() as daemon, tempfile.TemporaryDirectory() as other:
            done = run("--dev", "--state", os.path.join(other, "s"), "--listen", f"127.0.0.1:{daemon.port}")
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot listen", done.stderr)

    def test_a_state_directory_open_to_others_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            done = run("--dev", "--state", folder, "--listen", f"127.0.0.1:{free_port()}")
            self.assertEqual(done.returncode, 2)
            self.assertIn("mode 0700", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to take the privilege away")
    def test_production_refuses_where_memory_cannot_be_locked(self):
        daemon = Daemon(settings={})
        self.addCleanup(daemon.destroy)
        os.makedirs(daemon.state, mode=0o700)
        open(os.path.join(daemon.home, "tls.crt"), "w", encoding="utf-8").close()
        open(os.path.join(daemon.home, "tls.key"), "w", encoding="utf-8").close()
        daemon.configure({})
        done = subprocess.run(["/usr/sbin/capsh", "--drop=cap_ipc_lock", "--", "-c",
                               f"ulimit -l 64; exec {AMPOULED} --config {daemon.config_path}"],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("memory cannot be locked", done.stderr)


def contents(folder):
    """{name: bytes} of every file below."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            if not stat.S_ISSOCK(os.stat(os.path.join(where, name)).st_mode):
                with open(os.path.join(where, name), "rb") as source:
                    found[os.path.relpath(os.path.join(where, name), folder)] = source.read()
    return found


class StateDirectoryTest(unittest.TestCase):
    """What production lives on is never discarded nor written over by another mode or provider."""

    def production(self):
        daemon = Daemon(settings={})
        self.addCleanup(daemon.destroy)
        daemon.settings = {"keys": {"provider": "file", "file": os.path.join(daemon.home, "kek")}}
        daemon.start()
        daemon.stop()
        for name in ("tls.crt", "tls.key"):  # some keep them there
            shutil.copy(os.path.join(daemon.home, name), daemon.state)
        return daemon

    def test_development_mode_leaves_a_production_directory_alone(self):
        daemon = self.production()
        before = contents(daemon.state)
        self.assertIn("keys/keyring", before)
        done = run("--dev", "--state", daemon.state, "--listen", f"127.0.0.1:{free_port()}")
        self.assertEqual(done.returncode, 2)
        self.assertIn("development mode takes a directory of its own", done.stderr)
        self.assertEqual(contents(daemon.state), before)
        key_id = daemon.key_id
        daemon.start()  # and it serves as before
        self.assertIn(key_id, daemon.admin("list", "--json").stdout)

    def test_what_an_earlier_release_kept_beside_is_moved_to_the_keeper(self):
        daemon = self.production()
        for name in ("keyring", "subscriptions"):
            os.rename(os.path.join(daemon.state, "keys", name), os.path.join(daemon.state, name))
            os.chown(os.path.join(daemon.state, name), os.geteuid(), os.getegid())
        os.rmdir(os.path.join(daemon.state, "keys"))
        shutil.copytree(daemon.state, daemon.home + "/twice")
        key_id = daemon.key_id
        daemon.start()
        self.assertIn(key_id, daemon.admin("list", "--json").stdout)
        self.assertEqual([name for name in contents(daemon.state) if name.endswith("keyring")], ["keys/keyring"])
        daemon.stop()
        shutil.copy(os.path.join(daemon.home, "twice", "keyring"), daemon.state)  # which of the two is it?
        before = contents(daemon.state)
        done = run("--config", daemon.config_path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("stands there twice", done.stderr)
        self.assertEqual(contents(daemon.state), before)

    def test_another_provider_leaves_the_keyring_alone(self):
        daemon = self.production()
        before = contents(daemon.state)
        daemon.configure({"keys": {"provider": "ephemeral"}})
        done = run("--config", daemon.config_path)
        self.assertEqual(done.returncode, 2)
        self.assertIn("belongs to another keys.provider", done.stderr)
        self.assertEqual(contents(daemon.state), before)
        for name in ("subscriptions", "keyring"):
            with open(os.path.join(daemon.state, "keys", name), "wb") as sealed:
                sealed.write(b"nothing")
            damaged = contents(daemon.state)
            self.assertEqual(run("--config", daemon.config_path).returncode, 2)
            self.assertEqual(contents(daemon.state), damaged)

    def test_production_leaves_a_development_directory_alone(self):
        with Daemon() as daemon:
            daemon.stop()
            for name in ("tls.crt", "tls.key"):
                shutil.copy(os.path.join(daemon.state, name), daemon.home)
            daemon.configure({})
            done = run("--config", daemon.config_path)
            self.assertEqual(done.returncode, 2)
            self.assertIn("made by development mode", done.stderr)
            daemon.start()

    def test_an_empty_directory_is_taken_for_development(self):
        daemon = Daemon()
        os.makedirs(daemon.state, mode=0o700)
        with daemon:
            self.assertTrue(daemon.client().tokenize())


class EndTest(unittest.TestCase):
    def test_every_signal_to_end_drains_and_completes_the_log(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Daemon() as daemon:
                token = daemon.client().tokenize()
                daemon.client().post("/v1/redeem", {"token": token})
                daemon.process.send_signal(number)
                self.assertEqual(daemon.process.wait(30), 0)
                daemon.process = None
                records = audit_reader.read_log(os.path.join(daemon.state, "audit"), sealed_end=True)
                self.assertEqual([record["event"] for record in records[-2:]], ["service.stop", "log.epoch"])
                self.assertIn("token.redeem", [record["event"] for record in records])
                self.assertFalse(os.path.exists(os.path.join(daemon.state, "admin.sock")))

    def test_a_signal_while_it_starts_ends_it_as_well(self):
        """At any moment: every role that is up by then finishes, and none waits for one that cannot."""
        daemon = Daemon("--workers", "2")
        self.addCleanup(daemon.destroy)
        for moment_ms in (1, 2, 3, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100):
            before = len(daemon.log()) if os.path.exists(daemon.log_path) else 0
            daemon._launch("--dev", "--state", daemon.state, "--listen", f"{daemon.host}:{daemon.port}",
                           *daemon.args)
            time.sleep(moment_ms / 1000)
            daemon.process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            status = daemon.process.wait(60)
            said = daemon.log()[before:]
            # Before main() there is nobody yet who could catch it.
            self.assertIn(status, (0,) if said else (0, -signal.SIGTERM), f"after {moment_ms} ms: {said}")
            self.assertLess(time.monotonic() - started, 60, f"after {moment_ms} ms")
            daemon.process = None
            audit = os.path.join(daemon.state, "audit")
            if status == 0 and os.path.isdir(audit) and os.listdir(audit):
                self.assertEqual(audit_reader.read_log(audit, sealed_end=True)[-2]["event"], "service.stop")

    def test_what_is_under_way_is_finished(self):
        with Daemon() as daemon:
            raw = daemon.raw()
            body = json.dumps({"card": CARD}).encode()
            headers = daemon.client().signer.headers("POST", daemon.url + "/v1/tokens", body,
                                                     {"content-type": "application/json"})
            head = f"POST /v1/tokens HTTP/1.1\r\nhost: {daemon.host}:{daemon.port}\r\n" + "".join(
                f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() != "host")
            raw.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[:10])
            daemon.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "ending" in daemon.log(), what="the drain")
            raw.send(body[10:])
            answer = raw.read_answer()
            self.assertIn(answer.status if answer else None, (201, 503))
            self.assertEqual(daemon.process.wait(30), 0)
            daemon.process = None

    def test_no_stranger_keeps_it_from_ending(self):
        """Half a body, and answers that nobody takes, with limits of an hour: it ends as if they were not there."""
        with Daemon(settings={"limits": {"body": "1h", "request": "1h"}}) as daemon:
            half, unread = daemon.raw(), daemon.raw()
            self.addCleanup(half.close)
            self.addCleanup(unread.close)
            half.send(raw_request("POST", "/v1/tokens", daemon.host, {"content-length": "10"}) + b"abc")
            unread.socket.settimeout(0.2)
            with contextlib.suppress(TimeoutError, ssl.SSLWantWriteError):
                for _ in range(300):
                    unread.send(raw_request("GET", "/openapi.json", daemon.host))
            daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(daemon.process.wait(60), 0)
            daemon.process = None
            events = [event["event"] for event in daemon.events()]
            self.assertNotIn("role.died", events)
            self.assertEqual(events[-2:], ["service.stop", "log.epoch"])

    def test_no_role_survives_the_supervisor(self):
        with Daemon() as daemon:
            roles = daemon.roles()
            daemon.process.kill()
            daemon.process.wait()
            for role, pid in roles.items():
                wait_until(lambda pid=pid: gone(pid), what=f"the end of {role}")
            os.unlink(os.path.join(daemon.state, "dev.env"))
            daemon.start()  # and the state it left behind is good
            audit_reader.read_live_log(os.path.join(daemon.state, "audit"))


def gone(pid):
    """Neither running nor anything but a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as source:
            return source.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class RestartTest(DaemonCase):
    def kill(self, role):
        before = self.daemon.roles()[role]
        starts = self.count("role.start", role)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self.daemon.roles().get(role, before) != before, what=f"a new {role}")
        self.daemon.wait_ready()
        wait_until(lambda: self.count("role.start", role) > starts, what="the record of its start")

    def count(self, event, subject):
        return sum(record["event"] == event and record.get("subject") == subject for record in self.daemon.events())

    def test_each_role_is_started_again_and_the_death_recorded(self):
        for role in ("keeper", "scribe", "courier", "front"):
            deaths = self.count("role.died", role)
            self.kill(role)
            self.assertEqual(self.count("role.died", role), deaths + 1)
            self.client.close()
            token = self.client.tokenize()
            self.assertEqual(self.client.post("/v1/redeem", {"token": token}).status, 200)
        audit_reader.read_live_log(os.path.join(self.daemon.state, "audit"))

    def test_tokens_lost_with_front_are_counted(self):
        self.kill("front")
        self.client.close()
        for _ in range(7):
            self.client.tokenize(ttl_ms=600000)
        deaths = self.count("role.died", "front")
        time.sleep(3)  # front tells its count once a second
        self.kill("front")
        died = [record for record in self.daemon.events()
                if record["event"] == "role.died" and record.get("subject") == "front"]
        self.assertEqual(len(died), deaths + 1)
        self.assertEqual(died[-1]["count"], 7)

    def test_messages_lost_with_front_are_counted(self):
        made = self.client.post("/v1/subscriptions", {"queue": "unheard", "url": f"http://127.0.0.1:{free_port()}/"})
        self.assertEqual(made.status, 201)
        for _ in range(3):
            self.client.tokenize(queue="unheard", ttl_ms=600000)
        time.sleep(3)  # front tells its count once a second
        self.kill("front")
        lost = self.daemon.wait_event(lambda event: event["event"] == "message.lose")
        self.assertEqual((lost["subject"], lost["outcome"], lost["count"]), ("front", "failure", 3))
        self.client.close()
        self.assertEqual(self.client.delete(f"/v1/subscriptions/{made.json()['id']}").status, 204)

    def test_keys_outlive_the_keeper_and_tokens_outlive_keeper_and_scribe(self):
        token = self.client.tokenize(ttl_ms=60000)
        made = self.daemon.new_key("tokenize")
        self.kill("keeper")
        self.kill("scribe")
        self.assertEqual(self.client.post("/v1/redeem", {"token": token}).status, 200)
        self.assertTrue(self.daemon.client(*made).tokenize() if isinstance(made, tuple) else made)

    def test_alarm_stands_in_the_record_of_a_death(self):
        self.kill("scribe")
        died = [record for record in self.daemon.events() if record["event"] == "role.died"][-1]
        self.assertTrue(died["alarm"])
        self.assertEqual((died["outcome"], died["who"]), ("failure", "supervisor"))


class CrashTest(unittest.TestCase):
    def test_a_role_that_breaks_down_is_no_chance(self):
        """Whatever becomes of the case: its daemon's log is searched, and no second run forgives what is found."""
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGSYS):
            with self.subTest(number), self.assertRaises(Unforgivable):
                with Daemon() as daemon:
                    front = daemon.roles()["front"]
                    os.kill(front, number)
                    wait_until(lambda: daemon.roles().get("front", front) != front, what="another front")


class SubscriptionsAcrossLivesTest(unittest.TestCase):
    def listed(self, daemon):
        client = daemon.client()
        self.addCleanup(client.close)
        return client.get("/v1/subscriptions").json()["subscriptions"]

    def test_they_outlive_roles_and_daemon_with_a_kek_that_does(self):
        daemon = Daemon(settings={})
        self.addCleanup(daemon.destroy)
        daemon.settings = {"keys": {"provider": "file", "file": os.path.join(daemon.home, "kek")}}
        daemon.start()
        made = daemon.client().post("/v1/subscriptions", {"queue": "payments", "url": "https://example.com/hook"})
        self.assertEqual(made.status, 201)
        before = self.listed(daemon)
        self.assertEqual([entry["id"] for entry in before], [made.json()["id"]])
        for role in ("keeper", "front"):
            pid = daemon.roles()[role]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda role=role, pid=pid: daemon.roles().get(role, pid) != pid, what=f"a new {role}")
            daemon.wait_ready()
            wait_until(lambda: self.listed(daemon) == before, what="the same subscriptions")
        daemon.stop()
        for content in contents(daemon.state).values():
            self.assertNotIn(b"example.com", content)
            self.assertNotIn(made.json()["secret"].encode(), content)
        daemon._launch("--config", daemon.config_path)
        daemon.wait_ready()
        wait_until(lambda: self.listed(daemon) == before, what="the same subscriptions")


class ReplayAcrossLivesTest(unittest.TestCase):
    """PROTOCOL 2.3: the replay memory dies with front, and yet no signature is accepted twice."""

    def start(self, **keys):
        daemon = Daemon(settings={})
        self.addCleanup(daemon.destroy)
        if keys:
            daemon.settings = {"keys": {"provider": "file", "file": os.path.join(daemon.home, "kek")}}
        daemon.start()
        return daemon

    def captured(self, daemon, shift=0):
        """A tokenize that was accepted, to be sent again."""
        client = daemon.client()
        self.addCleanup(client.close)
        body = json.dumps({"card": CARD}).encode()
        headers = client.signer.headers("POST", daemon.url + "/v1/tokens", body, {"content-type": "application/json"},
                                        shift=shift)
        send = lambda: (client.close(), client.send("POST", "/v1/tokens", body, headers))[1]
        self.assertEqual(send().status, 201)
        return send

    def assert_refused(self, answer):
        self.assertIn((answer.status, answer.code), ((401, "clock_skew"), (409, "request_replayed")))

    def kill_front(self, daemon):
        front = daemon.roles()["front"]
        os.kill(front, signal.SIGKILL)
        wait_until(lambda: daemon.roles().get("front", front) != front, what="a new front")
        daemon.wait_ready()

    def test_when_front_dies(self):
        daemon = self.start()
        now, ahead = self.captured(daemon), self.captured(daemon, shift=5)
        time.sleep(3)  # front tells once a second how far it is
        self.kill_front(daemon)
        self.assert_refused(now())
        self.assert_refused(ahead())
        wait_until(lambda: daemon.client().post("/v1/tokens", {"card": CARD}).status == 201, what="the clock")
        self.assert_refused(ahead())

    def test_when_the_daemon_starts_again_with_its_keys(self):
        daemon = self.start(persistent=True)
        now, ahead = self.captured(daemon), self.captured(daemon, shift=15)  # a start lies between
        daemon.stop()
        daemon._launch("--config", daemon.config_path)
        daemon.wait_ready()
        self.assert_refused(now())
        self.assert_refused(ahead())
        self.assertIn("signatures are refused until the clock has passed", daemon.log())
        daemon.process.kill()  # no time to keep anything
        daemon.process.wait()
        daemon._launch("--config", daemon.config_path)
        daemon.wait_ready()
        self.assert_refused(now())
        self.assert_refused(ahead())
        wait_until(lambda: daemon.client().post("/v1/tokens", {"card": CARD}).status == 201, what="the clock")
        self.assert_refused(ahead())

    def test_a_damaged_horizon_is_not_taken_for_none(self):
        daemon = self.start(persistent=True)
        daemon.stop()
        for text in ("", "5", "x\n", "-1\n", "99999999999999999999999\n", f"{1 << 62}\n"):
            with open(os.path.join(daemon.state, "replay-horizon"), "w", encoding="utf-8") as horizon:
                horizon.write(text)
            done = run("--config", daemon.config_path)
            self.assertEqual(done.returncode, 2, text)
            self.assertIn("replay horizon cannot be read", done.stderr)


class NotifyTest(unittest.TestCase):
    def test_a_name_may_fill_its_room(self):
        """sun_path holds 108 bytes: a name in the abstract namespace needs no NUL behind it."""
        name = f"ampoule-{os.getpid()}-".ljust(107, "x")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind("\0" + name)
            manager.settimeout(60)
            with Daemon("--workers", "1", env={"NOTIFY_SOCKET": "@" + name}):
                self.assertEqual(manager.recv(64), b"READY=1")


class GiveUpTest(unittest.TestCase):
    def configured(self, **sections):
        daemon = Daemon(settings={})
        self.addCleanup(daemon.destroy)
        os.makedirs(daemon.state, mode=0o700)
        make_certificate(daemon.home, "tls")
        daemon.configure(sections)
        return daemon

    def test_a_role_that_never_comes_up_ends_the_daemon(self):
        """A keyring that does not verify: the keeper cannot serve, and that must not go on for ever."""
        daemon = self.configured()
        daemon.configure({"keys": {"provider": "file", "file": os.path.join(daemon.home, "kek")}})
        os.mkdir(os.path.join(daemon.state, "keys"), mode=0o700)
        with open(os.path.join(daemon.state, "keys", "keyring"), "wb") as keyring:
            keyring.write(b"AMPKRING\0\0\0\1" + b"file".ljust(16, b"\0") + b"\0\x28" + b"\0" * 100)
        done = run("--config", daemon.config_path, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the keyring does not verify", done.stderr)
        self.assertIn("cannot be kept alive", done.stderr)

    def test_a_certificate_that_is_none_is_told_at_once(self):
        daemon = self.configured()
        with open(os.path.join(daemon.home, "tls.crt"), "w", encoding="utf-8") as broken:
            broken.write("nothing\n")
        done = run("--config", daemon.config_path, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot be used together", done.stderr)

    def test_users_that_are_not_there_are_told_before_the_start(self):
        daemon = self.configured()
        for sandbox, why in (({**SANDBOX, "users": "separate", "front": "nobody-of-that-name"}, "does not exist"),
                             ({"users": "separate", "front": "61001", "keeper": "61001", "scribe": "61003",
                               "courier": "61004"}, "five different users")):
            daemon.configure({"sandbox": sandbox})
            done = run("--config", daemon.config_path, "--check-config")
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(why, done.stderr)

    def test_a_file_that_is_not_there_is_told_once(self):
        daemon = self.configured()
        missing = os.path.join(daemon.home, "missing.crt")
        daemon.configure({"listen": {"cert": missing}})
        for args in ((), ("--check-config",)):
            said = run("--config", daemon.config_path, *args).stderr.splitlines()
            errors = [line for line in map(json.loads, said) if line["level"] == "error"]
            self.assertEqual([line.get("path") for line in errors], [missing])
            self.assertIn("No such file or directory", errors[0]["message"])

    def test_roots_for_push_that_are_none_are_told_at_once(self):
        daemon = self.configured()
        roots = os.path.join(daemon.home, "roots.pem")
        daemon.configure({"push": {"ca": roots}})
        self.assertEqual(run("--config", daemon.config_path).returncode, 1)  # no such file
        with open(roots, "w", encoding="utf-8") as broken:
            broken.write("nothing\n")
        for args in ((), ("--check-config",)):
            done = run("--config", daemon.config_path, *args)
            self.assertEqual(done.returncode, 2)
            self.assertIn("cannot be used together", done.stderr)
        shutil.copy(os.path.join(daemon.home, "tls.crt"), roots)
        self.assertEqual(run("--config", daemon.config_path, "--check-config").returncode, 0)

    def test_a_certificate_that_broke_since_does_not_stop_a_new_front(self):
        daemon = Daemon(settings={"keys": {"provider": "ephemeral"}})
        self.addCleanup(daemon.destroy)
        daemon.start()
        trusted = daemon.tls_context()
        daemon.tls_context = lambda: trusted  # read before it breaks
        for name in ("tls.crt", "tls.key"):
            with open(os.path.join(daemon.home, name), "w", encoding="utf-8") as broken:
                broken.write("nothing\n")
        self.assertEqual(daemon.reload(), "refused")
        for _ in range(2):
            front = daemon.roles()["front"]
            os.kill(front, signal.SIGKILL)
            wait_until(lambda: daemon.roles().get("front", front) != front, what="a new front")
            daemon.wait_ready()
            self.assertTrue(daemon.client().tokenize())

    def test_a_kek_in_a_file_is_warned_of(self):
        with tempfile.TemporaryDirectory() as keys:
            kek = os.path.join(keys, "kek")
            with Daemon(settings={"keys": {"provider": "file", "file": kek}}) as daemon:
                self.assertIn("keys.provider is file", daemon.log())
                started = daemon.wait_event(lambda event: event["event"] == "service.start")
                self.assertEqual(started["subject"], "file")


class AdminTest(DaemonCase):
    def socket(self):
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        plain.settimeout(60)
        plain.connect(os.path.join(self.daemon.state, "admin.sock"))
        self.addCleanup(plain.close)
        return plain

    def test_a_key_from_its_creation_to_its_end(self):
        made = json.loads(self.daemon.admin("create", "--name", "till", "--may", "tokenize", "--json").stdout)
        client = self.daemon.client(made["key_id"], made["secret"])
        token = client.tokenize()
        self.assert_refused(client.post("/v1/redeem", {"token": token}), 403, "not_permitted")
        rotated = json.loads(self.daemon.admin("rotate", made["key_id"], "--json").stdout)
        self.assertTrue(client.tokenize())  # the overlap
        fresh = self.daemon.client(rotated["key_id"], rotated["secret"])
        self.assertTrue(fresh.tokenize())
        self.assertEqual(self.daemon.admin("disable", made["key_id"]).returncode, 0)
        self.assert_refused(client.post("/v1/tokens", {"card": CARD}), 403, "key_disabled")
        self.assertTrue(fresh.tokenize())
        listed = self.daemon.admin("list", "--json").stdout
        self.assertIn(made["key_id"], listed)
        self.assertIn(rotated["key_id"], listed)
        self.assertNotIn(made["secret"], listed)

        def recorded():
            return [(event["event"], event["who"]) for event in self.daemon.events()
                    if event.get("subject") == made["key_id"]]
        wait_until(lambda: len(recorded()) >= 3, what="a record of each")
        who = f"uid:{os.geteuid()}"
        self.assertEqual(recorded(), [("key.create", who), ("key.rotate", who), ("key.disable", who)])

    def test_a_key_that_was_deleted_is_unknown(self):
        made = json.loads(self.daemon.admin("create", "--name", "till", "--may", "tokenize", "--json").stdout)
        client = self.daemon.client(made["key_id"], made["secret"])
        self.assertTrue(client.tokenize())
        self.assertEqual(self.daemon.admin("disable", made["key_id"]).returncode, 0)
        self.assert_refused(client.post("/v1/tokens", {"card": CARD}), 403, "key_disabled")
        self.assertEqual(self.daemon.admin("delete", made["key_id"]).returncode, 0)
        self.assert_refused(client.post("/v1/tokens", {"card": CARD}), 401, "unknown_key")

    def test_a_key_that_nobody_could_read_is_not_in_force(self):
        def ampoule(*args):
            with open("/dev/full", "wb") as full:
                return subprocess.run([AMPOULE, *args], stdout=full, stderr=subprocess.DEVNULL, timeout=30, check=False,
                                      env={**os.environ, "AMPOULE_STATE": self.daemon.state}).returncode
        self.assertEqual(ampoule("key", "create", "--name", "unread", "--may", "all"), 1)
        listed = json.loads(self.daemon.admin("list", "--json").stdout)["keys"]
        self.assertEqual([key["state"] for key in listed if key["name"] == "unread"], ["disabled"])
        self.assertEqual(ampoule("version"), 1)
        self.assertEqual(ampoule("key", "list"), 1)

    def test_wrong_words_are_wrong_usage(self):
        for words in (("help", "nosuch"), ("version", "extra")):
            self.assertEqual(self.daemon.cli(*words).returncode, 2, words)
        secret = os.path.join(self.daemon.home, "secret")
        with open(secret, "w", encoding="utf-8") as lines:
            lines.write(self.daemon.secret + "\n# the one of last year:\nnothing\n")
        card = json.dumps(CARD)
        done = self.daemon.cli("tokenize", "--secret-file", secret, input=card)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_unknown_key_is_refused_and_the_refusal_recorded(self):
        done = self.daemon.admin("disable", "AMPKAAAAAAAAAAAAAAAA")
        self.assertEqual(done.returncode, 1)
        refused = self.daemon.wait_event(lambda event: event.get("subject") == "AMPKAAAAAAAAAAAAAAAA")
        self.assertEqual((refused["outcome"], refused["code"]), ("refused", "no_such_principal"))

    def test_nonsense_on_the_socket_is_cut_and_harms_nobody(self):
        for packet in (b"\xff", b"\x00\x00\x00", bytes([13]) + b"\x00" * 8000, bytes(range(256)) * 40, b"\x07"):
            plain = self.socket()
            plain.send(packet)
            self.assertEqual(plain.recv(100), b"")
        self.assertEqual(set(self.daemon.roles()), {"front", "keeper", "scribe", "courier"})
        self.assertTrue(self.client.tokenize())

    def test_descriptors_sent_along_are_a_violation(self):
        plain = self.socket()
        plain.sendmsg([b"\x0f"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", plain.fileno()))])
        self.assertEqual(plain.recv(100), b"")

    def test_many_clients_that_say_nothing_do_not_stop_one_that_asks(self):
        """Beyond a bound they are turned away, and the place of one that leaves is free again."""
        crowd = [self.socket() for _ in range(40)]
        for plain in crowd:
            plain.close()
        wait_until(lambda: self.daemon.admin("list").returncode == 0, what="an answer")

    def test_clients_that_stay_and_say_nothing_lose_their_places(self):
        crowd = [self.socket() for _ in range(16)]
        for plain in crowd:
            self.assertEqual(plain.recv(1), b"")
        self.assertEqual(self.daemon.admin("list").returncode, 0)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_other_users_may_not_administer(self):
        path = os.path.join(self.daemon.state, "admin.sock")
        for folder in (self.daemon.home, self.daemon.state):
            self.addCleanup(os.chmod, folder, stat.S_IMODE(os.stat(folder).st_mode))
            os.chmod(folder, 0o755)
        self.addCleanup(os.chmod, path, 0o600)
        os.chmod(path, 0o666)  # as if the file's mode had been forgotten
        script = ("import socket,sys; s=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(10);"
                  "s.connect(sys.argv[1]); sys.exit(0 if s.recv(10) == b'' else 1)")
        done = subprocess.run(["/usr/bin/python3", "-c", script, path], user=65534, group=65534, extra_groups=[],
                              cwd="/", timeout=30, check=False)
        self.assertEqual(done.returncode, 0)
        refused = self.daemon.wait_event(lambda event: event.get("who") == "uid:65534")
        self.assertEqual((refused["outcome"], refused["code"]), ("refused", "not_permitted"))


class ReloadTest(unittest.TestCase):
    def test_good_is_taken_over_bad_is_not(self):
        with Daemon(settings={"vault": {"ttl": "20s"}}) as daemon:
            self.assertEqual(daemon.reload({"vault": {"ttl": "30s"}}), "success")
            self.assertEqual(daemon.reload({"vault": {"ttl": "30"}}), "refused")
            self.assertIn("is not a duration", daemon.log())
            self.assertEqual(daemon.reload({"workers": "1"}), "refused")
            self.assertIn("change by a restart alone", daemon.log())
            self.assertTrue(daemon.client().tokenize())


class EventLogTest(unittest.TestCase):
    def test_the_whole_log_verifies_under_the_kek_and_every_change_shows(self):
        with tempfile.TemporaryDirectory() as keys:
            kek_path = os.path.join(keys, "kek")
            with Daemon(settings={"keys": {"provider": "file", "file": kek_path}}) as daemon:
                for _ in range(3):
                    daemon.client().post("/v1/redeem", {"token": daemon.client().tokenize()})
                key_id = daemon.key_id
                daemon.stop()
                daemon.settings = dict(daemon.settings)
                daemon.start()
                # The keyring outlived the daemon.
                self.assertIn(key_id, daemon.admin("list", "--json").stdout)
                os.kill(daemon.roles()["scribe"], signal.SIGKILL)
                daemon.wait_event(lambda event: event["event"] == "role.died")
                daemon.wait_ready()
                daemon.stop()
                with open(kek_path, "rb") as kek_file:
                    kek = kek_file.read()
                self.check(os.path.join(daemon.state, "audit"), kek)

    def check(self, folder, kek):
        records = audit_reader.read_log(folder, kek, sealed_end=True)
        self.assertEqual([record["event"] for record in records].count("log.start"), 3)
        name = sorted(os.listdir(folder))[0]
        path = os.path.join(folder, name)
        with open(path, "rb") as log:
            whole = log.read()
        lines = whole.split(b"\n")
        changes = [whole.replace(b'"outcome":"success"', b'"outcome":"refused"', 1),
                   b"\n".join(lines[:3] + lines[4:]), b"\n".join(lines[:3] + [lines[4], lines[3]] + lines[5:]),
                   b"\n".join(lines[:4] + lines[3:]), whole[:-len(lines[-2]) - 1], whole[:-1]]
        for changed in changes:
            with open(path, "wb") as log:
                log.write(changed)
            with self.assertRaises(audit_reader.Broken):
                audit_reader.read_log(folder, kek, sealed_end=True)

    def test_a_torn_line_is_set_aside_when_the_daemon_starts(self):
        with Daemon() as daemon:
            daemon.client().tokenize()
            daemon.stop()
            folder = os.path.join(daemon.state, "audit")
            with open(os.path.join(folder, sorted(os.listdir(folder))[-1]), "ab") as log:
                log.write(b'{"v":1,"seq":')
            daemon.start()
            records = audit_reader.read_live_log(folder)
            torn = [record for record in records if record["event"] == "log.torn"]
            self.assertEqual([record["count"] for record in torn], [13])
            self.assertTrue(any(name.startswith("torn-") for name in os.listdir(folder)))

    def test_a_log_that_is_cut_while_no_scribe_runs_is_noticed(self):
        with Daemon() as daemon:
            for _ in range(5):
                daemon.client().tokenize()
            time.sleep(3)  # the scribe tells once a second how far the log is durable
            folder = os.path.join(daemon.state, "audit")
            path = os.path.join(folder, sorted(os.listdir(folder))[-1])
            scribe = daemon.roles()["scribe"]
            os.kill(daemon.process.pid, signal.SIGSTOP)
            os.kill(scribe, signal.SIGKILL)
            wait_until(lambda: gone(scribe), what="its end")
            with open(path, "r+b") as log:
                lines = log.read().splitlines(keepends=True)
                log.truncate(sum(map(len, lines[:-3])))
            os.kill(daemon.process.pid, signal.SIGCONT)
            found = daemon.wait_event(lambda event: event["event"] == "log.torn")
            self.assertEqual((found["code"], found["outcome"], found["alarm"]), ("not_authentic", "failure", True))
            self.assertGreaterEqual(found["count"], 1)
            self.assertIn("the event log was cut or changed", daemon.log())
            daemon.wait_ready()
            os.kill(daemon.roles()["scribe"], signal.SIGKILL)  # a death alone is no such alarm
            wait_until(lambda: sum(event["event"] == "log.start" for event in daemon.events()) == 3, what="the log")
            self.assertEqual(sum(event["event"] == "log.torn" for event in daemon.events()), 1)

    def test_a_log_that_somebody_wrote_into_is_not_gone_on_with(self):
        with tempfile.TemporaryDirectory() as home:
            state = os.path.join(home, "state")
            os.makedirs(os.path.join(state, "audit"), mode=0o700)
            os.chmod(state, 0o700)
            with open(os.path.join(state, "dev"), "wb"):
                pass  # as if development mode had made it
            with open(os.path.join(state, "audit", "events-20260101T000000Z-000001.jsonl"), "wb") as log:
                log.write(b"hello\n")
            done = run("--dev", "--state", state, "--listen", f"127.0.0.1:{free_port()}", timeout=60)
            self.assertEqual(done.returncode, 1)
            self.assertIn("last line is not one of ours", done.stderr)

    def test_many_at_once_leave_one_unbroken_log(self):
        with Daemon("--workers", "2") as daemon:
            def work():
                client = daemon.client()
                for _ in range(25):
                    client.post("/v1/redeem", {"token": client.tokenize()})
                client.close()
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            daemon.stop()
            records = audit_reader.read_log(os.path.join(daemon.state, "audit"), sealed_end=True)
            events = [record["event"] for record in records]
            self.assertEqual((events.count("token.create"), events.count("token.redeem")), (200, 200))


@unittest.skipUnless(os.geteuid() == 0, "needs root to mount a small file system")
class FullDiskTest(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="ampoule-full-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", self.home], check=False)
        if mounted.returncode != 0:
            self.skipTest("may not mount")
        self.addCleanup(subprocess.run, ["umount", "-l", self.home], check=False)

    def test_a_full_disk_refuses_work_and_loses_nothing(self):
        with Daemon(state=os.path.join(self.home, "state")) as daemon:
            token = daemon.client().tokenize(ttl_ms=600000)
            ballast = os.open(os.path.join(self.home, "ballast"), os.O_WRONLY | os.O_CREAT)
            try:
                while True:
                    os.write(ballast, b"\0" * 4096)
            except OSError:
                os.close(ballast)

            client = daemon.client()
            self.addCleanup(client.close)

            def refused():
                """Each item has a record."""
                answer = client.post("/v1/tokens/batch", {"items": [{"card": CARD}] * 100})
                codes = {result.get("error", {}).get("code") for result in answer.json().get("results", [])}
                return answer.code == "audit_unavailable" or "audit_unavailable" in codes
            # What is reserved serves a while; then work is refused, before a record could be lost.
            wait_until(refused, 60, "refusal")
            self.assertEqual(daemon.client().post("/v1/redeem", {"token": token}).code, "audit_unavailable")
            self.assertIn("cannot be written", daemon.log())
            os.unlink(os.path.join(self.home, "ballast"))
            wait_until(lambda: daemon.client().post("/v1/tokens", {"card": CARD}).status == 201,
                       what="recovery")
            self.assertEqual(daemon.client().post("/v1/redeem", {"token": token}).status, 200)
            daemon.stop()
            audit_reader.read_log(os.path.join(daemon.state, "audit"), sealed_end=True)

    def test_a_torn_line_that_finds_no_room_waits_for_it(self):
        keys = tempfile.mkdtemp(prefix="ampoule-kek-")
        self.addCleanup(shutil.rmtree, keys)
        with Daemon(state=os.path.join(self.home, "state"),
                    settings={"keys": {"provider": "file", "file": os.path.join(keys, "kek")}}) as daemon:
            daemon.stop()
            folder = os.path.join(daemon.state, "audit")
            with open(os.path.join(folder, sorted(os.listdir(folder))[-1]), "ab") as log:
                log.write(b'{"v":1,"seq":')
            ballast = os.open(os.path.join(self.home, "ballast"), os.O_WRONLY | os.O_CREAT)
            try:
                for size in (4096, 1):
                    while True:
                        os.write(ballast, b"\0" * size)
            except OSError:
                os.close(ballast)
            daemon._launch("--config", daemon.config_path)
            wait_until(lambda: daemon.log().count("the event log cannot be written") == 1, what="the refusal")
            scribe = daemon.roles()["scribe"]
            time.sleep(2.5)
            self.assertEqual(daemon.roles().get("scribe"), scribe)
            self.assertFalse(daemon.is_ready())
            self.assertFalse([name for name in os.listdir(folder) if name.startswith("torn-")])
            os.unlink(os.path.join(self.home, "ballast"))
            daemon.wait_ready()
            self.assertEqual(daemon.roles().get("scribe"), scribe)
            torn = [record for record in audit_reader.read_live_log(folder) if record["event"] == "log.torn"]
            self.assertEqual([record["count"] for record in torn], [13])


if __name__ == "__main__":
    unittest.main()
