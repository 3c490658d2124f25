"""testssl.sh's opinion of the TLS: nothing below TLS 1.2, no suite without AEAD, no finding above "low"."""
import json
import os
import shutil
import socket
import subprocess
import unittest

from harness import Daemon, free_port, wait_until

ALLOWED = ("OK", "INFO", "LOW")
# No finding, but one that could not be made: where its `openssl s_client` leaves before TLS 1.3's ticket has come, there
# is no session to come back with, and testssl.sh 3.0 takes that for a connection that failed.
UNMADE = ("WARN", "sessionresumption_ticket", "check failed because of connect problem")
AEAD = ("_GCM_", "_POLY1305_")
TESTSSL_SECONDS = 1500
# Protocols, categories of suites, forward secrecy, the server's preference and defaults (certificate, renegotiation,
# tickets, compression), HTTP headers, vulnerabilities, each suite of each protocol. Simulated clients are left out:
# they find no weakness and take longest.
CHECKS = ("--protocols", "--standard", "--pfs", "--server-preference", "--server-defaults", "--headers",
          "--vulnerable", "--cipher-per-proto")


def find_testssl():
    return shutil.which("testssl") or shutil.which("testssl.sh")


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def make_chain(folder):
    """A root and a leaf as a public authority would make them, so that no finding has to be forgiven: 90 days, a name
    in the SAN, a CRL's address. Named as the harness expects it; returns the paths of (root, chain, key)."""
    with open(os.path.join(folder, "leaf.cnf"), "w", encoding="utf-8") as extensions:
        extensions.write("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n"
                         "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
                         "crlDistributionPoints=URI:http://127.0.0.1:9/root.crl\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(folder, "req", "-x509", *curve, "-days", "90", "-subj", "/CN=test root", "-keyout", "root.key", "-out",
            "root.crt", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl(folder, "req", *curve, "-subj", "/CN=localhost", "-keyout", "tls.key", "-out", "leaf.csr")
    openssl(folder, "x509", "-req", "-in", "leaf.csr", "-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial", "-days",
            "90", "-extfile", "leaf.cnf", "-out", "leaf.crt")
    os.chmod(os.path.join(folder, "tls.key"), 0o600)
    with open(os.path.join(folder, "tls.crt"), "wb") as chain:
        for name in ("leaf.crt", "root.crt"):
            with open(os.path.join(folder, name), "rb") as part:
                chain.write(part.read())
    return tuple(os.path.join(folder, name) for name in ("root.crt", "tls.crt", "tls.key"))


def judge(findings):
    """What testssl.sh found that may not be, as lines; no finding is filtered, only UNMADE."""
    wrong = []
    for finding in findings:
        name, severity, said = finding["id"], finding["severity"], finding["finding"]
        if severity not in ALLOWED and (severity, name, said) != UNMADE:
            wrong.append(f"{severity} {name}: {said}")
        if name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1") and not said.startswith("not offered"):
            wrong.append(f"{name}: {said}")
        if name.startswith("cipher-tls") and not any(mode in said for mode in AEAD):
            wrong.append(f"a suite without AEAD: {said}")
    return wrong


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        return True
    except ConnectionRefusedError:
        return False


def was_looked_at(findings, name):
    return any(finding["id"] == name or finding["id"].startswith(name + "_x") for finding in findings)


def run_testssl(port, folder, root, checks=CHECKS):
    """Its findings, and what it printed."""
    report = os.path.join(folder, "findings.json")
    if os.path.exists(report):
        os.unlink(report)
    done = subprocess.run([find_testssl(), "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--add-ca",
                           root, "--jsonfile", report, *checks, f"localhost:{port}"],
                          capture_output=True, text=True, timeout=TESTSSL_SECONDS, check=False)
    with open(report, encoding="utf-8") as text:
        return json.load(text), done.stdout + done.stderr


@unittest.skipUnless(find_testssl(), "testssl.sh is not installed")
class TestsslTest(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(settings={})
        self.addCleanup(self.daemon.destroy)
        self.root, self.chain, self.key = make_chain(self.daemon.home)

    def test_no_finding_above_low(self):
        with self.daemon:
            findings, output = run_testssl(self.daemon.port, self.daemon.home, self.root)
        self.assertEqual(judge(findings), [], output[-4000:])
        for name in ("TLS1_2", "TLS1_3", "cipher-tls1_2", "cipher-tls1_3", "secure_renego", "secure_client_renego",
                     "heartbleed", "cert_chain_of_trust", "cert_trust", "ticketbleed", "CRIME_TLS", "PFS", "LUCKY13"):
            self.assertTrue(was_looked_at(findings, name), f"nothing was said of {name}:\n{output[-4000:]}")

    def test_a_lax_server_is_found(self):
        """The same judgement of a server that takes CBC and, where the library still can, TLS 1.1."""
        port = free_port()
        lax = ["openssl", "s_server", "-quiet", "-www", "-accept", f"127.0.0.1:{port}", "-cert", self.chain, "-key", self.key,
               "-cipher", "ALL:@SECLEVEL=0", "-min_protocol", "TLSv1.1"]
        with subprocess.Popen(lax, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as server:
            try:
                wait_until(lambda: listens(port), what="the lax server")
                findings, _ = run_testssl(port, self.daemon.home, self.root, ("--protocols", "--cipher-per-proto"))
            finally:
                server.kill()
        wrong = "\n".join(judge(findings))
        self.assertIn("TLS1_1", wrong)
        self.assertIn("without AEAD", wrong)


if __name__ == "__main__":
    unittest.main()
