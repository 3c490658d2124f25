"""A network of the test's own, in which every address there is leads to this machine.

    def setUpModule():
        private_net.enter()                     # unittest.SkipTest where namespaces are not permitted

So whatever a daemon that is started from now on connects to, a listener on all addresses sees it. Names are told by
`Names`, a DNS server that answers as the test likes. The process cannot go back: each test file has one of its own.
"""
import ctypes
import fcntl
import os
import socket
import struct
import tempfile
import threading
import unittest

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED = 0x1000, 0x4000, 0x40000, 0x100000
MNT_DETACH = 2
HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        raise unittest.SkipTest(f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(source, target, flags):
    _check(_libc.mount(source and source.encode(), target.encode(), None, flags, None), f"mount {target}")


def _set_up_loopback():
    """SIOCSIFFLAGS: IFF_UP | IFF_RUNNING."""
    with socket.socket() as plain:
        fcntl.ioctl(plain, 0x8914, struct.pack("16sh14x", b"lo", 0x41))


def _netlink(kind, payload):
    """One rtnetlink request with NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE; its errno."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.send(struct.pack("=IHHII", 16 + len(payload), kind, 0x405, 1, 0) + payload)
        return -struct.unpack_from("=i", link.recv(4096), 16)[0]


def _take_every_address(family):
    """The route "local default dev lo"."""
    route_of = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 255, 4, 254, 2, 0)  # table local, static, host, RTN_LOCAL
    device = struct.pack("=HHI", 8, 4, socket.if_nametoindex("lo"))  # RTA_OIF
    error = _netlink(24, route_of + device)  # RTM_NEWROUTE
    if error:
        raise unittest.SkipTest(f"a route for every address: {os.strerror(error)}")


def enter():
    """Puts this process into namespaces of its own."""
    _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWNET), "no namespaces of one's own")
    _mount("none", "/", MS_REC | MS_PRIVATE)
    _mount("none", "/", MS_REC | MS_SHARED)  # with what is started from here
    _set_up_loopback()
    _take_every_address(socket.AF_INET)
    _take_every_address(socket.AF_INET6)
    for path, text in (("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:5 attempts:1\n"),
                       ("/etc/hosts", HOSTS),
                       ("/etc/nsswitch.conf", "hosts: files dns\npasswd: files\ngroup: files\n")):
        replace(path, text)


def replace(path, text):
    """For this process and those it starts, the file has this text."""
    with tempfile.NamedTemporaryFile("w", delete=False) as other:
        other.write(text)
    os.chmod(other.name, 0o644)
    if os.path.islink(path):
        path = os.path.realpath(path)
    _libc.umount2(path.encode(), MNT_DETACH)  # what an earlier call put there: on a file without a name nothing mounts
    _mount(other.name, path, MS_BIND)
    os.unlink(other.name)


class Names:
    """A DNS server on 127.0.0.1. `answer(name, version)` gives the addresses of a name, of version 4 or 6."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            question, peer = self._socket.recvfrom(4096)
            if not question:
                return
            self._socket.sendto(self._reply(question), peer)

    def _reply(self, question):
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind, = struct.unpack_from("!H", question, at + 1)
        name = ".".join(labels)
        version = {1: 4, 28: 6}.get(kind)
        addresses = self.answer(name.lower(), version) if version else []
        self.asked.append((name, version))
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        reply = question[:2] + struct.pack("!HHHHH", 0x8180, 1, len(addresses), 0, 0) + question[12:at + 5]
        for address in addresses:
            data = socket.inet_pton(family, address)
            reply += struct.pack("!HHHIH", 0xc00c, kind, 1, 0, len(data)) + data
        return reply

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


class Watch:
    """Listens on one port, of every address of both versions unless `hosts` names some, and takes note of the addresses
    that somebody connects to."""

    def __init__(self, port=0, hosts=("::",)):
        self.seen = []
        self._listeners = []
        for host in hosts:
            listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((host, port))
            listener.listen(128)
            port = listener.getsockname()[1]
            self._listeners.append(listener)
            threading.Thread(target=self._watch, args=(listener,), daemon=True).start()
        self.port = port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _watch(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.seen.append(connection.getsockname()[0].removeprefix("::ffff:"))
            connection.close()

    def close(self):
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
