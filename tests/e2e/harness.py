"""What end-to-end tests share: a daemon of one's own, and every way to speak to it.

    with Daemon() as daemon:
        answer = daemon.client().post("/v1/tokens", {"card": CARD})
        self.assertEqual(answer.status, 201)

Daemon() is in development mode; Daemon(settings={...}) is one that a configuration file describes.

AMPOULE_BUILD names the build directory whose programs are used (default: build).
"""
import datetime
import functools
import http.client
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from again import refuse_flaws

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("AMPOULE_BUILD", "build"))
AMPOULED = os.path.join(BUILD, "src", "daemon", "ampouled")
AMPOULE = os.path.join(BUILD, "src", "cli", "ampoule")

# Sanitizers and several tests at a time make everything slower; nothing waits this long where all is well.
START_SECONDS = 60
STOP_SECONDS = 60
ANSWER_SECONDS = 30
PATIENCE_SECONDS = 30

# The roles' users in a configuration file: as root, numbers that nobody has; else there is but one.
SANDBOX = ({"front": "61001", "keeper": "61002", "scribe": "61003", "courier": "61004"} if os.geteuid() == 0
           else {"users": "shared"})

CARD = {"number": "4111111111111111", "exp_month": 12, "exp_year": 2030, "cvc": "123", "name": "J DOE"}


def wait_until(condition, seconds=PATIENCE_SECONDS, what="condition"):
    """The first true value of condition(), polled; AssertionError where it never came."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.01)


def is_sanitized():
    """Whether the programs under test carry a sanitizer: they are slower, and their malloc does not wipe."""
    with open(AMPOULED, "rb") as program:
        return re.search(rb"__(asan|tsan|ubsan)_", program.read()) is not None


WINDOW = 8  # digits of a card in a row that nobody may see


@functools.cache
def digits_of_programs():
    """Every 8 digits in a row that the programs under test and their libraries have by themselves, zero bytes between
    them or not."""
    linked = subprocess.run(["ldd", AMPOULED, AMPOULE], capture_output=True, text=True, check=False).stdout
    found = set()
    for path in {AMPOULED, AMPOULE, *re.findall(r"(/\S+) \(0x", linked)}:
        with open(path, "rb") as program:
            data = program.read()
        for text in (data, data.translate(None, b"\0")):
            for row in re.findall(rb"[0-9]{%d,}" % WINDOW, text):
                found.update(row[at:at + WINDOW].decode() for at in range(len(row) - WINDOW + 1))
    return found


def windows(number):
    return [number[at:at + WINDOW] for at in range(len(number) - WINDOW + 1)]


def card_number(prefix="4", length=16):
    """A test card of nobody: digits at random and Luhn's check digit, so that finding it, or 8 digits in a row of it,
    means this very one."""
    while True:
        digits = [int(digit) for digit in prefix]
        digits += [secrets.randbelow(10) for _ in range(length - 1 - len(digits))]
        doubled = [digit * 2 - 9 * (digit > 4) if place % 2 == 0 else digit
                   for place, digit in enumerate(reversed(digits))]
        number = "".join(map(str, digits)) + str(-sum(doubled) % 10)
        if digits_of_programs().isdisjoint(windows(number)):
            return number


def far_from_midnight(seconds=30):
    """Returns when the day (UTC) does not end so soon: SigV4's keys are made for a day."""
    left = 86400 - time.time() % 86400
    if left < seconds:
        time.sleep(left + 1)


def random_token(kind="tok"):
    """A well-formed token or claim ("clm") that was never given out."""
    return f"{kind}_{secrets.token_urlsafe(32)}"


def parse_time(text):
    """Seconds since 1970 of "2026-01-31T23:59:59.123Z"."""
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()


def make_certificate(folder, name, *options, subject="/CN=localhost", names="IP:127.0.0.1,DNS:localhost"):
    """A fresh P-256 key and certificate for `names`, self-signed unless options say otherwise: (crt, key) paths."""
    crt, key = os.path.join(folder, name + ".crt"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", subject, "-addext", "subjectAltName=" + names,
                    "-keyout", key, "-out", crt, *options], check=True, capture_output=True)
    os.chmod(key, 0o600)
    return crt, key


_held_ports = []


