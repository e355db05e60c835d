"""YAML is written alike by both writers."""

import pytest

from llmsynthor.spec.reading import yaml_text
from llmsynthor.spec.reading.yaml_text import read_yaml, write_yaml


def test_the_compiled_writer_writes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that need quotes, long ones, numbers and nested lists come out byte for byte as the other writer has them."""
    odd = ["yes", "001", "a: b", "it's # one", "ü – 東京", "word " * 60, "", "- x", "1e5", "two\nlines", "12:30"]
    value = {"levels": odd, "nested": [{"share": 0.1, "of": [1, None, True, 1e300]}, {}], "empty": []}
    written = write_yaml(value)
    monkeypatch.setattr(yaml_text, "MANY", 0)
    assert write_yaml(value) == written
    assert read_yaml(written, where="here") == value


@pytest.mark.parametrize("large", [False, True])
def test_yes_no_and_dates_are_texts(monkeypatch: pytest.MonkeyPatch, *, large: bool) -> None:
    """yes, no, on, off and dates are the texts that were written, for either reader; true and false are truth values."""
    if large:
        monkeypatch.setattr(yaml_text, "LARGE", 0)
    found = read_yaml("levels: [yes, No, on, OFF, 2024-01-31, true, False]\nno: 1\n", where="here")
    assert found == {"levels": ["yes", "No", "on", "OFF", "2024-01-31", True, False], "no": 1}
