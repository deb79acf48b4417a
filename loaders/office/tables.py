"""Tables in text."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["markdown_table"]


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    r"""Returns rows of cells as a Markdown table whose first row is the header; "" when every cell is blank.

    Rows and columns that are blank throughout are left out, a row's missing cells are blank, a cell's whitespace is
    folded, and its bars are written "\|".

    Args:
        rows: The cells, row by row.
    """
    folded = [cells for row in rows if any(cells := [" ".join(cell.split()).replace("|", r"\|") for cell in row])]
    used = sorted({at for row in folded for at, cell in enumerate(row) if cell})
    if not used:
        return ""
    lines = [[row[at] if at < len(row) else "" for at in used] for row in folded]
    lines.insert(1, ["---"] * len(used))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
