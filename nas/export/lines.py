"""Lines of Python source: how a long one is broken, and text that may stand in quotes."""

from __future__ import annotations

import re

INDENT = "    "
LONGEST = 120


def broken(line: str) -> list[str]:
    """A line, broken at the commas of its outermost brackets where it is too long: one argument a line."""
    if len(line) <= LONGEST or not set("([") & set(line):
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    start = re.search(r"[(\[]", line)
    assert start is not None
    parts, depth, quote, piece = [], 0, "", ""
    rest = line[start.end() :]
    for place, character in enumerate(rest):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            if depth == 0:
                parts.append(piece.strip())
                end = rest[place:]
                break
            depth -= 1
        if character == "," and depth == 0 and not quote:
            parts.append(piece.strip())
            piece = ""
        else:
            piece += character
    else:
        return [line]
    lines = [line[: start.end()]]
    for part in filter(None, parts):
        lines += broken(f"{indent}{INDENT}{part},")
    return [*lines, indent + end]


def quoted(text: str) -> str:
    """A text as a Python literal, in double quotes where that needs no escapes."""
    return f'"{text}"' if text.isprintable() and not set(text) & set('"\\') else repr(text)


def spoken(text: str) -> str:
    """A text that may stand in a docstring or a line of Markdown: one line, nothing that ends either."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line.replace("\\", "/").replace('"""', "'''").replace("`", "'").replace("<", "(").replace(">", ")")