def free_port():
    """A TCP port of loopback that nobody listens on, nor will: it stays bound here, which keeps others from being given
    it, and those who set SO_REUSEADDR, as servers do, may listen on it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held_ports.append(held)
    return held.getsockname()[1]


class Answer:
    """One HTTP response: status, headers (names in lower case), body; .json() and .code of a problem document."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json().get("code")

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Signer:
    """AWS Signature Version 4 as botocore makes it; `shift` moves the clock by seconds."""

    def __init__(self, key_id, secret, region="us-east-1", service="ampoule"):
        self.credentials = Credentials(key_id, secret)
        self.region = region
        self.service = service

    def headers(self, method, url, body=b"", headers=None, shift=0, fresh=True):
        """The headers of a signed request. `fresh` adds one that makes twins of the same second differ."""
        wanted = dict(headers or {})
        if fresh:
            wanted.setdefault("x-ampoule-nonce", secrets.token_hex(8))
        request = AWSRequest(method=method, url=url, data=body, headers=wanted)
        auth = SigV4Auth(self.credentials, self.service, self.region)
        moment = datetime.datetime.utcnow() + datetime.timedelta(seconds=shift)
        request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
        # What SigV4Auth.add_auth does, but at a moment of our choice.
        auth._modify_request_before_signing(request)
        canonical = auth.canonical_request(request)
        auth._inject_signature_to_request(request, auth.signature(auth.string_to_sign(request, canonical), request))
        return dict(request.headers.items())


# All of 127/8 is this machine. A client that connects from these in turn looks like many: the refusals of each are
# recorded one by one, while those of a single address soon fold into a count (PROTOCOL 6.6).
LOOPBACK_SOURCES = itertools.cycle(f"127.0.{third}.{fourth}" for third in range(1, 5) for fourth in range(1, 255))


class Client:
    """A keep-alive connection that signs every request."""

    def __init__(self, daemon, key_id=None, secret=None, service="ampoule"):
        self.daemon = daemon
        self.signer = Signer(key_id or daemon.key_id, secret or daemon.secret, daemon.region, service)
        self._connection = None
        self.sources = None  # addresses to connect from in turn, an iterator; None: as the system likes

    def request(self, method, path, body=None, headers=None, signed=True, change=None, **signing):
        """An Answer. `body`: bytes as they are, anything else as JSON. `change(headers)` may tamper after signing."""
        payload = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        wanted = dict(headers or {})
        if payload and not any(name.lower() == "content-type" for name in wanted):
            wanted["content-type"] = "application/json"
        if signed:
            wanted = self.signer.headers(method, self.daemon.url + path, payload, wanted, **signing)
        if change:
            change(wanted)
        return self.send(method, path, payload, wanted)

    def send(self, method, path, payload, headers):
        """Sends exactly this on the open connection, or on a new one where it was closed meanwhile."""
        for attempt in (1, 2):
            fresh = self._connection is None
            if fresh:
                self._connection = http.client.HTTPSConnection(
                    self.daemon.host, self.daemon.port, timeout=ANSWER_SECONDS, context=self.daemon.tls_context(),
                    source_address=(next(self.sources), 0) if self.sources else None)
            try:
                self._connection.request(method, path, body=payload or None, headers=headers)
                response = self._connection.getresponse()
                answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
                if response.will_close:
                    self.close()
                return answer
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                self.close()
                if fresh or attempt == 2:
                    raise
        raise AssertionError("not reached")

    @property
    def source(self):
        """This end of the open connection, as the event log names it."""
        return "{}:{}".format(*self._connection.sock.getsockname()[:2])

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def tokenize(self, card=None, **members):
        """The new token; AssertionError where it is refused."""
        answer = self.post("/v1/tokens", dict({"card": card or CARD}, **members))
        if answer.status != 201:
            raise AssertionError(f"tokenize: {answer!r}")
        return answer.json()["token"]

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class RawTls:
    """A TLS connection for bytes that no HTTP library would send."""

    def __init__(self, daemon, context=None, source=None):
        plain = socket.create_connection((daemon.host, daemon.port), timeout=ANSWER_SECONDS,
                                         source_address=(source, 0) if source else None)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = (context or daemon.tls_context()).wrap_socket(plain, server_hostname=daemon.host)
        self._rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        try:
            return self.socket.recv(65536)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError):
            return b""

    def read_answer_to_head(self):
        """The same where HEAD was asked: its length is of a body that does not come."""
        return self.read_answer(body_comes=False)

    def read_answer(self, body_comes=True):
        """The next complete response as an Answer, or None where the peer closed without one."""
        while b"\r\n\r\n" not in self._rest:
            more = self._more()
            if not more:
                return None
            self._rest += more
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0")) if body_comes else 0
        while len(self._rest) < length:
            more = self._more()
            if not more:
                raise AssertionError("the response's body is shorter than its Content-Length")
            self._rest += more
        body, self._rest = self._rest[:length], self._rest[length:]
        return Answer(int(lines[0].split()[1]), headers, body)

    def read_to_end(self):
        """Every byte until the peer closes."""
        data = self._rest
        self._rest = b""
        while True:
            more = self._more()
            if not more:
                return data
            data += more

    def is_closed(self):
        """True once the peer has closed (waits for it), False where more bytes came instead."""
        return not self._rest and self._more() == b""

    def close(self):
        self.socket.close()


