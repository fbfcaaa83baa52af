"""Opens a page in Chromium and acts on it as a person does. Usage: browser.py CHROMIUM PAGE < STEPS

STEPS is a JSON list. Each step is an object with one key:
    width    sets the width of the window
    scheme   prefers light or dark
    click    clicks in the middle of the element with this selector
    key      presses a key
    eval     evaluates an expression
    shot     writes a PNG of the window to this file
Prints a JSON object: `values` has the value of each `eval`, and `events` what went wrong: errors, dialogs, requests, and what the
policy of the page forbade.
"""

import base64
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HEIGHT = 900
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "Backspace": (8, "")}


class Browser:
    """Chromium, with the DevTools protocol over two pipes: JSON texts that end with a NUL."""

    def __init__(self, program, profile):
        down, self.down = os.pipe()
        self.up, up = os.pipe()
        # 3 and 4 have to be free for what Chromium reads and writes.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (down, up)]

        def arrange():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        arguments += ["--disable-background-networking", f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen([program, *arguments], preexec_fn=arrange, close_fds=False, stdout=quiet, stderr=quiet)
        for fd in (down, up, *high):
            os.close(fd)
        self.rest, self.number, self.events = b"", 0, []

    def read(self):
        while b"\0" not in self.rest:
            part = os.read(self.up, 1 << 16)
            if not part:
                sys.exit("the browser is gone")
            self.rest += part
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.down, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.read())


def wrong(events):
    """What went wrong, in words."""
    for event in events:
        params = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                yield "error: " + json.dumps(params["exceptionDetails"])
            case "Page.javascriptDialogOpening":
                yield "dialog: " + params["message"]
            case "Log.entryAdded":
                yield "log: " + params["entry"]["text"]
            case "Runtime.consoleAPICalled":
                yield "console: " + json.dumps(params["args"])
            case "Network.requestWillBeSent" if not params["request"]["url"].startswith("file:"):
                yield "request: " + params["request"]["url"]


def act(browser, session, steps):
    def call(method, **params):
        return browser.call(method, session, **params)

    def evaluate(expression):
        result = call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            sys.exit(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    values = []
    for step in steps:
        (kind, what), = step.items()
        if kind == "width":
            call("Emulation.setDeviceMetricsOverride", width=what, height=HEIGHT, deviceScaleFactor=1, mobile=False)
        elif kind == "scheme":
            call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": what}])
        elif kind == "click":
            find = f"document.querySelector({json.dumps(what)})"
            # What a step before has changed is drawn first, or the element could move away below the mouse.
            frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
            call("Runtime.evaluate", expression=frames, awaitPromise=True)
            evaluate(f"{find}.scrollIntoView({{block: 'center'}})")
            x, y = evaluate(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({find}.getBoundingClientRect())")
            for event in ("mousePressed", "mouseReleased"):
                call("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", clickCount=1)
        elif kind == "key":
            code, text = KEYS[what]
            facts = {"key": what, "code": what, "windowsVirtualKeyCode": code}
            call("Input.dispatchKeyEvent", type="keyDown", text=text, **facts)
            call("Input.dispatchKeyEvent", type="keyUp", **facts)
        elif kind == "eval":
            values.append(evaluate(what))
        elif kind == "shot":
            Path(what).write_bytes(base64.b64decode(call("Page.captureScreenshot", format="png")["data"]))
        else:
            sys.exit(f"there is no step {kind}")
    return values


def main():
    program, page = sys.argv[1:]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                browser.call(domain + ".enable", session)
            browser.call("Page.navigate", session, url=Path(page).resolve().as_uri())
            browser.wait("Page.loadEventFired")
            values = act(browser, session, json.load(sys.stdin))
            print(json.dumps({"values": values, "events": list(wrong(browser.events))}))
        finally:
            browser.process.kill()
            browser.process.wait()


main()
