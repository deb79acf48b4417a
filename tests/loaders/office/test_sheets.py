import datetime

import openpyxl
import pytest
from lateral.errors import LimitExceededError
from lateral.loaders.office import read_office
from lateral.loaders.office.sheets import MAX_ROWS
from office_files import make_xlsx, replaced, saved

SHEET = "xl/worksheets/sheet1.xml"


def read(raw):
    return read_office(raw, "/a.xlsx", "xlsx")


def only_text(raw):
    (section,) = read(raw).sections
    return section.text


def test_sheets_are_read_with_defusedxml():
    assert openpyxl.DEFUSEDXML


def test_a_section_a_sheet_headed_by_its_name():
    document = read(make_xlsx(Prices=[["Item", "Price"], ["Tea", 2.5]], Empty=[], Notes=[["Brew it hot."]]))
    assert [(part.text, part.page, part.start_char, part.metadata) for part in document.sections] == [
        ("Prices\n\n| Item | Price |\n| --- | --- |\n| Tea | 2.5 |\n\n", None, 0, {"header_path": "Prices"}),
        ("Notes\n\nBrew it hot.", None, 54, {"header_path": "Notes"}),
    ]
    assert document.metadata == {}
    assert document.warnings == ()


def test_blank_rows_set_tables_apart_and_single_cells_above_them_are_lines():
    rows = [["Report"], ["of 2026"], ["a", "b"], [1, 2], [], [None, None], [None, "c", "d"], [None, 3, 4]]
    assert only_text(make_xlsx(S=rows)) == (
        "S\n\nReport\n\nof 2026\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n| c | d |\n| --- | --- |\n| 3 | 4 |"
    )


def test_a_column_is_a_table_of_one_column():
    assert only_text(make_xlsx(S=[["Name"], ["Ann"], ["Bob"]])) == "S\n\n| Name |\n| --- |\n| Ann |\n| Bob |"


def test_values_are_shown_as_people_write_them():
    day = datetime.datetime(2026, 11, 21)
    rows = [
        [True, 3.0, 0.1 + 0.2, 1e20, day, day.replace(hour=9, minute=30), datetime.time(9, 30), "a|b", "x"],
        ["#N/A", 1, 1, 1, 1, 1, 1, 1, 1],
    ]
    assert only_text(make_xlsx(S=rows)).splitlines()[2] == (
        "| TRUE | 3 | 0.3 | 1e+20 | 2026-11-21 | 2026-11-21 09:30:00 | 09:30:00 | a\\|b | x |"
    )


def test_formulas_are_read_by_their_values():
    raw = make_xlsx(S=[["Sum", "of"], ["=1+2", 5]])
    assert read(raw).warnings == (
        "cells with a formula and no stored value are blank (1): open the file in Excel or LibreOffice and save it",
    )
    raw = replaced(raw, SHEET, b"<f>1+2</f><v></v>", b"<f>1+2</f><v>3</v>")
    assert only_text(raw).endswith("| 3 | 5 |")
    assert read(raw).warnings == ()


def test_hidden_sheets_are_left_out_with_a_warning():
    made = openpyxl.Workbook()
    made.active.append(["shown"])
    made.create_sheet("Secret").append(["hidden"])
    made["Secret"].sheet_state = "veryHidden"
    document = read(saved(made))
    assert [part.text for part in document.sections] == ["Sheet\n\nshown"]
    assert document.warnings == ("hidden sheets are left out: 'Secret'; unhide them if they are wanted",)


def test_what_a_sheet_says_of_its_size_is_not_believed():
    raw = replaced(make_xlsx(S=[["a", "b"], [1, 2]]), SHEET, b'ref="A1:B2"', b'ref="A1:XFD1048576"')
    assert only_text(raw) == "S\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_row_number_beyond_excel_is_refused():
    raw = replaced(make_xlsx(S=[["a"], ["b"]]), SHEET, b'<row r="2"', b'<row r="99999999999"')
    with pytest.raises(LimitExceededError, match=f"'S' has more than {MAX_ROWS} rows"):
        read(raw)
