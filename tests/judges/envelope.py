#!/usr/bin/env python3
"""envelope.py CASES: seals and opens the encrypted keys of MCUboot images, many in one process, since each start costs
half a second. A line of CASES is one of

    seal PUBLIC-KEY-FILE CONTENT-KEY HASH     by imgtool's own code, or for RSA by the library that imgtool calls
    open PRIVATE-KEY-FILE TLV VALUE           as a device does: boot/bootutil/src/encrypted.c

with the bytes in hexadecimal; each is answered by a line, of hexadecimal too, or `refused`."""
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from imgtool import keys
from imgtool.image import Image

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
HASHES = {"sha256": hashes.SHA256(), "sha512": hashes.SHA512()}


def seal(file, content_key, hash):
    recipient = keys.load(file)
    if isinstance(recipient, keys.RSAPublic):
        return recipient._get_public().encrypt(content_key, OAEP)
    # It uses nothing of the image.
    cipherkey, mac, public = Image.ecies_hkdf(None, recipient, content_key, HASHES[hash])
    return public + mac + cipherkey


def open_value(file, tlv, value):
    with open(file, "rb") as pem:
        own = load_pem_private_key(pem.read(), None)
    if tlv == 0x30:
        return own.decrypt(value, OAEP)
    hash = hashes.SHA512() if tlv == 0x34 else hashes.SHA256()
    point = 65 if tlv == 0x32 else 32
    tag = point + hash.digest_size
    public, mac, cipherkey = value[:point], value[point:tag], value[tag:]
    if tlv == 0x32:
        secret = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public))
    else:
        secret = own.exchange(x25519.X25519PublicKey.from_public_bytes(public))
    derived = HKDF(hash, len(cipherkey) + hash.digest_size, None, b"MCUBoot_ECIES_v1").derive(secret)
    check = hmac.HMAC(derived[len(cipherkey):], hash)
    check.update(cipherkey)
    check.verify(mac)
    cipher = Cipher(algorithms.AES(derived[:len(cipherkey)]), modes.CTR(bytes(16))).decryptor()
    return cipher.update(cipherkey) + cipher.finalize()


for line in open(sys.argv[1]):
    verb, file, *arguments = line.split()
    try:
        if verb == "seal":
            print(seal(file, bytes.fromhex(arguments[0]), arguments[1]).hex())
        else:
            print(open_value(file, int(arguments[0]), bytes.fromhex(arguments[1])).hex())
    except (ValueError, InvalidSignature):
        print("refused")
