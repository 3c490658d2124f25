"""No request is read two ways: not by ampouled and by the nginx or haproxy in front of it, and not by ampouled's parser
and the daemon around it."""
import asyncio
import ipaddress
import ssl
import unittest

import differential
from differential import MARKER_BYTES, Echo, Front, Reader, Reading, exchange, mix, request_ids, sequence, split_answers
from harness import Daemon, make_certificate
from http_corpus import HIDDEN, corpus, mutations

KINDS = tuple(kind for kind in ("nginx", "haproxy") if Front.is_installed(kind))
MUTATIONS = 3000
SHOWN = 12
# Enough is compared: fewer would mean that something stands in the way.
WHOLE_LEAST = 300
PROBE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def sources():
    """Addresses of loopback, one for each case: what one is refused for is not held against the next."""
    number = int(ipaddress.ip_address("127.16.0.1"))
    while True:
        number += 1
        yield str(ipaddress.ip_address(number))


def shown(findings):
    return f"{len(findings)} findings, the first:\n" + "\n\n".join(findings[:SHOWN])


class FrontCase(unittest.TestCase):
    """Both proxies before an echo and before a daemon, for all cases of the class."""

    @classmethod
    def setUpClass(cls):
        # What is incomplete is not waited for long, and nobody is shut out for having been refused.
        cls.daemon = Daemon(settings=cls.settings())
        cls.addClassCleanup(cls.daemon.destroy)
        cls.daemon.start()
        cls.reader = Reader()
        cls.addClassCleanup(cls.reader.close)

    @staticmethod
    def settings():
        return {"workers": "1", "limits": {"header": "300ms", "body": "300ms"}}

    def fronts(self, echo_port, daemon_port):
        crt, key = make_certificate(self.daemon.home, "front")
        return [Front(kind, echo_port, daemon_port, crt, key) for kind in KINDS]

    async def forwarded(self, cases):
        """{kind: {name: what it forwarded and answered}}"""
        echo, results = Echo(), {}
        server = await asyncio.start_server(echo.serve, "127.0.0.1", 0, backlog=512)
        async with server:
            for front in self.fronts(server.sockets[0].getsockname()[1], self.daemon.port):
                with front:
                    results[front.kind] = await differential.through(front, echo, cases)
        return results


@unittest.skipUnless(KINDS, "neither nginx nor haproxy is installed")
class ParserTest(FrontCase):
    """What parsers say beside what both proxies did, which is asked once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cases = corpus() + mutations(MUTATIONS)
        cls.proxies = asyncio.run(cls("compare").forwarded(cls.cases))

    def compare(self, read):
        """(findings, how many requests were compared) of `read` beside each proxy."""
        findings, compared = [], 0
        for kind, results in self.proxies.items():
            for name, data in self.cases:
                items, answers = results[name]
                reading = read(data + MARKER_BYTES)
                compared += min(len(reading.requests), len(items))
                wrong = [differential.judge(reading, items, answers)]
                wrong += [differential.judge_forwarded(read, item) for item in items if item.request[2] is not None]
                findings += [f"{kind} {name}: {data!r}\n    {one}" for one in wrong if one]
        return findings, compared

    def test_proxies_read_what_ampouled_accepts_as_it_does_and_it_reads_what_they_forward_as_they_do(self):
        findings, compared = self.compare(self.reader)
        self.assertEqual(findings, [], shown(findings))
        self.assertGreater(compared, WHOLE_LEAST)

    def test_lax_parsers_are_found(self):
        """Each of the ways to be lax that this is about, in a parser of the test's own."""
        for lax in ("ignores_coding", "coding_by_part", "first_length", "signed_length", "bare_newline", "ignores_bodies"):
            findings, _ = self.compare(LaxReader(lax))
            self.assertNotEqual(findings, [], lax)


