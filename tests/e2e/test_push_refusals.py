"""Push goes nowhere but where it may: hostile URLs, addresses, names and redirects (SSRF).

In a network where every address leads here, whatever is connected to is seen."""
import os
import signal
import ssl
import subprocess
import unittest

import private_net
from harness import CARD, Daemon, make_certificate, wait_until
from private_net import Names, Watch
from receiver import Receiver, Reply

# Not taken as a URL at all. PORT is where somebody watches.
NO_URLS = """
    http://127.0.0.1:PORT/ http://localhost:PORT/ http://[::1]:PORT/ http://8.8.8.8:PORT/ http://example.com:PORT/
    HTTPS://127.0.0.1:PORT/ Https://localhost:PORT/ https:/127.0.0.1:PORT/ https:127.0.0.1:PORT //127.0.0.1:PORT/
    ftp://127.0.0.1:PORT/ file:///etc/passwd gopher://127.0.0.1:PORT/_x dict://127.0.0.1:PORT/ ldap://127.0.0.1:PORT/
    ws://127.0.0.1:PORT/ unix:///run/x.sock data:text/plain,x javascript:1 smtp://127.0.0.1:PORT/ tftp://127.0.0.1:PORT/
    https://2130706433:PORT/ https://0x7f000001:PORT/ https://017700000001:PORT/ https://0x7f.1:PORT/ https://127.1:PORT/
    https://127.0.1:PORT/ https://0177.0.0.1:PORT/ https://0x7f.0x0.0x0.0x1:PORT/ https://127.000.000.001:PORT/
    https://127.0.0.1.:PORT/ https://0:PORT/ https://256.0.0.1:PORT/ https://1.2.3.4.5:PORT/ https://127.0.0.0x1:PORT/
    https://4294967297:PORT/ https://localhost.:PORT/ https://LOCALHOST:PORT/ https://LocalHost:PORT/
    https://[::FFFF:127.0.0.1]:PORT/ https://[::1%25lo]:PORT/ https://[::1%lo]:PORT/ https://[fe80::1%251]:PORT/
    https://[::127.0.0.1.]:PORT/ https://[127.0.0.1]:PORT/ https://[::1:PORT/ https://::1:PORT/ https://[]:PORT/
    https://[v1.x]:PORT/ https://[::1]PORT/ https://[::ffff:127.1]:PORT/ https://[0:0:0:0:0:ffff:7f00:1:2]:PORT/
    https://user@127.0.0.1:PORT/ https://user:pass@127.0.0.1:PORT/ https://example.com@127.0.0.1:PORT/
    https://127.0.0.1:PORT@example.com/ https://@127.0.0.1:PORT/ https://example.com#@127.0.0.1:PORT/
    https://127.0.0.1:PORT#x https://127.0.0.1:PORT/#x https://127.0.0.1:PORT?x https://example.com\\@127.0.0.1:PORT/
    https://127.0.0.1:PORT\\x https://example.com:0/ https://example.com:65536/ https://example.com:/ https://example.com:0443/
    https://example.com:+443/ https://example.com:-1/ https://example.com:443x/ https://example.com:PORT:443/
    https://example.com:99999999999999999999/ https:/// https:// https://:PORT/ https://./ https://.:PORT/
    https://example..com/ https://.example.com/ https://exa%6dple.com/ https://127%2e0.0.1:PORT/ https://%31%32%37.0.0.1:PORT/
    https://127。0。0。1:PORT/ https://127．0．0．1:PORT/ https://①②⑦.⓪.⓪.①:PORT/ https://ⓛocalhost:PORT/ https://lоcalhost:PORT/
    https://example.com/../x https://example.com/%2e%2e/x https://example.com/./x https://example.com/%zz https://example.com/ü
    https://exa_mple!.com/ https://[::1]@example.com/ https://example.com,127.0.0.1:PORT/ https://*.example.com/
""".split() + [
    "", " ", "https://example.com/ x", " https://example.com/", "https://example.com/\t", "https://example.com/\r\nHost: x",
    "https://127.0.0.1:PORT\n", "https://exam\tple.com/", "https://example.com/\x7f", "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 127 + "com/", "https://example.com/" + "x" * 1005,
]

