"""certdata.txt, in which Mozilla keeps its roots, to PEM: those that it trusts to name servers.

usage: bundle.py certdata.txt > ca-certificates.crt

The file is a list of objects with typed attributes, one a line; binary values are octal, over several lines:

    CKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE
    CKA_VALUE MULTILINE_OCTAL
    \\060\\202\\003\\165
    END

A certificate and what it is trusted for are two objects, with the same issuer and serial number.
"""

import base64
import sys


def objects(lines):
    """The objects, each a dict of attributes to text or bytes."""
    current = None
    lines = iter(enumerate(lines, 1))
    for number, line in lines:
        words = line.split(None, 2)
        if not words or not words[0].startswith("CKA_"):
            continue
        if len(words) < 2:
            sys.exit(f"line {number}: {words[0]} has no type")
        name, kind = words[:2]
        if name == "CKA_CLASS":
            if current is not None:
                yield current
            current = {}
        if current is None:
            sys.exit(f"line {number}: {name} before the first object")
        if kind == "MULTILINE_OCTAL":
            current[name] = octal(lines, number)
        else:
            current[name] = words[2].strip() if len(words) > 2 else ""
    if current is not None:
        yield current


def octal(lines, start):
    value = bytearray()
    for number, line in lines:
        line = line.strip()
        if line == "END":
            return bytes(value)
        digits = line.split("\\")
        if digits[0] or not all(len(byte) == 3 for byte in digits[1:]):
            sys.exit(f"line {number}: no octal bytes")
        value.extend(int(byte, 8) for byte in digits[1:])
    sys.exit(f"line {start}: the value has no END")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        known = list(objects(file))
    key = lambda item: (item.get("CKA_ISSUER"), item.get("CKA_SERIAL_NUMBER"))
    trusted = {
        key(item)
        for item in known
        if item.get("CKA_CLASS") == "CKO_NSS_TRUST"
        and item.get("CKA_TRUST_SERVER_AUTH") == "CKT_NSS_TRUSTED_DELEGATOR"
    }
    roots = {}
    for item in known:
        if item.get("CKA_CLASS") == "CKO_CERTIFICATE" and key(item) in trusted:
            roots[item["CKA_VALUE"]] = item["CKA_LABEL"].strip('"')
    if len(roots) != len(trusted):
        sys.exit(f"{len(trusted)} roots are trusted, {len(roots)} are there")
    for value, label in sorted(roots.items(), key=lambda root: (root[1], root[0])):
        text = base64.b64encode(value).decode()
        print(f"# {label}")
        print("-----BEGIN CERTIFICATE-----")
        for start in range(0, len(text), 64):
            print(text[start : start + 64])
        print("-----END CERTIFICATE-----")


main()
