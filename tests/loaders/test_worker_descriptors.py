"""Parsing where a process has opened many files: what it starts needs three more each."""

import resource
import subprocess
import sys
import textwrap

import pytest


def printed_with_2048_descriptors(path, program):
    """The lines that a program prints where no more than 2,048 files may be open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip(f"this system allows {hard} descriptors")
    head = f"""
        import contextlib, os, resource, subprocess, tempfile
        from lateral.errors import LateralError
        from lateral.loaders.files import SourceFile
        from lateral.loaders.worker import ParserPool
        resource.setrlimit(resource.RLIMIT_NOFILE, (2048, {hard}))
        file = SourceFile({path!r}, "html", 3, 0, 0)
        tempfile.gettempdir()
        before = len(os.listdir("/proc/self/fd"))
    """
    code = textwrap.dedent(head) + textwrap.dedent(program)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_descriptors_above_1023_are_fine(write):
    printed = printed_with_2048_descriptors(
        write(b"one", "a.html"),
        """
        held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        with ParserPool() as pool:
            print(pool.parse(file).sections[0].text)
        """,
    )
    assert printed == ["one"]


def test_none_left_is_an_error_of_ours_and_passes(write):
    printed = printed_with_2048_descriptors(
        write(b"one", "a.html"),
        """
        pool, held = ParserPool(), []
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        while True:
            try:
                text = pool.parse(file).sections[0].text
                break
            except LateralError as err:
                print(str(err).partition(":")[0])
            os.close(held.pop())  # one more each time: the failure comes at another place
        pool.close()
        for descriptor in held:
            os.close(descriptor)
        print(text, len(os.listdir("/proc/self/fd")) - before)
        """,
    )
    assert set(printed[:-1]) == {"no parsing process can be started (Too many open files)"}
    assert len(printed) > 4
    assert printed[-1] == "one 0", "no descriptor is left open"
