"""A real Chromium with the page open in it, and hands, ears and a voice for the test."""

import base64
import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("playwright.sync_api", reason="there is no playwright: `make test-page` installs it")

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, Route, expect

__all__ = ["Route", "expect"]  # for the tests, which skip with this module where there is no playwright
ROOT = Path(__file__).parent.parent.parent
PICTURES = ROOT / "build" / "page"
INSTRUMENTS = Path(__file__).parent / "instruments.js"
RATE_HZ = 48_000
AUDIBLE = 0.003
"""Root mean square above which something was heard."""
ANSWER_TIMEOUT_MS = 30_000
QUESTION, ANSWER = "How long is the probation period?", "six months"
OTHER, OTHER_ANSWER = "How long must the control room keep its log books?", "twelve years"
"""Questions of the sample documents that the default engines understand when flite asks them."""
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


def spoken(text: str, *, before_s: float = 0.3, after_s: float = 0.0, voice: str = "rms") -> bytes:
    """The text as flite says it, with silence around it: a WAV of 48 kHz."""
    said = subprocess.run(
        ["flite", "-voice", voice, "-t", text, "-o", "/dev/stdout"], check=True, capture_output=True, timeout=30
    ).stdout
    samples, rate_hz = soundfile.read(io.BytesIO(_with_length(said)), dtype="float32")
    assert RATE_HZ % rate_hz == 0
    # Linear interpolation is good enough for a voice that a test listens to.
    places = np.arange(len(samples) * (RATE_HZ // rate_hz)) / (RATE_HZ // rate_hz)
    audio = np.interp(places, np.arange(len(samples)), samples)
    whole = np.concatenate([np.zeros(int(before_s * RATE_HZ)), audio, np.zeros(int(after_s * RATE_HZ))])
    return wav(whole, RATE_HZ)


def _with_length(said: bytes) -> bytes:
    """A WAV whose header tells its length, which a program that writes into a pipe cannot know."""
    data = said.index(b"data") + 8
    return (
        said[:4]
        + (len(said) - 8).to_bytes(4, "little")
        + said[8 : data - 4]
        + (len(said) - data).to_bytes(4, "little")
        + said[data:]
    )


def wav(samples: Any, rate_hz: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


@contextmanager
def chromium(playwright: Playwright, executable: str, *flags: str) -> Iterator[Browser]:
    # Playwright's own `headless` would add flags for a shell that has no microphone.
    browser = playwright.chromium.launch(executable_path=executable, headless=False, args=[*FLAGS, *flags])
    try:
        yield browser
    finally:
        browser.close()


class Visitor:
    """The page as somebody uses it. What the page complains of to its console fails the test at the end."""

    def __init__(self, context: BrowserContext, url: str, *, own_microphone: bool) -> None:
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()
        if own_microphone:
            context.add_init_script("window.ownMicrophone = true")
        context.add_init_script(path=INSTRUMENTS)
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        self.page.goto(url)

    def find(self, selector: str, has_text: str | None = None) -> Locator:
        return self.page.locator(selector, has_text=has_text)

    def expect_state(self, *states: str, timeout_ms: float = ANSWER_TIMEOUT_MS) -> None:
        one_of = ", ".join(f'body[data-state="{state}"]' for state in states)
        expect(self.page.locator(one_of)).to_have_count(1, timeout=timeout_ms)

    def expect_that(self, condition: str) -> None:
        """An expression becomes true; the page's own content policy forbids what playwright waits for texts with."""
        self.page.evaluate(
            f"""timeoutMs => new Promise((resolve, reject) => {{
                const giveUp = setTimeout(() => reject(new Error("was never true")), timeoutMs);
                const look = () => {{
                    if (!({condition})) return setTimeout(look, 20);
                    clearTimeout(giveUp);
                    resolve();
                }};
                look();
            }})""",
            ANSWER_TIMEOUT_MS,
        )

    @property
    def states(self) -> list[str]:
        """Every state that was shown so far."""
        return [state for _, state in self.page.evaluate("instruments.states")]

    def ask(self, question: str) -> None:
        self.find("#question").fill(question)
        self.find("#question").press("Enter")

    def answer(self, number: int = -1) -> Locator:
        return self.find(".turn.assistant").nth(number)

    def expect_answer(self, words: str, number: int = -1) -> None:
        expect(self.answer(number).locator(".said")).to_contain_text(words, timeout=ANSWER_TIMEOUT_MS)

    def say(self, audio: bytes) -> tuple[float, float]:
        """Into the microphone; returns when the speech in it began and ended, in ms of the page."""
        begin_ms, end_ms = self.page.evaluate("instruments.say", base64.b64encode(audio).decode())
        samples, rate_hz = soundfile.read(io.BytesIO(audio))
        loud = np.flatnonzero(np.abs(samples) > 0.01)
        return begin_ms + 1000 * loud[0] / rate_hz, end_ms - 1000 * (len(samples) - loud[-1]) / rate_hz

    def sounds(self) -> "np.ndarray[Any, Any]":
        """Times, in ms of the page, at which something was heard from the loudspeaker."""
        pieces = np.array(self.page.evaluate("instruments.sounds"))
        return pieces[pieces[:, 1] > AUDIBLE, 0]

    def begin_saying(self, audio: bytes) -> None:
        """Into the microphone, while the test goes on."""
        script = "(audio) => { instruments.say(audio); }"
        self.page.evaluate(script, base64.b64encode(audio).decode())

    def loudness(self) -> "np.ndarray[Any, Any]":
        """Root mean square of what was played, 20 ms at a time."""
        return np.array(self.page.evaluate("instruments.loudness()"))

    def recording(self) -> bytes:
        """What was played, as a WAV."""
        pcm = np.frombuffer(base64.b64decode(self.page.evaluate("instruments.recording()")), "<i2")
        return wav(pcm, 24_000)

    def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")

    def unexpected(self) -> list[str]:
        return [line for line in self.complaints if not any(words in line for words in self.expected)]
