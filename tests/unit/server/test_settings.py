"""Settings: their values, and the errors at start."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from server.settings import Settings, SettingsError, describe_settings, read_settings


def test_the_defaults_serve_the_models_folder_on_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any setting the server listens on the loopback address, without a key."""
    monkeypatch.setattr("server.settings.cpu_quota", lambda: 3.9)
    settings = read_settings()
    assert (Path("models/default"), "127.0.0.1", 8080) == (settings.artifact_dir, settings.host, settings.port)
    assert (3, 1) == (settings.inference_workers, settings.intra_op_threads)
    assert () == settings.api_keys


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ARTIFACT_DIR", "elsewhere", Path("elsewhere")),
        ("HOST", "0.0.0.0", "0.0.0.0"),  # noqa: S104 - a value, nothing listens
        ("PORT", "0", 0),
        ("PORT", "65535", 65535),
        ("INFERENCE_WORKERS", "2", 2),
        ("INTRA_OP_THREADS", "4", 4),
        ("MAX_BATCH_ITEMS", "1", 1),
        ("MAX_BATCH_TOKENS", "512", 512),
        ("MAX_QUEUE_TOKENS", "1000", 1000),
        ("MAX_ITEMS_PER_REQUEST", "1", 1),
        ("MAX_TEXT_CHARS", "1", 1),
        ("MAX_BODY_BYTES", "100000", 100_000),
        ("REQUEST_TIMEOUT_S", "0.5", 0.5),
        ("DRAIN_TIMEOUT_S", "0", 0.0),
        ("CACHE_ITEMS", "100", 100),
        ("PROTOCOLS", "tei, vllm", "tei, vllm"),
        ("LOG_LEVEL", "debug", "debug"),
        ("LOG_FORMAT", "json", "json"),
    ],
)
def test_every_setting_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: Any
) -> None:
    """Each setting is an environment variable: its name with the prefix VERDICT_."""
    monkeypatch.setenv(f"VERDICT_{name}", value)
    assert expected == getattr(read_settings(), name.lower())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", ""),
        ("INFERENCE_WORKERS", "0"),
        ("INFERENCE_WORKERS", "257"),
        ("INTRA_OP_THREADS", "0"),
        ("MAX_BATCH_ITEMS", "0"),
        ("MAX_BATCH_TOKENS", "0"),
        ("MAX_QUEUE_TOKENS", "0"),
        ("MAX_ITEMS_PER_REQUEST", "0"),
        ("MAX_TEXT_CHARS", "0"),
        ("MAX_BODY_BYTES", "1023"),
        ("REQUEST_TIMEOUT_S", "0"),
        ("REQUEST_TIMEOUT_S", "-1"),
        ("REQUEST_TIMEOUT_S", "nan"),
        ("REQUEST_TIMEOUT_S", "inf"),
        ("DRAIN_TIMEOUT_S", "-0.1"),
        ("DRAIN_TIMEOUT_S", "inf"),
        ("CACHE_ITEMS", "-1"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_value_that_can_not_be_used_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The one line has the variable, its value and the allowed values."""
    monkeypatch.setenv(f"VERDICT_{name}", value)
    with pytest.raises(SettingsError, match=rf"^VERDICT_{name}={value!r} can not be used: [^\n]+$"):
        read_settings()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("VERDICT_MAX_BODY_BYTES", "2000"), ("VERDICT_MAX_TEXT_CHARS", "2001")),
        (("VERDICT_MAX_BATCH_TOKENS", "513"), ("VERDICT_MAX_QUEUE_TOKENS", "512")),
    ],
)
def test_contradicting_settings_are_refused_with_both_values(
    monkeypatch: pytest.MonkeyPatch, first: tuple[str, str], second: tuple[str, str]
) -> None:
    """The error for a conflicting pair names both variables, both values and the remedy."""
    monkeypatch.setenv(*first)
    monkeypatch.setenv(*second)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    message = str(caught.value)
    assert " ".join(first) in message
    assert " ".join(second) in message
    assert "raise" in message
    assert "\n" not in message


def test_the_platforms_port_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """PORT, which container platforms set, applies if VERDICT_PORT is not set, and an error names it."""
    monkeypatch.setenv("PORT", "9000")
    assert 9000 == read_settings().port
    monkeypatch.setenv("VERDICT_PORT", "9001")
    assert 9001 == read_settings().port
    monkeypatch.delenv("VERDICT_PORT")
    monkeypatch.setenv("PORT", "tcp://10.0.0.1:80")
    with pytest.raises(SettingsError, match=r"^PORT='tcp"):
        read_settings()


@pytest.mark.parametrize(
    ("value", "keys"),
    [("one", ("one",)), ("one,two", ("one", "two")), (" one , two ,", ("one", "two")), ("a b", ("a b",))],
)
def test_several_keys_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, value: str, keys: tuple[str, ...]
) -> None:
    """White space around keys and empty keys between commas are ignored."""
    monkeypatch.setenv("VERDICT_API_KEY", value)
    assert keys == read_settings().api_keys


@pytest.mark.parametrize("value", ["", ",", " ", " , ,"])
def test_a_key_setting_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An operator who sets keys wants a protected server: it must not start open because a secret did not arrive."""
    monkeypatch.setenv("VERDICT_API_KEY", value)
    with pytest.raises(SettingsError, match="VERDICT_API_KEY is set and holds no key: name one, or remove"):
        read_settings()


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        (" https://a.example , http://127.0.0.1:3000,", ("https://a.example", "http://127.0.0.1:3000")),
        ("http://[::1]:8080", ("http://[::1]:8080",)),
    ],
)
def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch, value: str, origins: tuple[str, ...]) -> None:
    """White space around origins and empty origins between commas are ignored; an empty variable is none."""
    monkeypatch.setenv("VERDICT_CORS_ORIGINS", value)
    assert origins == read_settings().allowed_origins


@pytest.mark.parametrize("value", ["a.example", "https://a.example/", "https://A.example", "null", "https://*.example"])
def test_what_no_browser_sends_as_an_origin_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An origin that can never match would silently block a page."""
    monkeypatch.setenv("VERDICT_CORS_ORIGINS", f"https://b.example,{value}")
    with pytest.raises(SettingsError, match=r"VERDICT_CORS_ORIGINS.*is no origin; write https://HOST"):
        read_settings()


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the settings' own text nor the refusal of another setting shows a key."""
    monkeypatch.setenv("VERDICT_API_KEY", "hidden-key")
    assert "hidden-key" not in repr(read_settings()) + str(read_settings())
    monkeypatch.setenv("VERDICT_MAX_BODY_BYTES", "2000")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert "hidden-key" not in str(caught.value)


def test_settings_are_frozen() -> None:
    """Settings are immutable while the server runs."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


def test_other_variables_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables without the prefix, and unknown ones with it, are ignored."""
    monkeypatch.setenv("HOST", "10.0.0.1")
    monkeypatch.setenv("VERDICT_NO_SUCH_SETTING", "1")
    assert "127.0.0.1" == read_settings().host


def test_the_help_names_every_setting_with_its_default_and_cost() -> None:
    """Each setting has its variable, its default and a text; at most 25 have names of our own."""
    text = describe_settings()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"VERDICT_{name.upper()}"
        assert f"{variable} (default: " in text
        assert field.description
        assert field.description in text
    assert "VERDICT_API_KEY (default: none)" in text
    assert 25 >= len(re.findall(r"^VERDICT_[A-Z_]+ \(default", text, re.MULTILINE))
