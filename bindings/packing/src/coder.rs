//! An arithmetic coder of bits: an interval that each bit narrows to its share. Never knows where its shares come from.

/// What is left of the interval, both ends in it.
pub(crate) struct Coder {
    low: u32,
    high: u32,
}

impl Default for Coder {
    fn default() -> Self {
        Self { low: 0, high: u32::MAX }
    }
}

impl Coder {
    /// The last number of the share of a bit that is set, whose probability is given in parts of 65,536, never 0 or all.
    pub(crate) const fn split(&self, probability: u32) -> u32 {
        let range = self.high - self.low;
        self.low + (range >> 16) * probability + (((range & 0xffff) * probability) >> 16)
    }

    /// Takes the share of a bit. Each byte that is certain by now leaves the interval.
    #[allow(clippy::cast_possible_truncation, reason = "the highest byte")]
    pub(crate) fn narrow(&mut self, split: u32, bit: bool, mut certain: impl FnMut(u8)) {
        if bit {
            self.high = split;
        } else {
            self.low = split + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            certain((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
    }

    /// Bytes that name a number of the interval.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) const fn end(&self) -> [u8; 4] {
        self.high.to_be_bytes()
    }
}
