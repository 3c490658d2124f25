"""What every path is driven with: a daemon, clients, an endpoint that misbehaves as told, and fresh plants."""
import json

from harness import LOOPBACK_SOURCES, raw_request, wait_until
from receiver import Receiver, Reply
from sqs import Sqs


class Stage:
    def __init__(self, daemon):
        self.daemon = daemon
        self.plants = daemon.plants
        self.client = daemon.client()
        self.sqs = Sqs(daemon)
        self.codes = set()  # of all refusals so far
        self.ways = {}  # {path of the endpoint: a Reply, or a function of the Hook that gives one}
        self.receiver = Receiver(self._decide, tls=(f"{daemon.home}/hook.crt", f"{daemon.home}/hook.key"))
        self.name = ""
        self.reports = []  # of processes that are gone when the path has ended

    def close(self):
        self.client.close()
        self.sqs.client.close()
        self.receiver.close()

    def _decide(self, hook):
        way = self.ways.get(hook.path, Reply(204))
        return way(hook) if callable(way) else way

    # plants

    def where(self, detail=""):
        return f"{self.name}: {detail}" if detail else self.name

    def card(self, detail="", **members):
        return self.plants.card(self.where(detail), **members)

    def word(self, detail="", **options):
        return self.plants.word(self.where(detail), **options)

    def token(self, detail="", **members):
        """A token of a fresh card."""
        return self.client.tokenize(self.card(detail), **members)

    def note_token(self, token, detail=""):
        """One that nobody needs any more."""
        self.plants.add("token", token.partition("_")[2], self.where(detail))

    def looked_at(self, report):
        self.reports.append(report)

    # calls

    def post(self, path, members, status=None, **options):
        """The answer's members; AssertionError where the status is another."""
        answer = self.client.post(path, members, **options)
        self.expect(answer, status or 200)
        return answer.json() if answer.body else None

    def expect(self, answer, status):
        if answer is None or answer.status != status:
            raise AssertionError(f"{self.name}: {status} was expected: {answer!r}")

    def refused(self, answer, code=None):
        """Whether it was refused at all, and with this code where one is given."""
        if answer is None or answer.status < 400:
            raise AssertionError(f"{self.name}: a refusal was expected: {answer!r}")
        try:
            found = answer.code
        except ValueError:
            found = answer.headers.get("x-amzn-query-error")
        if code and found != code:
            raise AssertionError(f"{self.name}: {code} was expected: {answer!r}")
        self.codes.add(found)

    def refuse(self, body, code=None, path="/v1/tokens", **options):
        """Posts this from another address than before and expects to be refused."""
        client = self.daemon.client()
        client.sources = LOOPBACK_SOURCES
        try:
            self.refused(client.post(path, body, **options), code)
        finally:
            client.close()

    def signed(self, body, path="/v1/tokens", headers=None, method="POST"):
        """The bytes of a signed request."""
        fields = self.client.signer.headers(method, self.daemon.url + path, body,
                                            {"content-type": "application/json", **(headers or {})})
        return raw_request(method, path, f"{self.daemon.host}:{self.daemon.port}",
                           {**fields, "content-length": len(body)}, body)

    def raw(self):
        return self.daemon.raw(source=next(LOOPBACK_SOURCES))

    def exchange(self, *pieces):
        """The answer to these bytes, each piece a write of its own."""
        with self.raw() as connection:
            for piece in pieces:
                connection.send(piece)
            return connection.read_answer()

    def card_body(self, detail="", **members):
        return json.dumps({"card": self.card(detail), **members}).encode()

    def wait_alone(self):
        """Until the daemon has no connection but this one."""
        self.sqs.client.close()
        wait_until(lambda: self.client.get("/v1/stats").json()["connections"] == 1,
                   what="the end of all connections")

    # push

    def subscribe(self, queue, path, way=None, **members):
        """The id of a subscription of the endpoint's `path`, which is treated in this `way`."""
        if way is not None:
            self.ways[path] = way
        made = self.post("/v1/subscriptions", {"queue": queue, "url": self.receiver.url(path), **members}, 201)
        self.daemon.plant_webhook_secret(made["secret"], self.where("webhook secret"))
        self.receiver.secrets[path] = [made["secret"]]
        return made["id"]

    def wait_pushed(self):
        def pushed():
            push = self.client.get("/v1/stats").json()["push"]
            return push["pending"] + push["under_way"] == 0
        wait_until(pushed, what="the end of every delivery")
