from lateral.loaders.office.blocks import BlockText


def test_blocks_are_set_apart_and_the_items_of_a_list_are_not():
    built = BlockText()
    built.paragraph(" One.  \n Two. ")
    built.item("first", 0)
    built.item("second\nline", 1)
    built.table([["a"]])
    built.item("third", 0)
    assert built.text == "One.\n Two.\n\n- first\n  - second line\n\n| a |\n| --- |\n\n- third"


def test_headings_know_their_place():
    built = BlockText()
    built.paragraph("Before.")
    built.heading("The\nheading ", 2)
    (heading,) = built.headings
    assert built.text[heading.start : heading.end] == heading.title == "The heading"
    assert heading.level == 2


def test_what_is_blank_leaves_no_trace():
    built = BlockText()
    built.paragraph(" \n")
    built.heading("", 1)
    built.item(" ", 0)
    built.table([[""]])
    assert (built.text, built.headings) == ("", [])


def test_control_characters_are_no_text():
    built = BlockText()
    built.paragraph("a\x0bb\x07c")
    assert built.text == "a\nbc"
