"""The one filter: what no text may hold, and secrets."""

import base64
import copy
import json
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor.texts import Secret, clean, fit_all, hide, unfit

KEY = "sk-planted/key+42=&<9"


@given(st.text())
def test_cleaned_texts_can_be_written(text: str) -> None:
    """A cleaned text has a form in UTF-8 and nothing left to clean."""
    cleaned = clean(text)
    assert unfit(cleaned) is None
    assert len(cleaned) == len(text)
    assert clean("a\ud800") == "a\ufffd"
    cleaned.encode()


def test_secrets_are_never_shown() -> None:
    """However a secret is printed, copied into a text or quoted in one, stars are what is seen."""
    secret = Secret(KEY)
    forms = [f"{secret}", str(secret), repr(secret), f"{secret!r:>3}", str([secret]), f"{ {'a': secret} }"]
    assert all(KEY not in form and "****" in form for form in forms)
    quoted = [KEY, quote(KEY, safe=""), json.dumps(KEY), repr(KEY), base64.b64encode(KEY.encode()).decode(), KEY[::-1]]
    for form in quoted:
        assert hide(f"<{form}>").strip('<>"') in ("****", "****=", "'****'"), form
    assert fit_all({KEY: ["a", {"b": KEY}], "n": 1}) == {"****": ["a", {"b": "****"}], "n": 1}


@pytest.mark.parametrize("write", [pickle.dumps, copy.deepcopy, json.dumps])
def test_secrets_are_not_written_down(write: object) -> None:
    """A secret cannot be pickled, copied or made JSON."""
    with pytest.raises(TypeError):
        write(Secret("sk-other-secret"))  # type: ignore[operator]


def test_short_keys_garble_no_text() -> None:
    """A key such as "none" hides behind the word that announces one, not wherever its letters stand."""
    Secret("none")
    assert hide("none of them; Bearer none") == "none of them; Bearer ****"
