//! Units: whoever a flag is evaluated for is known here by a hash alone, under a key that only the
//! servers have.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of the key.
pub(super) const KEY_BYTES: usize = 32;
/// The longest name of a unit, in bytes.
pub(super) const UNIT_BYTES_MAX: usize = 1_024;

/// The key of units, the same for all servers of one database and for good: with another one, all
/// units would be new.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// `None` if it has a wrong length.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let is_whole = key.len() == KEY_BYTES;
        is_whole.then(|| Hmac::<Sha256>::new_from_slice(key).ok()).flatten().map(Self)
    }

    /// What is kept of a unit: the first 8 bytes of the HMAC-SHA256 of its environment, a zero and
    /// its name. The same unit is another one in another environment. Among ten million units, two
    /// are taken for one with a probability of 3·10⁻⁶.
    pub(super) fn unit(&self, environment: &str, name: &str) -> u64 {
        let mut hmac = self.0.clone();
        hmac.update(environment.as_bytes());
        hmac.update(&[0]);
        hmac.update(name.as_bytes());
        let hash = hmac.finalize().into_bytes();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        u64::from_le_bytes(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_differ_by_name_environment_and_key() {
        let key = Key::new(&[7; KEY_BYTES]).unwrap();
        let all = [
            key.unit("production", "ada"),
            key.unit("production", "bo"),
            key.unit("staging", "ada"),
            Key::new(&[8; KEY_BYTES]).unwrap().unit("production", "ada"),
        ];
        assert!((1..all.len()).all(|at| !all[..at].contains(&all[at])));
        assert_eq!(key.unit("production", "ada"), all[0]);
        // python3: hmac.new(bytes([7] * 32), b"production\0ada", "sha256").digest()[:8]
        assert_eq!(all[0].to_le_bytes(), [94, 188, 6, 59, 23, 8, 36, 121]);
        assert!(Key::new(&[7; 31]).is_none());
    }
}
