//! Keys that anybody can use: published ones, and RSA moduli that are factored with little work.
//!
//! Neither says anything about a key that is merely old or short; [`PublicKey`] refuses those when it reads them. The
//! whole check takes some tens of microseconds, so that it can stand before each issuing and each signing.

use std::fmt;

use crypto_bigint::{BoxedUint, Limb, NonZero, Resize, Word};

use super::published::PUBLISHED;
use super::{Digest, KeyType, PublicKey, Recipient};

/// Why a key's private half is within everybody's reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// The private half stands in a public document or repository, as test vector, sample or default.
    Published { name: &'static str },
    /// The RSA modulus is divisible by a prime below 1000: no generator makes such a modulus, a damaged or
    /// made-up one mostly has such a divisor.
    SmallFactor { prime: u16 },
    /// The RSA primes have the form that Infineon's library gave them, `k * M + (65537^a mod M)` (CVE-2017-15361).
    Roca,
    /// The RSA primes are so close that Fermat's method finds them in 100 rounds (CVE-2022-26320).
    ClosePrimes,
}

impl Weakness {
    /// The stable name of the reason, for JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Published { .. } => "published-key",
            Self::SmallFactor { .. } => "small-factor",
            Self::Roca => "roca",
            Self::ClosePrimes => "close-primes",
        }
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published { name } => write!(f, "its private half is published: {name}"),
            Self::SmallFactor { prime } => write!(f, "its modulus is divisible by {prime}"),
            Self::Roca => f.write_str("its primes can be computed from the modulus (ROCA, CVE-2017-15361)"),
            Self::ClosePrimes => f.write_str("its primes are too close to each other (CVE-2022-26320)"),
        }
    }
}

impl PublicKey {
    /// Looks for a reason why others may have the private half too. `None` says that none is known.
    pub fn weakness(&self) -> Option<Weakness> {
        if let Some(name) = self.published() {
            return Some(Weakness::Published { name });
        }
        let modulus = BoxedUint::from_be_slice_vartime(&self.rsa_numbers()?.0);
        let remainders = remainders(&modulus);
        if let Some((prime, _)) = remainders.iter().find(|(_, remainder)| *remainder == 0) {
            return Some(Weakness::SmallFactor { prime: *prime });
        }
        if is_roca(&remainders) {
            return Some(Weakness::Roca);
        }
        has_close_primes(&modulus).then_some(Weakness::ClosePrimes)
    }

    /// Where the private half stands, if the key is in the table.
    fn published(&self) -> Option<&'static str> {
        // An RSA key that was read without its NULL is the same key (see `from_spki`).
        let digest = match self.key_type() {
            KeyType::Rsa(_) => Self::from_pkcs1(self.bits()).ok()?.fingerprint(),
            _ => self.fingerprint(),
        };
        published(&digest)
    }
}

impl Recipient {
    /// Looks for a reason why others may open what is encrypted to this key. `None` says that none is known.
    pub fn weakness(&self) -> Option<Weakness> {
        match PublicKey::from_spki(self.spki()) {
            Ok(key) => key.weakness(),
            // X25519, of which nothing else is known to be weak.
            Err(_) => published(&self.fingerprint()).map(|name| Weakness::Published { name }),
        }
    }
}

/// Where the private half of a key stands, by the key's fingerprint.
fn published(fingerprint: &Digest) -> Option<&'static str> {
    let digest = fingerprint.to_string();
    let row = PUBLISHED.binary_search_by(|(published, _)| (*published).cmp(&digest)).ok()?;
    Some(PUBLISHED[row].1)
}

/// The number of primes below 1000.
const SMALL_PRIMES: usize = 168;

/// The primes below 1000, ascending.
const PRIMES: [u16; SMALL_PRIMES] = {
    let mut primes = [0; SMALL_PRIMES];
    let (mut found, mut candidate) = (0, 2);
    while found < SMALL_PRIMES {
        let mut divisor = 2;
        while divisor * divisor <= candidate && candidate % divisor != 0 {
            divisor += 1;
        }
        if divisor * divisor > candidate {
            primes[found] = candidate;
            found += 1;
        }
        candidate += 1;
    }
    primes
};

