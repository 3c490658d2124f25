"""Redemptions that come together share the event log's syncs."""
import contextlib
import os
import shutil
import signal
import subprocess
import unittest

from harness import Daemon, raw_request, wait_until

COUNT = 300
STRACE = shutil.which("strace")


@unittest.skipUnless(STRACE and os.geteuid() == 0, "needs strace, and root to trace a role")
class GroupCommitTest(unittest.TestCase):
    @contextlib.contextmanager
    def traced(self, pid, path):
        """Counts what makes a file durable. Ends before the role does: LeakSanitizer would trace it then."""
        said = self.enterContext(open(path + ".said", "w+", encoding="utf-8"))
        tracer = subprocess.Popen([STRACE, "-f", "-p", str(pid), "-o", path, "-e", "trace=fsync,fdatasync"], stderr=said)

        def is_attached():
            said.seek(0)
            told = said.read()
            if "Operation not permitted" in told:
                self.skipTest("this kernel lets nobody trace")
            return "attached" in told
        try:
            wait_until(is_attached, what="the tracer")
            yield
        finally:
            tracer.terminate()
            tracer.wait(60)

    def syncs(self, path):
        with open(path, encoding="utf-8") as lines:
            return sum("sync(" in line for line in lines)

    def requests(self, daemon, client):
        """Signed redemptions, each of a token of its own."""
        for token in [client.tokenize(ttl_ms=900000) for _ in range(COUNT)]:
            body = b'{"token":"%s"}' % token.encode()
            headers = client.signer.headers("POST", daemon.url + "/v1/redeem", body, {"content-type": "application/json"})
            yield raw_request("POST", "/v1/redeem", f"{daemon.host}:{daemon.port}", headers, body)

    def test_many_redemptions_need_few_syncs(self):
        with Daemon(settings={"workers": "1"}) as daemon:
            client = daemon.client()
            self.addCleanup(client.close)
            context = daemon.tls_context()
            connections = [self.enterContext(daemon.raw(context)) for _ in range(COUNT)]
            requests = list(self.requests(daemon, client))
            scribe = daemon.roles()["scribe"]
            path = os.path.join(daemon.home, "trace")
            with self.traced(scribe, path):
                os.kill(scribe, signal.SIGSTOP)  # so that they are concurrent, however fast the disk
                try:
                    for connection, request in zip(connections, requests):
                        connection.send(request)
                    self.assertEqual(client.get("/v1/stats").status, 200)  # the worker came to it behind them
                finally:
                    os.kill(scribe, signal.SIGCONT)
                self.assertEqual({connection.read_answer().status for connection in connections}, {200})
            shared = self.syncs(path)
            self.assertGreaterEqual(shared, 1)
            self.assertLess(shared, COUNT / 2)
            for connection in connections:
                connection.close()


if __name__ == "__main__":
    unittest.main()
