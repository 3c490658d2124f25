"""A daemon on a core of its own, an honest client and its attackers on the other, and what becomes of each."""
import functools
import json
import os
import re
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
# Attackers have machines of their own; here they live on the honest client's core, and yield to it: beneath its class, or
# by weight alone, which lets one that runs go on for a millisecond while answers wait to be read.
ATTACKER_NICE = 10
START_SECONDS = 40


def pinned(cpu, *command, nice=0, first=False):
    """`first`: whoever else is on this core waits for it, and at once, where this is permitted."""
    words = ["taskset", "-c", str(cpu), *command]
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
    report = bench(target, "--connections", str(connections), "--duration", str(seconds))
    return {"rps": report["rps"], "failed": report["failed"], "errors": report["errors"]}


class Attackers:
    """Everything hostile of one scenario, from ready to stopped; `told` has what became of each."""

    def __init__(self, target, scenario, seconds, options=()):
        self.options = options  # of tests/hostile/attack
        self.target = target
        self.scenario = scenario
        self.seconds = seconds
        self.running = []
        self.told = []
        self.folder = tempfile.TemporaryDirectory(prefix="ampoule-hostile-")

    def _start(self, command, reader, client=None, ready=None):
        process = subprocess.Popen(pinned(CLIENT_CPU, *command, nice=ATTACKER_NICE), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder.name,
                                   env=self.target.environment(client))
        self.running.append((process, reader))
        if ready and process.stdout.readline().strip() != ready:
            raise HostileRigError(f"{command[0]} was not ready: {process.communicate()[0][-800:]}")

    def start(self):
        stranger = self.target.new_key("tokenize", name="flood") if self.scenario.needs_key else None
        if self.scenario.principal:
            self._start([AMPOULE, "bench", "--json", "--connections", str(self.scenario.principal), "--duration",
                         str(self.seconds + 2)], self._told_bench, stranger)
        for number, tool in enumerate(self.scenario.tools):
            path = "/v1/tokens" if "-B" in tool else "/openapi.json"
            self._start(["slowhttptest", *tool, "-l", str(int(self.seconds) + 2), "-g", "-o", f"slow{number}", "-u",
                         f"{self.target.url}{path}"], self._told_tool(number))
        if self.scenario.kinds:
            self._start([ATTACK, "--to", f"127.0.0.1:{self.target.port}", "--seconds", str(self.seconds + 1),
                         *self.options, *self.scenario.kinds], self._told_attack, stranger, ready="ready")
        time.sleep(1.0)  # those that do not say when they are ready are by now

    def stop(self):
        try:
            for process, reader in self.running:
                output = process.communicate(timeout=START_SECONDS + self.seconds)[0]
                reader(output, process.returncode)
        finally:
            for process, _ in self.running:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            self.folder.cleanup()

    def _told_attack(self, output, code):
        if code != 0:
            raise HostileRigError(f"the attack ended with {code}: {output[-800:]}")
        self.told += [json.loads(line) for line in output.splitlines() if line.startswith("{")]

    def _told_bench(self, output, _code):
        try:
            report = json.loads(output)
        except ValueError:
            report = {"errors": {output[-300:]: 1}}
        self.told.append({"attack": "principal", "acts": report.get("requests", 0), "answers": report.get("errors", {}),
                          "rps": report.get("rps", 0)})

    def _told_tool(self, number):
        def read(output, _code):
            path = os.path.join(self.folder.name, f"slow{number}.csv")
            if not os.path.exists(path):
                raise HostileRigError(f"slowhttptest told nothing: {output[-800:]}")
            rows = [line.split(",") for line in _read(path).splitlines()[1:]]
            # Its columns: second, closed, pending, connected, and as many as it asked for while the service was there.
            self.told.append({"attack": f"slowhttptest {self.scenario.tools[number][0]}", "opened": max(sum(map(int, row[1:4])) for row in rows),
                              "closed_by_peer": max(int(row[1]) for row in rows),
                              "unavailable_s": sum(row[4] == "0" for row in rows)})
        return read


def describe(told):
    """What was refused how often, in a few words."""
    words = []
    for one in told:
        parts = []
        if one.get("refused_handshakes") or one.get("unconnected"):
            parts.append(f"{one.get('refused_handshakes', 0) + one.get('unconnected', 0)} of {one['opened']} not let in")
        if one.get("handshakes"):
            parts.append(f"{one['handshakes']} handshakes")
        if one.get("closed_by_peer"):
            parts.append(f"{one['closed_by_peer']} closed")
        if one.get("bytes_sent", 0) > 100 * MIB:
            parts.append(f"{one['bytes_sent'] // MIB} MiB sent")
        parts += [f"{status}: {count}" for status, count in one.get("answers", {}).items()]
        if "rps" in one:
            parts.append(f"{one['rps']:.0f}/s served")
        if one.get("unavailable_s"):
            parts.append(f"unavailable for {one['unavailable_s']} s")
        words.append(f"{one['attack']}: {', '.join(parts) or str(one.get('standing', one.get('opened', 0))) + ' held'}")
    return "; ".join(words)


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
