"""What the files of a folder are called: by their path below it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ...errors import InvalidArgumentError

__all__ = ["FolderNames"]


class FolderNames:
    """Names for absolute paths below a folder, and paths for what people call them.

    Args:
        folder: The folder.
        paths: Absolute paths of files below it.
    """

    def __init__(self, folder: Path, paths: Sequence[str]) -> None:
        root = Path(folder).expanduser().absolute()
        self._root = root
        self._names = {path: _below(root, path) for path in paths}
        self.names = frozenset(self._names.values())
        self._by_form: dict[str, list[str]] = {}
        self._by_last: dict[str, list[str]] = {}
        for name in sorted(self.names):
            self._by_form.setdefault(_one_form(name), []).append(name)
            self._by_last.setdefault(_one_form(PurePosixPath(name).name), []).append(name)

    def of(self, path: str) -> str:
        """Returns a file's path below the folder, with slashes."""
        return self._names.get(path) or _below(self._root, path)

    def find(self, called: str, where: str) -> str | None:
        """Returns the name of the file that is called so: by its path below the folder, or by its last part alone.

        An accent may be a character's own or one behind it: some systems name files the one way, some the other.

        Args:
            called: A path, or a file's name.
            where: Who calls it so, for the error.

        Returns:
            None where there is no such file.

        Raises:
            InvalidArgumentError: Several files have this name.
        """
        wanted = PurePosixPath(called.replace("\\", "/"))
        name = str(wanted.relative_to(self._root)) if wanted.is_relative_to(self._root) else str(wanted)
        if name in self.names:
            return name
        found = self._by_form.get(_one_form(name)) or self._by_last.get(_one_form(name), [])
        if len(found) > 1:
            raise InvalidArgumentError(f"{where}: {called!r} may be {' or '.join(found)}: write its path")
        return found[0] if found else None


def _one_form(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _below(root: Path, path: str) -> str:
    found = Path(path)
    return found.relative_to(root).as_posix() if found.is_relative_to(root) else path
