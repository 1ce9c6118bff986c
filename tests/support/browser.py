"""A person at the browser, and what the console complains about."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page

PICTURES = Path(__file__).resolve().parents[2] / "var" / "screenshots"


@dataclass
class Reader:
    """One person at a browser, who notes everything that the console complains about."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.address}{path}", wait_until="load")
        return self.page

    def picture(self, name: str, *, whole: bool = True) -> None:
        """Keep what is seen as var/screenshots/NAME.png."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=whole)


@contextmanager
def reading(
    browser: Browser,
    address: str,
    *,
    session: str = "",
    width: int = 1280,
    dark: bool = False,
    script: bool = True,
) -> Iterator[Reader]:
    """A person with a window's width, a look, JavaScript or none, and a session when there is one already."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    if session:
        context.add_cookies([{"name": "sessionid", "value": session, "url": address}])
    reader = Reader(context.new_page(), address)
    reader.page.on("console", lambda message: _note(reader, message))
    reader.page.on("pageerror", lambda error: reader.complaints.append(str(error)))
    yield reader
    context.close()


def _note(reader: Reader, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        reader.complaints.append(f"{message.text} ({message.location.get('url', '')})")
