"""TLS: 1.2 and 1.3 with AEAD suites and nothing less; client certificates where they are asked for."""
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest
import warnings

from harness import Daemon, DaemonCase, make_certificate

REFUSED = (ssl.SSLError, ConnectionResetError)


class VersionsTest(DaemonCase):
    def context(self):
        context = ssl.create_default_context(cafile=self.daemon.ca)
        return context

    def shake(self, context):
        """The open connection's version and cipher."""
        with self.daemon.raw(context) as connection:
            connection.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertEqual(connection.read_answer().status, 200)
            return connection.socket.version(), connection.socket.cipher()[0]

    def test_1_2_and_1_3(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            context = self.context()
            context.minimum_version = context.maximum_version = version
            self.assertEqual(self.shake(context)[0], name)

    def test_older_ones_are_refused(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = self.context()
            context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = version
            with self.assertRaises(REFUSED):
                self.shake(context)
        self.daemon.wait_event(lambda event: event["event"] == "connection" and event["outcome"] != "success"
                               and event["source"].startswith("127.0.0.1:"))

    def test_aead_suites_of_1_2(self):
        for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                      "ECDHE-ECDSA-CHACHA20-POLY1305"):
            context = self.context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(suite)
            self.assertEqual(self.shake(context)[1], suite)

    def test_other_suites_are_refused(self):
        for suite in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA256",
                      "AES128-GCM-SHA256",
                      "AES256-SHA", "ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-NULL-SHA", "AECDH-AES128-SHA",
                      "PSK-AES128-GCM-SHA256"):
            context = self.context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            try:
                context.set_ciphers(suite + ":@SECLEVEL=0")
            except ssl.SSLError:
                continue  # this machine's library cannot even ask for it
            with self.assertRaises(REFUSED, msg=suite):
                self.shake(context)

    def test_protocols_of_alpn(self):
        for offered in (["http/1.1"], ["h2", "http/1.1"]):
            context = self.context()
            context.set_alpn_protocols(offered)
            with self.daemon.raw(context) as connection:
                self.assertEqual(connection.socket.selected_alpn_protocol(), "http/1.1")
        for offered in (["h2"], ["http/1.0"], ["imap"]):
            context = self.context()
            context.set_alpn_protocols(offered)
            with self.assertRaises(REFUSED):
                self.shake(context)

    def test_renegotiation_is_refused(self):
        """A key press of R in s_client asks for one."""
        done = subprocess.run(["openssl", "s_client", "-connect", f"{self.daemon.host}:{self.daemon.port}", "-tls1_2"],
                              input="R\n", capture_output=True, text=True, timeout=30, check=False)
        self.assertIn("RENEGOTIATING", done.stderr + done.stdout)
        self.assertIn("no renegotiation", done.stderr)
        self.assertEqual(self.client.get("/healthz", signed=False).status, 200)

    def test_plain_http_gets_nothing(self):
        with socket.create_connection((self.daemon.host, self.daemon.port), timeout=30) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            answer = b""
            try:
                while more := plain.recv(1000):
                    answer += more
            except ConnectionResetError:
                pass
            self.assertNotIn(b"HTTP/", answer)

    def test_sessions_resume(self):
        context = self.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.daemon.raw(context) as connection:
            connection.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            connection.read_answer()
            session = connection.socket.session
        plain = socket.create_connection((self.daemon.host, self.daemon.port), timeout=30)
        with context.wrap_socket(plain, server_hostname=self.daemon.host, session=session) as again:
            again.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertIn(b"200", again.recv(4096)[:20])


class ClientCertificateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="ampoule-ca-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.ca, cls.ca_key = make_certificate(cls.folder, "ca", subject="/CN=clients")
        cls.good = cls.issue("good", cls.ca, cls.ca_key)
        cls.other_ca, other_key = make_certificate(cls.folder, "other-ca", subject="/CN=clients")
        cls.foreign = cls.issue("foreign", cls.other_ca, other_key)
        cls.stray = make_certificate(cls.folder, "stray", subject="/CN=stray")
        cls.daemon = Daemon(settings={"listen": {"client_ca": cls.ca}})
        cls.addClassCleanup(cls.daemon.destroy)
        # The harness looks whether it is ready without a certificate: here that is refused, and must be.
        cls.daemon.is_ready = cls.is_ready
        cls.daemon.start()

    @classmethod
    def issue(cls, name, ca, ca_key):
        request, crt, key = (os.path.join(cls.folder, f"{name}.{kind}") for kind in ("csr", "crt", "key"))
        for command in (["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                         "-subj", f"/CN={name}", "-keyout", key, "-out", request],
                        ["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
                         "-days", "2", "-out", crt]):
            subprocess.run(command, check=True, capture_output=True)
        return crt, key

    def ask(self, pair, version):
        """The status of an answer; an exception where there is none."""
        context = ssl.create_default_context(cafile=self.daemon.ca)
        context.minimum_version = context.maximum_version = version
        if pair is not None:
            context.load_cert_chain(*pair)
        with self.daemon.raw(context) as connection:
            connection.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            answer = connection.read_answer()
            if answer is None:
                raise ConnectionResetError("no answer")
            return answer.status

    @classmethod
    def is_ready(cls):
        context = ssl.create_default_context(cafile=cls.daemon.ca)
        context.load_cert_chain(*cls.good)
        try:
            with cls.daemon.raw(context) as connection:
                connection.send(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n")
                answer = connection.read_answer()
                return answer is not None and answer.status == 200
        except OSError:
            return False

    def test_who_is_let_in(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.ask(self.good, version), 200)
            for pair in (None, self.foreign, self.stray):
                with self.assertRaises(REFUSED):
                    self.ask(pair, version)

    def test_a_certificate_is_no_signature(self):
        context = ssl.create_default_context(cafile=self.daemon.ca)
        context.load_cert_chain(*self.good)
        with self.daemon.raw(context) as connection:
            connection.send(b"POST /v1/redeem HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n"
                            b"content-type: application/json\r\n\r\n{}")
            self.assertEqual(connection.read_answer().code, "not_signed")


if __name__ == "__main__":
    unittest.main()
