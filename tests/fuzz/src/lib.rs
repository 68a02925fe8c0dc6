//! A byte string read as a script: each operation takes the bytes it needs, and none is without a meaning.

/// The rest of a script.
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte; 0 when the script is over.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }

    /// Small, or near an edge.
    pub fn number(&mut self) -> u64 {
        const EDGES: [u64; 8] = [41, 1000, 60_000, 1 << 32, (1 << 53) - 1, 1 << 53, u64::MAX - 1, u64::MAX];
        match self.byte() {
            small @ 0..=247 => u64::from(small) % 16,
            edge => EDGES[usize::from(edge - 248)],
        }
    }

    /// Some of the next bytes as they are.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }
}
