"""Searches processes and files for plants with tests/residue/scan.c, and judges what it finds."""
import collections
import os
import re
import subprocess

from harness import BUILD

from plants import WINDOW

SCAN = os.path.join(BUILD, "tests", "residue", "scan")
LEAK = os.path.join(BUILD, "tests", "residue", "leak")

SURE = 11  # digits in a row that no hash has by chance

Hit = collections.namedtuple("Hit", "target plant spelling place address length count")


class Report:
    """`hits`, one for each plant, target, place and spelling; bytes that were read; bytes that nobody can read."""

    def __init__(self):
        self.hits = []
        self.at_home = 0  # keys found where they live
        self.chance = 0  # 8 digits within somebody's hash
        self.read = collections.Counter()
        self.secret = collections.Counter()

    def totals(self):
        return sum(self.read.values()), sum(self.secret.values()), self.at_home, self.chance


_HASH_BEFORE = re.compile(rb"[0-9a-fA-F]{0,40}$")
_HASH_BEHIND = re.compile(rb"[0-9a-fA-F]{0,40}")


def is_chance(plant, needle, context):
    """Hashes and ids in hex have runs of 8 digits, and among thousands of them now and then one of ours: fewer than 11
    of the plant's digits within 16 or more hexadecimal ones that no card number could be."""
    if len(needle) != WINDOW or not needle.isdigit() or not plant.bytes.isdigit():
        return False
    before, behind = (bytes.fromhex(part) for part in re.split("<[0-9a-f]+>?", context))
    word = _HASH_BEFORE.search(before).group() + needle + _HASH_BEHIND.match(behind).group()
    if len(word) < 16 or not re.search(rb"[a-fA-F]", word):
        return False
    return not any(plant.bytes[at:at + SURE] in word for at in range(len(plant.bytes) - SURE + 1))


def scan(plants, names, roles=None):
    """The Report on `names`, {target: what to call it}; a target is a process's number or a path. `roles`:
    {target: role} of those where keys live."""
    report = Report()
    if not names:
        return report
    wanted = list(plants.owners)
    text = "\n".join(needle.hex() for needle in wanted).encode()
    done = subprocess.run([SCAN, *map(str, names)], input=text, capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"scan: {done.stderr.decode()}")
    names = {str(target): name for target, name in names.items()}
    roles = {str(target): role for target, role in (roles or {}).items()}
    found = collections.OrderedDict()
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        kind, target, *rest = line.split("\t")
        if kind == "read":
            report.read[names[target]] += int(rest[0])
            report.secret[names[target]] += int(rest[1])
            continue
        needle = wanted[int(rest[0])]
        for plant, spelling in plants.owners[needle]:
            if (roles.get(target), rest[1]) in plant.homes or ("file", target) in plant.homes:
                report.at_home += 1
            elif is_chance(plant, needle, rest[3]):
                report.chance += 1
            else:
                found.setdefault((target, plant, spelling, rest[1]), []).append((rest[2], len(needle)))
    for (target, plant, spelling, place), places in found.items():
        longest = max(places, key=lambda entry: entry[1])
        report.hits.append(Hit(names[target], plant, spelling, place, longest[0], longest[1], len(places)))
    return report
