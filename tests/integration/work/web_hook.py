"""A subscriber over HTTP for the tests: reads what it gets by the words of the specifications, not by our code, and answers as it is told.

    web_hook.py DIR [--port PORT] [--tls PEM] [--secret whsec_... ...]

Writes into DIR, a line for each request: `requests` (key, attempt, connection, answer), `events` (id, source, type, key, content type and
value) and `faults` (what is not as CloudEvents 1.0 and Standard Webhooks have it). The first attempt of an event is answered as its
value says ("answer 429 retry-after=10 slow down", "hang", ...), later ones with 200.
"""
import argparse
import base64
import datetime
import decimal
import hashlib
import hmac
import http.server
import itertools
import json
import os
import re
import socket
import ssl
import struct
import threading
import time
import urllib.parse

lock = threading.Lock()
numbers = itertools.count(1)


def note(name, text):
    with lock, open(os.path.join(options.dir, name), "a", encoding="utf-8") as file:
        file.write(text + "\n")


def require(condition, text):
    if not condition:
        raise ValueError(text)


def check_attributes(attributes):
    for name in ("id", "source", "type"):
        require(isinstance(attributes.get(name), str) and attributes[name], f"{name} is missing")
    require(attributes.get("specversion") == "1.0", "specversion is not 1.0")
    for name, value in attributes.items():
        require(re.fullmatch("[a-z0-9]+", name), f"{name} is no name of an attribute")
        require(not isinstance(value, str) or not re.search("[\x00-\x1f\x7f-\x9f]", value), f"{name} has control characters")
    if "time" in attributes:
        require(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", attributes["time"]), "time is not as RFC 3339 has it")
        datetime.datetime.fromisoformat(attributes["time"].replace("Z", "+00:00"))


def no_twins(pairs):
    names = [name for name, _ in pairs]
    require(len(names) == len(set(names)), f"a name is said twice: {names}")
    return dict(pairs)


def exact(text):
    return json.loads(text, parse_int=decimal.Decimal, parse_float=decimal.Decimal, object_pairs_hook=no_twins)


def decode_binary(headers, body):
    attributes = {}
    for name, value in headers.items():
        if name.lower().startswith("ce-"):
            require(name.lower()[3:] not in attributes, f"{name} is said twice")
            require(re.fullmatch('[!#-~]*', value), f"{name} is not encoded")
            attributes[name.lower()[3:]] = urllib.parse.unquote(value, errors="strict")
    content_type = headers.get("Content-Type")
    require(content_type != "application/x-www-form-urlencoded", "the content type is libcurl's")
    if attributes.get("postbustombstone") == "true":
        require(body == b"" and content_type is None, "a tombstone has content")
        return attributes, None, None
    return attributes, content_type, body


def decode_structured(body):
    event = exact(body.decode("utf-8"))
    data, encoded = event.pop("data", None), event.pop("data_base64", None)
    content_type = event.get("datacontenttype")
    require(data is None or encoded is None, "data and data_base64 are there")
    if event.get("postbustombstone") is True:
        require(data is None and encoded is None, "a tombstone has content")
        return event, None, None
    if encoded is not None:
        return event, content_type, base64.b64decode(encoded, validate=True)
    if re.match(r"[^;]*(/|\+)json\b", content_type):
        return event, content_type, data
    require(isinstance(data, str), "data is no text")
    return event, content_type, data.encode("utf-8")


def show(content_type, value):
    if value is None:
        return "(none)"
    if isinstance(value, bytes) and content_type and content_type.startswith("application/json"):
        value = exact(value.decode("utf-8"))
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    return json.dumps(value, default=lambda number: f"={number}")


def check_signature(headers, body, secrets):
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    if not secrets:
        require(not any(name in headers for name in names), "it is signed with nothing")
        return
    identity, timestamp, signatures = (headers[name] for name in names)
    require("." not in identity, "the id has a full stop")
    require(abs(time.time() - int(timestamp)) < 3600, "the timestamp is of another time")
    wanted = []
    for secret in secrets:
        code = hmac.new(base64.b64decode(secret[len("whsec_"):]), f"{identity}.{timestamp}.".encode() + body, hashlib.sha256)
        wanted.append("v1," + base64.b64encode(code.digest()).decode())
    require(signatures.split(" ") == wanted, f"the signature is {signatures} instead of {wanted}")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.number = next(numbers)

    def log_message(self, *_):
        pass

    def do_GET(self):
        note("faults", f"{self.command} {self.path}")
        self.send_error(405)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            require(self.path == "/hook?token=hidden", f"the path is {self.path}")
            require(self.headers.get("User-Agent", "").startswith("postbus/"), "User-Agent")
            structured = self.headers.get("Content-Type", "").startswith("application/cloudevents+json")
            attributes, content_type, value = decode_structured(body) if structured else decode_binary(self.headers, body)
            check_attributes(attributes)
            check_signature(self.headers, body, options.secret)
        except Exception as fault:  # pylint: disable=broad-except
            note("faults", repr(fault))
            self.answer(418, {}, b"a fault")
            return
        note("events", " ".join([attributes["id"], attributes["source"], attributes["type"], attributes.get("partitionkey", "-"),
                                 content_type or "-", show(content_type, value)]))
        attempt = int(attributes["postbusattempt"])
        words = value.decode("utf-8", errors="replace").split(" ") if isinstance(value, bytes) else [""]
        act = getattr(self, "act_" + words[0], None) if attempt == 1 else None
        note("requests", f"{attributes.get('partitionkey', '-')} {attempt} {self.number} {words[0] if act else 'ok'}")
        if act:
            act(words[1:])
        else:
            self.answer(200, {}, b"fine")

    def answer(self, status, headers, body):
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)

    def act_answer(self, words):
        headers = dict(word.split("=") for word in words[1:] if "=" in word)
        headers = {name: text.replace("_", " ") for name, text in headers.items()}
        body = " ".join(word for word in words[1:] if "=" not in word)
        self.answer(int(words[0]), headers, (body + "\nnot this").encode() if body else b"")

    def act_hang(self, _):
        while not os.path.exists(os.path.join(options.dir, "open")):
            time.sleep(0.05)
        self.answer(200, {}, b"")

    def act_close(self, _):
        self.close_connection = True

    def act_reset(self, _):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def act_garbage(self, _):
        self.wfile.write(b"200 OK\n")
        self.close_connection = True

    def act_half(self, _):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        self.close_connection = True

    def act_endless(self, _):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            self.close_connection = True

    def act_bye(self, _):
        self.answer(200, {"Connection": "close"}, b"")
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 50

    def handle_error(self, *_):
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls")
    parser.add_argument("--secret", action="append", default=[])
    options = parser.parse_args()
    server = Server(("127.0.0.1", options.port), Handler)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(f"listening at {server.server_address[1]}", flush=True)
    server.serve_forever()
