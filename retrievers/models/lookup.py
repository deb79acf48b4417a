"""Where a model is: a folder, the local cache, or the hub."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ...errors import ModelNotFoundError
from .folder import ModelFolder, Place
from .hub import cached_snapshot, download_snapshot
from .loading import HUB_NAME, MAX_HUB_NAME, SHOWN_CHARS, local_folder

__all__ = ["look_up"]


def look_up(
    model: str, check: Callable[[Path], object], *, what: str, organization: str = "", offline: bool = False
) -> ModelFolder:
    """Returns the folder of a model.

    It is looked for as a local folder, in the local Hugging Face cache, and on the hub. A folder that exists is used or
    refused, never passed over.

    Args:
        model: A folder's path, or a model's name.
        check: Reads a folder, and raises ModelNotFoundError for one that can't be served.
        what: What the model is, for the error.
        organization: Whose a name without an organization is; "" for names that stand alone.
        offline: Never ask the hub.

    Raises:
        ModelNotFoundError: The model can't be had or can't be served; the message lists what was tried.
    """
    if (path := local_folder(model)) is not None:
        check(path)
        return ModelFolder(model, path, "local folder")
    tried = ["local folder: there is none of this name"]
    repository = model if "/" in model or not organization else f"{organization}/{model}"
    if HUB_NAME.fullmatch(model) and len(repository) <= MAX_HUB_NAME:
        places: list[tuple[Place, Callable[[str], Path]]] = [
            ("local cache", _cached),
            ("hub", partial(_downloaded, offline=offline)),
        ]
        for place, look in places:
            try:
                found = look(repository)
                check(found)
            except ModelNotFoundError as err:
                tried.append(f"{place}: {err}")
            else:
                return ModelFolder(model, found, place)
    lines = "\n".join(f"  - {line}" for line in tried)
    raise ModelNotFoundError(
        f"the {what} {model[:SHOWN_CHARS]!r} can't be had:\n{lines}\n"
        "Name the folder of one that was downloaded where there is network (`hf download ORGANIZATION/NAME`)"
    )


def _cached(repository: str) -> Path:
    try:
        found = cached_snapshot(repository)
    except (OSError, ValueError) as err:
        raise ModelNotFoundError(f"can't be read: {err}") from err
    if found is None:
        raise ModelNotFoundError("not there")
    return found


def _downloaded(repository: str, *, offline: bool) -> Path:
    if offline:
        raise ModelNotFoundError("not asked: offline was set")
    return download_snapshot(repository)