# Taken, and never connected to.
CLOSED = """
    127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254
    169.254.169.254 169.254.170.2 100.100.100.200 172.16.0.1 172.31.255.254 192.0.0.1 192.0.0.192
    192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.254 198.18.0.1 198.19.255.254 198.51.100.1 203.0.113.1 224.0.0.1
    239.255.255.250 240.0.0.1 255.255.255.255
    [::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::ffff:10.0.0.1]
    [::ffff:169.254.169.254] [::127.0.0.1] [::7f00:1] [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::a9fe:a9fe]
    [64:ff9b:1::a00:1] [2002:7f00:1::] [2002:a9fe:a9fe::1] [2002:c0a8:1::1] [2001:0:7f00:1::80ff:fffe]
    [2001:db8::1] [fc00::1] [fd00:ec2::254] [fd12:3456:789a::1] [fec0::1] [ff02::1] [ff0e::1] [100::1] [5f00::1]
    [3fff::1] [2001:2::1] [2001:10::1] [2001:20::1] [fd20:ce::254]
""".split()

# Names, and what the resolver says of them.
NAMES = {
    "localhost": None, "x.localhost": None, "ip6-localhost": None,  # of hosts and libcurl, not of DNS
    "loopback.test": ["127.0.0.1"], "nowhere.test": [], "metadata.google.internal": ["169.254.169.254"],
    "metadata": ["169.254.169.254"], "instance-data": ["169.254.169.254"], "private.test": ["10.0.0.5", "192.168.1.1"],
    "six.test": ["::1"], "mapped.test": ["::ffff:127.0.0.1"], "nat64.test": ["64:ff9b::7f00:1"],
    "six-to-four.test": ["2002:7f00:1::"], "local-six.test": ["fd00::1"], "many.test": ["10.0.0.1", "127.0.0.1", "::1"],
    "zero.test": ["0.0.0.0"], "127.0.0.1.nip.test": ["127.0.0.1"], "0x7f000001.test": ["127.0.0.1"],
    "xn--lcalhost-8ld.test": ["127.0.0.1"], "under_score.test": ["127.0.0.1"],
}


def setUpModule():
    private_net.enter()


class RefusalsCase(unittest.TestCase):
    """A daemon, in development mode where `development`, and around it whatever it could connect to."""

    table = {}  # what the name server answers: {name: [address], or a function of the IP version}
    development = False
    env = {}

    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(Names(cls.look_up))
        cls.watch = cls.enterClassContext(Watch())
        cls.daemon = Daemon(settings=None if cls.development else {})
        cls.tls = make_certificate(cls.daemon.home, "endpoint", names="IP:127.0.0.2,DNS:*.rebind.test")
        if not cls.development:
            cls.daemon.settings = cls.make_settings()
        cls.daemon.extra_env = {name: value.replace("PORT", str(cls.watch.port))
                                for name, value in cls.env.items()}
        cls.enterClassContext(cls.daemon)

    @classmethod
    def look_up(cls, name, version):
        addresses = cls.table.get(name)
        if callable(addresses):
            addresses = addresses(version)
        return [address for address in addresses or [] if (":" in address) == (version == 6)]

    @classmethod
    def make_settings(cls):
        return {}

    def setUp(self):
        self.client = self.daemon.client()
        self.addCleanup(self.client.close)
        self.watch.seen.clear()
        self.made = 0

    def post(self, url, **members):
        """A subscription of a queue of its own; the Answer."""
        self.made += 1
        return self.client.post("/v1/subscriptions", {"queue": f"{self.id().rsplit('.', 1)[1]}-{self.made}", "url": url,
                                                      **members})

    def subscribe(self, url, **members):
        made = self.post(url, **members)
        self.assertEqual(made.status, 201, (url, made))
        return made.json()

    def tried(self, subscription):
        """What POST .../test says; asked again while the courier is not there yet, as it is asked for by 503."""
        def answer():
            answer = self.client.post(f"/v1/subscriptions/{subscription['id']}/test", {})
            self.assertIn(answer.status, (200, 503), answer)
            return answer.json() if answer.status == 200 else None
        return wait_until(answer, what="a courier")

    def push(self, subscription, **members):
        answer = self.client.post("/v1/tokens", {"card": CARD, "queue": subscription["queue"], **members})
        self.assertEqual(answer.status, 201, answer)

    def wait_failures(self, subscriptions, seconds=60):
        """Until a message of each has expired unsent."""
        wanted = {subscription["id"] for subscription in subscriptions}

        def ended():
            return wanted <= {event.get("subject") for event in self.daemon.events()
                              if event["event"] == "push.deliver" and event.get("code") == "push_expired"}
        wait_until(ended, seconds, f"the end of {len(wanted)} deliveries")

    def check_closed(self, urls, codes=("url_refused",)):
        """Nobody is connected to, neither by a test nor by a message and its retries."""
        subscriptions = {url: self.subscribe(url) for url in urls}
        for url, subscription in subscriptions.items():
            with self.subTest(url=url):
                told = self.tried(subscription)
                self.assertEqual((told["delivered"], told.get("status")), (False, None))
                self.assertIn(told["code"], codes)
                self.assertEqual(self.watch.seen, [])
            self.push(subscription, ttl_ms=1500)
        self.wait_failures(subscriptions.values())
        self.assertEqual(self.watch.seen, [])


