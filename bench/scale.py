"""What bench/scale runs, against one daemon with one worker:

  memory    resident bytes that each of N live tokens adds
  cost      CPU per tokenization with N tokens live, beside the same with about a thousand
  expiry    p99 of an honest client during the second in which all N expire, beside the same in a quiet second

and the first two for N messages of 200 bytes in a queue, beside a queue that is empty when it begins: whole signed
SendMessage requests over TLS. Into a standard queue (messages), and into FIFO queues (fifo): of one group whose ids of
deduplication are made of the body, and of 10,000 groups with ids of deduplication as long as UUIDs. There the ids are
counted to what is beyond the body, and so is what is remembered of each for five minutes, all of which is there.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

from load import ampoule_bench
from servers import ROOT, ConfiguredAmpouled

LONG_TTL_MS = 900_000  # the longest that is allowed: none of these expires while we measure
SHORT_TTL_MS = 20  # at some 50,000 a second about a thousand are live
BATCH_SECONDS = 0.8  # tokens that share an expiry are made in batches this long, each with a shorter time to live
HONEST_CONNECTIONS = 4
# What a token of `ampoule bench` seals (src/wire/content.c): version and kind, five lengths, number, cvc, name, expiry and
# metadata; then the seal's own 33 bytes (src/seal/seal.h).
MESSAGE_BYTES = 200
WARM_MESSAGES = 10_000  # so that buffers which grow once have grown
SKEW_SECONDS = 5        # of the daemon that holds them: dates of requests may be so far off, either way
SETTLE_SECONDS = 5
WHOLE_RUN_SECONDS = 3600.0
# Targets.
BEYOND_SEALED_MAX = 160
COST_RATIO_MAX = 1.15  # of a tokenization with N live, beside one with few
P99_EXPIRING_MAX_US = 10_000
BEYOND_BODY_MAX = 200
FIFO_BEYOND_BODY_MAX = 350  # its ids too, and for five minutes what is remembered of its deduplication id
FIFO_KINDS = {"one": (), "many": ("--groups", "10000", "--deduplication-ids")}
SEND_RATIO_MAX = 1.15  # of a send into N queued messages, beside one into none
SEALED_BYTES = 2 + 5 * 4 + 16 + 3 + len("BENCH CLIENT") + 3 + len('{"order":"0123456789abcdef"}') + 33


class Scale:
    def __init__(self, daemon, build, seconds):
        self.daemon = daemon
        self.build = build
        self.seconds = seconds

    def bench(self, *options, **keywords):
        load = ampoule_bench(self.daemon, self.build, self.daemon.env, *options, **keywords)
        load.turn(WHOLE_RUN_SECONDS)
        done = load.result()
        if done["errors"]:
            raise SystemExit(f"{done['errors']} of {done['requests']} requests failed:\n{self.daemon.log_tail()}")
        return done

    def tokenize(self, ttl_ms, **amount):
        option, value = next(iter(amount.items()))
        return self.bench("--op", "tokenize", "--ttl-ms", str(int(ttl_ms)), f"--{option}", str(value))

    def fill(self, tokens):
        """Makes tokens that outlive the measurement, by the batch: the replay memory hardly grows, which is no token's."""
        self.bench("--fill", str(tokens), "--hold", "--duration", "0.1", "--ttl-ms", str(LONG_TTL_MS))

    def cost_us(self):
        """CPU per tokenization of short-lived tokens, on top of whatever is live."""
        before = self.daemon.cpu_ns()
        done = self.tokenize(SHORT_TTL_MS, duration=self.seconds)
        return (self.daemon.cpu_ns() - before) / 1000 / done["requests"]

    def honest_p99_us(self):
        done = self.bench("--op", "tokenize", "--ttl-ms", str(SHORT_TTL_MS), "--duration", "1.5",
                          connections=HONEST_CONNECTIONS)
        return done["latency_us"]["p99"], done["latency_us"]["max"]

    def fill_to_expire_together(self, tokens, rate):
        """Makes `tokens` that expire within BATCH_SECONDS of the returned moment (monotonic)."""
        batch = max(1, int(rate * BATCH_SECONDS))
        batches = -(-tokens // batch)
        end = time.monotonic() + batches * (BATCH_SECONDS + 0.3) * 1.5 + 2
        made = 0
        while made < tokens:
            count = min(batch, tokens - made)
            left_ms = (end - time.monotonic()) * 1000
            if left_ms < 1000:
                raise SystemExit(f"only {made} of {tokens} tokens were made in the time planned")
            self.tokenize(left_ms, requests=count)
            made += count
        return end


def measure_live(few, many, args, result):
    """Memory, and cost in rounds in turn: one server empty, the other full."""
    few.cost_us()
    many.cost_us()
    result["p99_quiet_us"], result["max_quiet_us"] = few.honest_p99_us()
    before = many.daemon.memory_bytes()
    many.fill(args.tokens)
    result["bytes_per_token"] = (many.daemon.memory_bytes() - before) / args.tokens
    result["bytes_beyond_sealed"] = result["bytes_per_token"] - SEALED_BYTES
    rounds = [(few.cost_us(), many.cost_us()) for _ in range(args.rounds)]
    result["cost_few_us"] = statistics.median(one[0] for one in rounds)
    result["cost_many_us"] = statistics.median(one[1] for one in rounds)
    result["cost_ratio"] = statistics.median(one[1] / one[0] for one in rounds)


def measure_expiry(scale, args, result):
    probe = scale.tokenize(LONG_TTL_MS, duration=1)
    end = scale.fill_to_expire_together(args.tokens, probe["requests"] / probe["seconds"])
    time.sleep(max(0.0, end - 0.3 - time.monotonic()))
    result["p99_expiring_us"], result["max_expiring_us"] = scale.honest_p99_us()


class Queue(Scale):
    def __init__(self, daemon, build, seconds, suffix="", options=()):
        super().__init__(daemon, build, seconds)
        self.suffix, self.options = suffix, options

    def send(self, queue, *options):
        return self.bench("--op", "send", "--queue", queue + self.suffix, "--body-size", str(MESSAGE_BYTES), *self.options,
                          *options)

    def fill(self, queue, messages):
        self.send(queue, "--fill", str(messages), "--hold", "--duration", "0.1")

    def cost_us(self, queue):
        """CPU per message sent into this queue."""
        before = self.daemon.cpu_ns()
        done = self.send(queue, "--duration", str(self.seconds))
        return (self.daemon.cpu_ns() - before) / 1000 / done["requests"]


def settled_bytes(scale):
    """Once the replay memory has left its window and what was freed has gone back to the system: a signed request is
    remembered for a while whatever it brought, and that is no message's."""
    time.sleep(2 * SKEW_SECONDS + SETTLE_SECONDS)
    return scale.daemon.memory_bytes()


def measure_messages(few, many, args):
    result = {}
    few.cost_us("warm")
    many.fill("long", WARM_MESSAGES)
    before = settled_bytes(many)
    many.fill("long", args.tokens)
    result["bytes_per_message"] = (settled_bytes(many) - before) / args.tokens
    result["bytes_beyond_body"] = result["bytes_per_message"] - MESSAGE_BYTES
    rounds = [(few.cost_us(f"short-{number}"), many.cost_us("long")) for number in range(args.rounds)]
    result["send_few_us"] = statistics.median(one[0] for one in rounds)
    result["send_many_us"] = statistics.median(one[1] for one in rounds)
    result["send_ratio"] = statistics.median(one[1] / one[0] for one in rounds)
    return result


def measure_tokens(args, folder, build, result):
    room = {"memory_max": "4GiB", "vault": {"memory_max": "1GiB"}}  # one principal alone may take four fifths of it
    few, many = (ConfiguredAmpouled(os.path.join(folder, name), build, room).start() for name in ("few", "many"))
    try:
        measure_live(Scale(few, build, args.seconds), Scale(many, build, args.seconds), args, result)
    finally:
        few.stop()
        many.stop()
    daemon = ConfiguredAmpouled(os.path.join(folder, "expiry"), build, room).start()
    try:
        measure_expiry(Scale(daemon, build, args.seconds), args, result)
    finally:
        daemon.stop()


def measure_queue(args, folder, build, suffix="", options=()):
    room = {"memory_max": "4GiB", "queue": {"memory_max": "2GiB"}, "auth": {"clock_skew": f"{SKEW_SECONDS}s"}}
    with tempfile.TemporaryDirectory(dir=folder) as own:
        few, many = (ConfiguredAmpouled(os.path.join(own, name), build, room).start() for name in ("short", "long"))
        try:
            return measure_messages(*(Queue(daemon, build, args.seconds, suffix, options) for daemon in (few, many)), args)
        finally:
            few.stop()
            many.stop()


def measure_standard(args, folder, build, result):
    result["standard"] = measure_queue(args, folder, build)


def measure_fifo(args, folder, build, result):
    result["fifo"] = {kind: measure_queue(args, folder, build, ".fifo", options) for kind, options in FIFO_KINDS.items()}


def tell(args, what, lines):
    """Each line: (what, a sentence, the figure in it that has a target, the most that it may be)."""
    print(what)
    met = []
    for name, sentence, figure, most in lines:
        met.append(figure <= most)
        print(f"  {name:<16} {sentence}; target at most {most}: {'not judged' if args.smoke else 'met' if met[-1] else 'missed'}")
    return all(met)


def tell_tokens(args, result):
    return tell(args, f"{args.tokens} live tokens", (
        ("memory", f"{result['bytes_per_token']:>10.0f} bytes for each, {result['bytes_beyond_sealed']:.0f} beyond its sealed content",
         result["bytes_beyond_sealed"], BEYOND_SEALED_MAX),
        ("one more costs", f"{result['cost_many_us']:>10.2f} us of CPU; with few live {result['cost_few_us']:.2f} us: "
         f"{result['cost_ratio']:.2f} times", result["cost_ratio"], COST_RATIO_MAX),
        ("honest p99", f"{result['p99_expiring_us']:>10.0f} us while all expire in one second "
         f"(max {result['max_expiring_us']:.0f}); in a quiet one {result['p99_quiet_us']:.0f} us (max {result['max_quiet_us']:.0f})",
         result["p99_expiring_us"], P99_EXPIRING_MAX_US)))


def tell_queue(args, what, result, most=BEYOND_BODY_MAX):
    return tell(args, f"{args.tokens} messages of {MESSAGE_BYTES} bytes in {what}", (
        ("memory", f"{result['bytes_per_message']:>10.0f} bytes for each, {result['bytes_beyond_body']:.0f} beyond its body",
         result["bytes_beyond_body"], most),
        ("one more costs", f"{result['send_many_us']:>10.2f} us of CPU; in an empty queue {result['send_few_us']:.2f} us: "
         f"{result['send_ratio']:.2f} times", result["send_ratio"], SEND_RATIO_MAX)))


def tell_standard(args, result):
    return tell_queue(args, "a queue", result["standard"])


def tell_fifo(args, result):
    told = [tell_queue(args, what, result["fifo"][kind], FIFO_BEYOND_BODY_MAX) for kind, what in (
        ("one", "a FIFO queue of one group, deduplicated by their bodies"),
        ("many", "a FIFO queue of 10000 groups, with ids of deduplication as long as UUIDs"))]
    return all(told)


PARTS = {"tokens": (measure_tokens, tell_tokens), "messages": (measure_standard, tell_standard),
         "fifo": (measure_fifo, tell_fifo)}


def main():
    parser = argparse.ArgumentParser(prog="bench/scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one cost measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--out", default=os.path.join(ROOT, "build", "bench"), help="where the results go")
    parser.add_argument("--smoke", action="store_true", help="as short as can be; proves that it works, says nothing of scale")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed; nothing is judged with --smoke")
    args = parser.parse_args()
    if args.smoke:
        args.tokens, args.seconds, args.rounds = 2000, 0.4, 1
    parts = [PARTS[args.only]] if args.only else list(PARTS.values())
    result = {"tokens": args.tokens}
    with tempfile.TemporaryDirectory(prefix="ampoule-scale-") as folder:
        for measure, _ in parts:
            measure(args, folder, os.path.abspath(args.build), result)
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "scale.json"), "w", encoding="utf-8") as out:
        json.dump(result, out, indent=1)
    met = [told(args, result) for _, told in parts]
    print(f"wrote {args.out}/scale.json")
    return 1 if args.strict and not all(met) and not args.smoke else 0


if __name__ == "__main__":
    sys.exit(main())
