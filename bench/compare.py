"""What bench/compare runs: all loads by turns, four tenths of a second each, until each has made its requests, and that in
several rounds; CPU time of the whole server per request or message, ratios of the same round. What a machine shared with
others does meanwhile lasts seconds, so that it meets all subjects of a round alike."""
import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from chart import bar_chart
from load import CONNECTIONS, ampoule_bench, fauxqs_forget, forget_queue, queue_load, redis_benchmark, redis_forget
from queue_load import CONNECTIONS as BATCH_CONNECTIONS
from servers import (CIPHER_SUITE, ROOT, Ampouled, Beanstalkd, Fauxqs, FauxqsTls, Nginx, RabbitMq, Redis, TlsFloor,
                     make_certificate)

REQUEST_BYTES = 250  # the body of a tokenization request
VALUE_BYTES = 200  # a sealed card as Redis would hold it
TURN_SECONDS = 0.4  # so short that noise meets all alike, so long that caches are warm for nearly all of it
FIRST_RATE = 4000  # requests a second, before any was measured

# name: (label, detail, server, is it ours)
TOKENS = {
    "nginx": ("nginx", "POST, a fixed 201 answer", "nginx", False),
    "redis": ("Redis", f"SET {VALUE_BYTES} bytes, EX 60", "redis", False),
    "tokenize": ("Ampoule tokenize", "verify, seal, store, log", "ampoule", True),
    "inspect": ("Ampoule inspect", "verify, open, mask, log", "ampoule", True),
    "redeem": ("Ampoule redeem, no disk", "verify, open, record, destroy", "ampoule in memory", True),
    "redeem-disk": ("Ampoule redeem", "the same, record synced to disk", "ampoule", True),
}
# What is counted here is messages.
MESSAGES = {
    "floor": ("OpenSSL alone", "TLS, a fixed answer, nothing parsed", "floor", False),
    "lpush": ("Redis LPUSH", f"{VALUE_BYTES} bytes", "redis", False),
    "send": ("Ampoule SendMessage", "verify, seal, queue, log", "ampoule", True),
    "fauxqs": ("fauxqs SendMessage", "no TLS, nothing verified", "fauxqs", False),
    "fauxqs-tls": ("fauxqs over TLS", "Node's https, nothing verified", "fauxqs-tls", False),
    "queue": ("Ampoule send, receive, delete", "in tens, signed, sealed, logged", "ampoule", True),
    "rabbitmq": ("RabbitMQ publish, consume", "in tens, confirm and ack, no TLS", "rabbitmq", False),
    "beanstalkd": ("beanstalkd put, reserve, delete", "in tens, no TLS", "beanstalkd", False),
}
SUBJECTS = {**TOKENS, **MESSAGES}
FAMILIES = (("compare", "request", TOKENS, ("nginx", "redis")), ("messages", "message", MESSAGES, ("lpush", "rabbitmq")))
# subject: {baseline: most it may cost, as a multiple of the baseline's CPU per request or message}
TARGETS = {"tokenize": {"nginx": 1.8, "redis": 1.25}, "redeem": {"tokenize": 1.3},
           "send": {"lpush": 1.4, "fauxqs": 0.1}, "queue": {"rabbitmq": 0.5}}
# A server whose core is busy for so much of the time waits for nobody: what is measured is the server, not the client.
BUSY_MIN = 0.9
DRIVEN_BY_AMPOULE = ("nginx", "tokenize", "inspect", "redeem", "send", "queue")  # "redeem-disk" waits for the disk