class UrlsTest(RefusalsCase):
    table = NAMES
    env = {name: "http://127.0.0.1:PORT" for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY",
                                                      "all_proxy")}

    def test_what_is_no_url_for_us_is_refused_at_once(self):
        before = self.client.get("/v1/subscriptions").json()
        for url in NO_URLS:
            with self.subTest(url=url):
                answer = self.post(url.replace("PORT", str(self.watch.port)))
                self.assertEqual((answer.status, answer.code), (422, "url_invalid"), answer)
        self.assertEqual(self.post("https://example.com\0.test/").code, "malformed_json")
        self.assertEqual(self.client.get("/v1/subscriptions").json(), before)
        self.assertEqual(self.watch.seen, [])

    def test_no_closed_address_is_connected_to(self):
        self.check_closed([f"https://{host}:{self.watch.port}/x" for host in CLOSED])

    def test_no_name_leads_to_one(self):
        self.check_closed([f"https://{name}:{self.watch.port}/x" for name in NAMES if NAMES[name] != []])

    def test_a_name_that_is_none_is_not_reached(self):
        self.check_closed([f"https://nowhere.test:{self.watch.port}/x"], ("push_unreachable",))

    def test_public_addresses_are_connected_to(self):
        """The watch does see what happens: the proof of all others."""
        hosts = ["8.8.8.8", "[2606:4700::1111]", "[64:ff9b::808:808]", "[::ffff:8.8.4.4]"]
        for host in hosts[:2]:
            told = self.tried(self.subscribe(f"https://{host}:{self.watch.port}/x"))
            self.assertEqual(told, {"delivered": False, "code": "push_unreachable"})
        wait_until(lambda: len(self.watch.seen) >= 2, what="two connections")
        self.assertEqual(set(self.watch.seen), {"8.8.8.8", "2606:4700::1111"})


