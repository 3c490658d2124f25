"""The servers under measurement: each in a directory of its own, on loopback, pinned to one core, over TLS 1.3 with
one and the same cipher suite and key type; and what CPU time all of their threads have used."""
import json
import os
import shutil
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CIPHER_SUITE = "TLS_AES_256_GCM_SHA384"
SERVER_CPU = 0
CLIENT_CPU = 1 if os.cpu_count() > 1 else 0
START_SECONDS = 120
# The roles' users in a configuration file: as root, numbers that nobody has; else there is but one.
SANDBOX = ({"front": "61001", "keeper": "61002", "scribe": "61003", "courier": "61004"} if os.geteuid() == 0
           else {"users": "shared"})


_held_ports = []


def free_port():
    """It stays bound here, so that nobody else is given it: servers set SO_REUSEADDR, and may listen on it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held_ports.append(held)
    return held.getsockname()[1]


def pinned(cpu, command):
    return ["taskset", "-c", str(cpu), *command]


def make_certificate(folder):
    """A self-signed P-256 certificate for 127.0.0.1; (certificate, key)."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def process_tree(pid):
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children", encoding="ascii") as children:
                    found += [int(child) for child in children.read().split()]
        except OSError:
            continue
    return found


class Server:
    """A process tree. Subclasses say how it starts, where it listens, and how it tells that it is ready."""

    name = ""

    def __init__(self, folder):
        self.folder = os.path.join(folder, self.name)
        os.makedirs(self.folder)
        self.port = free_port()
        self.process = None
        self.log_path = os.path.join(self.folder, "log")

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(pinned(SERVER_CPU, self.command()), cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.name} did not start:\n{self.log_tail()}")
            time.sleep(0.02)
        return self

    def log_tail(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-20:])

    def cpu_ns(self):
        """CPU time of every thread of every process of this server, in nanoseconds."""
        total = 0
        for pid in process_tree(self.process.pid):
            for task in _listdir(f"/proc/{pid}/task"):
                try:
                    with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as stat:
                        total += int(stat.read().split()[0])
                except OSError:
                    continue
        return total

    def memory_bytes(self):
        """Resident memory of every process of this server (proportional set size where it may be read)."""
        total = 0
        for pid in process_tree(self.process.pid):
            total += _field_kib(f"/proc/{pid}/smaps_rollup", "Pss:") or _field_kib(f"/proc/{pid}/status", "VmRSS:")
        return total * 1024

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def _listdir(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _field_kib(path, field):
    try:
        with open(path, encoding="ascii") as lines:
            return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
    except OSError:
        return 0


class TlsServer(Server):
    """One that shows the certificate which all show."""

    def __init__(self, folder, certificate):
        super().__init__(folder)
        self.cert, self.key = certificate


class Nginx(TlsServer):
    """One worker that answers every request with the same 201 and as many bytes as a tokenization's answer has."""

    name = "nginx"
    ANSWER = ('{"token":"tok_' + "A" * 43 + '","expires_at":"2030-01-01T00:00:10.000Z","queue":"payments",'
              '"card":{"brand":"visa","bin":"411111","last4":"1111","exp_month":12,"exp_year":2030}}')

    def command(self):
        config = os.path.join(self.folder, "nginx.conf")
        temp_paths = "\n".join(f"  {kind}_temp_path {self.folder}/{kind};"
                               for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(config, "w", encoding="utf-8") as out:
            out.write(f"""daemon off;
worker_processes 1;
pid {self.folder}/pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
{temp_paths}
  keepalive_requests 1000000000;
  keepalive_time 24h;
  default_type application/json;
  server {{
    listen 127.0.0.1:{self.port} ssl;
    ssl_certificate {self.cert};
    ssl_certificate_key {self.key};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites {CIPHER_SUITE};
    location / {{ return 201 '{self.ANSWER}'; }}
  }}
}}
""")
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        return [binary, "-p", self.folder, "-c", config]


class Redis(TlsServer):
    """TLS only, memory only."""

    name = "redis"

    def command(self):
        return ["redis-server", "--bind", "127.0.0.1", "--port", "0", "--tls-port", str(self.port),
                "--tls-cert-file", self.cert, "--tls-key-file", self.key, "--tls-ca-cert-file", self.cert,
                "--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3", "--tls-ciphersuites", CIPHER_SUITE,
                "--save", "", "--appendonly", "no", "--io-threads", "1", "--dir", self.folder]


class Ampouled(Server):
    """Development mode with one worker thread. `state` is where its dev.env tells how to reach it."""

    name = "ampoule"

    def __init__(self, folder, build, *options):
        super().__init__(folder)
        self.build = build
        self.options = options
        self.state = os.path.join(self.folder, "state")
        os.makedirs(self.state, mode=0o700)
        self.env = {}

    def command(self):
        return [os.path.join(self.build, "src", "daemon", "ampouled"), "--dev", "--state", self.state,
                "--listen", f"127.0.0.1:{self.port}", "--workers", "1", *self.options]

    def is_ready(self):
        path = os.path.join(self.state, "dev.env")
        if not os.path.exists(path):
            return False
        with open(path, encoding="utf-8") as lines:
            pairs = (line.strip().partition("=") for line in lines if "=" in line)
            self.env = {name: value.strip("'\"") for name, _, value in pairs}
        return True


class ConfiguredAmpouled(Ampouled):
    """One worker with a configuration file of these sections: {"queue": {"memory_max": "2GiB"}}."""

    def __init__(self, folder, build, settings):
        super().__init__(folder, build)
        self.cert, self.key = make_certificate(self.folder)
        self.config = os.path.join(self.folder, "ampoule.yaml")
        with open(self.config, "w", encoding="utf-8") as out:  # JSON is YAML as well
            json.dump({"state": self.state, "workers": "1", "sandbox": SANDBOX, **settings, "listen": {
                "addresses": [f"127.0.0.1:{self.port}"], "cert": self.cert, "key": self.key}}, out)
        os.chmod(self.key, 0o600)

    def command(self):
        return [os.path.join(self.build, "src", "daemon", "ampouled"), "--config", self.config]

    def is_ready(self):
        if not os.path.exists(os.path.join(self.state, "admin.sock")) or not Server.is_ready(self):
            return False
        made = subprocess.run([os.path.join(self.build, "src", "cli", "ampoule"), "key", "create", "--name", "bench", "--may",
                               "all", "--json", "--state", self.state], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            return False
        key = json.loads(made.stdout)
        self.env = {"AMPOULE_URL": f"https://127.0.0.1:{self.port}", "AMPOULE_CA": self.cert,
                    "AWS_ACCESS_KEY_ID": key["key_id"], "AWS_SECRET_ACCESS_KEY": key["secret"]}
        return True


class Fauxqs(Server):
    """npm's emulator of SQS, in memory, over plain HTTP: it speaks no TLS and verifies no signature."""

    name = "fauxqs"

    def command(self):
        folder = npm_folder()
        self.env = {"FAUXQS_PORT": str(self.port), "FAUXQS_HOST": "127.0.0.1"}
        return ["env", *(f"{name}={value}" for name, value in self.env.items()), "node",
                os.path.join(folder, "node_modules", "fauxqs", "dist", "cli.js")]


class FauxqsTls(TlsServer):
    """The same behind Node's TLS."""

    name = "fauxqs-tls"

    def command(self):
        return ["node", os.path.join(npm_folder(), "fauxqs_tls.mjs"), str(self.port), self.cert, self.key, CIPHER_SUITE]


class TlsFloor(TlsServer):
    """OpenSSL alone: each record is answered with a fixed text, nothing is parsed."""

    name = "floor"

    def __init__(self, folder, build, certificate):
        super().__init__(folder, certificate)
        self.build = build

    def command(self):
        return [os.path.join(self.build, "bench", "tls_floor"), str(self.port), self.cert, self.key, CIPHER_SUITE]


def npm_folder():
    """bench/node with what its package-lock.json names; SystemExit where that cannot be had."""
    folder = os.path.join(ROOT, "bench", "node")
    lock, installed = os.path.join(folder, "package-lock.json"), os.path.join(folder, "node_modules", ".package-lock.json")
    if not os.path.exists(installed) or os.path.getmtime(installed) < os.path.getmtime(lock):
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"npm could not install fauxqs (is the registry reachable?):\n{done.stderr[-800:]}")
    return folder


class Beanstalkd(Server):
    """In memory, over a plain connection: it speaks no TLS."""

    name = "beanstalkd"

    def command(self):
        return [shutil.which("beanstalkd") or "/usr/bin/beanstalkd", "-l", "127.0.0.1", "-p", str(self.port)]


class RabbitMq(Server):
    """Debian's, one scheduler that does not spin while it waits, over a plain connection: TLS would be dearer."""

    name = "rabbitmq"

    def command(self):
        self.epmd = free_port()
        env = {"HOME": self.folder, "ERL_EPMD_PORT": self.epmd, "RABBITMQ_NODENAME": "bench@localhost",
               "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_NODE_PORT": self.port,
               "RABBITMQ_DIST_PORT": free_port(), "RABBITMQ_MNESIA_BASE": self.folder, "RABBITMQ_LOG_BASE": self.folder,
               "RABBITMQ_PID_FILE": os.path.join(self.folder, "pid"), "RABBITMQ_ENABLED_PLUGINS_FILE": "/dev/null",
               "RABBITMQ_CONFIG_FILE": os.path.join(self.folder, "none"), "RABBITMQ_LOGS": "-",
               "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"}
        return ["env", *(f"{name}={value}" for name, value in env.items()), "/usr/lib/rabbitmq/bin/rabbitmq-server"]

    def is_ready(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return "Server startup complete" in log.read()

    def stop(self):
        super().stop()
        subprocess.run(["epmd", "-port", str(self.epmd), "-kill"], capture_output=True, check=False)
