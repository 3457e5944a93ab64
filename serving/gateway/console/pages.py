"""The console's pages: the frame of all pages of the product with navigation, and headers that let in nothing else."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from markupsafe import Markup

from modelsat.reports import page
from serving.gateway.console import answered, question, state
from serving.gateway.console.counted import Counted
from serving.gateway.console.question import Question
from serving.gateway.console.served_router import ServedRouter
from serving.gateway.decision import RoutingDecision

_FOLDER = Path(__file__).parent


def answer(html: str, status: int = 200) -> HTMLResponse:
    """Return a page as an answer: no script, nothing from elsewhere, no frame, and no copy of it kept."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return HTMLResponse(
        html,
        status,
        {
            "content-security-policy": policy,
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "cross-origin-opener-policy": "same-origin",
        },
    )


def overview(
    served: ServedRouter,
    counted: Counted,
    out: Mapping[str, str],
    names: tuple[str, ...],
    now: datetime,
    has_login: bool,
) -> str:
    """Return the page that says how things stand; arguments as of `state.sections`."""
    said, tone = state.sentence(served, counted, now)
    since = f"Counted by this gateway since {state.moment(counted.since)} ({state.ago(counted.since, now)})"
    return _page(
        "overview.html",
        "Overview",
        said,
        state.sections(served, counted, out, names, now),
        tone=tone,
        footer=f"{since}. Prometheus adds up several gateways.",
        here="overview",
        has_login=has_login,
        tiles=state.tiles(served, counted),
    )


def box(
    asked: Question,
    names: tuple[str, ...],
    has_login: bool,
    decision: RoutingDecision | None = None,
    fault: str = "",
    milliseconds: float = 0.0,
) -> str:
    """Return the page with the box.

    Args:
        asked: What stands in the form.
        names: Of all candidates with an upstream.
        has_login: Whether a person has logged in, and can log out.
        decision: On it; None where nothing was asked, or it was refused.
        fault: Why it was refused; empty where it was not.
        milliseconds: That the decision took.
    """
    said = "Where would a prompt go, and why? This calls no model, and what you type is not logged or stored."
    return _page(
        "box.html",
        "Route a prompt",
        said if decision is None else answered.sentence(decision),
        [] if decision is None else answered.sections(decision),
        tone="" if decision is None else "good",
        footer="" if decision is None else f"Router {decision.router_version or 'unknown'}, {milliseconds:.0f} ms.",
        here="box",
        has_login=has_login,
        asked=asked,
        fault=fault,
        dials=question.DIALS,
        modalities=question.MODALITIES,
        names=names,
    )


def login(fault: str) -> str:
    """Return the page on which a token is typed."""
    said = fault or "Type a token of this gateway. You stay logged in for twelve hours."
    return _page("login.html", "Log in", said, [], tone="bad" if fault else "", footer="", here="", has_login=False)


def _page(template: str, title: str, said: str, sections: list[page.Section], **more: Any) -> str:
    return (
        _templates()
        .get_template(template)
        .render(title=title, sentence=said, sections=sections, style=_style(), **more)
    )


@cache
def _templates() -> Any:
    return page.templates(_FOLDER)


@cache
def _style() -> Markup:
    return page.style(_FOLDER / "console.css")