class RebindingTest(RefusalsCase):
    """127.0.0.2 may be pushed to, on one port; 127.0.0.1 on the same port may not."""

    table = {}

    @classmethod
    def make_settings(cls):
        cls.mood = lambda hook: Reply(204)
        cls.endpoint = cls.enterClassContext(Receiver(lambda hook: cls.mood(hook), tls=cls.tls, host="127.0.0.2",
                                                      port=cls.watch.port, share_port=True))
        return {"push": {"allow": [f"127.0.0.2:{cls.watch.port}"], "ca": cls.tls[0], "connect_timeout": "5s",
                         "timeout": "5s"}}

    def setUp(self):
        super().setUp()
        type(self).mood = staticmethod(lambda hook: Reply(204))
        self.endpoint.hooks.clear()
        self.asked = {}

    def url(self, host):
        return f"https://{host}:{self.watch.port}/hook"

    def turn_by_turn(self, name, *turns):
        """The name has the addresses of turns[0] when it is asked for first, then those of the next; the last stay."""
        self.asked[name] = 0

        def answer(version):
            if version == 4:
                self.asked[name] += 1
            return turns[min(max(self.asked[name] - 1, 0), len(turns) - 1)]
        self.table[name] = answer
        self.addCleanup(self.table.pop, name)

    def test_the_allowed_address_is_pushed_to(self):
        self.assertEqual(self.tried(self.subscribe(self.url("127.0.0.2"))), {"delivered": True, "status": 204})

    def test_neither_another_port_nor_another_spelling_of_it_is_allowed(self):
        with Watch() as other:
            for host, port in (("127.0.0.2", other.port), ("[::ffff:127.0.0.2]", self.watch.port),
                               ("[64:ff9b::7f00:2]", self.watch.port), ("127.0.0.3", self.watch.port)):
                told = self.tried(self.subscribe(f"https://{host}:{port}/hook"))
                self.assertEqual((told["delivered"], told["code"]), (False, "url_refused"), host)
            self.assertEqual(other.seen, [])
        self.assertEqual((self.watch.seen, self.endpoint.hooks), ([], []))

    def test_a_name_of_both_leads_to_the_allowed_one_at_most(self):
        """However they are ordered, and where one connection after the other breaks."""
        type(self).mood = staticmethod(lambda hook: Reply(way="hang_up"))
        subscriptions = []
        for place, addresses in enumerate((["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"],
                                           ["127.0.0.2", "::1"], ["127.0.0.1", "10.0.0.1", "127.0.0.2", "::1"])):
            self.turn_by_turn(f"both{place}.rebind.test", addresses)
            subscriptions.append(self.subscribe(self.url(f"both{place}.rebind.test")))
            self.push(subscriptions[-1], ttl_ms=2000)
        self.wait_failures(subscriptions)
        self.assertEqual(self.watch.seen, [])

    def test_where_the_allowed_one_does_not_answer_the_other_is_not_tried(self):
        """127.0.0.2 refuses the connection: the next address of the name is 127.0.0.1, where somebody listens."""
        self.turn_by_turn("down.rebind.test", ["127.0.0.3", "127.0.0.2", "127.0.0.1", "::1"])
        with Watch(hosts=("127.0.0.1", "::1")) as refused:
            subscription = self.subscribe(f"https://down.rebind.test:{refused.port}/hook")
            self.assertIn(self.tried(subscription)["code"], ("url_refused", "push_unreachable"))
            self.push(subscription, ttl_ms=1500)
            self.wait_failures([subscription])
            self.assertEqual(refused.seen, [])

    def test_a_name_that_changes_its_mind_is_checked_each_time(self):
        """First the allowed address, then the refused one; a courier that starts anew asks anew."""
        names = [f"turn{number}.rebind.test" for number in range(8)]
        others = (["127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["0.0.0.0"],
                  ["::ffff:127.0.0.2"], ["127.0.0.1", "::1"])
        for name, other in zip(names, others):
            self.turn_by_turn(name, ["127.0.0.2"], other)
        subscriptions = [self.subscribe(self.url(name)) for name in names]
        type(self).mood = staticmethod(lambda hook: Reply(204, close=True))
        for subscription in subscriptions:
            self.assertTrue(self.tried(subscription)["delivered"])
        courier = self.daemon.roles()["courier"]
        os.kill(courier, signal.SIGKILL)
        wait_until(lambda: self.daemon.roles().get("courier", courier) != courier, what="another courier")
        before = len(self.endpoint.hooks)
        for subscription in subscriptions:
            self.assertEqual(self.tried(subscription), {"delivered": False, "code": "url_refused"})
            self.push(subscription, ttl_ms=1000)
        self.wait_failures(subscriptions)
        self.assertEqual((self.watch.seen, len(self.endpoint.hooks)), ([], before))

    def test_another_file_of_hosts_is_read_by_another_courier(self):
        """The one that runs read what was there before it was confined."""
        subscription = self.subscribe(self.url("moved.rebind.test"))
        self.assertFalse(self.tried(subscription)["delivered"])
        private_net.replace("/etc/hosts", private_net.HOSTS + "127.0.0.2 moved.rebind.test\n")
        type(self).mood = staticmethod(lambda hook: Reply(204, close=True))
        wait_until(lambda: self.tried(subscription)["delivered"], 60, "a courier that reads it")
        self.assertIn("was replaced", self.daemon.log())

    def test_redirects_are_not_followed(self):
        with Watch() as elsewhere:
            targets = [f"https://127.0.0.1:{elsewhere.port}/", f"http://8.8.8.8:{elsewhere.port}/",
                       f"https://127.0.0.2:{self.watch.port}/followed", "//127.0.0.1/", "/followed", "file:///etc/passwd"]
            replies = [Reply(status, {"location": target, "refresh": f"0; url={target}",
                                      "alt-svc": f'h2="127.0.0.1:{elsewhere.port}"; ma=3600, h3=":{elsewhere.port}"'})
                       for status in (300, 301, 302, 303, 305, 307, 308) for target in targets]
            waiting = list(replies)
            type(self).mood = staticmethod(lambda hook: waiting.pop(0))
            subscription = self.subscribe(self.url("127.0.0.2"))
            for reply in replies:
                self.assertEqual(self.tried(subscription),
                                 {"delivered": False, "status": reply.status, "code": "push_refused"})
            type(self).mood = staticmethod(lambda hook: Reply(302, {"location": targets[2]}))
            self.push(subscription, ttl_ms=1000)
            self.wait_failures([subscription])
            self.assertEqual(elsewhere.seen + self.watch.seen, [])
            self.assertEqual({hook.path for hook in self.endpoint.hooks}, {"/hook"})


class CertificateTest(RefusalsCase):
    """Nothing is sent to who cannot prove his name, or speaks weaker than we do."""

    @classmethod
    def make_settings(cls):
        """All but strangers' certificates are among the roots: what is refused is refused for what it says."""
        home, roots = cls.daemon.home, os.path.join(cls.daemon.home, "roots.pem")
        cls.expired = make_certificate(home, "expired", names="IP:127.0.0.2")
        cls.for_clients = make_certificate(home, "for-clients", "-addext", "extendedKeyUsage=clientAuth",
                                           names="IP:127.0.0.2")
        cls.for_servers = make_certificate(home, "for-servers", "-addext", "extendedKeyUsage=serverAuth",
                                           names="IP:127.0.0.2")
        crt, key = cls.expired
        subprocess.run(["openssl", "x509", "-in", crt, "-signkey", key, "-days", "-1", "-out", crt + ".new"],
                       check=True, capture_output=True)
        os.replace(crt + ".new", crt)
        with open(roots, "w", encoding="ascii") as out:
            for crt, _ in (cls.tls, cls.expired, cls.for_clients, cls.for_servers):
                with open(crt, encoding="ascii") as one:
                    out.write(one.read())
        return {"push": {"allow": ["127.0.0.0/8"], "ca": roots, "connect_timeout": "5s", "timeout": "5s"}}

    def check_unheard(self, tls, host="127.0.0.2"):
        with Receiver(tls=tls, host="127.0.0.2") as endpoint:
            subscription = self.subscribe(endpoint.url(host=host))
            self.assertEqual(self.tried(subscription), {"delivered": False, "code": "push_unreachable"})
            self.push(subscription, ttl_ms=1000)
            self.wait_failures([subscription])
            self.assertEqual(endpoint.hooks, [])

    def context(self, tls=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(tls or self.tls))
        return context

    def test_a_certificate_that_leads_to_no_root(self):
        self.check_unheard(make_certificate(self.daemon.home, "stranger", names="IP:127.0.0.2"))

    def test_a_certificate_of_another_name(self):
        self.table["else.test"] = ["127.0.0.2"]
        self.addCleanup(self.table.pop, "else.test")
        self.check_unheard(self.tls, "else.test")

    def test_a_certificate_whose_time_is_over(self):
        self.check_unheard(self.expired)

    def test_a_certificate_that_is_no_servers(self):
        self.check_unheard(self.for_clients)

    def test_a_protocol_of_old(self):
        context = self.context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        self.check_unheard(context)

    def test_ciphers_of_old(self):
        for ciphers in ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA"):
            context = self.context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
            self.check_unheard(context)

    def test_the_right_one_is_heard(self):
        for tls, change in ((self.tls, lambda context: None), (self.for_servers, lambda context: None),
                            (self.tls, lambda context: setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2))):
            context = self.context(tls)
            change(context)
            with Receiver(tls=context, host="127.0.0.2") as endpoint:
                subscription = self.subscribe(endpoint.url(host="127.0.0.2"))
                self.assertEqual(self.tried(subscription), {"delivered": True, "status": 204})


class DevelopmentTest(RefusalsCase):
    """Loopback is open there, by http too, and nothing else is."""

    development = True
    table = {"loopback.test": ["127.0.0.1"], "private.test": ["10.0.0.1"]}

    def test_http_to_anything_but_loopback_is_refused(self):
        for host in ("10.0.0.1", "8.8.8.8", "[::ffff:127.0.0.1]", "loopback.test", "x.localhost", "128.0.0.1",
                     "127.0.0.1.test", "0.0.0.0", "[::]"):
            answer = self.post(f"http://{host}:{self.watch.port}/")
            self.assertEqual((answer.status, answer.code), (422, "url_invalid"), host)

    def test_https_to_what_is_private_is_refused(self):
        self.check_closed([f"https://{host}:{self.watch.port}/" for host in
                           ("10.0.0.1", "169.254.169.254", "[fd00::1]", "private.test", "0.0.0.0", "[::ffff:10.0.0.1]")])

    def test_loopback_is_open(self):
        with Receiver() as endpoint:
            for host in ("127.0.0.1", "localhost"):
                told = self.tried(self.subscribe(endpoint.url(host=host)))
                self.assertEqual(told, {"delivered": True, "status": 204})


if __name__ == "__main__":
    unittest.main()
