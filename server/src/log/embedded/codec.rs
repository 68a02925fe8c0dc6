//! How fields are written in the keys and values of the embedded store: numbers of seven bits a byte, texts with their
//! length in front. Reading any bytes gives a field or [`Invalid`], never a panic.

/// Bytes that are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// Reads fields one after the other.
#[derive(Clone, Debug)]
pub(super) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Invalid> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Invalid)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Invalid> {
        let (first, rest) = self.0.split_first().ok_or(Invalid)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        self.take(N)?.try_into().map_err(|_| Invalid)
    }

    pub(super) fn fixed_u64(&mut self) -> Result<u64, Invalid> {
        self.array().map(u64::from_be_bytes)
    }

    /// A number of 1 to 10 bytes, seven bits each, the lowest first.
    pub(super) fn number(&mut self) -> Result<u64, Invalid> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Invalid);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Invalid)
    }

    /// A string with its length in front.
    pub(super) fn text(&mut self) -> Result<&'a str, Invalid> {
        let length = usize::try_from(self.number()?).map_err(|_| Invalid)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Invalid)
    }

    /// A part of a key, with two bytes of length in front.
    pub(super) fn name(&mut self) -> Result<&'a str, Invalid> {
        let length = u16::from_be_bytes(self.array()?);
        std::str::from_utf8(self.take(usize::from(length))?).map_err(|_| Invalid)
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn end(self) -> Result<(), Invalid> {
        if self.0.is_empty() { Ok(()) } else { Err(Invalid) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn version(&mut self, version: u8) -> Result<(), Invalid> {
        if self.byte()? == version { Ok(()) } else { Err(Invalid) }
    }
}

/// Appends a number as [`Decoder::number`] reads it.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}
