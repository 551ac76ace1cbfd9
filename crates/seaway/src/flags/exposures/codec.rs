//! Bytes of events and of kept states: numbers of variable length, texts, and records of fixed
//! length. Whatever is read may be damaged: nothing is believed of it before it is looked at.

/// Why bytes cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data are damaged: {0}")]
pub(super) struct Damaged(pub(super) &'static str);

/// Writes bytes.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    /// A number in as few bytes as it needs, seven bits in each (LEB128).
    pub(super) fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8)
    }

    /// A number that may be negative: small ones of both signs are short.
    pub(super) fn signed(&mut self, number: i64) -> &mut Self {
        self.number((number << 1 ^ number >> 63) as u64)
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }
}

/// Reads bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Damaged> {
        Ok(self.bytes(1)?[0])
    }

    pub(super) fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            if byte < 0x80 {
                let is_whole = bits << shift >> shift == bits;
                return if is_whole { Ok(number) } else { Err(TOO_LONG) };
            }
        }
        Err(TOO_LONG)
    }

    pub(super) fn signed(&mut self) -> Result<i64, Damaged> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number that fits into a smaller type.
    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Damaged> {
        T::try_from(self.number()?).map_err(|_| Damaged("a number is too great"))
    }

    /// How many of something follow, each of which takes at least so many bytes.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, Damaged> {
        let count: usize = self.small()?;
        match count.checked_mul(least).is_some_and(|bytes| bytes <= self.0.len()) {
            true => Ok(count),
            false => Err(BROKEN_OFF),
        }
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Damaged> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(BROKEN_OFF)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Damaged> {
        let len = self.count(1)?;
        std::str::from_utf8(self.bytes(len)?).map_err(|_| Damaged("a text is not UTF-8"))
    }

    /// Looks whether all has been read.
    pub(super) fn end(self) -> Result<(), Damaged> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Damaged("there is more than there should be")),
        }
    }
}

const BROKEN_OFF: Damaged = Damaged("they break off");
const TOO_LONG: Damaged = Damaged("a number is too long");

/// The number of four bytes, the smallest first. `bytes` has to have them.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

/// The number of eight bytes, the smallest first. `bytes` has to have them.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u64, signed: i64, text in "\\PC*") {
            let mut writer = Writer::default();
            writer.number(number).signed(signed).text(&text).byte(7);
            let mut reader = Reader(&writer.0);
            prop_assert_eq!(reader.number(), Ok(number));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.text(), Ok(text.as_str()));
            prop_assert_eq!(reader.byte(), Ok(7));
            prop_assert!(reader.end().is_ok() && reader.byte().is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            while reader.text().is_ok() && reader.number().is_ok() && reader.signed().is_ok() {}
            prop_assert!(reader.0.len() <= bytes.len());
        }
    }

    #[test]
    fn numbers_of_more_than_64_bits_are_refused() {
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(Reader(&most).number(), Ok(u64::MAX));
        let more = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert!(Reader(&more).number().is_err());
        assert!(Reader(&[0x80; 20]).number().is_err());
        assert!(Reader(&[5, b'a']).text().is_err());
    }
}
