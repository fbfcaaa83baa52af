#!/usr/bin/env python3
"""Stands for rclone: runs the rclone that RCLONE names, and passes everything on, but for what LIE says, words with commas
between them:

old                     it is version 1.53
login                   the remote refuses the login
prompt                  it asks for a password
cut, break              a listing ends in the middle, with status 0; with a message and status 1
hang                    a listing never ends
closed, everything      a folder can't be listed; nothing can
ignored                 an entry is left out, with a message and status 0
docs, twice             the file docs/b has no size; it is listed twice
copy, move, remove      requests that are answered OK and not done
short                   a file is stored without its last byte
die                     the remote control ends at the first request about an object, once: DIED is a file for that"""
import http.client
import http.server
import json
import os
import signal
import socketserver
import subprocess
import sys
import time

RCLONE = os.environ["RCLONE"]
LIES = os.environ.get("LIE", "").split(",")


def say(level, text, **more):
    print(json.dumps({"level": level, "msg": text, **more}), file=sys.stderr, flush=True)


def listing():
    done = subprocess.run([RCLONE] + sys.argv[1:], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    lines = done.stdout.splitlines()
    items = [line.rstrip(",") for line in lines if line.startswith("{")]
    closed = [line for line in items if json.loads(line)["Path"].startswith("docs/")]
    end = lines[-1:] if lines[-1:] == ["]"] else []
    status = done.returncode
    if "cut" in LIES or "break" in LIES or "hang" in LIES:
        items, end = items[:1], []
    if "break" in LIES:
        print("2026/01/01 00:00:00 Failed to lsjson: the connection broke", file=sys.stderr)
        status = 1
    if "closed" in LIES:
        items = [line for line in items if line not in closed]
        say("error", "error listing: you shall not pass", object="docs", objectType="string")
        status = 1
        end = []
    if "everything" in LIES:
        items, end, status = [], [], 1
        say("error", "error listing: you shall not pass", object="", objectType="string")
    if "ignored" in LIES:
        items = [line for line in items if line not in closed]
        say("error", 'Entry doesn\'t belong in directory "docs" (too short) - ignoring', object="docs/b", objectType="*x.Object")
    if "docs" in LIES:
        items = [json.dumps({**json.loads(i), "Size": -1}) if json.loads(i)["Path"] == "docs/b" else i for i in items]
    if "twice" in LIES:
        items += [json.dumps({**json.loads(i), "Size": 7}) for i in items if json.loads(i)["Path"] == "docs/b"]
    print("[\n" + ",\n".join(items), flush=True)
    while "hang" in LIES:
        time.sleep(1)
    print("\n".join(end), flush=True)
    sys.exit(status)


class Front(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        command = self.path.strip("/")
        if "die" in LIES and command == "operations/stat" and not os.path.exists(os.environ["DIED"]):
            open(os.environ["DIED"], "w").close()
            server.kill()
            os._exit(1)
        if "old" in LIES and command == "core/version":
            return self.answer(200, b'{"version": "v1.53.3-DEV", "decomposed": [1, 53, 3]}')
        if "login" in LIES and command == "operations/fsinfo":
            return self.answer(500, b'{"error": "couldn\'t fetch token: invalid_grant: https://x/?token=wrongsecret"}')
        if "everything" in LIES and command == "operations/list":
            return self.answer(500, b'{"error": "error in ListJSON: you shall not pass"}')
        lies = {"copy": "operations/copyfile", "move": "operations/movefile", "remove": "operations/deletefile"}
        if any(lies.get(lie) == command for lie in LIES):
            return self.answer(200, b"{}")
        if "short" in LIES and command == "operations/copyfile":
            asked = json.loads(body)
            path = os.path.join(asked["srcFs"], asked["srcRemote"])
            os.truncate(path, max(0, os.path.getsize(path) - 1))
        self.forward("POST", body)

    def do_GET(self):
        self.forward("GET", b"")

    def forward(self, method, body):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(method, self.path, body, headers)
        answer = connection.getresponse()
        kept = [(n, v) for n, v in answer.getheaders() if n.lower() not in ("content-length", "transfer-encoding", "date")]
        self.answer(answer.status, answer.read(), kept)


if "prompt" in LIES:
    # At a terminal it would wait; here there is nobody.
    sys.stderr.write("Enter configuration password:\npassword:")
    sys.stderr.flush()
    sys.exit(1 if not sys.stdin.readline() else 0)
if sys.argv[1] == "lsjson":
    listing()
server = subprocess.Popen([RCLONE] + sys.argv[1:], stderr=subprocess.PIPE, text=True)


def end(*_):
    server.terminate()
    os._exit(0)


signal.signal(signal.SIGTERM, end)
line = next(line for line in server.stderr if "Serving remote control" in line)
port = int(line.split("127.0.0.1:")[1].split("/")[0])


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


front = Server(("127.0.0.1", 0), Front)
say("warning", f"Serving remote control on http://127.0.0.1:{front.server_port}/")
front.serve_forever()
