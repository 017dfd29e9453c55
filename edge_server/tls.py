"""The certificate an edge shows: read before anything heavy, with errors that name the file; and
read again when it was renewed."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from edge_server.errors import ConfigurationError

logger = logging.getLogger("edge_server.tls")


class _Encrypted(Exception):
    """The key's password was asked for."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A context that shows `certificate`, whose private key is in `key`."""
    for file, option, wanted in ((certificate, "--tls-cert", b"CERTIFICATE-----"),
                                 (key, "--tls-key", b"PRIVATE KEY-----")):
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{option} {file}: {error.strerror}.",
                                     "Give a readable file in PEM format.") from error
        # Checked here because the library's message names neither the file nor what it misses.
        if wanted not in content:
            raise ConfigurationError(f"{option} {file} holds no {wanted.decode().strip('-')}.",
                                     "Give a file in PEM format.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_ask_nobody)
    except _Encrypted:
        raise ConfigurationError(
            f"--tls-key {key} is encrypted, and nobody is there to be asked for its password.",
            f"Decrypt it: openssl pkey -in {key} -out plain.key; chmod 600 plain.key") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError(f"--tls-key {key} is not the key of --tls-cert {certificate}.",
                                     "Give the two files that were made together.") from error
        raise ConfigurationError(
            f"--tls-cert {certificate} and --tls-key {key} cannot be used: "
            f"{error.reason or error}.", "Give a certificate and its key in PEM format.") from error
    return context


def renew(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Let `context` show what the files hold now; what it showed before stays where they are bad.

    Connections that are open keep the certificate they began with.
    """
    try:
        server_context(certificate, key)  # a bad pair must not be half taken
        context.load_cert_chain(certificate, key, password=_ask_nobody)
    except (ConfigurationError, OSError) as error:
        logger.error("the certificate was not renewed: %s", error)
    else:
        logger.warning("the certificate in %s is shown from now on", certificate)


def _ask_nobody() -> bytes:
    raise _Encrypted
