"""Signatures of operators and of the ledger: who stands for which digest, and in which sense.

A signature covers a digest together with a context such as `usher.request/1` or `usher.approval/1`, so
that a signed request can never be shown as an approval. The algorithm is Ed25519 (RFC 8032).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from usher.domain.canonical import NotCanonical, canonical
from usher.domain.canonical import digest as digest_of

PRIVATE_LABEL = "usher-key-1:"
PUBLIC_LABEL = "usher-pub-1:"
KEY_BYTES = 32
SIGNATURE_BYTES = 64
ACTION = "usher.action/1"

_CONTEXT = re.compile(r"[a-z0-9][a-z0-9_.-]*/[0-9]+")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class BadKey(ValueError):
    """The text is not the key that was expected: give the right key. The message never shows the text."""


def new_private_key() -> str:
    """Return a fresh private key as text, `usher-key-1:` and the base64 of 32 bytes. Keep it secret."""
    return PRIVATE_LABEL + _to_base64(Ed25519PrivateKey.generate().private_bytes_raw())


def public_of(private_text: str) -> str:
    """Return the public key, `usher-pub-1:` and the base64 of 32 bytes, of a private key; raises `BadKey`."""
    return PUBLIC_LABEL + _to_base64(_private(private_text).public_key().public_bytes_raw())


def key_id(public_text: str) -> str:
    """Return the short name of a public key: the first 16 hexadecimal digits of its SHA-256; raises `BadKey`."""
    return hashlib.sha256(_key_bytes(public_text, PUBLIC_LABEL)).hexdigest()[:16]


def sign(private_text: str, digest: str, context: str) -> str:
    """Sign a digest (`sha256:...`) in a context (`usher.approval/1`); returns base64 text.

    Raises `BadKey`, or `NotCanonical` when the digest or the context is not one.
    """
    return _to_base64(_private(private_text).sign(_message(digest, context)))


def verify(public_text: str, digest: str, context: str, signature: str) -> bool:
    """Say whether the signature is this key's over this digest in this context; raises only `BadKey`."""
    public = _public(public_text)
    try:
        public.verify(_from_base64(signature, SIGNATURE_BYTES), _message(digest, context))
    except (InvalidSignature, ValueError):
        return False
    return True


def sign_action(private_text: str, action: Mapping[str, Any]) -> str:
    """Sign what a person does that is no plan: the digest of who does what to what, why, when and where.

    `action` holds `workspace`, `operator`, `action`, `subjects`, `reason` and `at`; raises `BadKey` or `NotCanonical`.
    """
    return sign(private_text, digest_of(ACTION, dict(action)), ACTION)


def verify_action(public_text: str, action: Mapping[str, Any], signature: str) -> bool:
    """Say whether the signature is this key's over exactly this action; raises `BadKey` or `NotCanonical`."""
    return verify(public_text, digest_of(ACTION, dict(action)), ACTION, signature)


def _message(digest: str, context: str) -> bytes:
    if not _DIGEST.fullmatch(digest):
        raise NotCanonical("digest", f"{digest!r} is not 'sha256:' and 64 hexadecimal digits")
    if not _CONTEXT.fullmatch(context):
        raise NotCanonical("context", f"{context!r} is not a name with a version such as 'usher.approval/1'")
    return canonical({"context": context, "digest": digest})


def _private(text: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_key_bytes(text, PRIVATE_LABEL))


def _public(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(_key_bytes(text, PUBLIC_LABEL))


def _key_bytes(text: str, label: str) -> bytes:
    kind = "private" if label == PRIVATE_LABEL else "public"
    body = text.strip()
    if not body.startswith(label):
        given = "a public key" if body.startswith(PUBLIC_LABEL) else "a private key"
        found = given if body.startswith((PUBLIC_LABEL, PRIVATE_LABEL)) else "something else"
        raise BadKey(f"expected a {kind} key that starts with {label!r}, found {found}")
    try:
        return _from_base64(body.removeprefix(label), KEY_BYTES)
    except ValueError as error:
        raise BadKey(f"the {kind} key is damaged: after {label!r} come {KEY_BYTES} bytes in base64") from error


def _to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: str, length: int) -> bytes:
    data = base64.b64decode(text, validate=True)
    # Base64 has spare bits at its end; only the one true spelling counts.
    if len(data) != length or _to_base64(data) != text:
        raise ValueError(f"expected {length} bytes in base64")
    return data
