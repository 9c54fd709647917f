"""The collector's settings, read once from the environment (`DRIFTLINE_*`)."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import ConfigError

MEBIBYTE = 2**20
MIN_ADMIN_KEY_CHARS = 24
EVERYWHERE = {"0.0.0.0/0", "::/0"}


class Settings(BaseSettings):
    """One collector. Empty URLs become the embedded databases under `home`."""

    model_config = SettingsConfigDict(env_prefix="DRIFTLINE_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=0, le=65535)
    home: Path = Path(".driftline")
    clickhouse_url: str = Field(default="", repr=False)
    database_url: str = Field(default="", repr=False)
    admin_key: str = Field(default="", repr=False)
    webhook_allow: Annotated[tuple[str, ...], NoDecode] = ()

    max_body_bytes: int = Field(default=32 * MEBIBYTE, gt=0)
    max_lines: int = Field(default=10_000, gt=0)
    max_line_bytes: int = Field(default=8 * MEBIBYTE, gt=0)
    events_per_second: int = Field(default=0, ge=0)  # of a project without a limit of its own
    bytes_per_second: int = Field(default=0, ge=0)
    otlp_grpc_port: int = Field(default=-1, ge=-1, le=65535)  # -1: no gRPC; 4317 is the usual one
    queue_rows: int = Field(default=50_000, gt=0)
    queue_bytes: int = Field(default=128 * MEBIBYTE, gt=0)
    queue_seconds: float = Field(default=30.0, gt=0)
    rollup_seconds: float = Field(default=2.0, gt=0)

    @classmethod
    def read(cls) -> Settings:
        """The settings of this process. Raises ConfigError naming the variable that is wrong."""
        try:
            return cls()
        except ValidationError as error:
            raise ConfigError(_in_words(error)) from None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host in ("127.0.0.1", "::1", "localhost")

    @field_validator("webhook_allow", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("webhook_allow")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_network(network)) for network in value)

    @model_validator(mode="before")
    @classmethod
    def _embedded_by_default(cls, values: dict[str, object]) -> dict[str, object]:
        home = Path(str(values.get("home") or ".driftline")).expanduser().absolute()
        return {
            **values,
            "home": home,
            "clickhouse_url": values.get("clickhouse_url") or f"chdb://{home}/clickhouse",
            "database_url": values.get("database_url") or f"sqlite:///{home}/control.db",
        }

    @model_validator(mode="after")
    def _safe_beyond_this_host(self) -> Settings:
        """Refuse what is only fine while nobody else can connect."""
        if self.is_loopback:
            return self
        if self.admin_key and len(self.admin_key) < MIN_ADMIN_KEY_CHARS:
            raise ValueError(
                f"DRIFTLINE_ADMIN_KEY is shorter than {MIN_ADMIN_KEY_CHARS} characters and "
                f"DRIFTLINE_HOST={self.host} lets other hosts connect: use a longer key, or leave "
                "it unset to have one generated"
            )
        if EVERYWHERE & set(self.webhook_allow):
            raise ValueError(
                "DRIFTLINE_WEBHOOK_ALLOW allows every network, so a webhook could reach any "
                "internal service: name the networks that your receivers are in"
            )
        return self


def _in_words(error: ValidationError) -> str:
    problems = []
    for detail in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        problems.append(f"DRIFTLINE_{name.upper()}: {message}" if name else message)
    return "; ".join(problems)
