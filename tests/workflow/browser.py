"""A browser without a window, led through its DevTools protocol: clicks as a person's, and what is then on screen."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 30  # seconds for anything to come to pass


class Browser:
    """A page in Chromium, without network; `said` is what its console had against it.

    Parameters
    ----------
    page : the file to open
    folder : for the browser's own files, and for what is downloaded
    """

    def __init__(self, page: Path, folder: Path):
        self.page, self.downloads, self.said, self._answers, self._number, self._rest = (
            page,
            folder / "downloads",
            [],
            {},
            0,
            b"",
        )
        self._seen, self._downloads = "", {}
        ours, theirs = (
            os.pipe(),
            os.pipe(),
        )  # what it reads, what it writes; high numbers, as it wants 3 and 4 of its own
        read, write = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (ours[0], theirs[1]))
        os.close(ours[0]), os.close(theirs[1])
        self._send, self._receive = ours[1], theirs[0]
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]
        command += [f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900"]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "about:blank"]

        def give() -> None:
            os.dup2(read, 3), os.dup2(write, 4)

        self.log = open(folder / "chromium.log", "w")  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            command, preexec_fn=give, pass_fds=(3, 4, read, write), stdout=self.log, stderr=self.log
        )
        os.close(read), os.close(write)
        self.session = None
        target = next(one for one in self._call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self.session = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self._call(f"{domain}.enable")
        allowed = {"behavior": "allowAndName", "downloadPath": str(self.downloads), "eventsEnabled": True}
        self._call("Browser.setDownloadBehavior", **allowed)
        self._call("Page.navigate", url=page.as_uri())
        self.wait("document.readyState === 'complete'")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._send), os.close(self._receive)
        self.log.close()

    def _call(self, method: str, **parameters) -> dict:
        """Ask the browser, or its page once there is a session, and wait for the answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._send, data) :]
        end = time.monotonic() + PATIENCE
        while self._number not in self._answers:
            assert time.monotonic() < end and self.process.poll() is None, f"{method}: no answer"
            self._listen()
        answer = self._answers.pop(self._number)
        assert "error" not in answer, f"{method}: {answer.get('error')}"
        return answer["result"]

    def _listen(self) -> None:
        """Take in what the browser has said meanwhile, or says within a moment."""
        if not select.select([self._receive], [], [], 0.05)[0]:
            return
        data = os.read(self._receive, 1 << 20)
        *whole, self._rest = (self._rest + data).split(b"\0")
        for message in map(json.loads, whole):
            if "id" in message:
                self._answers[message["id"]] = message
            elif message["method"] == "Runtime.exceptionThrown":
                self.said.append(message["params"]["exceptionDetails"])
            elif message["method"] == "Runtime.consoleAPICalled" and message["params"]["type"] in ("error", "assert"):
                self.said.append(message["params"]["args"])
            elif message["method"] in ("Browser.downloadWillBegin", "Browser.downloadProgress"):
                self._downloads.setdefault(message["params"]["guid"], {}).update(message["params"])
            elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.said.append(message["params"]["entry"])

    def ask(self, expression: str, **where):
        """The value of an expression of JavaScript in the page, or in the frame of `contextId`."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, **where)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until that is true of the page."""
        end = time.monotonic() + PATIENCE
        while not self.ask(expression):
            assert time.monotonic() < end, f"it does not come to pass: {expression}; {self.said}"
            time.sleep(0.02)

    def click(self, node: str, then: str | None = None) -> None:
        """Press the mouse in the middle of an element, given as an expression, which must be seen there.

        Parameters
        ----------
        then : what is true of the page after that; while it is not, the element may have moved away, and is tried again
        """
        self._press(node)
        end = time.monotonic() + PATIENCE
        while then and not self.soon(then):
            assert time.monotonic() < end and not self.said, f"{node}: {then} does not come to pass; {self.said}"
            self._press(node)

    def soon(self, expression: str) -> bool:
        """Whether that becomes true of the page within two seconds."""
        end = time.monotonic() + 2
        while not (true := self.ask(f"Boolean({expression})")) and time.monotonic() < end:
            time.sleep(0.02)
        return true

    def _press(self, node: str) -> None:
        where = f"""(async () => {{
            const node = {node};
            if (!node) return "there is no such element";
            node.scrollIntoView({{block: "center"}});
            const place = () => node.getBoundingClientRect();
            for (let before = null; before !== JSON.stringify(place());) {{  // until it has stopped moving
                before = JSON.stringify(place());
                await new Promise((done) => setTimeout(done, 60));
            }}
            const {{x, y, width, height}} = place();
            const at = document.elementFromPoint(x + width / 2, y + height / 2);
            return node.contains(at) ? [x + width / 2, y + height / 2] : `it is hidden by ${{at && at.outerHTML}}`;
        }})()"""
        point = self.ask(where)
        assert isinstance(point, list), f"{node}: {point}"
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], button="left", clickCount=1)

    def hover(self, point: list[float]) -> None:
        """Move the mouse to a place on screen, as (x, y), from beside it."""
        for shift in (-3, -1, 0):
            self._call("Input.dispatchMouseEvent", type="mouseMoved", x=point[0] + shift, y=point[1] + shift)

    def drag(self, start: list[float], end: list[float]) -> None:
        """Press the mouse at one place, move it to another in steps, and let go."""
        self.hover(start)
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        self._call("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], **held)
        for step in range(1, 6):
            x, y = (a + (b - a) * step / 5 for a, b in zip(start, end, strict=True))
            self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self._call("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], button="left", clickCount=1)

    def key(self, name: str, node: str | None = None, times: int = 1) -> None:
        """Press a key, in the element that has the focus or in one that is given it."""
        if node:
            self.ask(f"{node}.focus()")
        codes = {
            "ArrowLeft": 37,
            "ArrowUp": 38,
            "ArrowRight": 39,
            "ArrowDown": 40,
            "Tab": 9,
            "Enter": 13,
            " ": 32,
            "Home": 36,
        }
        text = {"Enter": "\r", " ": " "}.get(name)
        for _ in range(times):
            pressed = {"key": name, "code": name.strip() or "Space", "windowsVirtualKeyCode": codes[name]}
            self._call("Input.dispatchKeyEvent", type="keyDown", **pressed, **({"text": text} if text else {}))
            self._call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def dress(self, scheme: str, width: int = 1400, media: str = "") -> None:
        """Light or dark, so many pixels wide, on screen or as printed."""
        self._call(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)

    def touch(self) -> None:
        """Begin again on a screen that is touched."""
        self._call("Emulation.setTouchEmulationEnabled", enabled=True)
        self._call("Page.navigate", url="about:blank")
        self.wait("location.href === 'about:blank'")
        self._call("Page.navigate", url=self.page.as_uri())
        self.wait("document.readyState === 'complete'")

    def type(self, node: str, words: str) -> None:
        """Write words into a field, in the place of what is there, and press Enter."""
        self.click(node)
        self.ask(f"{node}.select()")
        self._call("Input.insertText", text=words)
        self._call("Input.dispatchKeyEvent", type="keyDown", key="Enter", text="\r", windowsVirtualKeyCode=13)
        self._call("Input.dispatchKeyEvent", type="keyUp", key="Enter", windowsVirtualKeyCode=13)

    def download(self, node: str) -> tuple[str, bytes]:
        """Name and content of the file that a click downloads; one of which nothing comes is made again.

        What begins late then comes twice, and is not taken for the next file.
        """
        name = self.ask(f"{node}.download")
        for _ in range(3):
            self.click(node)
            end = time.monotonic() + 0.8
            while not self._begun(name) and time.monotonic() < end:
                self._listen()
            if self._begun(name):
                break
        end = time.monotonic() + PATIENCE
        while not (done := [one for one in self._begun(name) if one.get("state") == "completed"]):
            assert time.monotonic() < end, f"{name} was not downloaded: {self._downloads}"
            self._listen()
        del self._downloads[done[0]["guid"]]
        return name, (self.downloads / done[0]["guid"]).read_bytes()

    def _begun(self, name: str) -> list[dict]:
        return [one for one in self._downloads.values() if one.get("suggestedFilename") == name]

    def frame_loads(self) -> None:
        """Until the page that is shown within the page is there."""
        end = time.monotonic() + PATIENCE
        while not (frames := self._frames()) or frames[0]["loaderId"] == self._seen or not frames[0].get("mimeType"):
            assert time.monotonic() < end, f"no page within the page: {frames}"
            time.sleep(0.02)
        self._seen = frames[0]["loaderId"]

    def _frames(self) -> list[dict]:
        return [child["frame"] for child in self._call("Page.getFrameTree")["frameTree"].get("childFrames", [])]

    def frame(self, expression: str):
        """The value of an expression in the page that is shown within the page."""
        (frame,) = self._frames()
        context = self._call("Page.createIsolatedWorld", frameId=frame["id"])["executionContextId"]
        return self.ask(expression, contextId=context)

    def frame_type(self) -> str:
        """What the page that is shown within the page is taken for."""
        return self._frames()[0]["mimeType"]

    def picture(self, path: Path) -> None:
        """What is on screen."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))
