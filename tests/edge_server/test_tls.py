"""The certificate's files: what can be wrong with them is told before anything starts."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from edge_server.errors import ConfigurationError
from edge_server.tls import renew, server_context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def write(certificate: trustme.LeafCert, folder: Path, name: str) -> tuple[Path, Path]:
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    return chain, key


def shaken(server: ssl.SSLContext, authority: trustme.CA) -> ssl.SSLObject:
    """The client's end of a handshake with `server`, both ends over buffers in memory."""
    client = ssl.create_default_context()
    authority.configure_trust(client)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    other = server.wrap_bio(to_server, to_client, server_side=True)
    finished: set[ssl.SSLObject] = set()
    for _ in range(10):
        for end in (one, other):
            try:
                end.do_handshake()
                finished.add(end)
            except ssl.SSLWantReadError:
                pass
    assert finished == {one, other}
    return one


def test_a_handshake_with_it(authority: trustme.CA, tmp_path: Path) -> None:
    server = server_context(*write(authority.issue_cert("localhost"), tmp_path, "a"))
    assert shaken(server, authority).version() in ("TLSv1.2", "TLSv1.3")


def test_a_renewed_certificate_is_shown_and_a_bad_one_is_not(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = write(authority.issue_cert("localhost"), tmp_path, "a")
    server = server_context(*files)
    first = shaken(server, authority).getpeercert(binary_form=True)
    write(authority.issue_cert("localhost"), tmp_path, "a")
    renew(server, *files)
    second = shaken(server, authority).getpeercert(binary_form=True)
    assert first != second
    files[1].write_bytes(authority.issue_cert("localhost").private_key_pem.bytes())  # another's
    renew(server, *files)
    assert "was not renewed" in caplog.text
    assert "is not the key of" in caplog.text
    assert shaken(server, authority).getpeercert(binary_form=True) == second


def test_certificate_and_key_in_one_file(authority: trustme.CA, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes())
    server_context(both, both)


def test_files_that_cannot_be_used(authority: trustme.CA, tmp_path: Path) -> None:
    chain, key = write(authority.issue_cert("localhost"), tmp_path, "a")
    _, other_key = write(authority.issue_cert("localhost"), tmp_path, "b")
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(load_pem_private_key(key.read_bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    empty, cut = tmp_path / "empty", tmp_path / "cut.pem"
    empty.write_bytes(b"")
    cut.write_bytes(chain.read_bytes()[:200])
    nowhere = tmp_path / "nowhere"
    for files, said in (
            ((nowhere, key), r"--tls-cert .*nowhere: No such file"),
            ((chain, nowhere), r"--tls-key .*nowhere: No such file"),
            ((tmp_path, key), r"--tls-cert .*: Is a directory"),
            ((empty, key), r"--tls-cert .*empty holds no CERTIFICATE"),
            ((chain, empty), r"--tls-key .*empty holds no PRIVATE KEY"),
            ((key, key), r"--tls-cert .*a\.key holds no CERTIFICATE"),
            ((chain, chain), r"--tls-key .*a\.pem holds no PRIVATE KEY"),
            ((cut, key), r"cut\.pem and --tls-key .*a\.key cannot be used"),
            ((chain, other_key), r"--tls-key .*b\.key is not the key of --tls-cert .*a\.pem"),
            ((chain, encrypted), r"encrypted\.key is encrypted.*openssl pkey")):
        with pytest.raises(ConfigurationError, match=said):
            server_context(*files)
