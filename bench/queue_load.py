"""Queue work for the servers of others, as one process that is pinned by who starts it: messages go in, come out and are
done away with, in tens, on several connections at a time.

    queue_load.py rabbitmq|beanstalkd|fauxqs|fauxqs-tls PORT MESSAGES BODY_BYTES

Prints {"messages", "errors"}.
"""
import json
import socket
import ssl
import sys

CONNECTIONS = 8
SEND_CONNECTIONS = 32  # of single messages, as many as `ampoule bench` keeps
BATCH = 10
FAUXQS_QUEUE = "bench"


class RabbitMq:
    """Publish with confirm, consume with acknowledgement, ten at a time on each connection: a transient classic queue."""

    def __init__(self, port, wanted, body):
        import pika  # pylint: disable=import-outside-toplevel
        self.pika, self.port, self.body = pika, port, body
        self.wanted = wanted
        self.messages, self.open = 0, 0

    def run(self):
        first = Worker(self, 0, None)
        self.loop = first.connection.ioloop
        for number in range(1, CONNECTIONS):
            Worker(self, number, self.loop)
        self.loop.start()
        return self.messages, 0

    def ended(self):
        self.open -= 1
        if self.open == 0:
            self.loop.stop()


class Worker:
    """One connection: ten published, all confirmed, ten consumed, all acknowledged at once, and again."""

    def __init__(self, load, number, loop):
        self.load, self.queue = load, f"bench-{number}"
        self.confirmed, self.received = 0, 0
        load.open += 1
        self.connection = load.pika.SelectConnection(
            load.pika.ConnectionParameters("127.0.0.1", load.port), custom_ioloop=loop,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self.on_channel),
            on_close_callback=lambda *_: load.ended())

    def on_channel(self, channel):
        self.channel = channel
        channel.basic_qos(prefetch_count=BATCH)
        channel.queue_declare(self.queue, durable=False, auto_delete=True, callback=self.on_queue)

    def on_queue(self, _):
        self.channel.confirm_delivery(self.on_confirm)
        self.channel.basic_consume(self.queue, self.on_message, callback=lambda _: self.publish())

    def publish(self):
        properties = self.load.pika.BasicProperties(delivery_mode=1)
        for _ in range(BATCH):
            self.channel.basic_publish("", self.queue, self.load.body, properties)

    def on_confirm(self, frame):
        tag = frame.method.delivery_tag
        self.confirmed = tag if frame.method.multiple else self.confirmed + 1
        self.turn()

    def on_message(self, channel, method, *_):
        self.received += 1
        if self.received % BATCH == 0:
            channel.basic_ack(method.delivery_tag, multiple=True)
        self.turn()

    def turn(self):
        if self.received % BATCH or self.confirmed != self.received:
            return
        self.load.messages += BATCH
        if self.load.messages < self.load.wanted:
            self.publish()
        else:
            self.connection.close()


class Lines:
    """A text protocol over a plain connection, or over TLS, where the server is not asked who it is."""

    def __init__(self, port, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def line(self):
        return self.file.readline().split()


def beanstalkd(port, wanted, body):
    """put, reserve, delete, ten of each pipelined."""
    connections = [Lines(port) for _ in range(CONNECTIONS)]
    for number, one in enumerate(connections):
        one.socket.sendall(b"use bench-%d\r\nwatch bench-%d\r\nignore default\r\n" % (number, number))
        for _ in range(3):
            one.line()
    messages = 0
    put = (b"put 0 0 60 %d\r\n%s\r\n" % (len(body), body)) * BATCH
    while messages < wanted:
        for one in connections:
            one.socket.sendall(put)
        for one in connections:
            for _ in range(BATCH):
                assert one.line()[0] == b"INSERTED"
            one.socket.sendall(b"reserve\r\n" * BATCH)
        for one in connections:
            ids = []
            for _ in range(BATCH):
                reply = one.line()
                assert reply[0] == b"RESERVED"
                ids.append(reply[1])
                one.file.read(int(reply[2]) + 2)
            one.socket.sendall(b"".join(b"delete %s\r\n" % job for job in ids))
        for one in connections:
            for _ in range(BATCH):
                assert one.line()[0] == b"DELETED"
            messages += BATCH
    return messages, 0


def read_response(file):
    status = int(file.readline().split()[1])
    length = 0
    while True:
        line = file.readline()
        if line in (b"\r\n", b""):
            break
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, file.read(length)


# The head of a request as AWS's SDK for JavaScript writes it. fauxqs verifies no signature.
HEAD = (b"POST / HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: %d\r\n"
        b"x-amz-target: AmazonSQS.%s\r\nx-amzn-query-mode: true\r\nconnection: keep-alive\r\n"
        b"user-agent: aws-sdk-js/3.1169.0 ua/2.1 os/linux#6.1 lang/js md/nodejs#20.0 api/sqs#3.1169.0 m/E,N,e\r\n"
        b"x-amz-user-agent: aws-sdk-js/3.1169.0\r\namz-sdk-invocation-id: 5ff0cb0a-2ef5-4a66-a8a9-0f3e0a0a2b6f\r\n"
        b"amz-sdk-request: attempt=1; max=3\r\nx-amz-date: 20300101T000000Z\r\nx-amz-content-sha256: " + b"0" * 64 +
        b"\r\nauthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20300101/us-east-1/sqs/aws4_request, "
        b"SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;x-amz-content-sha256;"
        b"x-amz-date;x-amz-target;x-amz-user-agent;x-amzn-query-mode, Signature=" + b"0" * 64 + b"\r\n\r\n")


def fauxqs(port, wanted, body, tls=None):
    """SendMessage, one by one on each connection, as AWS's SDKs write it."""

    def call(one, action, members):
        text = json.dumps(members).encode()
        one.socket.sendall(HEAD % (port, len(text), action.encode()) + text)

    connections = [Lines(port, tls) for _ in range(SEND_CONNECTIONS)]
    call(connections[0], "CreateQueue", {"QueueName": FAUXQS_QUEUE})
    url = json.loads(read_response(connections[0].file)[1])["QueueUrl"]
    messages, errors = 0, 0
    while messages < wanted:
        for one in connections:
            call(one, "SendMessage", {"QueueUrl": url, "MessageBody": body.decode()})
        for one in connections:
            status, _ = read_response(one.file)
            messages += 1
            errors += status != 200
    return messages, errors


def unverified():
    """TLS with whoever answers: what is measured is a server of our own."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return tls


def fauxqs_tls(port, wanted, body):
    return fauxqs(port, wanted, body, unverified())


def main():
    kind, port, wanted, body = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), b"x" * int(sys.argv[4])
    if kind == "rabbitmq":
        messages, errors = RabbitMq(port, wanted, body).run()
    else:
        messages, errors = {"beanstalkd": beanstalkd, "fauxqs": fauxqs, "fauxqs-tls": fauxqs_tls}[kind](port, wanted, body)
    print(json.dumps({"messages": messages, "errors": errors}))


if __name__ == "__main__":
    main()
