//! What the next bit is likely to be: contexts each have an opinion, and how much each counts is learnt from how right it was.

/// Which of the four bytes before belong to each context, the last one lowest.
static CONTEXTS: [u32; COUNT] = [0xff00_ff00, 0, 0xff, 0xff00, 0xffff, 0x00ff_00ff, 0x00ff_ff00, 0xff00_00ff];
const COUNT: usize = 8;
/// Cells of each context, as a power of two.
const BITS: u32 = 18;
/// The last cell.
const LAST: usize = (1 << BITS) - 1;
/// What an opinion counts in the beginning.
const WEIGHT: f32 = 0.14;
/// How fast weights move.
const LEARNING: f32 = 0.001;
/// Cells are zero in the beginning: this is what that stands for, a half, and never seen.
const NEW: u16 = 1 << 15;

/// The state of the prediction: 4 MiB. All zero is its beginning, before [`Model::begin`].
pub struct Model {
    contexts: [Context; COUNT],
    /// By probability, in 12 bits: its logarithmic odds.
    odds: [f32; 1 << 12],
    /// The last four bytes.
    before: u32,
    /// The bits of this byte, behind a one.
    bits: u32,
    probability: f32,
}

struct Context {
    /// How likely a set bit is, in 13 bits, and how often the cell was seen, in 3.
    cells: [u16; 1 << BITS],
    /// What its opinion counts beyond [`WEIGHT`]: by the bits of this byte, by the last one, and by the one before that.
    weights: [[f32; 256]; 3],
    /// Its cell, and what that says.
    cell: usize,
    opinion: f32,
}

impl Model {
    /// One that is all zero.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) const fn new() -> Self {
        const CONTEXT: Context =
            Context { cells: [0; 1 << BITS], weights: [[0.0; 256]; 3], cell: 0, opinion: 0.0 };
        Self { contexts: [CONTEXT; COUNT], odds: [0.0; 1 << 12], before: 0, bits: 0, probability: 0.0 }
    }

    /// Before the first bit.
    pub fn begin(&mut self) {
        let mut odds = -10.0;
        let mut likely = 0.5 / 4096.0;
        for entry in &mut self.odds {
            while squash(odds) < likely {
                odds += 1.0 / 64.0;
            }
            *entry = odds;
            likely += 1.0 / 4096.0;
        }
        self.bits = 1;
    }

    /// How likely the next bit is set, in parts of 65,536: never 0 or all.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a probability")]
    pub fn predict(&mut self) -> u32 {
        let mut odds = 0.0;
        let sets = self.sets();
        for (context, bytes) in self.contexts.iter_mut().zip(&CONTEXTS) {
            let mixed = (self.before & *bytes).wrapping_mul(0x2c1b_3c6d);
            let hash = (mixed ^ mixed >> 15).wrapping_add(self.bits).wrapping_mul(0x9e37_79b1);
            context.cell = (hash >> (32 - BITS)) as usize;
            let state = context.cells[context.cell & LAST] ^ NEW;
            // One that was never seen has no opinion.
            context.opinion = if state & 7 == 0 { 0.0 } else { self.odds[usize::from(state >> 4)] };
            let [by_bits, by_last, by_other] = &context.weights;
            let weight = WEIGHT + by_bits[sets[0]] + by_last[sets[1]] + by_other[sets[2]];
            odds += context.opinion * weight;
        }
        self.probability = squash(odds.clamp(-10.0, 10.0));
        ((self.probability * 65536.0) as u32).clamp(1, 65535)
    }

    /// What the bit was.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 13 bits")]
    pub fn learn(&mut self, bit: bool) {
        let sets = self.sets();
        let wrong = (f32::from(u8::from(bit)) - self.probability) * LEARNING;
        for context in &mut self.contexts {
            let change = wrong * context.opinion;
            let [by_bits, by_last, by_other] = &mut context.weights;
            by_bits[sets[0]] += change;
            by_last[sets[1]] += change;
            by_other[sets[2]] += change;
            let cell = &mut context.cells[context.cell & LAST];
            let state = *cell ^ NEW;
            let (likely, seen) = (f32::from(state >> 3), state & 7);
            let target = if bit { 8191.0 } else { 0.0 };
            let likely = (likely + (target - likely) / (f32::from(seen) + 1.1)) as u16;
            *cell = (likely << 3 | (seen + 1).min(3)) ^ NEW;
        }
        self.bits = self.bits << 1 | u32::from(bit);
        if self.bits > 0xff {
            self.before = self.before << 8 | self.bits & 0xff;
            self.bits = 1;
        }
    }

    /// The weights in use, by what selects them.
    const fn sets(&self) -> [usize; 3] {
        let [last, other] = [self.before, self.before >> 8];
        [(self.bits & 0xff) as usize, (last & 0xff) as usize, (other & 0xff) as usize]
    }
}

/// The probability that logarithmic odds between −10 and 10 stand for. A power instead of `exp`, which is not the same everywhere.
fn squash(odds: f32) -> f32 {
    let mut power = 1.0 - odds / 1024.0;
    for _ in 0..10 {
        power *= power;
    }
    1.0 / (1.0 + power)
}
