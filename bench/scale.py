"""Prints the records of a large root that does not exist, in order, with an end record.

Usage: scale.py NUMBER [CHANGED]

One of CHANGED records is another one than without CHANGED: it has other content or is gone. Each content is another one. There is
an object of seven bytes in the heap for each of them.
"""

import sys
from hashlib import md5, sha256

number, changed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
out = sys.stdout.write
written = 0
for n in range(number):
    content = b"%d" % n
    if changed and n % changed == 0:
        if n // changed % 10 == 0:
            continue
        content += b"~"
    written += 1
    moment = 1_700_000_000 + n
    out(
        f'{{"created":{moment}.25,"gid":1000,"ino":{n + 100},"islink":false,"md5":"{md5(content).hexdigest()}","mode":33188,'
        f'"mtime":{moment}.25,"name":"{n // 1_000_000:04}/{n // 1000 % 1000:03}/photo-{n % 1000:03}.jpg","nlink":1,'
        f'"sha256":"{sha256(content).hexdigest()}","size":{5_000 + n % 100_000},"stored_size":7,"type":"file","uid":1000}}\n'
    )
out(f'{{"errors":0,"name":"","records":{written},"root":"/scale","type":"end"}}\n')
