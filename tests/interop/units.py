"""A daemon as the units in packaging/systemd start it, without systemd: with their users, capabilities and system calls,
each role behind a socket that systemd-socket-activate listens on."""
import os
import re
import resource
import shutil
import signal
import socket
import subprocess

import harness
from harness import ROOT, Daemon, wait_until

UNITS = os.path.join(harness.BUILD, "packaging")
CONFINE = os.path.join(ROOT, "tests", "interop", "confine.py")
SUPERVISOR = 61010  # no user of this machine's has this number, nor the four that follow
STRANGER = SUPERVISOR + 9
ROLES = {role: SUPERVISOR + place for place, role in enumerate(("front", "keeper", "scribe", "courier"), 1)}
SANDBOX = {role: str(user) for role, user in ROLES.items()}

LISTENER = """import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    print(len(listener.accept()[0].recv(65536)))
"""


def unit_path(role):
    return os.path.join(UNITS, f"ampoule-{role}@.service" if role else "ampouled.service")


def as_unit(role, user, program):
    """The words that run the program as systemd would for the unit of a role ("": the supervisor's)."""
    with open(unit_path(role), encoding="utf-8") as text:
        kept = " ".join(re.findall(r"^CapabilityBoundingSet=(.*)", text.read(), re.MULTILINE)).lower().split()
    unit, kept = unit_path(role), [name.removeprefix("cap_") for name in kept]
    # Who may not have LimitMEMLOCK=infinity here takes the capability instead: the daemon wants one of the two, and
    # each role calls capset(2) to keep no other.
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] != resource.RLIM_INFINITY:
        kept, unit = kept + ["ipc_lock"], unit + "+capset"
    bounds = ",".join(["-all", *("+" + name for name in kept)])
    return ["/usr/bin/setpriv", "--no-new-privs", "--bounding-set", bounds, "--reuid", str(user), "--regid", str(user),
            "--clear-groups", "--inh-caps", bounds, *(["--ambient-caps", bounds] if kept else []), CONFINE, unit,
            *program]


class UnitDaemon(Daemon):
    """Notifications go to `notified`. `users`: whom a role's starter is run as, where not as the unit says."""

    def __init__(self, users=None, **options):
        super().__init__(**options)
        self.settings = {"sandbox": SANDBOX, **self.settings}
        self.audit = self.directory("scribe")
        self.starters = os.path.join(self.home, "run")
        self.users = {**ROLES, **(users or {})}
        self.activators = {}
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.settimeout(harness.START_SECONDS)
        self.notified.bind(os.path.join(self.home, "notify"))
        os.chmod(self.home, 0o755)
        os.chmod(os.path.join(self.home, "notify"), 0o777)
        os.mkdir(self.starters)

    def directory(self, role):
        """Its StateDirectory."""
        return os.path.join(self.home, role)

    def activate(self, role):
        """What ampoule-ROLE.socket does."""
        where = os.path.join(self.starters, role)
        if not os.path.isdir(self.directory(role)):
            os.mkdir(self.directory(role), 0o700)
            os.chown(self.directory(role), ROLES[role], ROLES[role])
        with open(self.log_path, "ab") as log:
            self.activators[role] = subprocess.Popen(
                ["systemd-socket-activate", "--seqpacket", "--accept", "--inetd", "--listen", where,
                 "--setenv", "STATE_DIRECTORY=" + self.directory(role),
                 *as_unit(role, self.users[role], [harness.AMPOULED, "--starter", role])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: os.path.exists(where) and is_listening(where), what=f"the socket of {role}")
        os.chown(where, SUPERVISOR, SUPERVISOR)
        os.chmod(where, 0o600)

    def deactivate(self, role):
        """Nobody listens there any more; what runs goes on."""
        self.activators[role].kill()
        self.activators[role].wait()
        os.unlink(os.path.join(self.starters, role))

    def impersonate(self, role):
        """A stranger listens there instead; a Popen that prints how many bytes it is told, and ends."""
        where = os.path.join(self.starters, role)
        os.chmod(self.starters, 0o777)
        stranger = subprocess.Popen(["/usr/bin/setpriv", "--reuid", str(STRANGER), "--clear-groups", "/usr/bin/python3",
                                     "-c", LISTENER, where], stdout=subprocess.PIPE, text=True)
        wait_until(lambda: os.path.exists(where) and is_listening(where), what="the stranger's socket")
        os.chmod(where, 0o666)
        return stranger

    def prepare(self):
        """What `_start_configured` does, but for the start; belongs to the supervisor's user."""
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        if not os.path.exists(os.path.join(self.home, "tls.crt")):
            harness.make_certificate(self.home, "tls")
        for path in (self.state, *(os.path.join(self.home, name) for name in ("tls.crt", "tls.key"))):
            os.chown(path, SUPERVISOR, SUPERVISOR)
        self.configure(self.settings)

    def _launch(self, *arguments):
        self.prepare()
        for role in ROLES:
            if role not in self.activators:
                self.activate(role)
        words = as_unit("", SUPERVISOR, [harness.AMPOULED, *arguments, "--starters", self.starters])
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "NOTIFY_SOCKET": os.path.join(self.home, "notify")})

    def launch(self):
        """Starts it, and waits for nothing."""
        self._launch("--config", self.config_path)

    def said(self):
        return self.notified.recv(256).decode()

    def below(self):
        """{role: the processes of its unit: starters, and under each the role}."""
        return {role: descendants(activator.pid) for role, activator in self.activators.items()}

    def roles(self):
        found = {}
        for role, pids in self.below().items():
            for pid in pids:
                if f"ampouled: {role}" in read(f"/proc/{pid}/cmdline"):
                    found[role] = pid
        return found

    def status(self):
        """{process: {field: value}} of /proc/PID/status."""
        return {name: dict(line.split(":\t", 1) for line in read(f"/proc/{pid}/status").splitlines() if ":\t" in line)
                for name, pid in {"supervisor": self.process.pid, **self.roles()}.items()}

    def destroy(self):
        super().destroy()
        for activator in self.activators.values():
            for pid in [*descendants(activator.pid), activator.pid]:
                kill(pid)
            activator.wait()
        self.notified.close()


def is_listening(path):
    return any(line.split()[-1] == path and line.split()[3] == "00010000"
               for line in read("/proc/self/net/unix").splitlines()[1:])


def descendants(pid):
    """All, elder first."""
    found = [pid]
    for parent in found:
        found += [int(child) for child in read(f"/proc/{parent}/task/{parent}/children").split()]
    return found[1:]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as text:
            return text.read()
    except OSError:
        return ""


def lacks():
    """Why such a daemon cannot be had here; None: it can."""
    for tool in ("systemd-analyze", "systemd-socket-activate", "setpriv"):
        if not shutil.which(tool):
            return tool + " is not installed"
    if os.geteuid() != 0:
        return "only root can take another user"
    return "a sanitizer asks the kernel for more" if harness.is_sanitized() else None
