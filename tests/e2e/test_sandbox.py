"""Roles that an intruder runs code in: each tries what its sandbox forbids, in a daemon that serves. The attempt is the
end of the role, that is recorded, and the daemon serves on. intruder.c makes the calls, by ptrace; what else is
forbidden, call by call, is in tests/unit/sandbox."""
import concurrent.futures
import os
import re
import signal
import socket
import struct
import subprocess
import unittest

from harness import AMPOULED, BUILD, CARD, Daemon, DaemonCase, is_sanitized, make_certificate, wait_until
from test_acts import all_acts

INTRUDER = os.path.join(BUILD, "tests", "e2e", "intruder")
ROLES = ("front", "keeper", "scribe", "courier")
SIBLING = {"front": "keeper", "keeper": "front", "scribe": "keeper", "courier": "scribe"}
KILLED = "killed 31"  # SIGSYS
COURIER_LINKS = (0, 1, 2)  # to keeper, scribe and front, in whatever order
AT_FDCWD, CONTROL_FD, DIRECTORY_FD, LISTEN_FD = -100, 3, 5, 11
O_PATH = 0o10000000
# Where names are pinned (src/base/pins.h), each with the flags that the role opens it with: O_CLOEXEC | O_NOFOLLOW |
# O_NONBLOCK, and O_RDWR for the scribe. The others have none there.
PINS_AT, PIN_REGION = 1 << 24, 1 << 20
NAMES = {"keeper": (PINS_AT, "keyring", 0o2404000), "scribe": (PINS_AT + 3 * PIN_REGION, "events-", 0o2404002),
         "front": (PINS_AT, "keyring", 0o2404000), "courier": (PINS_AT, "resolv.conf", 0o2404000)}

# Numbers of x86-64; the attempts know no other machine.
OPEN, MMAP, MPROTECT, DUP2, SOCKET, CONNECT, SENDTO, SHUTDOWN, BIND = 2, 9, 10, 33, 41, 42, 44, 48, 49
SOCKETPAIR, CLONE, EXECVE, KILL, PTRACE, MOUNT, OPENAT, MKDIRAT, UNLINKAT = 53, 56, 59, 62, 101, 165, 257, 258, 263
RENAMEAT, SYMLINKAT, UNSHARE, PROCESS_VM_READV = 264, 266, 272, 310


def intrude(pid, number, *arguments):
    """"killed 31" or "returned -13": what became of the call that the process was made to try."""
    done = subprocess.run([INTRUDER, str(pid), str(number), *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False)
    if done.returncode != 0:
        raise AssertionError(f"intruder: {done.stderr}")
    return done.stdout.strip()


def loopback(port):
    """struct sockaddr_in, as intruder takes it."""
    return "x:" + (struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, bytes([127, 0, 0, 1]))).hex()


# struct sockaddr_un, likewise.
ADMIN_SOCKET = "x:" + (struct.pack("=H", socket.AF_UNIX) + b"/state/admin.sock".ljust(108, b"\0")).hex()


def links(pid):
    """Descriptors of the links that a role holds to others, the supervisor's left out."""
    with open("/proc/self/net/unix", encoding="utf-8") as table:
        packets = {line.split()[6] for line in table.readlines()[1:] if line.split()[4] == "0005"}  # SOCK_SEQPACKET
    found = []
    for number in sorted(map(int, os.listdir(f"/proc/{pid}/fd"))):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("socket:[") and target[8:-1] in packets and number != CONTROL_FD:
            found.append(number)
    return found


def pack_event(act, **texts):
    """An event as roles send it to the scribe (src/audit/event.c): success, no token, long ago."""
    fixed = struct.pack("!QBBHB16xQQ", 1, list(all_acts()).index(act), 0, 0, 0, 0, 0)
    words = [texts.get(name, b"") for name in ("who", "source", "queue", "subject")]
    packed = fixed + b"".join(bytes([len(word)]) + word for word in words)
    return struct.pack("!H", 2 + len(packed)) + packed


