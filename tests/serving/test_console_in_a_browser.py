"""The console in headless Chromium: on a phone and a desk, light and dark, by keyboard, for a screen reader."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from console_gateway import TOKEN, ConsoleGateway, started
from endpoint_process import Endpoint
from playwright.sync_api import Browser, Page, sync_playwright

from modelsat.bundle.bundle import Bundle

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
PROMPT = "Multiply 12 by 8."
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium as the machine has it; in CI there has to be one."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine; apt-get install chromium")
    with sync_playwright() as playwright:
        # Root may start it only without a sandbox; it sees pages of this test alone.
        one = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield one
        one.close()


@pytest.fixture(scope="module")
def console(reader: tuple[Endpoint, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleGateway]:
    """A gateway that has answered and been rated."""
    with started(reader[0].url, tmp_path_factory.mktemp("console") / "log", reader[1].names) as one:
        for score in (1.0, 0.0, 1.0):
            one.answer(score)
        yield one


@pytest.fixture
def opened(browser: Browser, console: ConsoleGateway) -> Open:
    """Return a context manager with a page of somebody who has logged in, and what went wrong in the browser."""

    @contextmanager
    def begin(size: dict[str, int] = DESK, scheme: str = "light", logs_in: bool = True) -> Iterator[Page]:
        context = browser.new_context(base_url=console.url, viewport=size, color_scheme=scheme)
        page = context.new_page()
        page.goto("/console")
        if logs_in:
            page.get_by_label("Token").fill(TOKEN)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("navigation").wait_for()
        yield page
        context.close()

    return begin


def routed(page: Page, prompt: str = PROMPT) -> None:
    page.goto("/console/route")
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Route").click()
    page.get_by_role("heading", name="Candidates in the order of the choice").wait_for()


def violations(page: Page) -> list[str]:
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in Axe().run(page).response["violations"]]


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_axe_finds_nothing_and_no_page_is_wider_than_the_screen(
    opened: Open, size: dict[str, int], scheme: str
) -> None:
    with opened(size, scheme) as page:
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == size["width"]

        routed(page, PROMPT + "x" * 200)

        page.get_by_text("Filters").click()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == size["width"]


def test_mistake_in_the_form_is_an_alert_and_the_way_in_is_labelled(opened: Open) -> None:
    with opened(logs_in=False) as page:
        assert violations(page) == []
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("link", name="Route a prompt").click()
        page.get_by_text("Filters").click()
        page.get_by_label("Maximum cost, USD").fill("much")
        page.get_by_label("Prompt", exact=True).fill(PROMPT)
        page.get_by_role("button", name="Route").click()

        assert "max_cost_usd 'much' is not a number" in page.get_by_role("alert").inner_text()
        assert page.get_by_label("Maximum cost, USD").input_value() == "much"
        assert violations(page) == []


def test_nothing_is_fetched_from_elsewhere_and_no_page_breaks_its_own_policy(
    opened: Open, console: ConsoleGateway
) -> None:
    with opened(logs_in=False) as page:
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        routed(page)
        page.get_by_role("link", name="Overview").click()
        page.get_by_role("heading", name="Promotions").wait_for()

    paths = [urlsplit(url) for url in asked if not url.startswith("data:")]
    assert {f"{one.scheme}://{one.netloc}" for one in paths} == {console.url}
    assert {one.path for one in paths} == {"/console", "/console/login", "/console/route"}
    assert [one.query for one in paths if one.query] == []
    assert said == []


def test_keyboard_alone_logs_in_and_routes_a_prompt(opened: Open) -> None:
    with opened(logs_in=False) as page:
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        page.get_by_role("navigation").wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        for _ in range(2):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Route a prompt").wait_for()
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "prompt":
                break
        page.keyboard.type(PROMPT)
        # The dial is one stop, in which the arrows choose.
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Candidates in the order of the choice").wait_for()

        assert page.get_by_label("Prompt", exact=True).input_value() == PROMPT
        assert page.get_by_role("radio", checked=True).get_attribute("value") == "best"


def test_screen_reader_is_told_what_pictures_show(opened: Open) -> None:
    """Three answers of one candidate were rated 1, 0 and 1."""
    with opened() as page:
        share = page.get_by_role("img", name="Share of answers here").get_attribute("aria-label")
        realised = page.get_by_role("img", name="realised 67 %")

        assert share is not None
        assert share.endswith(" 100 %")
        assert realised.count() == 1
        assert page.get_by_role("main").get_by_role("heading", level=1).inner_text() == "Overview"
