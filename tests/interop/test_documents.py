"""What README.md, docs/PROTOCOL.md and docs/OPERATIONS.md print to be pasted is pasted here, as it stands, and does what
the page says."""
import base64
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from harness import CARD, PATIENCE_SECONDS, DaemonCase, Signer, free_port, wait_until
from node_case import FOLDER, NodeCase

TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PROGRAMS = os.path.join(os.environ["AMPOULE_BUILD"], "src", "cli")


def blocks(page, language):
    with open(os.path.join(TREE, page), encoding="utf-8") as source:
        return re.findall(rf"^```{language}\n(.*?)^```$", source.read(), re.DOTALL | re.MULTILINE)


def block_with(page, language, words):
    found = [block for block in blocks(page, language) if words in block]
    if len(found) != 1:
        raise AssertionError(f"{page}: {len(found)} blocks of {language} with {words}")
    return found[0]


def commands_of(block):
    """[(command, what the page shows as its output)] of a console session."""
    found = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.rstrip("\n").split("\n")
        count = 1  # a command goes on where the line before ends with a backslash
        while lines[count - 1].endswith("\\") or lines[count - 1].endswith("{"):
            count += 1
        found.append(("\n".join(lines[:count]), "\n".join(lines[count:]).strip()))
    return found


def shape(text):
    """An output without what differs each time, and however it is broken into lines."""
    text = re.sub(r"tok_[\w-]{43}", "TOKEN", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"AMPK[A-Z2-7]{16}", "KEY", text)
    text = re.sub(r'("request_id":)"[0-9a-f]{16}"', r'\1"ID"', text)
    return re.sub(r"\s+", "", text)


