"""Daemons on a core of their own, an honest client and its attackers on the other, and what becomes of each."""
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "e2e"))

from harness import AMPOULE, AMPOULED, BUILD, Daemon, free_port, make_certificate  # noqa: E402

ATTACK = os.path.join(BUILD, "tests", "hostile", "attack")
MIB = 1 << 20
DAEMON_CPU = 0
CLIENT_CPU = 1 if os.cpu_count() > 1 else 0
# Attackers have machines of their own; on two cores they live on the honest client's, and yield to it: beneath its class, or
# by weight alone where that is not permitted, which lets one that runs go on for a millisecond while answers wait.
ATTACKER_CPU = 2 if os.cpu_count() > 2 else CLIENT_CPU
ATTACKER_NICE = 19
READY_SECONDS = 40
END_SECONDS = 20
WARMUP_SECONDS = 0.1


def pinned(cpu, *command, nice=0, first=False):
    """Ends with who started it, stopped or not. `first`: whoever else is on this core waits for it, and at once, where
    this is permitted."""
    words = ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", str(cpu), *command]
    if first and may_go_first():
        words = ["chrt", "-r", "1", *words]
    return ["nice", "-n", str(nice), *words] if nice else words


@functools.cache
def may_go_first():
    return subprocess.run(["chrt", "-r", "1", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


class HostileRigError(Exception):
    """What was to be measured could not be."""


class Target(Daemon):
    """One worker on DAEMON_CPU. The honest client comes to it over IPv6: tools that cannot choose their own address would
    be its neighbours over IPv4, and slowhttptest 1.8.2 sends a malformed Host for an IPv6 address."""

    def __init__(self, settings):
        port = free_port()
        addresses = [f"127.0.0.1:{port}", f"[::1]:{port}"]
        super().__init__(settings={"workers": "1", **settings, "listen": {"addresses": addresses}}, port=port)

    def configure(self, settings):
        make_certificate(self.home, "tls", names="IP:127.0.0.1,IP:::1")
        super().configure(settings)

    def _launch(self, *arguments):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(pinned(DAEMON_CPU, AMPOULED, *arguments), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env={**os.environ, **self.extra_env})

    def cpu_seconds(self):
        """CPU time of every thread of every process."""
        total = 0
        for pid in self.pids():
            for task in _listdir(f"/proc/{pid}/task"):
                total += int((_read(f"/proc/{pid}/task/{task}/schedstat").split() or ["0"])[0])
        return total / 1e9

    def honest_environment(self):
        return {**self.environment(), "AMPOULE_URL": f"https://[::1]:{self.port}"}

    def environment(self, client=None):
        """Of attackers: as the first principal, or as the one of this client."""
        if client is None:
            return {**os.environ, **self.env}
        credentials = client.signer.credentials
        return {**os.environ, **self.env, "AWS_ACCESS_KEY_ID": credentials.access_key,
                "AWS_SECRET_ACCESS_KEY": credentials.secret_key}


def core_seconds():
    """Time that DAEMON_CPU was not idle, or not ours to use."""
    for line in _read("/proc/stat").splitlines():
        name, *ticks = line.split()
        if name == f"cpu{DAEMON_CPU}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return 0.0


class MemoryWatch(threading.Thread):
    """The most that the daemon's processes held at once."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target = target
        self.peak = 0
        self._over = threading.Event()

    def run(self):
        while not self._over.wait(0.2):
            self.peak = max(self.peak, self.target.resident_bytes())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()


def bench(target, *options):
    """What `ampoule bench` reports; a client that got nothing done at all is one that was starved."""
    command = pinned(CLIENT_CPU, AMPOULE, "bench", "--json", *options, first=True)
    done = subprocess.run(command, env=target.honest_environment(), capture_output=True, text=True, timeout=120, check=False)
    starved = {"requests": 0, "failed": 1, "rps": 0.0, "latency_us": None, "errors": {(done.stdout + done.stderr)[-300:]: 1}}
    try:
        return {**starved, **json.loads(done.stdout)}
    except ValueError:
        return starved


def offered(target, rate, seconds):
    """An open loop at a rate far below what the daemon can do. Each connection is opened anew after 50 requests, so that
    two of a hundred latencies are a handshake's: a daemon that keeps its old friends alone does not pass."""
    report = bench(target, "--rate", str(rate), "--connections", "8", "--reconnect-every", "50", "--duration", str(seconds))
    latency = report["latency_us"] or {"p50": float("inf"), "p99": float("inf")}
    return {"rps": report["requests"] / max(seconds, report.get("duration_s", seconds)), "p50_ms": latency["p50"] / 1000,
            "p99_ms": latency["p99"] / 1000, "failed": report["failed"], "errors": report["errors"]}


def closed(target, connections, seconds):
    """Answers a second of connections that ask again as soon as they are answered."""
    report = bench(target, "--connections", str(connections), "--duration", str(seconds), "--warmup", str(WARMUP_SECONDS))
    return {"rps": report["rps"], "failed": report["failed"], "errors": report["errors"]}


class Spinner:
    """Keeps the attackers' core busy in the rest of its time, with attackers and without: that its neighbour is slower beside
    a busy core is not their doing. Where two cores share one processor that is a quarter of a client's throughput."""

    def __enter__(self):
        self.process = subprocess.Popen(["chrt", "--idle", "0", *pinned(ATTACKER_CPU, "sh", "-c", "while :; do :; done")])
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Attackers:
    """Everything hostile of one scenario, from ready to its end; `told` has what became of each."""

    def __init__(self, target, kinds, tools=(), key=None, options=()):
        self.target = target
        self.kinds, self.tools, self.key = kinds, tools, key
        self.options = options  # of tests/hostile/attack
        self.running = []
        self.told = []
        self.folder = tempfile.TemporaryDirectory(prefix="ampoule-hostile-")

    def __enter__(self):
        try:
            self._start_all()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, failed, *_):
        try:
            if failed is None:
                self._end()
        finally:
            self._kill()

    def _start_all(self):
        # Who may is another than who may not, and waits for nobody.
        for kinds in ({"principal"} & set(self.kinds), [kind for kind in self.kinds if kind != "principal"]):
            if kinds:
                process = self._start([ATTACK, "--to", f"127.0.0.1:{self.target.port}", *self.options, *kinds],
                                      signal.SIGTERM, self._told_attack)
                if process.stdout.readline().strip() != "ready":
                    raise HostileRigError(f"the attack was not ready: {process.communicate()[0][-800:]}")
        for number, tool in enumerate(self.tools):
            path = "/v1/tokens" if "-B" in tool else "/openapi.json"
            self._start(["slowhttptest", *tool, "-l", "300", "-g", "-o", f"slow{number}", "-u", f"{self.target.url}{path}"],
                        signal.SIGINT, self._told_tool(number))
        time.sleep(2.5 if self.tools else 0.2)  # it does not say when it is ready

    def _start(self, command, ends_by, reader):
        process = subprocess.Popen(pinned(ATTACKER_CPU, *command, nice=0 if may_go_first() else ATTACKER_NICE),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder.name,
                                   env=self.target.environment(self.key))
        self.running.append((process, ends_by, reader))
        return process

    def pause(self):
        """Connections stay, and nobody speaks."""
        for process, _, _ in self.running:
            process.send_signal(signal.SIGSTOP)

    def go_on(self):
        for process, _, _ in self.running:
            process.send_signal(signal.SIGCONT)

    def _end(self):
        self.go_on()
        for process, ends_by, _ in self.running:
            process.send_signal(ends_by)
        for process, _, reader in self.running:
            reader(process.communicate(timeout=END_SECONDS)[0], process.returncode)

    def _kill(self):
        for process, _, _ in self.running:
            process.kill()
            process.wait()
        self.folder.cleanup()

    def _told_attack(self, output, code):
        if code != 0:
            raise HostileRigError(f"the attack ended with {code}: {output[-800:]}")
        self.told += [json.loads(line) for line in output.splitlines() if line.startswith("{")]

    def _told_tool(self, number):
        def read(output, _code):
            path = os.path.join(self.folder.name, f"slow{number}.csv")
            if not os.path.exists(path):
                raise HostileRigError(f"slowhttptest told nothing: {output[-800:]}")
            rows = [list(map(int, line.split(",")[:5])) for line in _read(path).splitlines()[1:]]
            # Its columns: second, closed, pending, connected, and as many as it asked for while the service was there.
            self.told.append({"attack": f"slowhttptest {self.tools[number][0]}", "standing": max(row[3] for row in rows),
                              "opened": max(sum(row[1:4]) for row in rows), "closed_by_peer": max(row[1] for row in rows),
                              "unavailable_s": sum(row[4] == 0 for row in rows)})
        return read


def per_second(one, field):
    """Of what an attack told."""
    return one.get(field, 0) * 1000 / one["active_ms"] if one.get("active_ms") else 0


def describe(one):
    """What an attack did, in a few words."""
    parts = []
    if one.get("standing"):
        parts.append(f"{one['standing']} held")
    if one.get("opened") and one.get("active_ms") and per_second(one, "opened") > 1:
        parts.append(f"{per_second(one, 'opened'):.0f} connections/s")
    if one.get("handshakes"):
        parts.append(f"{per_second(one, 'handshakes'):.0f} handshakes/s")
    refused = one.get("refused_handshakes", 0) + one.get("unconnected", 0)
    if refused:
        parts.append(f"{refused / one['opened']:.0%} not let in")
    if one.get("closed_by_peer"):
        parts.append(f"{one['closed_by_peer']} closed")
    if one.get("bytes_sent", 0) > 100 * MIB:
        parts.append(f"{per_second(one, 'bytes_sent') / MIB:.0f} MiB/s sent")
    parts += [f"{status}: {count * 60000 / one['active_ms']:.0f}/min" for status, count in one.get("answers", {}).items()]
    if one.get("unavailable_s"):
        parts.append(f"unavailable for {one['unavailable_s']} s")
    return f"{one['attack']}: {', '.join(parts)}"


def _listdir(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            return source.read()
    except OSError:
        return ""
