#!/usr/bin/python3
"""confine.py UNIT[+CALL] PROGRAM...: runs PROGRAM with the system calls, socket families and namespaces that a systemd
unit leaves it, as systemd would make them, and no new privileges. It must have its user and capabilities already."""
import ctypes
import functools
import os
import re
import subprocess
import sys

EPERM, ALLOW, ERRNO = 1, 0x7FFF0000, 0x00050000
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
EQUAL = 4
PR_SET_NO_NEW_PRIVS = 38


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def settings(unit, name):
    """The values of all lines of this name, in order."""
    with open(unit, encoding="utf-8") as text:
        return [line.partition("=")[2].strip() for line in text if line.startswith(name + "=")]


@functools.cache
def groups():
    """{group: the system calls and groups in it}, as systemd has them."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        if line.startswith("@"):
            words = found[line.strip()] = set()
        elif line.startswith("    ") and not line.strip().startswith("#"):
            words.add(line.strip())
    return found


def expand(group):
    """The system calls of a group, and of those in it."""
    return set().union(*(expand(word) if word.startswith("@") else {word} for word in groups()[group]))


def allowed_calls(unit):
    """As systemd.exec(5) has it: the first line allows, later ones add or, behind a tilde, take away."""
    allowed = expand("@default")
    for line in settings(unit, "SystemCallFilter"):
        for word in re.split(r"\s+", line.lstrip("~")):
            calls = expand(word) if word.startswith("@") else {word}
            allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def confine(unit, more):
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    add = library.seccomp_rule_add_array
    add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Compare)]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    calls = allowed_calls(unit) | more
    if settings(unit, "RestrictNamespaces") == ["yes"]:
        calls -= {"unshare", "setns"}
    context = library.seccomp_init(ERRNO | EPERM)
    for call in sorted(calls - {"socket"}):
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0 and add(context, ALLOW, number, 0, None) != 0:
            raise OSError(f"no rule for {call}")
    families = " ".join(settings(unit, "RestrictAddressFamilies")).split()
    for family in families if families != ["none"] else []:
        rule = Compare(0, EQUAL, FAMILIES[family], 0)
        add(context, ALLOW, library.seccomp_syscall_resolve_name(b"socket"), 1, ctypes.byref(rule))
    if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or library.seccomp_load(context) != 0:
        raise OSError("the filter cannot be loaded")


if __name__ == "__main__":
    path, *more = sys.argv[1].split("+")
    confine(path, set(more))
    os.execv(sys.argv[2], sys.argv[2:])