/// The remainder of a number by each of [`PRIMES`].
///
/// The number is divided by products of primes that fill a word, and only their remainders by the primes.
fn remainders(number: &BoxedUint) -> Vec<(u16, Word)> {
    let mut remainders = Vec::with_capacity(SMALL_PRIMES);
    let mut left = PRIMES.as_slice();
    while !left.is_empty() {
        let (mut product, mut taken) = (1, 0);
        while let Some(longer) = left.get(taken).and_then(|prime| Word::from(*prime).checked_mul(product)) {
            product = longer;
            taken += 1;
        }
        let (group, rest) = left.split_at(taken);
        let remainder = remainder(number, product);
        remainders.extend(group.iter().map(|&prime| (prime, remainder % Word::from(prime))));
        left = rest;
    }
    remainders
}

fn remainder(number: &BoxedUint, divisor: Word) -> Word {
    number.rem_limb(NonZero::new(Limb(divisor)).expect("divisors are products of primes")).0
}

/// The largest prime of the fingerprint: every length of key has at least the primes up to it in its `M`.
const ROCA_LAST_PRIME: u16 = 167;

/// Tests for the fingerprint of CVE-2017-15361 (Nemec, Sys, Svenda, Klinec, Matyas: "The Return of Coppersmith's
/// Attack", CCS 2017).
///
/// `M` is a product of the first primes, so that modulo each of these both factors, and with them the modulus, are
/// powers of 65537. A modulus of another make passes this for all primes to 167 about once in 2^28.
fn is_roca(remainders: &[(u16, Word)]) -> bool {
    let mut odd = remainders.iter().filter(|(prime, _)| (3..=ROCA_LAST_PRIME).contains(prime));
    odd.all(|&(prime, remainder)| {
        let powers = std::iter::successors(Some(1), |power| Some(power * 65537 % Word::from(prime)));
        powers.take(usize::from(prime) - 1).any(|power| power == remainder)
    })
}

/// The rounds of Fermat's method. The generators of CVE-2022-26320 need one; for primes drawn apart from each other
/// no number of rounds is enough.
const FERMAT_ROUNDS: usize = 100;

/// Looks for a number `a` just above the modulus's root for which `a^2 - modulus` is a square `b^2`: the primes are
/// then `a - b` and `a + b`.
fn has_close_primes(modulus: &BoxedUint) -> bool {
    // One word more, so that no square below wraps.
    let modulus = modulus.resize(modulus.bits_precision() + Word::BITS);
    let one = BoxedUint::one_with_precision(modulus.bits_precision());
    let mut a = modulus.clone();
    if a.floor_sqrt_assign_vartime() {
        return true;
    }
    a.wrapping_add_assign(&one);
    let mut rest = a.wrapping_square();
    rest.wrapping_sub_assign(&modulus);
    for _ in 0..FERMAT_ROUNDS {
        if is_square(&rest) {
            return true;
        }
        // (a + 1)^2 = a^2 + a + (a + 1)
        rest.wrapping_add_assign(&a);
        a.wrapping_add_assign(&one);
        rest.wrapping_add_assign(&a);
    }
    false
}

/// Takes the root only of the one number in a hundred that looks like a square: it is `4^k * (8m + 1)`, and a square
/// modulo some small primes.
fn is_square(number: &BoxedUint) -> bool {
    const SIEVE: [Word; 5] = [3, 5, 7, 11, 13];
    let low = number.as_words()[0];
    let zeros = low.trailing_zeros();
    if low != 0 && (!zeros.is_multiple_of(2) || (zeros < Word::BITS - 2 && (low >> zeros) % 8 != 1)) {
        return false;
    }
    let remainder = remainder(number, SIEVE.iter().product());
    let square_modulo = |prime: Word| (0..prime).any(|root| root * root % prime == remainder % prime);
    SIEVE.into_iter().all(square_modulo) && number.checked_sqrt_vartime().is_some()
}

#[cfg(test)]
mod tests {
    use const_oid::db::rfc5912;
    use der::asn1::{AnyRef, UintRef};

    use super::*;
    use crate::key::{Signer, SoftwareKey, X25519Key};

    fn bytes(hex: &str) -> Vec<u8> {
        crate::files::from_hex(hex).unwrap()
    }

