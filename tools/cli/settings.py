"""The command line's settings: from a file, the environment and flags, in rising order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ...errors import InvalidArgumentError
from ...rerankers.registry import NO_RERANKER
from ...retrievers.hybrid import DEFAULT_FUSION

__all__ = ["Settings", "load_settings"]

PROJECT_FILE = "lateral.toml"
USER_FILE = "lateral/config.toml"  # below the user's configuration folder
# Where a key is sent, and which variable is one: a folder that came from somewhere else must not choose them.
PRIVATE = ("base_url", "api_key_env")
SERVER = "chroma://"  # nor a server of vectors, which tell what the documents say


class Settings(BaseSettings):
    """What a command needs to know. Each field is a key of the file, LATERAL_<FIELD> and a flag.

    Files: `lateral.toml` in the working directory over `lateral/config.toml` in the user's configuration folder. The
    former may not say where a key or a document's vectors are sent, nor which variable of the environment is a key.
    """

    model_config = SettingsConfigDict(
        env_prefix="LATERAL_", env_ignore_empty=True, extra="forbid", protected_namespaces=()
    )

    index: Path = Path(".lateral")
    retrievers: Annotated[list[str] | None, NoDecode] = None
    model: str | None = None
    store: str | None = None
    vectors: str | None = None
    dtype: str | None = None
    colbert: str | None = None
    colbert_vectors: str | None = None
    colbert_index: str | None = None
    colbert_bits: int | None = None
    language: str | None = None
    chunk_size: int | None = None
    chunk_overlap: int | None = None
    fusion: str = DEFAULT_FUSION
    rerank: str = NO_RERANKER
    rerank_depth: int | None = None
    top_k: int = 10
    generator: str | None = None
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    strict: bool = False

    @field_validator("retrievers", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        """Lets a list be written as "bm25, bi-encoder"; an empty one would pass for the default."""
        names = [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
        if names == []:
            raise ValueError("must name at least one retriever")
        return names

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
        files = [TomlConfigSettingsSource(settings_cls, path) for path in _files()]
        for source in files:
            if source.toml_file_path == Path(PROJECT_FILE):
                _refuse_private(source.toml_data)
        return init_settings, env_settings, *files


def load_settings(flags: Mapping[str, Any]) -> Settings:
    """Returns the settings, with the flags that were given over environment and files.

    Raises:
        InvalidArgumentError: A value is of the wrong type, a key is unknown, or a file is no TOML or can't be read;
            names each. Or the working directory's file names a server or a key.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as err:
        problems = [
            f"{'.'.join(map(str, it['loc']))}: {it['msg'].lower()}, got {it['input']!r:.60}" for it in err.errors()
        ]
        raise InvalidArgumentError(f"settings can't be used: {'; '.join(problems)} ({_places()})") from err
    except InvalidArgumentError:
        raise
    except (ValueError, OSError) as err:  # a file that is no TOML, or that may not be read
        raise InvalidArgumentError(f"settings can't be read: {err} ({_places()})") from err


def _files() -> list[Path]:
    """Returns the settings files that are there, the strongest first."""
    return [path for path in (Path(PROJECT_FILE), _user_file()) if path is not None and path.is_file()]


def _user_file() -> Path | None:
    """Returns the user's own file, None where there is no such folder.

    Source: XDG Base Directory Specification 0.8: a relative path is to be ignored; it would be one of any folder.
    """
    named = os.environ.get("XDG_CONFIG_HOME", "")
    folder = named if os.path.isabs(named) else os.path.expanduser("~/.config")
    return Path(folder) / USER_FILE if os.path.isabs(folder) else None


def _refuse_private(given: Mapping[str, Any]) -> None:
    """Raises where the working directory's file would choose a server or a key.

    Raises:
        InvalidArgumentError: It does; says where such a setting belongs.
    """
    for key, value in given.items():
        name = key.lower()
        if name in PRIVATE:
            what = f"{name}, which decides where a key is sent"
        elif name == "store" and str(value).strip().lower().startswith(SERVER):
            what = f"{name} to a server ({value!r:.60}), which decides where your documents' vectors are sent"
        else:
            continue
        raise InvalidArgumentError(
            f"{PROJECT_FILE} in the working directory must not set {what}: give "
            f"--{name.replace('_', '-')}, set LATERAL_{name.upper()}, or write it to ~/.config/{USER_FILE}"
        )


def _places() -> str:
    """Says where settings came from, and which there are."""
    variables = sorted(name for name in os.environ if name.startswith("LATERAL_"))
    read = ", ".join([*map(str, _files()), *variables]) or "flags alone"
    return f"read from {read}; the settings are {', '.join(Settings.model_fields)}"
