"""The command line's settings: from a file, the environment and flags, in rising order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ...errors import InvalidArgumentError

__all__ = ["Settings", "load_settings"]

PROJECT_FILE = "lateral.toml"


class Settings(BaseSettings):
    """What a command needs to know. Each field is a key of the file, LATERAL_<FIELD> and a flag.

    Files: `lateral.toml` in the working directory over `lateral/config.toml` in the user's configuration folder.
    """

    model_config = SettingsConfigDict(env_prefix="LATERAL_", extra="forbid", protected_namespaces=())

    index: Path = Path(".lateral")
    retrievers: list[str] | None = None
    model: str | None = None
    language: str | None = None
    chunk_size: int | None = None
    chunk_overlap: int | None = None
    top_k: int = 10

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Returns the sources, the strongest first."""
        files = [path for path in (Path(PROJECT_FILE), _user_file()) if path.is_file()]
        return init_settings, env_settings, *(TomlConfigSettingsSource(settings_cls, path) for path in files)


def load_settings(flags: Mapping[str, Any]) -> Settings:
    """Returns the settings, with the flags that were given over environment and files.

    Raises:
        InvalidArgumentError: A value is of the wrong type, a key is unknown, or a file is no TOML; names each.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as err:
        problems = [
            f"{'.'.join(map(str, it['loc']))}: {it['msg'].lower()}, got {it['input']!r:.60}" for it in err.errors()
        ]
        raise InvalidArgumentError(f"settings can't be used: {'; '.join(problems)}") from err
    except ValueError as err:  # a file that is no TOML, or a list in the environment that is no JSON
        raise InvalidArgumentError(f"settings can't be read: {err}") from err


def _user_file() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(folder) / "lateral" / "config.toml"
