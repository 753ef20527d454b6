# SPDX-License-Identifier: Apache-2.0
"""How a page looks to people and to axe-core."""

import os
import tempfile
from pathlib import Path

import axe_playwright_python

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
LOGS = Path(os.environ.get("AGENTD_LOGS") or tempfile.gettempdir())
PICTURES = LOGS / "screenshots"
MANNERS = [(theme, width) for theme in ("light", "dark") for width in (1280, 320)]


def look(page, name):
    """Takes a picture; fails for what axe finds, and for a page that is wider than its window."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    assert found["passes"], "axe looked at nothing"
    barriers = [f"{found_one['impact']}: {found_one['id']}: {[node['html'] for node in found_one['nodes']]}"
                for found_one in found["violations"]]
    assert not barriers, f"{name}\n" + "\n".join(barriers)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name


def look_in_all_manners(visit, daemon, name, act=None):
    """Both themes, on a desk and on the smallest phone. |act| is done to each page first."""
    for theme, width in MANNERS:
        page = visit(daemon, theme=theme, width=width)
        if act:
            act(page)
        look(page, f"{name}-{theme}-{width}")
        page.context.close()
