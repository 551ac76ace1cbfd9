//! The wire format of Protocol Buffers, field by field, without a copy. Nothing is built of what
//! comes, so that a message of two bytes takes no more memory than two bytes: libraries that build
//! messages make some hundred of them, and bodies may be full of such.

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    /// A text, bytes, a message, or a packed list.
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub(super) fn fixed64(self) -> Result<u64, Malformed> {
        match self {
            Self::Fixed64(number) => Ok(number),
            _ => Err(Malformed),
        }
    }

    pub(super) fn varint(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(number) => Ok(number),
            _ => Err(Malformed),
        }
    }
}

/// The fields of a message: their numbers and values, in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Wire<'a>), Malformed> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Wire::Bytes(self.take(len)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.array()?)),
            // Groups are of proto2, and OTLP has none.
            _ => return Err(Malformed),
        };
        match tag >> 3 {
            0 => Err(Malformed),
            number => Ok((number, value)),
        }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }
}

/// Writes a number in seven bits a byte.
fn write_varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Writes a field that is a number.
pub(super) fn write_number(to: &mut Vec<u8>, field: u64, number: u64) {
    write_varint(to, field << 3);
    write_varint(to, number);
}

/// Writes a field that is a text, bytes or a message.
pub(super) fn write_bytes(to: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    write_varint(to, field << 3 | 2);
    write_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_read_as_the_format_has_them() {
        // The examples of the format's own description: 150 in field 1, "testing" in field 2.
        let bytes = b"\x08\x96\x01\x12\x07testing\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0";
        let fields: Vec<_> = Fields(bytes).collect();
        let expected = [
            Ok((1, Wire::Varint(150))),
            Ok((2, Wire::Bytes(b"testing"))),
            Ok((3, Wire::Fixed32(1))),
            Ok((4, Wire::Fixed64(2))),
        ];
        assert_eq!(fields, expected);
        let mut written = Vec::new();
        write_number(&mut written, 1, 150);
        write_bytes(&mut written, 2, b"testing");
        assert_eq!(written, bytes[..12]);
    }

    #[test]
    fn what_is_no_message_is_refused_once() {
        for wrong in [&b"\x08"[..], b"\x12\x05abc", b"\x0b\x0c", b"\x00\x01", &[0xff; 20], b"\x0e"]
        {
            assert_eq!(Fields(wrong).collect::<Vec<_>>(), [Err(Malformed)], "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes: Vec<u8>) {
            prop_assert!(Fields(&bytes).count() <= bytes.len());
        }
    }
}