def raw_request(method, path, host, headers=None, body=b""):
    """The bytes of a plain request, for tests that break them afterwards."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items() if name.lower() != "host"]
    if body and not any(name.lower() in ("content-length", "transfer-encoding") for name in (headers or {})):
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class Daemon:
    """An ampouled on a port and in a state directory of its own."""

    def __init__(self, *args, settings=None, state=None, env=None, port=None):
        """`settings`: sections of the configuration file, {"vault": {"ttl": "5s"}}; None: development mode, where
        `args` are more options."""
        self.args = list(args)
        self.settings = settings
        self.extra_env = env or {}
        self.home = tempfile.mkdtemp(prefix="ampoule-e2e-")
        self.state = state or os.path.join(self.home, "state")
        self.audit = os.path.join(self.state, "audit")  # the event log
        self.port = port or free_port()
        self.host = "127.0.0.1"
        self.region = "us-east-1"
        self.process = None
        self.caused_deaths = ()  # signals by which the case has roles die on purpose
        self.launcher = ()  # a command that executes what its arguments say
        self.log_path = os.path.join(self.home, "stderr.log")
        self.config_path = os.path.join(self.home, "ampoule.yaml")

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.destroy()
            raise

    def __exit__(self, kind, *_):
        try:
            if self.process is not None and kind is None:
                self.stop()
        finally:
            self.destroy()

    # life

    def start(self):
        """Returns once the daemon is ready; AssertionError with its log where it is not."""
        if self.settings is None:
            self._launch("--dev", "--state", self.state, "--listen", f"{self.host}:{self.port}", *self.args)
            self._start_dev()
        else:
            self._start_configured()
        return self

    def _launch(self, *arguments):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.launcher, AMPOULED, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **self.extra_env})

    def _wait_started(self, condition, what):
        try:
            wait_until(lambda: condition() or self.process.poll() is not None, START_SECONDS, what)
        except AssertionError as late:
            raise AssertionError(f"{late}:\n{self.log()}") from None
        if self.process.poll() is not None:
            raise AssertionError(f"ampouled ended with {self.process.returncode}:\n{self.log()}")

    def _start_dev(self):
        env_file = os.path.join(self.state, "dev.env")
        started = time.time()

        def is_written():
            try:
                return os.stat(env_file).st_mtime >= started - 1
            except FileNotFoundError:
                return False
        self._wait_started(is_written, "dev.env")
        values = {}
        with open(env_file, encoding="utf-8") as lines:
            for line in lines:
                name, found, value = line.strip().removeprefix("export ").partition("=")
                if found and not name.startswith("#"):
                    values[name] = value.strip("'\"")
        self._connect_by(values)

    def _connect_by(self, values):
        self.env = values
        self.url = values["AMPOULE_URL"].rstrip("/")
        self.ca = values["AMPOULE_CA"]
        self.key_id = values.get("AWS_ACCESS_KEY_ID")
        self.secret = values.get("AWS_SECRET_ACCESS_KEY")
        parts = urllib.parse.urlsplit(self.url)
        self.host, self.port = parts.hostname, parts.port

    def configure(self, settings):
        """Writes the configuration file: these sections, and what every daemon needs; no `workers` where they are None.
        JSON is YAML as well."""
        crt, key = os.path.join(self.home, "tls.crt"), os.path.join(self.home, "tls.key")
        whole = {"state": self.state, "workers": "2", "sandbox": SANDBOX, **settings}
        if whole["workers"] is None:
            del whole["workers"]
        whole["listen"] = {"addresses": [f"{self.host}:{self.port}"], "cert": crt, "key": key,
                           **settings.get("listen", {})}
        # As in development mode: what cases do wrong on purpose shall not turn away those that come behind them.
        whole["limits"] = {"exempt": ["127.0.0.0/8"], **settings.get("limits", {})}
        with open(self.config_path, "w", encoding="utf-8") as config:
            json.dump(whole, config, indent=1)

    def _start_configured(self):
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        if not os.path.exists(os.path.join(self.home, "tls.crt")):
            make_certificate(self.home, "tls")
        self.configure(self.settings)
        self._launch("--config", self.config_path)
        self._connect_by({"AMPOULE_URL": f"https://{self.host}:{self.port}", "AWS_REGION": self.region,
                          "AMPOULE_CA": os.path.join(self.home, "tls.crt")})
        self._wait_started(lambda: os.path.exists(os.path.join(self.state, "admin.sock")) and self._make_first_key(),
                           "the first key")

    def _make_first_key(self):
        made = self.admin("create", "--name", "everything", "--may", "all", "--json")
        if made.returncode != 0:
            return False
        key = json.loads(made.stdout)
        self.key_id, self.secret = key["key_id"], key["secret"]
        self.env.update(AWS_ACCESS_KEY_ID=self.key_id, AWS_SECRET_ACCESS_KEY=self.secret)
        return self.is_ready()

    def is_ready(self):
        """Whether /readyz says so now."""
        try:
            return Client(self, "none", "none").get("/readyz", signed=False).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self, seconds=START_SECONDS):
        """Until every worker is: which of them answers is the kernel's choice, of so many looks hardly always the same."""
        wait_until(lambda: all(self.is_ready() for _ in range(16)), seconds, "/readyz")
        self.wait_next_second()

    @staticmethod
    def wait_next_second():
        """Behind the second in which a new front started, whose signatures it refuses (PROTOCOL 2.3)."""
        second = int(time.time())
        wait_until(lambda: int(time.time()) > second, 5, "the next second")

    def reload(self, settings=None):
        """SIGHUP, with these settings where some are given; returns the outcome that the event log has for it."""
        if settings is not None:
            self.configure(settings)
        before = sum(event["event"] == "config.reload" for event in self.events())
        self.process.send_signal(signal.SIGHUP)

        def outcome():
            reloads = [event["outcome"] for event in self.events() if event["event"] == "config.reload"]
            return reloads[before:]
        return wait_until(outcome, what="config.reload in the event log")[0]

    def stop(self, expect=0):
        """SIGTERM; AssertionError where it does not end in time, or not with this exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"ampouled did not end on SIGTERM:\n{self.log()}") from None
        finally:
            self.process = None
        if code != expect:
            raise AssertionError(f"ampouled ended with {code}, not {expect}:\n{self.log()}")

    def destroy(self):
        """Ends whatever still runs and removes the state directory; Unforgivable where a process broke down."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        said = self.log() if os.path.exists(self.log_path) else ""
        shutil.rmtree(self.home, ignore_errors=True)
        refuse_flaws(said, self.caused_deaths)

    def log(self):
        """What the daemon wrote to its standard streams."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    # processes

    def pids(self):
        """Every process of this daemon, the supervisor first."""
        found = [self.process.pid]
        for pid in found:
            for task in _listdir(f"/proc/{pid}/task"):
                found += [int(child) for child in _read(f"/proc/{pid}/task/{task}/children").split()]
        return found

    def resident_bytes(self):
        """Resident memory of all processes; a page that several of them share (the programs' text) counts once."""
        total = 0
        for pid in self.pids():
            found = re.search(r"^Pss:\s+(\d+) kB", _read(f"/proc/{pid}/smaps_rollup"), re.MULTILINE)
            total += int(found.group(1)) * 1024 if found else 0
        return total

    def roles(self):
        """{"front": pid, "keeper": pid, "scribe": pid}: told by the name or the arguments of each child."""
        roles = {}
        for pid in self.pids()[1:]:
            words = (_read(f"/proc/{pid}/comm") + " " + _read(f"/proc/{pid}/cmdline").replace("\0", " "))
            for role in ("front", "keeper", "scribe", "courier"):
                if role in words:
                    roles[role] = pid
        return roles

    # event log

    def events(self, word=""):
        """Every record of the event log so far that has this word, oldest first. An incomplete last line is not yet one."""
        folder = self.audit
        records = []
        for name in sorted(_listdir(folder)):
            if name.endswith(".jsonl"):
                text = _read(os.path.join(folder, name))
                records += [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines() if line and word in line]
        return records

    def wait_event(self, wanted, seconds=PATIENCE_SECONDS):
        """The first record for which wanted(record) is true."""
        return wait_until(lambda: next((event for event in self.events() if wanted(event)), None), seconds,
                          "the event awaited")

    # ways to speak to it

    def tls_context(self):
        return ssl.create_default_context(cafile=self.ca)

    def client(self, key_id=None, secret=None, service="ampoule"):
        return Client(self, key_id, secret, service)

    def admin(self, *args, env=None):
        """`ampoule key ...` through the admin socket; a CompletedProcess."""
        return self.cli("key", *args, env={"AMPOULE_STATE": self.state, **(env or {})})

    def new_key(self, *may, name="someone", **options):
        """A Client of a fresh principal: new_key("tokenize:payments", rate=5)."""
        arguments = ["create", "--name", name, "--json"]
        for words in may:
            arguments += ["--may", words]
        for option, value in options.items():
            arguments += ["--" + option.replace("_", "-"), str(value)]
        made = self.admin(*arguments)
        if made.returncode != 0:
            raise AssertionError(f"key create: {made.stdout}{made.stderr}")
        key = json.loads(made.stdout)
        return self.client(key["key_id"], key["secret"])

    def raw(self, context=None, source=None):
        return RawTls(self, context, source)

    def curl(self, path, *args, input=None, check=False):
        """curl with its own SigV4, a client that is not ours; a CompletedProcess with text output."""
        command = ["curl", "--silent", "--show-error", "--max-time", str(ANSWER_SECONDS), "--cacert", self.ca,
                   "--aws-sigv4", f"aws:amz:{self.region}:ampoule", "--user", f"{self.key_id}:{self.secret}",
                   *args, self.url + path]
        return subprocess.run(command, input=input, capture_output=True, text=True, timeout=2 * ANSWER_SECONDS,
                              check=check)

    def cli(self, *args, input=None, env=None):
        """The command line with this daemon's connection; a CompletedProcess with text output."""
        done = subprocess.run([AMPOULE, *args], input=input, capture_output=True, text=True,
                              timeout=2 * ANSWER_SECONDS, check=False,
                              env={**os.environ, **self.env, **(env or {})})
        refuse_flaws(done.stderr)
        return done


class Stopped:
    """Holds a process still while it lasts."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


class DaemonCase(unittest.TestCase):
    """Cases that share one daemon, made from `arguments` or `settings` of the class. What one leaves behind must not
    matter to the others."""

    arguments = ("--workers", "2")
    settings = None

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(*(cls.arguments if cls.settings is None else ()), settings=cls.settings)
        cls.addClassCleanup(cls.daemon.destroy)
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def setUp(self):
        self.client = self.daemon.client()
        self.addCleanup(self.client.close)

    def assert_refused(self, answer, status, code):
        """A problem document with this status and code, complete in form."""
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        problem = answer.json()
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(problem["status"], status)
        self.assertEqual(problem["type"], "urn:ampoule:problem:" + code)
        self.assertEqual(problem["request_id"], answer.headers["x-request-id"])
        self.assertTrue(problem["title"] and problem["detail"], answer)
        return problem

    def assert_event(self, answer, **members):
        """The record of this answer's request has these members."""
        return self.assert_events([(answer, members)])[0]

    def assert_events(self, expected):
        """The same for many: [(answer, members)]."""
        wanted = {answer.headers["x-request-id"] for answer, _ in expected}

        def found():
            records = {event["request"]: event for event in self.daemon.events() if event.get("request") in wanted}
            return [records] if len(records) == len(wanted) else None
        records = wait_until(found, what="the record of every request")[0]
        events = [records[answer.headers["x-request-id"]] for answer, _ in expected]
        for event, (_, members) in zip(events, expected):
            for name, value in members.items():
                self.assertEqual(event.get(name), value, event)
        return events


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
