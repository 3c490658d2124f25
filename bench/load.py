"""The load: programs pinned to the client's core that keep a number of connections busy, each always waiting for its
answer before it asks again. A program is given how many requests it is to make, and may be held and let go on meanwhile."""
import json
import os
import select
import signal
import subprocess
import time
import urllib.request

from queue_load import FAUXQS_QUEUE, unverified
from servers import CLIENT_CPU, pinned

CONNECTIONS = 32
SETTLE_SECONDS = 0.01  # what a server still does behind its last answer: it writes its log


class Load:
    """A load program and what its server spends while it runs. Begins held; `turn` lets it go on for a while.

    What is measured is the phase that the program tells of (see --phase-fd), without handshakes and what it needs made
    before; all of it where it tells of none.
    """

    def __init__(self, server, command, read, env=None, phases=False):
        self._server, self._read = server, read
        self._cpu_ns, self.busy_ns, self._seconds, self._watched = 0, 0, 0.0, 0.0
        self._phase_end, write_end = os.pipe() if phases else (None, None)
        if phases:
            command = [*command, "--phase-fd", str(write_end)]
        self._measured = not phases
        self.command = command
        self._process = subprocess.Popen(pinned(CLIENT_CPU, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         env={**os.environ, **(env or {})}, pass_fds=[write_end] if phases else [])
        self._pidfd = os.pidfd_open(self._process.pid)  # Popen's own calls would reap it, and its usage with it
        signal.pidfd_send_signal(self._pidfd, signal.SIGSTOP)
        if phases:
            os.close(write_end)
        self._output = {stream.fileno(): b"" for stream in (self._process.stdout, self._process.stderr)}
        self.ended = False

    def turn(self, seconds):
        """Lets it go on for so long, or until it ends."""
        until = time.monotonic() + seconds
        self._mark()
        signal.pidfd_send_signal(self._pidfd, signal.SIGCONT)
        while not self.ended and (left := until - time.monotonic()) > 0:
            self._wait(left)
        if not self.ended:
            signal.pidfd_send_signal(self._pidfd, signal.SIGSTOP)
        self._count()

    def _mark(self):
        self._cpu_before, self._began = self._server.cpu_ns(), time.monotonic()

    def _count(self, settle=SETTLE_SECONDS):
        """Adds what was spent since the mark."""
        elapsed = time.monotonic() - self._began
        time.sleep(settle)
        spent = self._server.cpu_ns() - self._cpu_before
        self.busy_ns += spent
        if self._measured:
            self._cpu_ns += spent
            self._seconds += elapsed
            self._watched += elapsed + settle
        self._mark()

    def _wait(self, seconds):
        descriptors = [self._pidfd, *self._output] + ([self._phase_end] if self._phase_end is not None else [])
        for ready in select.select(descriptors, [], [], seconds)[0]:
            if ready == self._phase_end:
                self._on_phase(os.read(ready, 4096))
            elif ready == self._pidfd:
                self.ended = True
            else:
                self._output[ready] += os.read(ready, 1 << 16)

    def _on_phase(self, told):
        if b"end" in told or not told:
            self._count()
            self._measured = False
            os.close(self._phase_end)
            self._phase_end = None
        else:
            self._count(settle=0)  # its requests count from now on, and so does what they cost
            self._measured = True

    def result(self):
        """{requests, messages, errors, cpu_ns, seconds, watched_s, client_cpu_s} when it has ended. `seconds` it ran, and
        so long, with what a server does behind its last answers, its CPU time was watched."""
        for stream in (self._process.stdout, self._process.stderr):
            self._output[stream.fileno()] += stream.read()
        output, errors = (text.decode() for text in self._output.values())
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.close()
        if self._process.returncode != 0:
            raise SystemExit(f"{' '.join(self.command[:4])} ... failed ({self._process.returncode}):\n"
                             f"{output[-800:]}{errors[-2000:]}")
        return {**self._read(output), "cpu_ns": self._cpu_ns, "seconds": self._seconds, "watched_s": self._watched,
                "client_cpu_s": usage.ru_utime + usage.ru_stime}

    def close(self):
        """Ends it where it has not ended."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            stream.close()
        for fd in (self._pidfd, self._phase_end):
            if fd is not None:
                os.close(fd)
        self._pidfd = self._phase_end = None


def ampoule_bench(server, build, server_env, *options, connections=CONNECTIONS):
    """`ampoule bench --json OPTIONS` against the server that server_env names."""
    def read(output):
        result = json.loads(output)
        return {"requests": result["requests"], "messages": result.get("messages") or result["requests"],
                "errors": result["failed"], "latency_us": result.get("latency_us")}

    return Load(server, [os.path.join(build, "src", "cli", "ampoule"), "bench", "--json", "--connections", str(connections),
                         "--threads", "1", "--spin", *options], read, server_env, phases=True)


def redis_benchmark(server, requests, value_size, push=False):
    """SET of `value_size` bytes with an expiry, as a token store on Redis would do for each card; or LPUSH to a list."""
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "--tls", "--cacert", server.cert,
               "-c", str(CONNECTIONS), "-n", str(requests), "-r", "1000000", "--csv"]
    command += ["LPUSH", "list", "x" * value_size] if push else ["SET", "key:__rand_int__", "x" * value_size, "EX", "60"]

    def read(_):
        return {"requests": requests, "messages": requests, "errors": 0}

    return Load(server, command, read)


def redis_forget(server):
    """Frees what was pushed, before and not within what is measured."""
    subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(server.port), "--tls", "--cacert", server.cert, "DEL", "list"],
                   check=True, capture_output=True)


def fauxqs_forget(server, scheme):
    """The same for fauxqs; its first run makes the queue."""
    def call(action, members):
        head = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"}
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{server.port}/", json.dumps(members).encode(), head)
        with urllib.request.urlopen(request, context=unverified() if scheme == "https" else None) as answer:
            return json.loads(answer.read() or "{}")

    call("PurgeQueue", {"QueueUrl": call("CreateQueue", {"QueueName": FAUXQS_QUEUE})["QueueUrl"]})


def forget_queue(build, server, name):
    """Deletes a queue and waits until its messages are wiped, before and not within what is measured."""
    cli, env = os.path.join(build, "src", "cli", "ampoule"), {**os.environ, **server.env}
    subprocess.run([cli, "queue", "delete", name], env=env, capture_output=True, check=False)  # there is none at first
    while json.loads(subprocess.run([cli, "stats", "--json"], env=env, capture_output=True, check=True).stdout)["queues"]["bytes"] > 4 << 20:
        time.sleep(0.05)


def queue_load(server, kind, messages, body_bytes):
    """What bench/queue_load.py does to the server of others."""
    def read(output):
        result = json.loads(output)
        return {"requests": result["messages"], "messages": result["messages"], "errors": result["errors"]}

    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "queue_load.py")
    return Load(server, ["/usr/bin/python3", script, kind, str(server.port), str(messages), str(body_bytes)], read)
