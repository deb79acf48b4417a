from lateral.loaders.document import Document, Section


def test_a_section_overrules_its_document():
    section = Section("text", metadata={"title": "mine", "page_label": "iv"})
    document = Document("mem", (section,), {"title": "all", "year": 2024})
    assert document.metadata_of(section) == {"title": "mine", "page_label": "iv", "year": 2024}


def test_a_document_is_paged_when_a_section_is():
    assert Document("mem", (Section("a"), Section("b", page=2))).paged
    assert not Document("mem", (Section("a"),)).paged
    assert not Document("mem", ()).paged