def status_of(pid):
    """What the kernel tells of a process, by name."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as text:
        return dict(line.split(":\t", 1) for line in text.read().splitlines() if ":\t" in line)


def is_confined(pid):
    try:
        return status_of(pid)["Seccomp"] == "2"
    except (FileNotFoundError, ProcessLookupError):
        return False


@unittest.skipUnless(os.geteuid() == 0 and os.uname().machine == "x86_64", "needs root, and x86-64")
@unittest.skipIf(is_sanitized(), "programs with a sanitizer stay outside")
class IntruderTest(unittest.TestCase):
    """A daemon for each test: one that saw a role die ten times in a row gives up."""

    def setUp(self):
        self.daemon = Daemon(settings={})
        self.daemon.caused_deaths = (signal.SIGSYS,)
        self.addCleanup(self.daemon.destroy)
        self.daemon.start()
        # Before all four were ready once, four deaths are enough to give up; /readyz does not wait for the courier.
        wait_until(lambda: '"serving"' in self.daemon.log(), 60, "all four")

    def alarms(self, role, code):
        return sum(event["event"] == "role.violation" and event["code"] == code and event["alarm"]
                   and event["subject"] == role for event in self.daemon.events())

    def roles(self):
        """{name: pid}, once all have entered their sandboxes and serve."""
        def confined():
            roles = self.daemon.roles()
            return len(roles) == len(ROLES) and all(map(is_confined, roles.values())) and roles
        roles = wait_until(confined, 60, "four roles")
        wait_until(self.daemon.is_ready, 60, "/readyz")
        return roles

    def attempt(self, number, arguments, otherwise=None):
        """All roles try at once, with arguments(role, roles), and die of it, but those for which `otherwise` has
        another outcome."""
        roles = self.roles()
        expected = {**dict.fromkeys(ROLES, KILLED), **(otherwise or {})}
        before = {role: self.alarms(role, "sandbox_violation") for role in ROLES}
        with concurrent.futures.ThreadPoolExecutor(len(ROLES)) as pool:
            tries = {role: pool.submit(intrude, roles[role], number, *arguments(role, roles)) for role in ROLES}
            self.assertEqual({role: tried.result() for role, tried in tries.items()}, expected)
        for role in ROLES:
            if expected[role] == KILLED:
                wait_until(lambda who=role: self.alarms(who, "sandbox_violation") > before[who], 60, f"{role}'s record")
            else:
                self.assertEqual(self.daemon.roles()[role], roles[role])

    def assert_serves(self):
        self.roles()
        self.daemon.wait_next_second()
        client = self.daemon.client()
        self.addCleanup(client.close)
        answer = client.post("/v1/redeem", {"token": client.tokenize()})
        self.assertEqual((answer.status, answer.json()["card"]["number"]), (200, CARD["number"]))
        self.daemon.stop()

    def test_files_and_programs_are_out_of_reach(self):
        self.attempt(OPEN, lambda role, roles: ("s:/etc/passwd", 0))
        self.attempt(OPENAT, lambda role, roles: (AT_FDCWD, "s:/etc/resolv.conf", 0))
        self.attempt(OPENAT, lambda role, roles: (DIRECTORY_FD, "s:../tls.key", 0))
        self.attempt(OPENAT, lambda role, roles: (AT_FDCWD, "s:/etc/shadow", O_PATH))
        self.attempt(EXECVE, lambda role, roles: ("s:/bin/true", 0, 0))
        self.assert_serves()

    def test_a_file_of_its_own_is_opened_in_its_own_way_alone(self):
        """With one thing changed each; the keeper's open that is right shows that it is that one."""
        at, _, flags = NAMES["keeper"]
        self.assertRegex(intrude(self.roles()["keeper"], OPENAT, DIRECTORY_FD, at, flags), r"^returned \d+$")
        self.attempt(OPENAT, lambda role, roles: (DIRECTORY_FD, f"s:{NAMES[role][1]}", NAMES[role][2]))
        self.attempt(OPENAT, lambda role, roles: (AT_FDCWD, NAMES[role][0], NAMES[role][2]))
        self.attempt(OPENAT, lambda role, roles: (DIRECTORY_FD, NAMES[role][0] + 1, NAMES[role][2]))
        self.attempt(OPENAT, lambda role, roles: (DIRECTORY_FD, NAMES[role][0], NAMES[role][2] | os.O_CREAT, 0o600))
        self.attempt(DUP2, lambda role, roles: (CONTROL_FD, DIRECTORY_FD))
        self.attempt(MPROTECT, lambda role, roles: (NAMES[role][0], 4096, 3))  # to change what the name says
        self.assert_serves()

    def test_names_are_not_changed_but_as_the_role_does(self):
        self.attempt(RENAMEAT, lambda role, roles: (DIRECTORY_FD, NAMES[role][0], DIRECTORY_FD, "s:../stolen"))
        self.attempt(UNLINKAT, lambda role, roles: (DIRECTORY_FD, "s:other", 0))
        self.attempt(MKDIRAT, lambda role, roles: (DIRECTORY_FD, "s:directory", 0o700))
        self.attempt(SYMLINKAT, lambda role, roles: ("s:/etc/passwd", DIRECTORY_FD, NAMES[role][0]))
        self.assert_serves()

    def test_siblings_and_what_else_listens_are_out_of_reach(self):
        self.attempt(PTRACE, lambda role, roles: (16, roles[SIBLING[role]], 0, 0))  # PTRACE_ATTACH
        self.attempt(PROCESS_VM_READV, lambda role, roles: (roles[SIBLING[role]], "x:" + "00" * 16, 1,
                                                            "x:" + "00" * 16, 1, 0))
        self.attempt(KILL, lambda role, roles: (roles[SIBLING[role]], 9))
        self.attempt(SOCKET, lambda role, roles: (socket.AF_UNIX, socket.SOCK_SEQPACKET, 0))  # for admin.sock
        self.attempt(CONNECT, lambda role, roles: (CONTROL_FD, loopback(self.daemon.port), 16),
                     {"courier": "returned -22"})  # that is its work, if not on that descriptor
        self.attempt(CONNECT, lambda role, roles: (CONTROL_FD, ADMIN_SOCKET, 110))
        self.assert_serves()

    def test_a_socket_that_a_role_has_reaches_nobody_else(self):
        with socket.socket() as elsewhere:
            elsewhere.bind(("127.0.0.1", 0))
            elsewhere.listen()
            there = loopback(elsewhere.getsockname()[1])
            self.attempt(SHUTDOWN, lambda role, roles: (LISTEN_FD, socket.SHUT_RDWR))  # so that it can connect
            self.attempt(SENDTO, lambda role, roles: (LISTEN_FD, "s:stolen", 6, socket.MSG_FASTOPEN, there, 16))
            self.attempt(SENDTO, lambda role, roles: (LISTEN_FD, "s:stolen", 6, 0, there, 16))
            self.attempt(BIND, lambda role, roles: (LISTEN_FD, there, 16))
            elsewhere.setblocking(False)
            self.assertRaises(BlockingIOError, elsewhere.accept)
        self.attempt(SOCKETPAIR, lambda role, roles: (socket.AF_UNIX, socket.SOCK_DGRAM, 0, "x:" + "00" * 8))
        self.assert_serves()

    def test_who_accuses_again_and_again_is_a_suspect(self):
        courier, accuse = self.roles()["courier"], "x:0501"  # AMP_IPC_VIOLATION, AMP_ROLE_FRONT
        for _ in range(2):
            front = self.roles()["front"]
            intrude(courier, SENDTO, CONTROL_FD, accuse, 2, 0x4040, 0, 0)
            wait_until(lambda was=front: self.daemon.roles().get("front", was) != was, 60, "another front")
        wait_until(lambda: self.alarms("courier", "invalid"), 60, "the courier's record")
        wait_until(lambda: self.daemon.roles().get("courier", courier) != courier, 60, "another courier")
        self.assert_serves()

    def test_a_date_that_no_signature_can_have_closes_no_door(self):
        front = self.roles()["front"]
        status = struct.pack("!BQQQ", 6, 1 << 62, 0, 0)  # AMP_IPC_STATUS
        told = intrude(front, SENDTO, CONTROL_FD, "x:" + status.hex(), len(status), 0x4040, 0, 0)
        self.assertIn(told, (f"returned {len(status)}", "killed 9"))
        wait_until(lambda: self.alarms("front", "invalid"), 60, "front's record")
        wait_until(lambda: self.daemon.roles().get("front", front) != front, 60, "another front")
        self.assert_serves()

    def test_more_of_the_kernel_is_out_of_reach(self):
        self.attempt(MOUNT, lambda role, roles: ("s:none", "s:/", "s:tmpfs", 0, 0))
        self.attempt(UNSHARE, lambda role, roles: (0x10000000,))  # CLONE_NEWUSER
        self.attempt(CLONE, lambda role, roles: (17, 0, 0, 0, 0))  # fork
        self.attempt(MMAP, lambda role, roles: (0, 4096, 5, 0x22, -1, 0))  # readable and executable
        self.assert_serves()

    def link(self, pid, number):
        """The descriptor of one of its links, once it has so many."""
        return wait_until(lambda: len(links(pid)) > number and links(pid)[number], 60, "its links")

    def send_and_end(self, role, message, link=0):
        """On one of its links; with what became of it."""
        pid, before = self.roles()[role], self.alarms(role, "invalid")
        told = intrude(pid, SENDTO, self.link(pid, link), "x:" + message.hex(), len(message), 0x4040, 0, 0)
        self.assertIn(told, (f"returned {len(message)}", "killed 9"))  # by the supervisor, who may be quick
        wait_until(lambda: self.alarms(role, "invalid") > before, 60, f"{role}'s record")
        wait_until(lambda: self.daemon.roles().get(role, pid) != pid, 60, f"another {role}")

    def test_a_message_that_a_role_may_not_send_is_its_end(self):
        for role in ROLES:
            self.send_and_end(role, b"\x00\x01\x00")  # LINK, the supervisor's alone
        self.assert_serves()

    def test_asking_a_sibling_for_what_a_role_may_not_have_is_its_end(self):
        """For an epoch key, which front alone may ask for; front asks for the key of the event log."""
        for role in ROLES:
            self.send_and_end(role, bytes([28 if role == "front" else 12]))  # AMP_IPC_LOG_KEY_GET, _EPOCH_GET
        self.assert_serves()


    def test_a_record_out_of_turn_is_its_end(self):
        """Which of its links leads to the scribe it has to find out: on any other a record is its end as well."""
        records = struct.pack("!BQB", 30, 1 << 40, 0)  # AMP_IPC_RECORDS from that number on: none
        told = re.compile(r'"who":"scribe".*broke the table of messages","role":"courier"')
        for link in 2 * COURIER_LINKS:
            self.send_and_end("courier", records, link)
            if told.search(self.daemon.log()):
                break
        self.assertRegex(self.daemon.log(), told)
        self.assert_serves()

    def test_a_record_is_of_the_role_whose_link_brought_it(self):
        """Whoever it says did it. The honest rest of that courier takes the scribe's answer to what it never sent for a
        breach, and has it ended."""
        event = pack_event("key.delete", who=b"keeper", source=b"local", subject=b"forged")
        records = struct.pack("!BQB", 30, 1, 0) + event  # its first: it has pushed nothing

        def forged():
            return [event for event in self.daemon.events() if event.get("subject") == "forged"]
        for link in 2 * COURIER_LINKS:
            roles = self.roles()
            courier = roles["courier"]
            intrude(courier, SENDTO, self.link(courier, link), "x:" + records.hex(), len(records), 0x4040, 0, 0)
            wait_until(lambda pid=courier: forged() or self.daemon.roles().get("courier", pid) != pid, 60, "its outcome")
            if forged():
                break
        self.assertEqual([(event["role"], event["who"]) for event in forged()], [("courier", "keeper")])
        wait_until(lambda: self.alarms("scribe", "invalid"), 60, "the scribe's record")
        wait_until(lambda: self.daemon.roles().get("scribe", roles["scribe"]) != roles["scribe"], 60, "another scribe")
        self.daemon.wait_ready()
        self.assert_serves()


