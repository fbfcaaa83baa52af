"""Prints a port that nobody listens on, and none of those that the system gives to connections."""

import random
import socket

while True:
    port = random.randrange(10_000, 30_000)
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        continue
    print(port)
    break
