//! Values as people write them: times such as `30s`, sizes such as `64KiB`, lists, choices. Knows no keys.

use std::path::PathBuf;
use std::time::Duration;

use wsc_server::log::store::Durability;

use super::{LogForm, StoreKind};

/// A value without its meaning: times are milliseconds, sizes bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<String>),
}

/// What a value looks like, and what it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Text,
    List,
    Flag,
    Choice(&'static [&'static str]),
    Count { least: u64, most: u64 },
    Size { least: u64, most: u64 },
    Time { least: u64, most: u64 },
}

const SECOND: u64 = 1000;
const TIMES: [(&str, u64); 5] =
    [("ms", 1), ("s", SECOND), ("m", 60 * SECOND), ("h", 3600 * SECOND), ("d", 24 * 3600 * SECOND)];
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl Form {
    /// Reads a value; the error is the form that was expected.
    pub(crate) fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let between = |number: Option<u64>, least, most| {
            number.filter(|number| (least..=most).contains(number)).map(Value::Number)
        };
        let value = match self {
            Self::Text => Some(Value::Text(text.to_owned())),
            Self::List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(Value::List(items.map(str::to_owned).collect()))
            }
            Self::Flag => text.parse().ok().map(Value::Flag),
            Self::Choice(names) => names.contains(&text).then(|| Value::Text(text.to_owned())),
            Self::Count { least, most } => between(text.replace('_', "").parse().ok(), least, most),
            Self::Size { least, most } => between(units(text, &SIZES), least, most),
            Self::Time { least, most } => between(units(text, &TIMES), least, most),
        };
        value.ok_or_else(|| self.expected())
    }

    /// What a right value looks like.
    pub(crate) fn expected(self) -> String {
        let limits = |least: String, most: Option<String>| match most {
            Some(most) => format!("{least} to {most}"),
            None => format!("at least {least}"),
        };
        match self {
            Self::Text => "text".to_owned(),
            Self::List => "a list of texts".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Choice(names) => names.join(", ").replace(", ", " or "),
            Self::Count { least, most } => {
                let most = (most < u64::from(u32::MAX)).then(|| most.to_string());
                format!("a whole number, {}", limits(least.to_string(), most))
            }
            Self::Size { least, most } => {
                let most = (most < u64::from(u32::MAX)).then(|| shorten(most, &SIZES));
                format!("a size such as 64KiB, {}", limits(shorten(least, &SIZES), most))
            }
            Self::Time { least, most } => {
                let most = (most < MOST_TIME).then(|| shorten(most, &TIMES));
                format!("a time such as 200ms, 30s, 5m, 24h, 7d, {}", limits(shorten(least, &TIMES), most))
            }
        }
    }

    /// Writes a value as TOML.
    pub(crate) fn write(self, value: &Value) -> String {
        match (self, value) {
            (Self::Size { .. }, Value::Number(number)) => quote(&shorten(*number, &SIZES)),
            (Self::Time { .. }, Value::Number(number)) => quote(&shorten(*number, &TIMES)),
            (_, Value::Number(number)) => number.to_string(),
            (_, Value::Flag(flag)) => flag.to_string(),
            (_, Value::Text(text)) => quote(text),
            (_, Value::List(items)) => {
                let items: Vec<String> = items.iter().map(|item| quote(item)).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }
}

/// The longest time of a key: a hundred years.
pub(crate) const MOST_TIME: u64 = 100 * 365 * 24 * 3600 * SECOND;

/// A TOML string.
pub(crate) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A number with a unit; only zero may stand alone.
fn units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    if unit.is_empty() && number == 0 {
        return Some(0);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.checked_mul(*factor)
}

/// The shortest way to write a number with a unit, without losing anything.
fn shorten(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| number > 0 && number.is_multiple_of(*factor);
    let (name, factor) = units.iter().rev().find(fits).unwrap_or(&units[0]);
    format!("{}{name}", number / factor)
}

/// Reads a time such as `1h`, in milliseconds.
pub(crate) fn time(text: &str) -> Result<u64, String> {
    let form = Form::Time { least: 1, most: MOST_TIME };
    match form.parse(text)? {
        Value::Number(number) => Ok(number),
        _ => Err(form.expected()),
    }
}

/// A place in the configuration that a value goes into.
pub(crate) trait Field {
    fn value(&self) -> Value;
    /// Values were checked against their form before.
    fn set(&mut self, value: Value);
}

macro_rules! number {
    ($($kind:ty),+) => {$(
        impl Field for $kind {
            fn value(&self) -> Value {
                Value::Number(u64::try_from(*self).unwrap_or(u64::MAX))
            }
            fn set(&mut self, value: Value) {
                if let Value::Number(number) = value {
                    *self = Self::try_from(number).unwrap_or(Self::MAX);
                }
            }
        }
    )+};
}

number!(u32, u64, usize);

impl Field for Duration {
    fn value(&self) -> Value {
        Value::Number(u64::try_from(self.as_millis()).unwrap_or(u64::MAX))
    }
    fn set(&mut self, value: Value) {
        if let Value::Number(number) = value {
            *self = Self::from_millis(number);
        }
    }
}

impl Field for bool {
    fn value(&self) -> Value {
        Value::Flag(*self)
    }
    fn set(&mut self, value: Value) {
        if let Value::Flag(flag) = value {
            *self = flag;
        }
    }
}

impl Field for String {
    fn value(&self) -> Value {
        Value::Text(self.clone())
    }
    fn set(&mut self, value: Value) {
        if let Value::Text(text) = value {
            *self = text;
        }
    }
}

impl Field for PathBuf {
    fn value(&self) -> Value {
        Value::Text(self.display().to_string())
    }
    fn set(&mut self, value: Value) {
        if let Value::Text(text) = value {
            *self = text.into();
        }
    }
}

/// Absent is the empty path.
impl Field for Option<PathBuf> {
    fn value(&self) -> Value {
        Value::Text(self.as_ref().map(|path| path.display().to_string()).unwrap_or_default())
    }
    fn set(&mut self, value: Value) {
        if let Value::Text(text) = value {
            *self = (!text.is_empty()).then(|| text.into());
        }
    }
}

impl Field for Vec<String> {
    fn value(&self) -> Value {
        Value::List(self.clone())
    }
    fn set(&mut self, value: Value) {
        if let Value::List(items) = value {
            *self = items;
        }
    }
}

macro_rules! choice {
    ($kind:ty { $($name:literal => $variant:ident),+ }) => {
        impl Field for $kind {
            fn value(&self) -> Value {
                Value::Text(match self { $(Self::$variant => $name,)+ }.to_owned())
            }
            fn set(&mut self, value: Value) {
                if let Value::Text(text) = value {
                    match text.as_str() { $($name => *self = Self::$variant,)+ _ => {} }
                }
            }
        }
    };
}

choice!(Durability { "fsync" => Fsync, "os" => Os, "memory" => Memory });
choice!(StoreKind { "embedded" => Embedded, "memory" => Memory, "redis" => Redis });
choice!(LogForm { "text" => Text, "json" => Json });

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Form = Form::Time { least: 1, most: MOST_TIME };
    const SIZE: Form = Form::Size { least: 1024, most: 1 << 20 };

    #[test]
    fn times_and_sizes_are_read_and_written_with_their_unit() {
        for (text, number) in [("200ms", 200), ("30s", 30_000), ("5m", 300_000), ("24h", 86_400_000)] {
            assert_eq!(TIME.parse(text), Ok(Value::Number(number)));
        }
        assert_eq!(TIME.write(&Value::Number(86_400_000)), "\"1d\"");
        assert_eq!(TIME.write(&Value::Number(1500)), "\"1500ms\"");
        assert_eq!(SIZE.parse("64KiB"), Ok(Value::Number(65_536)));
        assert_eq!(SIZE.write(&Value::Number(65_536)), "\"64KiB\"");
        assert_eq!(Form::Time { least: 0, most: 9 }.parse("0"), Ok(Value::Number(0)));
    }

    #[test]
    fn a_value_of_another_form_says_what_was_expected() {
        for bad in ["30", "s", "-1s", "1.5s", "30 parsecs", "", "99999999999999999999h"] {
            assert!(TIME.parse(bad).is_err(), "{bad}");
        }
        assert_eq!(SIZE.parse("1B").unwrap_err(), "a size such as 64KiB, 1KiB to 1MiB");
        assert_eq!(Form::Choice(&["text", "json"]).parse("xml").unwrap_err(), "text or json");
        let count = Form::Count { least: 1, most: 9 };
        assert_eq!(count.parse("ten").unwrap_err(), "a whole number, 1 to 9");
    }
}
