"""Operator keys: a signature counts for one digest, in one sense, by one key."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from usher.domain.canonical import NotCanonical, canonical, digest
from usher.domain.signing import BadKey, key_id, new_private_key, public_of, sign, verify

PLAN = digest("usher.plan/1", {"steps": ["a"]})
OTHER_PLAN = digest("usher.plan/1", {"steps": ["b"]})


@pytest.fixture
def private():
    return new_private_key()


def test_a_signature_is_good_for_its_key_digest_and_context(private):
    assert verify(public_of(private), PLAN, "usher.approval/1", sign(private, PLAN, "usher.approval/1"))


def test_a_signed_request_can_never_serve_as_an_approval(private):
    assert not verify(public_of(private), PLAN, "usher.approval/1", sign(private, PLAN, "usher.request/1"))


def test_an_approval_of_one_plan_is_not_an_approval_of_another(private):
    assert not verify(public_of(private), OTHER_PLAN, "usher.approval/1", sign(private, PLAN, "usher.approval/1"))


def test_the_key_of_someone_else_does_not_verify(private):
    assert not verify(public_of(new_private_key()), PLAN, "usher.approval/1", sign(private, PLAN, "usher.approval/1"))


def test_what_is_signed_is_the_canonical_form_of_context_and_digest(private):
    raw = base64.b64decode(public_of(private).removeprefix("usher-pub-1:"))
    signature = base64.b64decode(sign(private, PLAN, "usher.approval/1"))
    message = canonical({"context": "usher.approval/1", "digest": PLAN})
    Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)


def test_a_key_can_be_written_down_as_rfc_8032_publishes_it():
    # RFC 8032 section 7.1, TEST 1.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    private = "usher-key-1:" + base64.b64encode(seed).decode()
    assert public_of(private) == "usher-pub-1:" + base64.b64encode(public).decode()
    assert public_of(private + "\n") == public_of(private), "a key read from a file ends in a line feed"


def test_two_new_keys_differ_in_key_public_key_and_id():
    one, other = new_private_key(), new_private_key()
    assert one != other
    assert public_of(one) != public_of(other)
    assert key_id(public_of(one)) != key_id(public_of(other))


@pytest.mark.parametrize("damage", ["", "!!", "AAAA", "ä", " "])
def test_a_damaged_signature_is_no_signature_and_no_crash(private, damage):
    assert not verify(public_of(private), PLAN, "usher.approval/1", damage)


def test_only_one_spelling_of_a_signature_counts(private):
    signature = sign(private, PLAN, "usher.approval/1")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    respelled = signature[:-3] + alphabet[alphabet.index(signature[-3]) + 1] + "=="
    assert base64.b64decode(respelled) == base64.b64decode(signature)
    assert not verify(public_of(private), PLAN, "usher.approval/1", respelled)


@pytest.mark.parametrize(
    ("digest_text", "context"), [("sha256:abc", "usher.approval/1"), (PLAN, "approval"), (PLAN, "")]
)
def test_something_that_is_no_digest_or_no_context_is_not_signed(private, digest_text, context):
    with pytest.raises(NotCanonical):
        sign(private, digest_text, context)
    assert not verify(public_of(private), digest_text, context, sign(private, PLAN, "usher.approval/1"))


def test_a_private_key_in_place_of_a_public_one_is_named_and_not_shown(private):
    with pytest.raises(BadKey, match=r"expected a public key .* found a private key") as refusal:
        verify(private, PLAN, "usher.approval/1", "")
    assert private.removeprefix("usher-key-1:") not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "hello", "usher-key-1:", "usher-key-1:AAAA", "usher-key-1:" + "A" * 44])
def test_a_damaged_private_key_is_refused(text):
    with pytest.raises(BadKey, match="private key"):
        sign(text, PLAN, "usher.approval/1")