class Bench:
    def __init__(self, folder, memory_folder, build, names):
        self.build = build
        certificate = make_certificate(folder)
        makers = {"nginx": lambda: Nginx(folder, certificate), "redis": lambda: Redis(folder, certificate),
                  "rabbitmq": lambda: RabbitMq(folder), "beanstalkd": lambda: Beanstalkd(folder),
                  "fauxqs": lambda: Fauxqs(folder), "ampoule": lambda: Ampouled(folder, build),
                  "fauxqs-tls": lambda: FauxqsTls(folder, certificate), "floor": lambda: TlsFloor(folder, build, certificate),
                  # its log in memory: what a redemption costs apart from the log's fsync, whose price is the disk's
                  "ampoule in memory": lambda: Ampouled(memory_folder, build)}
        self.servers = {}
        self.rates = {}
        self.send_number = 0
        self.connecting_ns = {}  # of loads that do not tell where connecting ends
        for server in {SUBJECTS[name][2]: None for name in names}:
            self.servers[server] = makers[server]()

    def __enter__(self):
        for server in self.servers.values():
            server.start()
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.stop()

    def load(self, name, seconds):
        """A Load of as many requests as the last round's rate promises for so many seconds."""
        server = self.servers[SUBJECTS[name][2]]
        count = max(1000, int(self.rates.get(name, FIRST_RATE) * seconds))
        if server.name == "redis":
            return redis_benchmark(server, count, VALUE_BYTES, name == "lpush")
        if name in ("rabbitmq", "beanstalkd", "fauxqs", "fauxqs-tls"):
            return queue_load(server, name, count, VALUE_BYTES)
        if name in ("nginx", "floor"):
            return ampoule_bench(server, self.build, {"AMPOULE_URL": f"https://127.0.0.1:{server.port}", "AMPOULE_CA": server.cert},
                                 "--requests", str(count), "--op", "get", "--unsigned", "--method", "POST",
                                 "--path", "/", "--body-size", str(REQUEST_BYTES))
        # What is sent stays, as what is pushed to Redis does: expiry is no part of either's price here.
        kept = ["--queue", f"bench-{self.send_number}", "--ttl-ms", "900000"] if name == "send" else []
        return ampoule_bench(server, self.build, server.env, "--requests", str(count), "--op", name.removesuffix("-disk"), *kept)

    def forget(self, name):
        """What the last round left."""
        server = self.servers[SUBJECTS[name][2]]
        if name == "lpush":
            redis_forget(server)
        elif name in ("fauxqs", "fauxqs-tls"):
            fauxqs_forget(server, "https" if name == "fauxqs-tls" else "http")
        elif name == "send":
            self.send_number += 1
            forget_queue(self.build, server, f"bench-{self.send_number - 1}")

    def learn_connecting(self, names):
        """What the handshakes of a load cost that tells nothing of them: as much as one request on each connection."""
        for name in names:
            server = self.servers[SUBJECTS[name][2]]
            if server.name == "redis":
                self.connecting_ns[name] = statistics.median(
                    self.whole(redis_benchmark(server, CONNECTIONS, VALUE_BYTES, name == "lpush"))["cpu_ns"] for _ in range(5))

    @staticmethod
    def whole(load):
        while not load.ended:
            load.turn(TURN_SECONDS)
        return load.result()

    def round(self, names, seconds):
        """All of these once: {name: figures}, how many cores other programs kept busy meanwhile, and {server: CPU time
        outside of its turns, beside that within}: what is counted for nobody, expiry among it."""
        for name in names:
            self.forget(name)
        busy_before, started = busy_seconds(), time.monotonic()
        cpu_before = {key: server.cpu_ns() for key, server in self.servers.items()}
        with contextlib.ExitStack() as stack:
            loads = {name: self.load(name, seconds) for name in names}
            for load in loads.values():
                stack.callback(load.close)
            order = list(names)
            while running := [name for name in order if not loads[name].ended]:
                for name in running:
                    loads[name].turn(TURN_SECONDS)
                order.reverse()
            done = {name: load.result() for name, load in loads.items()}
        busy, elapsed = busy_seconds() - busy_before, time.monotonic() - started
        whole = {key: server.cpu_ns() - cpu_before[key] for key, server in self.servers.items()}
        in_turns = {key: sum(loads[name].busy_ns for name in names if SUBJECTS[name][2] == key) for key in whole}
        own = sum(whole.values()) / 1e9 + sum(one["client_cpu_s"] for one in done.values())
        return ({name: self.figures(name, one) for name, one in done.items()}, max(0.0, (busy - own) / elapsed),
                {key: max(0, whole[key] - in_turns[key]) / in_turns[key] for key in whole})

    def figures(self, name, done):
        if done["errors"] or not done["requests"]:
            raise SystemExit(f"{name}: {done['errors']} of {done['requests']} requests failed:\n"
                             f"{self.servers[SUBJECTS[name][2]].log_tail()}")
        self.rates[name] = done["requests"] / done["seconds"]
        count, spent_ns = done["messages"], done["cpu_ns"] - self.connecting_ns.get(name, 0)
        return {"cpu_us": spent_ns / 1000 / count, "rps": count / done["seconds"], "requests": count,
                "busy": done["cpu_ns"] / 1e9 / done["watched_s"], "client_cpu_us": done["client_cpu_s"] * 1e6 / done["requests"]}


