//! RSA public keys as hardware takes them that multiplies by Montgomery's method.

use crypto_bigint::{BoxedUint, NonZero};

use super::PublicKey;

/// An RSA public key with what a verifier without long division needs of it.
///
/// ```text
/// r_squared = R^2 mod n          R = 2^k, k the bits of n
/// m_prime   = -n^-1 mod 2^32     -- Montgomery, "Modular Multiplication Without Trial Division", 1985
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Montgomery {
    /// The modulus n, big-endian without leading zeros.
    pub modulus: Vec<u8>,
    /// The public exponent.
    pub public_exponent: u64,
    /// R² mod n, big-endian, as long as the modulus.
    pub r_squared: Vec<u8>,
    /// −n⁻¹ mod 2³².
    pub m_prime: u32,
}

impl PublicKey {
    /// The numbers of an RSA key whose modulus fills whole bytes; `None` for any other key.
    pub fn montgomery(&self) -> Option<Montgomery> {
        let (modulus, exponent) = self.rsa_numbers()?;
        let low = modulus.last_chunk().map(|low| u32::from_be_bytes(*low))?;
        // R² is a one before twice as many zeros as the modulus has bits.
        if modulus.first()? & 0x80 == 0 {
            return None;
        }
        let square = [vec![1], vec![0; 2 * modulus.len()]].concat();
        let divisor = NonZero::new(BoxedUint::from_be_slice_vartime(&modulus)).into_option()?;
        let remainder = BoxedUint::from_be_slice_vartime(&square).rem_vartime(&divisor).to_be_bytes();
        let r_squared = remainder[remainder.len().checked_sub(modulus.len())?..].to_vec();
        // Newton's iteration doubles the bits that hold; an odd number is its own inverse modulo 8.
        let inverse = (0..4).fold(low, |inverse, _| inverse.wrapping_mul(2u32.wrapping_sub(low.wrapping_mul(inverse))));
        let public_exponent =
            exponent.iter().try_fold(0u64, |sum, &byte| Some(sum.checked_mul(256)? | u64::from(byte)));
        Some(Montgomery { modulus, public_exponent: public_exponent?, r_squared, m_prime: inverse.wrapping_neg() })
    }
}

#[cfg(test)]
mod tests {
    use der::asn1::UintRef;

    use super::*;

    fn rsa(modulus: &[u8], exponent: &[u8]) -> PublicKey {
        PublicKey::from_rsa_numbers(UintRef::new(modulus).unwrap(), UintRef::new(exponent).unwrap()).unwrap()
    }

    /// Moduli for which the numbers can be told by hand: n = 2^k - c has R mod n = c, so that R^2 mod n = c^2, and
    /// modulo 2^32 n is -c.
    #[test]
    fn the_numbers_of_moduli_next_to_a_power_of_two() {
        for (len, c) in [(256, 1u32), (256, 3), (384, 0xffff), (384, 0xffff_ffff), (512, 12345)] {
            let mut modulus = vec![0xff; len];
            modulus[len - 4..].copy_from_slice(&c.wrapping_neg().to_be_bytes());
            let found = rsa(&modulus, &[1, 0, 1]).montgomery().unwrap();
            assert_eq!((&found.modulus, found.public_exponent), (&modulus, 65537));
            let mut square = vec![0; len];
            square[len - 8..].copy_from_slice(&u64::from(c).pow(2).to_be_bytes());
            assert_eq!(found.r_squared, square, "{c}");
            assert_eq!(found.m_prime.wrapping_mul(c), 1, "{c}");
        }
    }

    #[test]
    fn what_has_no_such_numbers() {
        let mut modulus = vec![0xff; 384];
        modulus[0] = 0x7f;
        assert_eq!(rsa(&modulus, &[3]).montgomery(), None);
        let key = crate::key::SoftwareKey::generate(crate::key::KeyType::P256).unwrap();
        assert_eq!(crate::key::Signer::public_key(&key).montgomery(), None);
    }
}
