"""A daemon of which it is known what it opens and where its secrets live, and which can be searched."""
import base64
import hashlib
import hmac
import os
import re
import secrets
import subprocess
import time

from harness import AMPOULED, Daemon, _listdir, _read, make_certificate, wait_until

import leaks
from scanner import scan

TRACED = "openat,openat2,open,creat,memfd_create,memfd_secret"
OPENED = re.compile(r"^\d+ +(?:openat|openat2|open|creat)\((.*)\) = \d+<(/.*)>$")
FILE_MAX = 64 << 20
# Of who signs: the environment that the caller gave, and the process's pool.
CLIENT_HOMES = [("client", "[stack]"), ("client", "pool")]
SETTINGS = {
    "vault": {"ttl": "60s", "memory_max": "16MiB"},
    "queue": {"memory_max": "8MiB"},
    "limits": {"handshake": "2s", "header": "2s", "body": "2s", "request": "6s"},
}


def _state(path):
    """Of a thread: "S" sleeps, and one that has ended does as well."""
    words = _read(path).rpartition(")")[2].split()
    return words[0] if words else "S"


def _size(path):
    """Of a file that may be renamed at any moment."""
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


class Watched(Daemon):
    """In production mode, under strace. `pool`: "secretmem" as the kernel gives it, or "mlock": memfd_secret(2) is made
    to fail, so that the pool can be read and is searched like everything else."""

    def __init__(self, plants, pool):
        super().__init__(settings={})
        self.plants = plants
        self.pool = pool
        self.trace = os.path.join(self.home, "strace.log")
        kek = os.path.join(self.home, "kek")
        hook, _ = make_certificate(self.home, "hook")
        self.settings = {**SETTINGS, "keys": {"provider": "file", "file": kek},
                         "push": {"allow": ["127.0.0.0/8"], "ca": hook, "timeout": "1s", "connect_timeout": "1s"}}
        with open(kek, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(plants.add("key", secrets.token_bytes(32), "KEK", homes=[("keeper", "pool"), ("file", kek)]))
        make_certificate(self.home, "tls")
        self._plant_tls_key(os.path.join(self.home, "tls.key"))
        self.unreadable = 0

    def _plant_tls_key(self, path):
        held = "/memfd:ampoule-tls-key (deleted)"  # which keeps the memory file out of swap
        homes = [("front", "pool"), ("supervisor", "file"), ("supervisor", held), ("file", path)]
        text = subprocess.run(["openssl", "ec", "-in", path, "-outform", "DER"], check=True, capture_output=True).stdout
        scalar = text[text.index(b"\x04\x20") + 2:][:32]
        self.plants.add("key", scalar, "TLS key", homes=homes)
        self.plants.add("key", scalar[::-1], "TLS key, as a number of OpenSSL", homes=homes)

    def _launch(self, *arguments):
        # The tracer is the grandchild, so that the process started is the daemon.
        traced = ["strace", "-D", "-f", "-q", "--seccomp-bpf", "-y", "-s", "4096", "-o", self.trace,
                  "-e", "trace=" + TRACED, "-e", "signal=none"]
        if self.pool == "mlock":
            traced += ["-e", "inject=memfd_secret:error=ENOSYS"]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*traced, AMPOULED, *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.home, env={**os.environ, **self.extra_env})

    def _make_first_key(self):
        ready = super()._make_first_key()
        if ready:
            self.plant_principal(self.secret, "the first principal")
        return ready

    # keys

    def plant_principal(self, secret, where):
        """A pre-shared secret, and what SigV4 derives from it today: the keeper has it, front the last one alone."""
        self.plants.add("secret", secret, where, homes=[("keeper", "pool"), *CLIENT_HOMES])
        for service in ("ampoule", "sqs"):
            key = b"AWS4" + secret.encode()
            words = (time.strftime("%Y%m%d", time.gmtime()), self.region, service, "aws4_request")
            for name, word in zip(("date", "region", "service", "signing"), words):
                key = hmac.new(key, word.encode(), hashlib.sha256).digest()
                homes = [("front", "pool")] if name == "signing" else []
                self.plants.add("key", key, f"{name} key of {where}, {service}", homes=homes)

    def plant_webhook_secret(self, secret, where):
        homes = [("keeper", "pool"), ("courier", "pool")]
        text = secret.removeprefix("whsec_")
        self.plants.add("secret", text, where, homes=homes)
        self.plants.add("key", base64.b64decode(text), where, homes=homes)

    # searching

    def named(self):
        """{pid: role}"""
        roles = {pid: role for role, pid in self.roles().items()}
        return {pid: roles.get(pid, "supervisor" if pid == self.process.pid else "unknown") for pid in self.pids()}

    def opened(self):
        """Every regular file that a process of the daemon opened so far, and those of the state directory."""
        found = {os.path.join(folder, name) for folder, _, names in os.walk(self.state) for name in names}
        found.add(self.log_path)
        with open(self.trace, encoding="utf-8", errors="replace") as lines:
            found.update(match.group(2) for match in map(OPENED.match, lines) if match)
        return {path for path in found if os.path.isfile(path) and not path.startswith(("/proc/", "/sys/", "/dev/")) and
                _size(path) <= FILE_MAX}

    def vanished(self):
        """Files of its own that were there and are not any more: none but those that were renamed when complete."""
        with open(self.trace, encoding="utf-8", errors="replace") as lines:
            paths = {match.group(2) for match in map(OPENED.match, lines)
                     if match and "O_DIRECTORY" not in match.group(1) and "O_PATH" not in match.group(1)}
        return sorted(path for path in paths if path.startswith(self.home) and not os.path.exists(path) and
                      not (path.endswith(".new") and os.path.exists(path[:-4])))

    def died_with_core(self):
        """What the tracer says of it, and files that are called so where the daemon or the kernel would put them."""
        told = leaks.told_of_cores(self.trace)
        folders = (self.home, self.state, "/")
        return told + [os.path.join(folder, name) for folder in folders for name in os.listdir(folder)
                       if re.match(r"core(\.\d+)?$", name)]

    def settle(self):
        """Until every thread sleeps. An answer is here before the turn that made it has ended and wiped its stack."""
        def sleeps(pid):
            states = [_state(f"/proc/{pid}/task/{task}/stat") for task in _listdir(f"/proc/{pid}/task")]
            return all(state in "STt" for state in states)
        wait_until(lambda: all(map(sleeps, self.pids())), what="the sleep of every thread")

    def search(self):
        """A Report on every process, everything that they hold open, and every file."""
        names = {path: path for path in self.opened()}
        roles = {}
        if self.process is not None:
            self.settle()
            roles.update(self.named())
            roles.update((path, role) for pid, role in self.named().items() for path in leaks.open_files(pid))
            names.update((target, f"open file of {role}" if str(target).startswith("/proc/") else role)
                         for target, role in roles.items())
        return scan(self.plants, names, roles)
