#!/usr/bin/env python3
"""Stands for ssh: runs OpenSSH's sftp-server here and passes packets on, but for what LIE says, words with commas between them:

login, junk, none       the login is refused; a shell's start file prints something; there is no SFTP
link, rename, remove    requests that are answered OK and not done
plain                   the server has no extensions of OpenSSH, such as renaming onto a file
size                    the sizes of files are not told
die                     the connection ends in the middle of the folder docs, each time
nobody                  the server runs as nobody, where root runs the tests

SSH_LOG is a file that each login adds a line to."""
import os
import struct
import subprocess
import sys
import threading

LIES = os.environ.get("LIE", "").split(",")
if "SSH_LOG" in os.environ:
    with open(os.environ["SSH_LOG"], "a") as log:
        log.write(" ".join(sys.argv[1:]) + "\n")
if "login" in LIES:
    sys.exit(print("me@there: Permission denied (publickey).", file=sys.stderr) or 255)
if "none" in LIES:
    sys.exit(print("subsystem request failed on channel 0", file=sys.stderr) or 255)
if "junk" in LIES:
    print("Welcome to this machine!", flush=True)

SERVERS = ["/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server"]
command = [next(path for path in SERVERS if os.path.exists(path))]
if "nobody" in LIES and os.getuid() == 0:
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + command
server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
lock = threading.Lock()


def packets(source):
    while True:
        head = source.read(4)
        if len(head) < 4:
            return
        yield source.read(struct.unpack(">I", head)[0])


def send(target, packet):
    with lock:
        target.write(struct.pack(">I", len(packet)) + packet)
        target.flush()


def lied_about(packet):
    if packet[0] == 200:
        length = struct.unpack(">I", packet[5:9])[0]
        name = packet[9 : 9 + length].split(b"@")[0]
        return {b"hardlink": "link", b"posix-rename": "rename"}.get(name)
    return {13: "remove", 18: "rename"}.get(packet[0])


def without_size(packet):
    """Of a STAT, and of names that are read."""

    def attributes(at):
        flags = struct.unpack(">I", packet[at : at + 4])[0]
        sizes = [(1, 8), (2, 8), (4, 4), (8, 8)]
        rest = b"".join(
            packet[at + 4 + sum(n for f, n in sizes[:i] if flags & f) :][:length]
            for i, (flag, length) in enumerate(sizes)
            if flags & flag and flag != 1
        )
        end = at + 4 + sum(n for f, n in sizes if flags & f)
        return struct.pack(">I", flags & ~1) + rest, end

    if packet[0] == 105:
        return packet[:5] + attributes(5)[0]
    if packet[0] != 104:
        return packet
    out, at = packet[:9], 9
    for _ in range(struct.unpack(">I", packet[5:9])[0]):
        for _ in range(2):
            length = struct.unpack(">I", packet[at : at + 4])[0]
            out, at = out + packet[at : at + 4 + length], at + 4 + length
        told, at = attributes(at)
        out += told
    return out


def answers():
    for packet in packets(server.stdout):
        if packet[0] == 2 and "plain" in LIES:
            packet = packet[:5]
        send(sys.stdout.buffer, without_size(packet) if "size" in LIES else packet)
    os._exit(0)


threading.Thread(target=answers, daemon=True).start()
is_docs = False
for packet in packets(sys.stdin.buffer):
    if packet[0] == 11:
        is_docs = packet.endswith(b"/docs")
    if "die" in LIES and packet[0] == 12 and is_docs:
        server.kill()
        print("Connection to there closed by remote host.", file=sys.stderr, flush=True)
        os._exit(255)
    if lied_about(packet) in LIES:
        send(sys.stdout.buffer, struct.pack(">B4sI", 101, packet[1:5], 0) + b"\0" * 8)
    else:
        send(server.stdin, packet)
server.kill()
