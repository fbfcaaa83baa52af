"""Stands in for a health check service: health.py LOG PID.

Prints its URL and goes to the background, until the process PID has ended. Writes a line to LOG for each request.
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

log, pid = sys.argv[1], int(sys.argv[2])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        with open(log, "a") as out:
            print(self.command, self.path, body.strip(), file=out)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        pass


def runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


server = HTTPServer(("127.0.0.1", 0), Handler)
server.timeout = 0.2
print(f"http://127.0.0.1:{server.server_port}", flush=True)
if os.fork() == 0:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    while runs(pid):
        server.handle_request()
