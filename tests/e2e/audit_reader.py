"""A reader of the event log that shares nothing with its writer but the format told in src/audit/chain.h.

    tests/e2e/audit_reader.py FOLDER [KEK-FILE]

Checks every line's form, number, link to the line before and epoch; with the KEK (32 bytes, the `file` provider's)
also every line's code, by unwrapping each life's first key and letting it evolve. read_log() does it for tests.
"""
import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import json
import os
import re
import sys
import time

from again import Unforgivable

LINE = re.compile(rb'\{"v":1,"seq":(\d+),(.*),"prev":"([0-9a-f]{64})","epoch":(\d+),"mac":"([0-9a-f]{64})"\}')
NAME = re.compile(r"events-\d{8}T\d{6}Z-(\d{6,})\.jsonl")


class Broken(Unforgivable):
    """The log is not what its writer wrote."""


def evolve(key):
    """RFC 5869 without salt, one block of output."""
    pseudorandom = hmac.new(bytes(32), key, hashlib.sha256).digest()
    return hmac.new(pseudorandom, b"ampoule/log/evolve\x01", hashlib.sha256).digest()


def aes_decrypt(key):
    """A function that deciphers one block under a 32-byte key."""
    crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
    schedule = ctypes.create_string_buffer(512)
    if crypto.AES_set_decrypt_key(key, 256, schedule) != 0:
        raise Broken("the KEK is not 32 bytes")

    def decrypt(block):
        out = ctypes.create_string_buffer(16)
        crypto.AES_decrypt(block, out, schedule)
        return out.raw
    return decrypt


def unwrap(kek, wrapped):
    """RFC 5649 by its text (section 4.2, and 2.2.2 of RFC 3394)."""
    decrypt = aes_decrypt(kek)
    blocks = [wrapped[i:i + 8] for i in range(0, len(wrapped), 8)]
    register, rest = blocks[0], blocks[1:]
    for j in range(5, -1, -1):
        for i in range(len(rest), 0, -1):
            counted = int.from_bytes(register, "big") ^ (len(rest) * j + i)
            block = decrypt(counted.to_bytes(8, "big") + rest[i - 1])
            register, rest[i - 1] = block[:8], block[8:]
    length = int.from_bytes(register[4:], "big")
    plain = b"".join(rest)
    if register[:4] != bytes.fromhex("a65959a6") or not 0 <= len(plain) - length < 8 or any(plain[length:]):
        raise Broken("an epoch key was not wrapped by this KEK")
    return plain[:length]


def lines_of(folder):
    """Every line with its file's name, in order; a file must end with a newline."""
    names = sorted((name for name in os.listdir(folder) if NAME.fullmatch(name)),
                   key=lambda name: int(NAME.fullmatch(name)[1]))
    for name in names:
        with open(os.path.join(folder, name), "rb") as log:
            content = log.read()
        if content and not content.endswith(b"\n"):
            raise Broken(f"{name} ends within a line")
        for number, line in enumerate(content.split(b"\n")[:-1], 1):
            yield f"{name}:{number}", line


def read_log(folder, kek=None, sealed_end=False):
    """All records; Broken at the first thing that is not right. `sealed_end`: the last must end an epoch."""
    records = []
    previous, seq, epoch, key, in_epoch, sealed = "0" * 64, 0, 0, None, 0, True
    for place, line in lines_of(folder):
        found = LINE.fullmatch(line)
        if not found:
            raise Broken(f"{place}: no line of ours")
        record = json.loads(line)
        seq += 1
        if record["event"] == "log.start":
            epoch, in_epoch = epoch + 1, 0
            if kek is not None:
                key = unwrap(kek, base64.b64decode(record["wrapped"], validate=True))
        elif sealed:
            if not records:
                raise Broken(f"{place}: the log does not begin with log.start")
            epoch, in_epoch = epoch + 1, 0
        sealed = False
        if (record["seq"], record["prev"], record["epoch"]) != (seq, previous, epoch):
            raise Broken(f"{place}: number, link or epoch is not what follows")
        covered = hashlib.sha256(line[:line.rindex(b',"mac":"')])
        if key is not None:
            mac = hmac.new(key, covered.digest(), hashlib.sha256).hexdigest()
            if not hmac.compare_digest(mac, record["mac"]):
                raise Broken(f"{place}: the code does not verify")
        if record["event"] == "log.epoch":
            if record.get("count", 0) != in_epoch:
                raise Broken(f"{place}: the epoch had {in_epoch} records, not {record.get('count', 0)}")
            sealed = True
            key = evolve(key) if key is not None else None
        in_epoch += 1
        previous = covered.hexdigest()
        records.append(record)
    if sealed_end and not sealed:
        raise Broken("the last epoch is not sealed: something was cut off")
    return records


def read_live_log(folder, looks=100):
    """The same of a log that is being written: its last line may be half there, for a moment."""
    while True:
        try:
            return read_log(folder)
        except Broken:
            looks -= 1
            if looks == 0:
                raise
            time.sleep(0.05)


def main(argv):
    kek = None
    if len(argv) == 2:
        with open(argv[1], "rb") as kek_file:
            kek = kek_file.read()
    try:
        records = read_log(argv[0], kek)
    except Broken as broken:
        print(f"audit_reader: {broken}")
        return 1
    print(f"audit_reader: {len(records)} records, unbroken")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
