"""One-time codes for the second factor of a console's own account (RFC 6238)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct

STEP_SECONDS = 30
DIGITS = 6


class BadSeed(ValueError):
    """The secret `totp` is not base32 text."""


def totp(seed: str, at: float) -> str:
    """Return the six digits of the instant `at` (seconds since 1970) for a base32 seed of any length.

    Seeds of 80 bits, which many consoles hand out, are taken although RFC 4226 asks for 128. Raises BadSeed.
    """
    text = "".join(seed.split()).replace("-", "").rstrip("=").upper()
    try:
        key = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error as error:
        raise BadSeed("secret totp: expected base32 text (letters A-Z and digits 2-7)") from error
    if not key:
        raise BadSeed("secret totp: expected base32 text, got nothing")
    digest = hmac.new(key, struct.pack(">Q", int(at) // STEP_SECONDS), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)