class ConfinementTest(DaemonCase):
    """What is in force, from outside."""

    @unittest.skipIf(is_sanitized(), "programs with a sanitizer stay outside")
    def test_readyz_tells_what_front_is_confined_by(self):
        sandbox = self.client.get("/readyz", signed=False).json()["protections"]["sandbox"]
        self.assertLessEqual({"landlock", "seccomp"}, set(sandbox))
        self.assertEqual("user" in sandbox, os.geteuid() == 0)

    @unittest.skipIf(is_sanitized() or os.geteuid() != 0, "needs root, and no sanitizer")
    def test_each_role_has_a_user_of_its_own_and_no_root_directory(self):
        users, networks = {}, {}
        for role, pid in self.daemon.roles().items():
            status = status_of(pid)
            self.assertEqual(len(set(status["Uid"].split())), 1)
            self.assertEqual((status["Groups"].strip(), status["Seccomp"], status["NoNewPrivs"]), ("", "2", "1"))
            self.assertEqual(int(status["CapBnd"], 16), 0)
            users[role] = status["Uid"].split()[0]
            networks[role] = os.readlink(f"/proc/{pid}/ns/net")
            if role != "courier":
                self.assertEqual(os.listdir(f"/proc/{pid}/root/"), [])
        self.assertEqual(len(set(users.values()) | {"0"}), 5)
        self.assertEqual(len(set(networks.values())), 4)
        self.assertEqual(networks["courier"], os.readlink("/proc/self/ns/net"))

    def listening(self):
        """The inodes of the sockets that listen on the daemon's port."""
        with open("/proc/self/net/tcp", encoding="utf-8") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        return {row[9] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == self.daemon.port}

    def test_a_front_finds_nothing_that_another_did_to_its_sockets(self):
        before, front = self.listening(), self.daemon.roles()["front"]
        os.kill(front, signal.SIGKILL)
        wait_until(lambda: self.daemon.roles().get("front", front) != front, 60, "another front")
        self.daemon.wait_ready()
        self.assertEqual(len(self.listening()), len(before))
        self.assertEqual(self.listening() & before, set())

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_what_is_of_a_role_belongs_to_it_alone(self):
        owners = {name: os.stat(os.path.join(self.daemon.state, name)).st_uid for name in os.listdir(self.daemon.state)}
        self.assertEqual(len({owners["keys"], owners["audit"], owners["tls.key"]}), 3)
        self.assertEqual({owners[name] for name in owners if name not in ("keys", "audit")}, {0})