def busy_seconds():
    """CPU seconds that the whole machine has spent on anything."""
    with open("/proc/stat", encoding="ascii") as stat:
        fields = [int(value) for value in stat.readline().split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def summarize(rounds, names):
    """Per subject: medians over the rounds, and against each baseline the median of the same round's ratios."""
    summary = {}
    for name in names:
        runs = [one[name] for one in rounds]
        cpu = [run["cpu_us"] for run in runs]
        entry = {"cpu_us": statistics.median(cpu), "cpu_us_min": min(cpu), "cpu_us_max": max(cpu),
                 "rps": statistics.median(run["rps"] for run in runs), "busy": statistics.median(run["busy"] for run in runs),
                 "ratios": {}}
        for base in ("nginx", "redis", "tokenize") if name in TOKENS else MESSAGES:
            if base in names and base != name:
                entry["ratios"][base] = statistics.median(one[name]["cpu_us"] / one[base]["cpu_us"] for one in rounds)
        summary[name] = entry
    return summary


def verdicts(summary):
    """[(subject, baseline, ratio, target, met)]"""
    return [(name, base, summary[name]["ratios"][base], target, summary[name]["ratios"][base] <= target)
            for name, targets in TARGETS.items() if name in summary
            for base, target in targets.items() if base in summary[name]["ratios"]]


def busy_cores(summary):
    """{subject: part of the time in which the server had its core busy}, of those that `ampoule bench` drives."""
    return {name: summary[name]["busy"] for name in DRIVEN_BY_AMPOULE if name in summary}


def alone(busy):
    """Whether other programs left the machine to us: else the client waited for them, too."""
    return busy <= 0.1


def judgement(args, met):
    return "not judged" if args.smoke else "met" if met else "missed"


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip().split("\n")[0]
    except FileNotFoundError:
        return "absent"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "openssl": first_line("openssl", "version"),
            "nginx": first_line(shutil.which("nginx") or "/usr/sbin/nginx", "-v"),
            "redis": first_line("redis-server", "--version")}


def table(summary, names, unit, bases):
    head = (f"{'':33}{'CPU us/' + unit:>16}{'(spread)':>16}{unit + 's/s':>12}" +
            "".join(f"{'vs ' + base:>13}" for base in bases))
    lines = [head, "-" * len(head)]
    for name in names:
        one = summary[name]
        spread = f"{one['cpu_us_min']:.1f}-{one['cpu_us_max']:.1f}"
        ratios = "".join(f"{one['ratios'][base]:>13.2f}" if base in one["ratios"] else f"{'':>13}" for base in bases)
        lines.append(f"{SUBJECTS[name][0]:33}{one['cpu_us']:>16.2f}{spread:>16}{one['rps']:>12.0f}{ratios}")
    return "\n".join(lines)


def markdown(summary, names, unit, bases):
    """The same as a table for the README."""
    lines = [f"| per {unit} | CPU of all server processes |" + "".join(f" beside {SUBJECTS[base][0]} |" for base in bases),
             "|---|---|" + "---|" * len(bases)]
    for name in names:
        label, detail, _, ours = SUBJECTS[name]
        ratios = "".join(f" {one:.2f} |" if one else " |" for one in map(summary[name]["ratios"].get, bases))
        lines.append(f"| {f'**{label}**' if ours else label}: {detail} | {summary[name]['cpu_us']:.1f} µs |{ratios}")
    return "\n".join(lines) + "\n"


def chart(summary, names, unit, settings):
    bars = []
    for name in names:
        label, detail, _, ours = SUBJECTS[name]
        one = summary[name]
        bars.append((label, detail, one["cpu_us"], one["cpu_us_min"], one["cpu_us_max"], ours))
    info = settings["machine"]
    return bar_chart(f"CPU time of the server per {unit}", "less is better; the line is the spread over the rounds", "µs", bars,
                     f"TLS 1.3, {CIPHER_SUITE} but where it says no TLS, {CONNECTIONS} kept connections"
                     f"{f', {BATCH_CONNECTIONS} to RabbitMQ and beanstalkd' if 'rabbitmq' in names else ''}, one core; "
                     f"median of {settings['rounds']} rounds; {info['cpu']}")


