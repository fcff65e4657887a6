# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates of one cluster, made with openssl; they live and die with its state."""

from __future__ import annotations

from pathlib import Path

from cluster.shell import run

DAYS = "365"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def authority(folder: Path, name: str) -> None:
    run(
        [
            *("openssl", "req", "-x509", *KEY, "-days", DAYS, "-subj", f"/CN=runbook {name}"),
            *("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"),
        ]
    )


def certificate(folder: Path, name: str, subject: str, signer: str, alternatives: str = "") -> None:
    """NAME.key and NAME.crt, signed by the authority SIGNER of the same folder."""
    run(
        [
            *("openssl", "req", "-x509", *KEY, "-days", DAYS, "-subj", subject),
            *("-CA", f"{folder}/{signer}.crt", "-CAkey", f"{folder}/{signer}.key"),
            *("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *(("-addext", f"subjectAltName={alternatives}") if alternatives else ()),
        ]
    )


def signing_key(path: Path) -> None:
    run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(path)])
