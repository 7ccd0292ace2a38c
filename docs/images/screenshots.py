"""``make screenshots``: the pictures of the page in the README, from the default model in a real browser.

The fonts are the machine's own; Inter (Debian's fonts-inter) looks best.
"""

from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from artifact.child import ROOT, ServedArtifact

FOLDER = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
BEFORE = "The film is good, and I liked the ending."
AFTER = "The film is not as good as people say, and I liked the ending least."


def main() -> None:
    """Write both pictures beside this file."""
    with ServedArtifact(ROOT / "models/default") as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shoot(browser, f"{server.url}/#/try", "page-try", "light", {"#try-text": BEFORE.replace("good", "superb")})
        shoot(
            browser,
            f"{server.url}/#/compare",
            "page-compare",
            "dark",
            {"#compare-before": BEFORE, "#compare-after": AFTER},
        )
        browser.close()


def shoot(browser: Browser, url: str, name: str, scheme: str, texts: dict[str, str]) -> None:
    """Fill the boxes of a view, wait for the answers and save the picture."""
    page = browser.new_page(
        viewport={"width": 1180, "height": 720}, color_scheme=scheme, device_scale_factor=1.5, reduced_motion="reduce"
    )
    page.goto(url)
    for box, text in texts.items():
        page.fill(box, text)
    page.locator(".decision").nth(len(texts) - 1).wait_for()
    page.locator(".token, .changes").first.wait_for()
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=FOLDER / f"{name}.png")
    page.close()


if __name__ == "__main__":
    main()
