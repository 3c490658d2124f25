"""Proves that the residue test finds: every spelling at every alignment, and a leak in every kind of place."""
import base64
import glob
import os
import secrets
import subprocess
import tempfile
import urllib.parse

from harness import wait_until

from plants import Plants
from scanner import LEAK, scan

DISGUISE = 0xAA
MEMORY_LEAKS = ("heap", "freed", "stack", "thread", "ended-thread", "mmap", "shared", "fenced", "argv", "environ")
FILE_LEAKS = ("file", "log")
HELD_LEAKS = ("memfd", "unlinked")  # in files that no name leads to


def told_of_cores(trace):
    """What strace says of processes that left a core, wherever the kernel puts those."""
    with open(trace, encoding="utf-8", errors="replace") as lines:
        return [line.strip() for line in lines if "core dumped" in line]


def open_files(pid):
    """Paths below /proc of the regular files that a process holds open."""
    held = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{name}"
        try:
            if os.path.isfile(path):
                held.append(path)
        except OSError:
            pass
    return held


class Leaker:
    """A process that leaks, until closed."""

    def __init__(self, kind, data, folder):
        self.folder = folder
        self.log = os.path.join(folder, kind + ".log")
        self.trace = os.path.join(folder, "strace")
        traced = ["strace", "-q", "-f", "-o", self.trace, "-e", "trace=none"] if kind == "core" else []
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*traced, LEAK, kind, os.path.join(folder, kind + ".file")], cwd=folder,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.process.stdin.write(bytes(byte ^ DISGUISE for byte in data) + b"\n")
        self.process.stdin.flush()
        if kind != "core" and self.process.stdout.readline() != b"ready\n":
            raise AssertionError(f"leak {kind} is not ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def _check_leak(kind, data, plants, folder):
    """Whether the scanner judges this process, its files and its log as it should."""
    with Leaker(kind, data, folder) as leaker:
        if kind == "core":
            leaker.process.wait()
            if not told_of_cores(leaker.trace):
                return False
            if not core_is_a_file():
                return True  # the tracer tells of it: what is in it is its handler's
            cores = wait_until(lambda: glob.glob(os.path.join(folder, "core*")), what="a core")
            names = {path: "core" for path in cores}
        else:
            pid = leaker.process.pid
            names = {pid: "memory"}
            names.update((path, "held") for path in open_files(pid))
            names.update((path, "file") for path in glob.glob(os.path.join(folder, "*.file")))
            names[leaker.log] = "log"
        hits = scan(plants, names).hits
    places = {hit.target for hit in hits}
    whole = any(hit.length == len(data) for hit in hits)
    if kind == "none":
        return not places
    target = {**dict.fromkeys(MEMORY_LEAKS, "memory"), **dict.fromkeys(HELD_LEAKS, "held"),
              "file": "file", "log": "log", "core": "core"}[kind]
    return target in places and whole and (target == "memory" or "memory" not in places)


def core_is_a_file():
    """Whether this machine leaves a core in the folder of the process that died."""
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as pattern:
        return pattern.read().strip().startswith("core")


def check_places(report):
    """report(verdict, name, detail) of one leak for each kind of place, and of a process that does not leak."""
    for kind in ("none", *MEMORY_LEAKS, *FILE_LEAKS, *HELD_LEAKS, "core"):
        plants = Plants()
        data = plants.number("leak").encode() if kind != "mmap" else plants.add("key", secrets.token_bytes(32), "leak")
        if b"\n" in bytes(byte ^ DISGUISE for byte in data):  # would end it early
            data = plants.number("leak").encode()
        with tempfile.TemporaryDirectory(prefix="ampoule-leak-") as folder:
            good = _check_leak(kind, data, plants, folder)
        report("ok" if good else "FAIL", f"leak {kind}", "" if good else "was not told as it is")


def _neighbours(count):
    """Bytes at random, of which none makes a hexadecimal word of the digits beside it."""
    return bytes(byte | 0x80 for byte in secrets.token_bytes(count))


def _written(data):
    """{name: bytes}: each spelling as others' encoders write it, with neighbours at every alignment."""
    text = data.decode("ascii")
    forms = {}
    for before in range(8):
        fill, behind = _neighbours(before), _neighbours(5)
        whole = fill + data + behind
        forms[f"raw {before}"] = whole
        forms[f"base64 {before}"] = base64.b64encode(whole)
        forms[f"base64url {before}"] = base64.urlsafe_b64encode(whole)
        forms[f"hex {before}"] = whole.hex().encode()
        forms[f"HEX {before}"] = whole.hex().upper().encode()
        forms[f"URL {before}"] = fill + "".join(f"%{byte:02x}" for byte in data).encode() + behind
        forms[f"URL upper {before}"] = fill + "".join(f"%{byte:02X}" for byte in data).encode() + behind
        forms[f"UTF-16 LE {before}"] = fill + text.encode("utf-16-le") + behind
        forms[f"UTF-16 BE {before}"] = fill + text.encode("utf-16-be") + behind
        forms[f"JSON escapes {before}"] = fill + "".join(f"\\u00{byte:02x}" for byte in data).encode() + behind
        for length in range(8, len(data)):
            forms[f"part of {length} {before}"] = fill + data[before:before + length] + behind
    forms["form"] = urllib.parse.urlencode({"a b": "+" + text}).encode()
    if data.isdigit():
        forms["BCD"] = b"\xff" + bytes.fromhex(text) + b"\xff"
        forms["binary little"] = b"\xff" + int(text).to_bytes(8, "little")
        forms["binary big"] = int(text).to_bytes(8, "big") + b"\xff"
    return {name: body for name, body in forms.items() if not name.startswith("part") or
            len(body) - 5 - int(name.split()[-1]) >= 8}


def _across_steps(data):
    """Around the place where the scanner begins to read anew, and at both ends of a file."""
    step = 1 << 20
    for shift in range(-len(data) - 1, 2):
        yield f"at a step {shift}", b"\0" * (step + shift) + data + b"\0" * 3
    yield "at the start", data + b"x"
    yield "at the end", b"x" + data


def check_chance(report):
    """Eight digits within a hash are nobody's; eleven of them are somebody's, and eight that stand elsewhere."""
    plants = Plants()
    digits = plants.number("chance").encode()
    files = {"in a hash": b"a0b1c2d3e" + digits[4:12] + b"f0a1b2c3d",
             "eleven": b"a0b1c2d3e" + digits[4:15] + b"f0a1b2c3d",
             "alone": b"{" + digits[4:12] + b"}", "in a word": b"number" + digits[4:12] + b"cents"}
    with tempfile.TemporaryDirectory(prefix="ampoule-chance-") as folder:
        names = {}
        for name, body in files.items():
            names[os.path.join(folder, name)] = name
            with open(os.path.join(folder, name), "wb") as file:
                file.write(body)
        told = {hit.target for hit in scan(plants, names).hits}
    report("ok" if told == {"eleven", "alone", "in a word"} else "FAIL", "digits by chance", f"told of {sorted(told)}")


def check_spellings(report):
    """The same of every spelling of a card number and of a secret, and of files that hold none."""
    for kind in ("card number", "secret"):
        plants = Plants()
        if kind == "card number":
            data = plants.number("spelling").encode()
        else:
            data = plants.add("secret", secrets.token_urlsafe(32), "spelling").encode()
        with tempfile.TemporaryDirectory(prefix="ampoule-spell-") as folder:
            names = {}
            forms = {**_written(data), **dict(_across_steps(data))}
            forms["innocent"] = secrets.token_bytes(1 << 20) + secrets.token_hex(1 << 19).encode()
            for name, body in forms.items():
                path = os.path.join(folder, name.replace(" ", "-"))
                with open(path, "wb") as file:
                    file.write(body)
                names[path] = name
            found = {hit.target for hit in scan(plants, names).hits}
        missed = set(forms) - found - {"innocent"}
        good = not missed and "innocent" not in found
        report("ok" if good else "FAIL", f"spellings of a {kind}",
               f"{len(forms) - 1} ways" if good else f"missed {sorted(missed)[:9]}, false {found & {'innocent'}}")
