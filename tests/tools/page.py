"""Reads a page of snap-report from standard input, and checks it: every tag is closed in its place, no identity occurs twice, nothing
is loaded from elsewhere. Prints what is in it as JSON: `text` and `numbers` by identity, `tables`, and the `data` of the script.
"""

import json
import sys
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link", "line", "polyline"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.text, self.numbers, self.tables = [], set(), {}, {}, {}

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        assert tag not in ("img", "iframe", "object", "base", "link", "form"), tag
        assert not {"src", "href", "style", "srcset"} & set(attrs), (tag, attrs)
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        if "id" in attrs:
            assert attrs["id"] not in self.ids, attrs["id"]
            self.ids.add(attrs["id"])
        if "data-n" in attrs and "id" in attrs:
            self.numbers[attrs["id"]] = int(attrs["data-n"])
        table = self.table()
        if tag == "table":
            self.tables[attrs["id"]] = []
        elif tag == "tr" and table is not None:
            table.append([])
        elif tag in ("td", "th"):
            table[-1].append(int(attrs["data-n"]) if "data-n" in attrs else "")
        if tag not in VOID:
            self.open.append((tag, attrs))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def table(self):
        found = [attrs["id"] for tag, attrs in self.open if tag == "table"]
        return self.tables[found[-1]] if found else None

    def handle_endtag(self, tag):
        assert self.open and self.open[-1][0] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        for _, attrs in self.open:
            if "id" in attrs:
                self.text[attrs["id"]] = self.text.get(attrs["id"], "") + data
        if self.open and self.open[-1][0] in ("h1", "title"):
            self.text.setdefault(self.open[-1][0], data)
        if any(tag in ("td", "th") for tag, _ in self.open):
            row = self.table()[-1]
            if isinstance(row[-1], str):
                row[-1] += data


page = Page()
source = sys.stdin.buffer.read().decode("utf-8")
assert source.startswith("<!DOCTYPE html>\n<html lang=\"en\">")
page.feed(source)
page.close()
assert not page.open, page.open
data = json.loads(page.text["data"])
print(json.dumps({"text": page.text, "numbers": page.numbers, "tables": page.tables, "data": data}))
