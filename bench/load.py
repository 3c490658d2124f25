"""The load: programs pinned to the client's core that keep a number of connections busy, each always waiting for its
answer before it asks again. Each returns {requests, errors, seconds, latency_us or None}."""
import csv
import io
import json
import os
import re
import resource
import subprocess
import time

from servers import CLIENT_CPU, pinned

CONNECTIONS = 32


def run(command, env=None, sample=None):
    """(standard output, client CPU seconds, seconds, samples) of a load program; SystemExit where it failed. Where `sample`
    is given it is called at the start and at the end of the program's measured phase (see --phase-fd)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    samples, read_end, write_end = [], None, None
    if sample:
        read_end, write_end = os.pipe()
        command = [*command, "--phase-fd", str(write_end)]
    with subprocess.Popen(pinned(CLIENT_CPU, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, **(env or {})}, pass_fds=[write_end] if sample else []) as process:
        if sample:
            os.close(write_end)
            with os.fdopen(read_end, encoding="ascii") as phases:
                samples = [sample() for _ in phases]
        output, errors = process.communicate()
    seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command[:4])} ... failed ({process.returncode}):\n{output[-800:]}{errors[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return output, cpu, seconds, samples


def ampoule_bench(build, server_env, *options, connections=CONNECTIONS, sample=None):
    """`ampoule bench --json OPTIONS` against the server that server_env names."""
    command = [os.path.join(build, "src", "cli", "ampoule"), "bench", "--json", "--connections", str(connections),
               "--threads", "1", "--spin", *options]
    output, cpu, _, samples = run(command, server_env, sample)
    result = json.loads(output)
    return {"requests": result["requests"], "messages": result.get("messages"), "errors": result["failed"],
            "seconds": result["duration_s"], "latency_us": result.get("latency_us"), "client_cpu_s": cpu, "samples": samples}


def redis_benchmark(server, requests, value_size, push=False):
    """SET of `value_size` bytes with an expiry, as a token store on Redis would do for each card; or LPUSH to a list."""
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "--tls", "--cacert", server.cert,
               "-c", str(CONNECTIONS), "-n", str(requests), "-r", "1000000", "--csv"]
    command += ["LPUSH", "list", "x" * value_size] if push else ["SET", "key:__rand_int__", "x" * value_size, "EX", "60"]
    output, cpu, seconds, _ = run(command)
    row = list(csv.DictReader(io.StringIO(output)))[-1]
    milli = {"p50": "p50_latency_ms", "p99": "p99_latency_ms", "max": "max_latency_ms"}
    return {"requests": requests, "errors": 0, "seconds": requests / float(row["rps"]) if float(row["rps"]) else seconds,
            "latency_us": {name: float(row[column]) * 1000 for name, column in milli.items()}, "client_cpu_s": cpu}


def redis_forget(server):
    """Frees what was pushed, before and not within what is measured."""
    subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(server.port), "--tls", "--cacert", server.cert, "DEL", "list"],
                   check=True, capture_output=True)


def forget_queue(build, server, name):
    """Deletes a queue and waits until its messages are wiped, before and not within what is measured."""
    cli, env = os.path.join(build, "src", "cli", "ampoule"), {**os.environ, **server.env}
    subprocess.run([cli, "queue", "delete", name], env=env, capture_output=True, check=False)  # there is none at first
    while json.loads(subprocess.run([cli, "stats", "--json"], env=env, capture_output=True, check=True).stdout)["queues"]["bytes"] > 4 << 20:
        time.sleep(0.05)


def queue_load(server, kind, seconds, body_bytes):
    """What bench/queue_load.py does to the server of others."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "queue_load.py")
    output, cpu, _, _ = run(["/usr/bin/python3", script, kind, str(server.port), str(seconds), str(body_bytes)])
    result = json.loads(output)
    return {"requests": result["messages"], "errors": result["errors"], "seconds": result["seconds"], "latency_us": None,
            "client_cpu_s": cpu}
