"""One-time codes are those of RFC 6238, for short seeds too."""

import base64

import pytest

from usher.connectors.browser.totp import BadSeed, totp

SEED = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_a_code_is_that_of_appendix_b(at: int, code: str) -> None:
    assert totp(SEED, at) == code


def test_a_seed_of_80_bits_with_spaces_and_small_letters_is_taken() -> None:
    assert totp("jbsw y3dp ehpk 3pxp", 0) == totp("JBSWY3DPEHPK3PXP", 29.9) == "282760"


@pytest.mark.parametrize("seed", ["", "not base32!", "0189"])
def test_a_seed_that_is_none_is_refused_without_being_repeated(seed: str) -> None:
    with pytest.raises(BadSeed, match="expected base32 text") as caught:
        totp(seed, 0)
    assert not seed or seed not in str(caught.value)
