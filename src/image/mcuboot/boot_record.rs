//! The boot record: what a measured boot reports of an image, in CBOR (RFC 8949).

use super::header::Version;
use crate::key::Hash;

/// Makes the record of a software component.
///
/// ```text
/// record = { 1: sw_type, 4: version, 5: signer_id, 6: measurement_description, 2: measurement_value }
/// ```
///
/// The numbers are the claims of Arm's PSA Attestation API 1.0. The measurement comes last and is zero: the bootloader
/// puts the digest there (mcu-tools/mcuboot `scripts/imgtool/boot_record.py`).
pub fn boot_record(sw_type: &str, version: Version, signer_id: &[u8], hash: Hash) -> Vec<u8> {
    const BYTES: u8 = 0x40;
    const TEXT: u8 = 0x60;
    let Version { major, minor, revision, build: _ } = version;
    let version = format!("{major}.{minor}.{revision}");
    let description = hash.name().to_uppercase();
    let measurement = vec![0; hash.output_len()];
    let mut record = vec![0xa5];
    for (claim, major, content) in [
        (1, TEXT, sw_type.as_bytes()),
        (4, TEXT, version.as_bytes()),
        (5, BYTES, signer_id),
        (6, TEXT, description.as_bytes()),
        (2, BYTES, &measurement),
    ] {
        record.push(claim);
        // Each content is a short word or a digest, and so below 256 bytes.
        match content.len() as u8 {
            short @ 0..24 => record.push(major | short),
            long => record.extend([major | 24, long]),
        }
        record.extend(content);
    }
    record
}
