"""Rules for the source: no import circle, no file over 400 lines, no function over 60, few places that ask for a root's kind.

Prints what breaks a rule, and the figures. Usage: house.py src
"""

import re
import sys
from pathlib import Path

FILE, FUNCTION, KINDS, NAMES = 400, 60, 10, 60
root = Path(sys.argv[1])
broken = []


def modules():
    """Every module of the library by its path, such as ('heap', 'local'), without its tests and comments."""
    found = {}
    for path in sorted(root.rglob("*.rs")):
        name = path.relative_to(root).with_suffix("").parts
        if name[0] in ("bin", "multicall") or re.search(r"tests?$", name[-1]):
            continue
        name = name[:-1] if name[-1] == "mod" else () if name == ("lib",) else name
        text = re.sub(r"//[^\n]*", "", path.read_text())
        found[name] = re.split(r"#\[cfg\(.*test.*\)\]\nmod \w+ \{", text)[0]
    return found


def paths(tree):
    """The paths of a use tree: `a::{b, c::d}` is a::b and a::c::d, `a as b` is a::@b."""
    tree = re.sub(r"\s+as\s+(\w+)", r"::@\1", tree)
    start, _, rest = tree.partition("{")
    if not rest:
        return ["".join(tree.split())] if tree.strip() else []
    parts, depth, part = [], 0, ""
    for c in rest[: rest.rindex("}")]:
        depth += (c == "{") - (c == "}")
        if c == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += c
    return ["".join(start.split()) + path for p in [*parts, part] for path in paths(p)]


def uses(text):
    """What a module imports, and what it exports again."""
    imported, exported = [], []
    for public, tree in re.findall(r"^\s*(pub(?:\([a-z]+\))? )?use ([^;]+);", text, re.M):
        (exported if public else imported).extend(p.split("::") for p in paths(tree))
    rest = re.sub(r"^\s*(?:pub(?:\([a-z]+\))? )?use [^;]+;", "", text, flags=re.M)
    imported.extend(p.split("::") for p in re.findall(r"\b(?:crate|super)(?:::\w+)+", rest))
    return imported, exported


def resolve(path, at, depth=0):
    """The module that defines what a path names; None if it is not of this crate."""
    path, base = list(path), list(at)
    if path[0] == "crate":
        path, base = path[1:], []
    elif path[0] in ("self", "super"):
        while path and path[0] in ("self", "super"):
            base = base[:-1] if path.pop(0) == "super" else base
    elif (*base, path[0]) not in TEXTS:
        return None
    while path and (*base, path[0]) in TEXTS:
        base.append(path.pop(0))
    again = EXPORTS[tuple(base)].get(path[0]) if path and depth < 5 else None
    return again and resolve(again, base, depth + 1) or tuple(base)


def circles(graph):
    """Sets of modules that import each other, by Tarjan's algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in graph[v]:
            if w not in index:
                visit(w)
            if w in stack:
                low[v] = min(low[v], low[w])
        if low[v] == index[v]:
            circle = [stack.pop()]
            while circle[-1] != v:
                circle.append(stack.pop())
            found.extend([circle] if len(circle) > 1 else [])

    for v in graph:
        if v not in index:
            visit(v)
    return found


def named(uses):
    """The names that imports give: children see all of them."""
    named = {path[-1].lstrip("@"): [p for p in path if p[0] != "@"] for path in uses}
    return {name: path for name, path in named.items() if path != [name]}


TEXTS = modules()
USES = {name: uses(text) for name, text in TEXTS.items()}
EXPORTS = {name: named(imported) | named(exported) for name, (imported, exported) in USES.items()}
graph = {n: {t for p in i if (t := resolve(p, n)) and t != n} for n, (i, _) in USES.items()}
for circle in circles(graph):
    broken.append("import circle: " + ", ".join("::".join(name) for name in sorted(circle)))

longest, functions = ("", 0), 0
for path in sorted(root.rglob("*.rs")):
    lines = path.read_text().splitlines()
    if len(lines) > FILE:
        broken.append(f"{path}: {len(lines)} lines, more than {FILE}")
    for start, line in enumerate(lines):
        if begin := re.match(r"( *)(?:pub(?:\([a-z]+\))? )?(?:const )?(?:async )?(?:unsafe )?fn (\w+)", line):
            end = next((n for n in range(start, len(lines)) if lines[n].startswith(begin[1] + "}")), start)
            length = 1 if line.rstrip().endswith((";", "}")) else end - start + 1
            functions += 1
            longest = max(longest, (f"{path}: {begin[2]}", length), key=lambda f: f[1])
            if length > FUNCTION:
                broken.append(f"{path}: {begin[2]} has {length} lines, more than {FUNCTION}")

# The methods of the type itself are the place for it.
places = []
for path in sorted(root.rglob("*.rs")):
    text = path.read_text().split("#[cfg(test)]")[0]
    if "tests" not in path.name and path.name != "location.rs":
        places += [str(path)] * len(re.findall(r"Location::Remote\(\w+\) =>", text))
if len(places) >= KINDS:
    broken.append(f"the kind of a root is asked for in {len(places)} places: {', '.join(sorted(set(places)))}")

names = [p for p in USES[()][1] if p[0] not in ("crate", "super")]
if len(names) >= NAMES:
    broken.append(f"{len(names)} public names")
print(f"{len(TEXTS)} modules, {functions} functions, the longest {longest[1]} lines ({longest[0]});", end=" ")
print(f"{len(places)} places ask for a root's kind; {len(names)} public names")
print("\n".join(broken))
sys.exit(bool(broken))
