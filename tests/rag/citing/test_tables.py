import re

import pytest
from lateral.rag.citing.quotable import quotables
from lateral.rag.citing.tables import find_tables

PROSE = "The members asked for all of the figures to be given in full, and so they are given here by the treasurer."


def tabled(text):
    """The head's lines and the text of each row."""
    rows = [row for row in quotables(text) if row.header is not None]
    return [(text[slice(*row.header)].split("\n"), text[row.start : row.end]) for row in rows]


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        (["Region Manager Revenue"], ["North Ann 12", "South Bob 9"]),
        (["Sales by region 2024", "Region Manager Revenue"], ["North Ann 12", "South Bob 9"]),
        (["Sales by region", "Region Manager Revenue"], ["North Ann 12", "South Bob 9"]),
        (["Exports of cheese", "Country 2019 2020 2021"], ["Norway 12 14 15", "Sweden 20 21 19"]),
        (["Table 3. Imports", "2019 2020 2021"], ["Norway 12 14 15", "Sweden 20 21 19"]),
        (["Rods as delivered", "Sample Mass Length", "kg mm"], ["Rod A 1.2 300", "Rod B 1.9 450"]),
        (["Table 2: Pumps", "Model Flow"], ["Aqua Star mini 40 litres per minute", "Brook 60 litres"]),
        (["Water to treat Bleach of 1% Bleach of 6%"], ["5 litres, clear 2 mL", "5 litres, cloudy 4 mL"]),
        (["Name Born Died"], ["Ann 1910 1980", "Bob 1922 1999"]),
        (["Method Germs Salt"], ["Boiling yes no", "Bleach, 5 drops yes no", "Iodine, 9 drops yes no"]),
    ],
)
def test_a_bare_tables_head_is_its_title_header_and_units(head, rows):
    assert tabled("\n".join([PROSE, *head, *rows, PROSE])) == [(head, row) for row in rows]


def test_the_rows_of_a_table_without_a_header_are_quoted_alone():
    text = f"{PROSE}\nNorth Ann 12\nSouth Bob 9\nWest Cid 7\n{PROSE}"
    assert tabled(text) == []
    assert [text[row.start : row.end] for row in quotables(text)][1:4] == ["North Ann 12", "South Bob 9", "West Cid 7"]


def test_at_most_three_lines_are_a_tables_head():
    head = ["Annual report", "Sales by region", "Region Manager Revenue", "north of here"]
    assert tabled("\n".join([PROSE, *head, "North Ann 12", "South Bob 9"]))[0] == (head[1:], "North Ann 12")


def test_two_lines_are_no_table():
    assert tabled(f"{PROSE}\nAgent dose\nBleach 8 drops\n{PROSE}") == []


@pytest.mark.parametrize(("width", "is_table"), [(70, True), (80, False)])
def test_a_tables_lines_are_shorter_than_three_quarters_of_the_longest(width, is_table):
    rows = [f"{name:x<{width - 2}} {figure}" for name, figure in (("North", 4), ("South", 5))]
    assert bool(tabled("\n".join(["y" * 97 + " z.", "Region Revenue", *rows]))) == is_table


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_lines_of_as_many_separated_fields_are_a_table(separator):
    lines = [line.replace(",", separator) for line in ("item,colour,pieces", "bucket,blue,9", "hose 20 m,green,4")]
    assert tabled("\n".join(lines)) == [([lines[0]], lines[1]), ([lines[0]], lines[2])]


def test_commas_in_prose_are_no_table():
    assert tabled("Ann, Bob, Cid\nDora, Emil, Fay\nGus, Hal, Ida") == []


def test_a_list_above_a_table_is_not_its_head():
    prose = "Plant what you like to eat, and leave it the room that it takes when it has grown.\n\n"
    text = (
        f"{prose}- Apples: February\n- Cherries: August\n\nPlant | Spacing\nLeek | 15 cm\nKale | 45 cm\nBeet | 10 cm\n"
    )
    lines = [(match.start(), match.end()) for match in re.finditer(r"[^\n]+", text)]
    tables = find_tables(text, lines, max(end - start for start, end in lines))
    heads = [[text[slice(*lines[index])] for index in table.head] for table in tables]
    assert heads == [["Plant | Spacing"]]
