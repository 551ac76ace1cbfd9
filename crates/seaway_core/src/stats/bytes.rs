//! Whole numbers as short bytes: seven bits a byte, lowest first, the top bit says that more
//! follow (LEB128, as in WebAssembly and DWARF). Signed ones are folded so that those near 0 are
//! short: 0, -1, 1, -2 …
//!
//! Every number has exactly one form; a reader refuses longer ones, so equal values are equal
//! bytes.

/// Appends a number.
pub(crate) fn write(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Appends a signed number.
pub(crate) fn write_signed(number: i64, to: &mut Vec<u8>) {
    write(((number << 1) ^ (number >> 63)) as u64, to);
}

/// Bytes that are being read, front to back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    /// The next number. `None` where the bytes end, or hold no number in its shortest form.
    #[inline]
    pub(crate) fn read(&mut self) -> Option<u64> {
        let (&first, rest) = self.0.split_first()?;
        if first < 0x80 {
            self.0 = rest;
            return Some(u64::from(first));
        }
        self.read_long()
    }

    fn read_long(&mut self) -> Option<u64> {
        let length = self.0.iter().take(10).position(|&byte| byte < 0x80)? + 1;
        let (bytes, rest) = self.0.split_at(length);
        let last = bytes[length - 1];
        // A last byte of 0 adds nothing, and the tenth has room for one bit only.
        if last == 0 || (length == 10 && last > 1) {
            return None;
        }
        self.0 = rest;
        let number = bytes.iter().rev().fold(0, |all, &byte| all << 7 | u64::from(byte & 0x7f));
        Some(number)
    }

    /// The next signed number; `None` as for [`Bytes::read`].
    #[inline]
    pub(crate) fn read_signed(&mut self) -> Option<i64> {
        let folded = self.read()?;
        Some((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_shortest_form_is_a_number() {
        for (bytes, number) in [
            (&[0_u8][..], Some(0)),
            (&[0x7f], Some(0x7f)),
            (&[0x80, 1], Some(0x80)),
            (&[0x80, 0], None),
            (&[0x80], None),
            (&[], None),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Some(u64::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], None),
            (&[0xff; 11], None),
        ] {
            assert_eq!(Bytes(bytes).read(), number, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_come_back(numbers in prop::collection::vec(any::<i64>(), 0..9), shift in 0..64) {
            let mut bytes = Vec::new();
            for number in &numbers {
                write((number >> shift) as u64, &mut bytes);
                write_signed(number >> shift, &mut bytes);
            }
            let mut reader = Bytes(&bytes);
            for number in &numbers {
                prop_assert_eq!(reader.read(), Some((number >> shift) as u64));
                prop_assert_eq!(reader.read_signed(), Some(number >> shift));
            }
            prop_assert!(reader.0.is_empty());
        }
    }
}