class DocumentsCase(DaemonCase):
    def setUp(self):
        super().setUp()
        self.surroundings = {**os.environ, **self.daemon.env, "AMPOULE_STATE": self.daemon.state,
                             "PATH": PROGRAMS + os.pathsep + os.environ["PATH"]}

    def run_text(self, program, text, *arguments):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as source:
            source.write(text)
            source.flush()
            done = subprocess.run([program, source.name, *arguments], env=self.surroundings, capture_output=True, text=True,
                                  timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout


def listens(port):
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", port)) == 0


@unittest.skipUnless(shutil.which("curl"), "curl is not installed")
class SessionTest(DocumentsCase):
    """README's session, each command in the same shell, behind the tokens that it was really given."""

    def session(self, block):
        script, shown, tokens = [], [], {}
        for command, output in commands_of(block):
            for token in re.findall(r"tok_[\w-]{43}", command):
                command = command.replace(token, f"'\"${{{tokens[token]}}}\"'" if "'" in command else f"${{{tokens[token]}}}")
            name = f"said{len(shown)}"
            if re.match(r"\w+\(\)|\w+=", command):
                script.append(command)
                continue
            script.append(f'{name}=$({command}); printf "%s\\n\\036\\n" "${name}"')
            for token in re.findall(r"tok_[\w-]{43}", output):
                if token not in tokens:
                    tokens[token] = f"token{len(shown)}"
                    script.append(f'token{len(shown)}=$(grep -o "tok_[A-Za-z0-9_-]*" <<<"${name}" | head -n 1)')
            shown.append(output)
        return shown, self.run_text("bash", "\n".join(script)).split("\036\n")[:-1]

    def test_requests_by_curl(self):
        shown, said = self.session(block_with("README.md", "console", "signed()"))
        self.assertEqual(len(shown), 3)
        for wanted, got in zip(shown, said, strict=True):
            self.assertEqual(shape(got), shape(wanted))

    def test_the_command_line(self):
        card = next(command for command, _ in commands_of(block_with("README.md", "console", "signed()"))
                    if command.startswith("card="))
        shown, said = self.session(f"$ {card}\n" + block_with("README.md", "console", "| ampoule tokenize"))
        self.assertGreaterEqual(len(shown), 3)
        for wanted, got in zip(shown[:2], said, strict=False):
            self.assertEqual(shape(got), shape(wanted))


class PythonTest(DocumentsCase):
    def test_queues_by_boto3(self):
        said = self.run_text(sys.executable, block_with("README.md", "python", "import os, boto3"))
        self.assertEqual(said, "order 42 is paid\n")

    def test_native_calls_by_botocore(self):
        said = self.run_text(sys.executable, block_with("README.md", "python", "SigV4Auth"))
        self.assertEqual(said, "4111111111111111\n")

    def test_hashes_of_the_log_are_followed(self):
        program = block_with("docs/OPERATIONS.md", "python", "events-")
        self.client.tokenize(CARD)
        audit = os.path.join(self.daemon.state, "audit")
        with tempfile.TemporaryDirectory() as copy:
            def lines():
                done = []
                for name in sorted(os.listdir(audit)):
                    with open(os.path.join(audit, name), "rb") as source:
                        done += [line for line in source.read().splitlines(keepends=True) if line.endswith(b"\n")]
                return done
            wait_until(lambda: any(b'"token.create"' in line for line in lines()), what="the record")
            whole = lines()
            path = os.path.join(copy, "events-20260101T000000Z-000001.jsonl")

            def follow(some):
                with open(path, "wb") as out:
                    out.writelines(some)
                return subprocess.run([sys.executable, "-c", program, copy], capture_output=True, text=True, timeout=60,
                                      check=False)
            told = follow(whole)
            self.assertEqual((told.returncode, told.stdout.split()[0]), (0, str(len(whole))), told.stderr)
            self.assertNotEqual(follow(whole[:1] + whole[2:]).returncode, 0)
            changed = whole[1].replace(b'"time":"2', b'"time":"3')
            self.assertNotEqual(follow([whole[0], changed, *whole[2:]]).returncode, 0)

    def test_a_receiver_of_webhooks(self):
        names = {}
        exec(block_with("docs/PROTOCOL.md", "python", "def is_genuine"), names)  # pylint: disable=exec-used
        secret, body = "whsec_" + base64.b64encode(bytes(range(32))).decode(), b'{"a":1}'

        def signed(age):
            when = str(int(time.time()) - age)
            made = subprocess.run(
                ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:" + bytes(range(32)).hex(), "-binary"],
                input=f"id.{when}.".encode() + body, capture_output=True, check=True).stdout
            return {"webhook-id": "id", "webhook-timestamp": when,
                    "webhook-signature": "v1,AAAA v1," + base64.b64encode(made).decode()}

        headers = signed(0)
        self.assertTrue(names["is_genuine"](secret, headers, body))
        self.assertFalse(names["is_genuine"](secret, headers, body + b" "))
        self.assertFalse(names["is_genuine"](secret, {**headers, "webhook-id": "other"}, body))
        self.assertTrue(names["is_genuine"](secret, signed(200), body))
        self.assertFalse(names["is_genuine"](secret, signed(310), body))


class NodeDocumentsTest(NodeCase):
    """The packages are those of tests/interop/node: what is pasted stands there for as long as it runs."""

    def pasted(self, block):
        source = tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".mjs", dir=FOLDER)  # closed, and gone, at the end
        self.addCleanup(source.close)
        source.write(block)
        source.flush()
        return source.name

    def test_queues_by_the_aws_sdk(self):
        self.client.signer = Signer(self.daemon.key_id, self.daemon.secret, service="sqs")
        self.client.request(
            "POST", "/", {"QueueName": "orders"},
            headers={"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0"})
        done = subprocess.run(["node", self.pasted(block_with("README.md", "js", "SQSClient"))], cwd=FOLDER, text=True,
                              env={**os.environ, **self.daemon.env, "NODE_EXTRA_CA_CERTS": self.daemon.ca},
                              capture_output=True, timeout=300, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "order 43 is paid\n"), done.stderr)

    def test_a_receiver_of_webhooks(self):
        key = json.loads(subprocess.run(
            ["node", "--input-type=module", "-e", 'import { exportJWK, generateKeyPair } from "jose"; '
             'const pair = await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true }); '
             'console.log(JSON.stringify([await exportJWK(pair.publicKey), await exportJWK(pair.privateKey)]));'],
            cwd=FOLDER, capture_output=True, text=True, timeout=300, check=True).stdout)
        port = free_port()
        made = self.client.post("/v1/subscriptions",
                           {"queue": "documents", "url": f"http://127.0.0.1:{port}/", "jwk": key[0]}).json()
        receiver = subprocess.Popen(
            ["node", self.pasted(block_with("docs/PROTOCOL.md", "js", "createServer"))], cwd=FOLDER, text=True,
            stdout=subprocess.PIPE, env={**os.environ, "WEBHOOK_SECRET": made["secret"], "PRIVATE_JWK": json.dumps(key[1]),
                                         "PORT": str(port)})
        try:
            wait_until(lambda: listens(port), what="the receiver")
            self.client.tokenize(CARD, queue="documents", ttl_ms=300000)
            heard, _, _ = select.select([receiver.stdout], [], [], PATIENCE_SECONDS)
            self.assertTrue(heard, "no card was taken")
            self.assertEqual(receiver.stdout.readline(), f"card {CARD['number'][-4:]}\n")
        finally:
            receiver.kill()
            receiver.wait(60)
            receiver.stdout.close()


if __name__ == "__main__":
    unittest.main()