class LaxReader:
    """A parser as too many are; `lax` names what it lets through."""

    def __init__(self, lax):
        self.lax = lax

    def __call__(self, data):
        requests = []
        if self.lax == "bare_newline":
            head_end = b"\n\n"
            data = data.replace(b"\r\n", b"\n")
        else:
            head_end = b"\r\n\r\n"
        while data:
            head, found, rest = data.partition(head_end)
            if not found:
                return Reading(requests, "more")
            lines = head.split(head_end[:len(head_end) // 2])
            words = lines[0].split(b" ")
            if len(words) != 3 or words[2] != b"HTTP/1.1":
                return Reading(requests, "refused")
            body, rest = self.body(lines[1:], rest)
            if body is None:
                return Reading(requests, rest)
            requests.append((words[0].decode("latin-1"), words[1].decode("latin-1"), body))
            data = rest
        return Reading(requests, "end")

    def body(self, lines, rest):
        """(body, what is behind it), or (None, the end)."""
        if self.lax == "ignores_bodies":
            return b"", rest
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        lengths = [value for name, value in fields if name == b"content-length"]
        codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
        chunked = codings and (b"chunked" in codings[0] if self.lax == "coding_by_part" else codings[0] == b"chunked")
        if chunked and self.lax != "ignores_coding":
            return self.chunked(rest)
        if codings and self.lax not in ("ignores_coding", "coding_by_part"):
            return None, "refused"
        if len(set(lengths)) > 1 and self.lax != "first_length":
            return None, "refused"
        if not lengths:
            return b"", rest
        plain_digits = lengths[0].isdigit() or (self.lax == "signed_length" and lengths[0].lstrip(b"+").isdigit())
        if not plain_digits:
            return None, "refused"
        wanted = int(lengths[0])
        return (rest[:wanted], rest[wanted:]) if len(rest) >= wanted else (None, "more")

    @staticmethod
    def chunked(rest):
        body = b""
        while True:
            size, found, rest = rest.partition(b"\r\n")
            if not found:
                return None, "more"
            try:
                wanted = int(size, 16)
            except ValueError:
                return None, "refused"
            if len(rest) < wanted + 2:
                return None, "more"
            body, rest = body + rest[:wanted], rest[wanted + 2:]
            if wanted == 0:
                return body, rest


@unittest.skipUnless(KINDS, "neither nginx nor haproxy is installed")
class DaemonTest(FrontCase):
    """The daemon itself, over TLS."""

    def context(self, ca=None):
        context = ssl.create_default_context(cafile=ca or self.daemon.ca)
        context.check_hostname = False
        return context

    def test_it_answers_as_often_as_its_parser_reads(self):
        cases = corpus() + mutations(MUTATIONS // 10, seed=2)
        addresses, findings = sources(), []

        async def all_of_them():
            gate, context = asyncio.Semaphore(differential.AT_ONCE), self.context()

            async def one(name, data):
                async with gate:
                    back, _ = await exchange(self.daemon.port, data + MARKER_BYTES, context, next(addresses))
                wrong = differential.judge_answers(self.reader(data + MARKER_BYTES), split_answers(back))
                if wrong:
                    findings.append(f"{name}: {data!r}\n    {wrong}")
            await asyncio.gather(*(one(name, data) for name, data in cases))
        asyncio.run(all_of_them())
        self.assertEqual(findings, [], shown(findings))

    def test_behind_a_proxy_it_reads_as_many_requests_as_the_proxy_passed_on(self):
        cases = corpus() + mutations(MUTATIONS // 30, seed=3)
        for front in self.fronts(self.daemon.port, self.daemon.port):
            with front:
                findings, answered = asyncio.run(self.count_behind(front, cases))
            self.assertEqual(findings, [], f"{front.kind}: {shown(findings)}")
            self.assertGreater(answered, WHOLE_LEAST)

    def test_a_lax_server_behind_a_proxy_is_found(self):
        # One by one and more than once: on a busy machine a proxy may give up on some of them.
        cases = 5 * [case for case in corpus() if case[0].startswith("plain") and HIDDEN in case[1]]

        async def with_lax_server(front_kind, context):
            server = await asyncio.start_server(LaxServer().serve, "127.0.0.1", 0, ssl=context)
            async with server:
                port = server.sockets[0].getsockname()[1]
                front = next(one for one in self.fronts(port, port) if one.kind == front_kind)
                with front:
                    lax_context = self.context(f"{self.daemon.home}/front.crt")
                    return await self.count_lots(front, cases, lax_context, at_once=1)
        crt, key = make_certificate(self.daemon.home, "lax")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(crt, key)
        for kind in KINDS:
            findings, _, _ = asyncio.run(with_lax_server(kind, context))
            self.assertNotEqual(findings, [], kind)

    async def count_behind(self, front, cases):
        """(findings, answers of the server). First all; then again those that the proxy did not refuse itself, where each
        request that the server reads must be one that was answered."""
        context = self.context(f"{self.daemon.home}/front.crt")
        findings, answered, whole = await self.count_lots(front, cases, context)
        again, _, _ = await self.count_lots(front, whole, context)
        return findings + again, answered

    async def count_lots(self, front, cases, context, at_once=differential.AT_ONCE):
        """(findings, answers of the server, the cases that it alone answered): in lots, and between two lots a probe
        whose id tells how many requests the server has read since the last one."""
        findings, answered, whole = [], 0, []
        before, _ = await self.probe(front, context)
        for at in range(0, len(cases), at_once):
            lot = cases[at:at + at_once]
            backs = await asyncio.gather(*(exchange(front.before, data + MARKER_BYTES, context) for _, data in lot))
            streams = [split_answers(back) for back, _ in backs]
            ids = [number for answers in streams for number in request_ids(answers)]
            good = [bool(answers) and len(request_ids(answers)) == len(answers) for answers in streams]
            after, wrong = await self.probe(front, context)
            findings += [wrong] if wrong else []
            read = (sequence(after) - sequence(before)) % (1 << 64) - 1
            # What a proxy gave up in the middle is at most one broken connection each, which takes a number as well.
            if not len(ids) <= read <= len(ids) + good.count(False) or len(set(ids)) != len(ids):
                findings.append(f"{read} requests were read where {len(ids)} were answered and {good.count(False)} broken "
                                f"off, among {[name for name, _ in lot]}")
            before, answered = after, answered + len(ids)
            whole += [case for case, is_good in zip(lot, good) if is_good]
        return findings, answered, whole

    async def probe(self, front, context):
        """(id of one more request, what is wrong with its answer): it must not be what was for another."""
        for _ in range(6):  # on a busy machine the proxy's patience may end before the request has come
            back, _ = await exchange(front.before, PROBE, context)
            answers = split_answers(back)
            if request_ids(answers):
                break
        self.assertTrue(request_ids(answers), back)
        return request_ids(answers)[0], None if [status for status, _ in answers] == [200] else f"a probe got {back!r}"


class LaxServer:
    """Over TLS, with numbered answers as ampouled's; what it takes for a body's end is the head's."""

    def __init__(self):
        self.number = 0

    async def serve(self, reader, writer):
        data, answered, read = b"", 0, LaxReader("ignores_bodies")
        try:
            while more := await reader.read(65536):
                data += more
                reading = read(data)
                for request in reading.requests[answered:]:
                    self.answer(writer, 200 if request[1] == "/healthz" else 404)
                answered = len(reading.requests)
                if reading.end == "refused":
                    self.answer(writer, 400)
                    break
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    def answer(self, writer, status):
        self.number += 1
        writer.write(f"HTTP/1.1 {status} X\r\nX-Request-Id: {mix(self.number):016x}\r\nContent-Length: 0\r\n\r\n".encode())


if __name__ == "__main__":
    unittest.main()
