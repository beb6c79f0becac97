"""Tables drawn in a terminal: how many columns they have, so that the style can make them fit the page."""

import html
import re

DRAWN = re.compile("[\u2500-\u257f]")
BLOCK = re.compile(r'<div class="language-text highlight">(.*?)</div>', re.S)


def measured(page: str) -> str:
    """The page with `drawn` and the number of columns on each block of text that has lines drawn in it."""
    return BLOCK.sub(_block, page)


def _block(found: re.Match[str]) -> str:
    text = html.unescape(re.sub(r"<[^>]+>", "", found[1]))
    if not DRAWN.search(text):
        return found[0]
    columns = max(map(len, text.splitlines()))
    return f'<div class="language-text highlight drawn" style="--columns: {columns}">{found[1]}</div>'