    fn rsa(modulus: &[u8]) -> PublicKey {
        let number = |bytes| UintRef::new(bytes).unwrap();
        PublicKey::from_rsa_numbers(number(modulus), number(&[1, 0, 1])).unwrap()
    }

    #[test]
    fn the_table_is_sorted_and_each_row_is_a_digest_with_a_place_of_its_own() {
        assert!(PUBLISHED.is_sorted_by(|(one, _), (next, _)| one < next));
        let mut names: Vec<&str> = PUBLISHED.iter().map(|(_, name)| *name).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|one, next| one < next));
        for (digest, name) in PUBLISHED {
            assert!(digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{name}");
            // 32 random bytes have fewer than 8 different hexadecimal digits once in 10^19.
            assert!((b"0123456789abcdef").iter().filter(|digit| digest.as_bytes().contains(digit)).count() >= 8);
            assert!(!name.trim().is_empty() && name.is_ascii());
        }
    }

    #[test]
    fn published_keys_are_found() {
        let rfc_6979 = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
        let p256 = SoftwareKey::from_ec_scalar(rfc5912::SECP_256_R_1, &bytes(rfc_6979)).unwrap();
        let rfc_6979 =
            "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5";
        let p384 = SoftwareKey::from_ec_scalar(rfc5912::SECP_384_R_1, &bytes(rfc_6979)).unwrap();
        let rfc_8032 = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let ed25519 = SoftwareKey::from_ed25519_seed(&bytes(rfc_8032).try_into().unwrap()).unwrap();
        for (key, name) in [(p256, "RFC 6979 A.2.5"), (p384, "RFC 6979 A.2.6"), (ed25519, "RFC 8032 7.1 TEST 1")] {
            assert_eq!(key.public_key().weakness(), Some(Weakness::Published { name }));
        }
    }

    /// The modulus of RFC 7517 appendix A.2, read with NULL parameters and without.
    #[test]
    fn a_published_rsa_key_is_found_however_it_is_written() {
        let key = rsa(&bytes(
            "d2fc7b6a0a1e6c67104aeb8f88b257669b4df679ddad099b5c4a6cd9a88015b5a133bf0b856c7871b6df000b554fceb3c2ed512b\
         b68f145c6e8434752fab52a1cfc124408f79b58a4578c16428855789f7a249e384cb2d9fae2d67fd96fb926c198e077399fdc815\
         c0af097dde5aadeff44de70e827f4878432439bfeeb96068d0474fc50d6d90bf3a98dfaf1040c89c02d692ab3b3c2896609d86fd\
         73b774ce0740647ceeeaa310bd12f985a8eb9f59fdd426cea5b2120f4f2a34bcab764b7e6c54d6840238bcc40587a59e66ed1f33\
         894577635c470af75cf92c20d1da43e1bfc419e222a6f0d0bb358c5e38f9cb050aeafe904814f1ac1aa49cca9ea0ca83",
        ));
        let algorithm = spki::AlgorithmIdentifierRef { oid: rfc5912::RSA_ENCRYPTION, parameters: None::<AnyRef<'_>> };
        let subject_public_key = der::asn1::BitStringRef::from_bytes(key.bits()).unwrap();
        let info = spki::SubjectPublicKeyInfoRef { algorithm, subject_public_key };
        let without_null = PublicKey::from_spki(&der::Encode::to_der(&info).unwrap()).unwrap();
        for key in [key, without_null] {
            assert_eq!(key.weakness(), Some(Weakness::Published { name: "RFC 7517 A.2 RSA" }));
        }
    }

    #[test]
    fn a_recipient_is_looked_for_too() {
        let rfc_7748 = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
        let alice = X25519Key::from_scalar(&bytes(rfc_7748).try_into().unwrap()).unwrap();
        assert_eq!(alice.recipient().weakness(), Some(Weakness::Published { name: "RFC 7748 6.1 Alice" }));
        assert_eq!(X25519Key::generate().unwrap().recipient().weakness(), None);
        let weak = Recipient::from_spki(rsa(&[0xff; 256]).spki()).unwrap();
        assert_eq!(weak.weakness(), Some(Weakness::SmallFactor { prime: 3 }));
    }

    #[test]
    fn fresh_keys_have_no_weakness() {
        for key_type in [KeyType::P256, KeyType::P384, KeyType::Ed25519, KeyType::Rsa(2048), KeyType::Rsa(3072)] {
            let key = SoftwareKey::generate(key_type).unwrap();
            assert_eq!(key.public_key().weakness(), None, "{key_type}");
        }
    }

    /// 2^2048 - 1 is divisible by 3; 2^2048 - 327 by 997, the largest prime of the list, and by no other of it.
    #[test]
    fn small_factors_are_found() {
        assert_eq!((PRIMES[0], PRIMES[SMALL_PRIMES - 1]), (2, 997));
        let mut modulus = [0xff; 256];
        assert_eq!(rsa(&modulus).weakness(), Some(Weakness::SmallFactor { prime: 3 }));
        modulus[254..].copy_from_slice(&(0xffff - 326u16).to_be_bytes());
        assert_eq!(rsa(&modulus).weakness(), Some(Weakness::SmallFactor { prime: 997 }));
    }

    /// With `M` the product of the primes to 701 and `K` = isqrt(2^2047) / M + 1, one factor is the first prime
    /// `k * M + (65537^1000003 mod M)` for k from `K`, the other that for 65537^2000003. The detector of those who
    /// found the flaw (roca-detect 1.2.12, from PyPI) says "Fingerprinted keys found: 1" of it.
    #[test]
    fn roca_is_found() {
        let modulus = bytes(
            "80000000000160fd12076c9d4c7265c6d022e4798e203a08146d93aee0cf179ec114b02e5a82a7dab623e1c5d9c08ffdac0ff2c9\
         d17158e500466e8ae8f07648ad8c4e6e179d2f050ae7b99785f6b8a72f22e855441f90d8c1f7f98e61142af97cbc87807804a8d0\
         03ad57b16d45c000176acf7333f4553dcf6d07329ebdf57f4345232aa7dc7252157e901fa1243776f8d51e08573b44932c2e2691\
         7a45c1d6f7339cdbafdd27cfbeea1a464a3d9dd56303ab415f1bfd13ab7c58fb08effe6d8713b0f080ca8d6b78125f7ef9fdacdd\
         e05533e9d73c775c8e4ba5085ea384ecf704152c68e2fe15d859beafaf585b0be483c0150c23eeeee99c1ceb846960ef",
        );
        assert_eq!(rsa(&modulus).weakness(), Some(Weakness::Roca));
    }

    /// p is the first prime from isqrt(2^2047), q the first from p + 2^515 (found in round 12) or p + 2^521 (far
    /// beyond 100 rounds).
    #[test]
    fn primes_are_close_within_a_hundred_rounds() {
        let close = "\
         80000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
         000000000000000000000005a827999fcef32422cbec4d9baa55f4f8eb7b05d449dd426768bd642c199cc8aa57e41821d5c5161d\
         458ff37ee41ed9c87ba542f21ce3da53c02439b1efd13d1720fa8cda319dda8a8262bc1e1b707e24339db79fce72640d57284bab\
         131ffb99bdf74aaacb8a20c8ed00f70ba3a772d7a38b43cf81fcfcd3933c28b323d544c436c54919c54b793bd07396e289ac5f1a\
         96e9fd4ed0fe94ce268605efbd7620376d6f9fbdbbf27bebbb02be119575b7f93aa673375835be3e457298c1cb612959";
        assert_eq!(rsa(&bytes(close)).weakness(), Some(Weakness::ClosePrimes));
        let apart = "\
         80000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
         00000000000000000000016a09e667f3bcc908b2fb1366ea957d3e3adec17512775099da2f590b0667322a95f906087571458751\
         63fcdfb907b6721ee950bc8738f694f0090e6c7bf44ed43da1d3f4cead1aff913cb35c5724e1525fe918443468ea019e428eb096\
         1d17c52862bca55702731c880deaa76e9de0ff9f7da19aed44d35fceac5e37b3e4e787955278e727bf92341feaad117636757c6f\
         74172e43d02bba33da6f149c6b5ce1a80276b52cbbf9ecdd1e08dc9cffe7ee753ade7c6d269f924a9414b15dd341bc7d";
        assert_eq!(rsa(&bytes(apart)).weakness(), None);
        let mut square = BoxedUint::from_be_slice_vartime(&[0xff; 128]);
        square = square.resize(2048).wrapping_square();
        assert!(has_close_primes(&square));
    }
}