def parse_args():
    parser = argparse.ArgumentParser(prog="bench/compare", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each subject in a round")
    parser.add_argument("--only", default="", help="subjects, separated by commas: " + ", ".join(SUBJECTS))
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--out", default=os.path.join(ROOT, "build", "bench"), help="where the results go")
    parser.add_argument("--smoke", action="store_true", help="as short as can be; proves that it works, says nothing of speed")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed; nothing is judged with --smoke")
    args = parser.parse_args()
    args.names = args.only.split(",") if args.only else list(SUBJECTS)
    unknown = [name for name in args.names if name not in SUBJECTS]
    if unknown:
        parser.error(f"no subject {', '.join(unknown)}: there are {', '.join(SUBJECTS)}")
    if args.smoke:
        args.rounds, args.seconds = 1, 0.5
    return args


def measure_family(args, names):
    """[(what Bench.round gives)] of subjects that are compared with each other; no servers but theirs run meanwhile."""
    told = []
    with (tempfile.TemporaryDirectory(prefix="ampoule-bench-") as folder,
          tempfile.TemporaryDirectory(prefix="ampoule-bench-", dir="/dev/shm") as memory_folder):
        os.chmod(folder, 0o755)  # nginx's worker gives up root
        with Bench(folder, memory_folder, os.path.abspath(args.build), names) as bench:
            bench.round(names, min(0.5, args.seconds))  # warm up, and learn the rates
            bench.learn_connecting(names)
            for number in range(args.rounds):
                turn = number % len(names)
                told.append(bench.round(names[turn:] + names[:turn], args.seconds))
                print(f"round {number + 1} of {args.rounds}: " +
                      ", ".join(f"{name} {told[-1][0][name]['cpu_us']:.1f} us" for name in names), file=sys.stderr)
    return told


def measure_all(args):
    """(rounds of figures, cores that others kept busy, {server: CPU outside of its turns})"""
    families = [[name for name in args.names if name in family] for _, _, family, _ in FAMILIES]
    measured = [measure_family(args, names) for names in families if names]
    rounds = [{name: one for figures, _, _ in parts for name, one in figures.items()} for parts in zip(*measured)]
    outside = {key: statistics.median(beside[key] for _, _, beside in told) for told in measured for key in told[0][2]}
    return rounds, statistics.median(busy for told in measured for _, busy, _ in told), outside


def main():
    args = parse_args()
    rounds, busy, outside = measure_all(args)
    summary = summarize(rounds, args.names)
    settings = {"rounds": args.rounds, "seconds": args.seconds, "turn_seconds": TURN_SECONDS,
                "connections": CONNECTIONS, "cipher_suite": CIPHER_SUITE,
                "request_bytes": REQUEST_BYTES, "value_bytes": VALUE_BYTES, "machine": machine()}
    judged, client = verdicts(summary), busy_cores(summary)
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "compare.json"), "w", encoding="utf-8") as out:
        json.dump({"settings": settings, "summary": summary, "rounds": rounds,
                   "verdicts": [dict(zip(("subject", "against", "ratio", "target", "met"), one)) for one in judged],
                   "busy_cores": client, "outside_turns": outside}, out, indent=1)
    for file, unit, family, bases in FAMILIES:
        names = [name for name in args.names if name in family]
        if not names:
            continue
        with open(os.path.join(args.out, f"{file}.svg"), "w", encoding="utf-8") as out:
            out.write(chart(summary, names, unit, settings))
        with open(os.path.join(args.out, f"{file}.md"), "w", encoding="utf-8") as out:
            out.write(markdown(summary, names, unit, bases))
        print(table(summary, names, unit, bases) + "\n")
    for name, base, ratio, target, met in judged:
        print(f"{name} costs {ratio:.2f} times {base}; target at most {target:.2f}: "
              f"{judgement(args, met)}")
    if client and alone(busy):
        print("the client is not the bottleneck where the server's core is busy: " +
              ", ".join(f"{name} {part:.0%}" for name, part in client.items()) +
              f"; target at least {BUSY_MIN:.0%} each: {judgement(args, min(client.values()) >= BUSY_MIN)}")
    print("not counted, CPU outside of a server's own turns (expiry, timers): " +
          ", ".join(f"{key} {part:.1%}" for key, part in outside.items()))
    if not alone(busy):
        print(f"note: other programs kept {busy:.1f} of {os.cpu_count()} cores busy meanwhile; the figures are rough")
    print(f"wrote {args.out}/compare.json and the plots and tables beside it")
    missed = not all(one[-1] for one in judged) or (alone(busy) and any(part < BUSY_MIN for part in client.values()))
    return 1 if args.strict and missed and not args.smoke else 0


if __name__ == "__main__":
    sys.exit(main())
