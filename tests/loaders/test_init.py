import subprocess
import sys

import lateral.loaders


def test_all_names_exist_and_are_sorted():
    names = lateral.loaders.__all__
    assert sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name)) == names
    assert all(hasattr(lateral.loaders, name) for name in names)


def test_importing_loads_no_parser_and_nothing_heavy():
    heavy = {"numpy", "torch", "pypdfium2", "pypdfium2_raw", "selectolax", "markdown_it", "charset_normalizer"}
    heavy |= {"docx", "pptx", "openpyxl", "lxml", "defusedxml", "PIL"}
    program = "import sys, lateral.loaders; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not heavy & set(result.stdout.split())
