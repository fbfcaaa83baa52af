"""Makes many small files, a hundred in a folder, each with a content of its own.

Usage: files.py NUMBER SIZE FOLDER
"""

import random
import sys
from pathlib import Path

number, size, root = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
random.seed(1)
words = [bytes(random.choices(b"abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 9))) for _ in range(2000)]
for n in range(number):
    folder = root / f"{n // 10000:03}" / f"{n // 100 % 100:02}"
    if n % 100 == 0:
        folder.mkdir(parents=True)
    with open(folder / f"{n % 100:02}.txt", "wb") as file:
        if size:
            text = b"%d " % n + b" ".join(random.choices(words, k=size // 3))
            file.write(text[:size])