@unittest.skipIf(is_sanitized() or os.geteuid() != 0, "needs root, and no sanitizer")
class LessTest(unittest.TestCase):
    def test_production_warns_of_each_part_that_is_missing(self):
        daemon = Daemon(settings={})
        self.addCleanup(daemon.destroy)
        os.makedirs(daemon.state, mode=0o700)
        make_certificate(daemon.home, "tls")
        daemon.configure({})
        path = os.path.join(daemon.home, "stderr")
        with open(path, "w+", encoding="utf-8") as said:
            with subprocess.Popen(["/usr/sbin/capsh", "--drop=cap_sys_admin,cap_sys_chroot", "--", "-c", 'exec "$0" "$@"',
                                   AMPOULED, "--config", daemon.config_path], stderr=said) as running:
                def warned():
                    with open(path, encoding="utf-8") as log:
                        lines = [line for line in log if "a part of the sandbox is not permitted" in line]
                    return {(role, part) for role in ROLES for part in ("namespaces", "root") for line in lines
                            if f'"{role}"' in line and f'"{part}"' in line and "warn" in line.lower()}
                try:
                    wait_until(lambda: len(warned()) == 8, 60, "a warning of each role for each part")
                finally:
                    running.send_signal(signal.SIGTERM)


class UsersTest(unittest.TestCase):
    """Users that cannot be taken end the start, with words that help."""

    def refused(self, sandbox, prefix=()):
        daemon = Daemon(settings={})
        self.addCleanup(daemon.destroy)
        os.makedirs(daemon.state, mode=0o700)
        make_certificate(daemon.home, "tls")
        daemon.configure({"sandbox": sandbox})
        done = subprocess.run([*prefix, AMPOULED, "--config", daemon.config_path], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_as_root_each_role_needs_a_user_that_exists_and_is_its_own(self):
        ids = {"front": "61001", "keeper": "61002", "scribe": "61003", "courier": "61004"}
        for wrong in ("no-such-user", "root", "0"):
            said = self.refused({**ids, "scribe": wrong})
            self.assertIn("the user of a role does not exist, or is root", said)
            self.assertIn(f'"scribe":"{wrong}"', said)
        self.assertIn("must have five different users", self.refused({**ids, "scribe": "61001"}))
        self.assertIn("sandbox.users is shared, but this is root", self.refused({"users": "shared"}))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to take the privilege away")
    def test_without_the_privilege_separate_users_are_refused(self):
        said = self.refused({}, prefix=("/usr/sbin/capsh", "--drop=cap_setuid", "--", "-c", 'exec "$0" "$@"'))
        self.assertIn("set sandbox.users: shared", said)


if __name__ == "__main__":
    unittest.main()
