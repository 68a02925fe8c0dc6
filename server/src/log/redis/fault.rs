//! What an error of the server means. Pure.

use redis::RedisError;

use super::super::store::StoreError;

/// What an error means for the one who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is of no use any more, and whether it was done is unknown.
    Lost,
    /// Nothing was done, and it may be later.
    Busy,
    NoScript,
    Fenced,
    Epoch,
    Other,
}

impl Fault {
    pub(super) fn of(error: &RedisError) -> Self {
        match code(error) {
            Some("NOSCRIPT") => Self::NoScript,
            Some("FENCED") => Self::Fenced,
            Some("EPOCH") => Self::Epoch,
            Some(
                "OOM" | "MISCONF" | "READONLY" | "LOADING" | "BUSY" | "MASTERDOWN" | "TRYAGAIN"
                | "NOREPLICAS" | "NOAUTH" | "NOPERM",
            ) => Self::Busy,
            Some(_) => Self::Other,
            None if error.kind() == redis::ErrorKind::UnexpectedReturnType => Self::Other,
            None => Self::Lost,
        }
    }
}

/// The code of an error. Redis 6 hides the one of a command in a script behind its own words.
fn code(error: &RedisError) -> Option<&str> {
    match error.code() {
        Some("ERR") => {
            let text = error.detail().unwrap_or_default();
            let mut hidden = ["OOM", "MISCONF", "READONLY"].into_iter();
            hidden.find(|code| text.contains(&format!("-{code} "))).or(Some("ERR"))
        }
        code => code,
    }
}

/// What somebody who operates it should do.
pub(super) fn unavailable(error: &RedisError) -> StoreError {
    let advice = match code(error) {
        Some("OOM") => "Redis has no memory left: raise maxmemory, or lower the retention",
        Some("MISCONF") => "Redis cannot write to its disk: look at its log and free some space",
        Some("READONLY") => "this Redis is a replica: name its primary",
        Some("LOADING") => "Redis is still reading its data",
        Some("BUSY") => "another script keeps Redis busy",
        Some("NOAUTH" | "NOPERM") => "Redis does not allow it: look after its ACL",
        _ => "Redis does not answer",
    };
    StoreError::Unavailable(format!("{advice} ({error})").into())
}

/// An answer that makes no sense.
pub(super) fn unreadable(error: &RedisError) -> StoreError {
    StoreError::Damaged(format!("Redis answered something else than was written: {error}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, text: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(text.to_owned()))
    }

    #[test]
    fn an_error_in_a_script_is_known_by_its_own_code_or_by_its_words() {
        let old =
            "Error running script (call to f_1): @user_script:9: @user_script: 9: -OOM command not allowed";
        for (code, text, fault, advice) in [
            ("OOM", "command not allowed when used memory > 'maxmemory'.", Fault::Busy, "raise maxmemory"),
            ("ERR", old, Fault::Busy, "raise maxmemory"),
            ("READONLY", "You can't write against a read only replica.", Fault::Busy, "name its primary"),
            ("NOSCRIPT", "No matching script.", Fault::NoScript, "does not answer"),
            ("EPOCH", "another epoch has begun", Fault::Epoch, "does not answer"),
            ("FENCED", "a newer connection", Fault::Fenced, "does not answer"),
            ("ERR", "user_script:9: attempt to index a nil value", Fault::Other, "does not answer"),
        ] {
            let error = error(code, text);
            assert_eq!(Fault::of(&error), fault, "{error}");
            assert!(unavailable(&error).to_string().contains(advice), "{}", unavailable(&error));
        }
        let lost = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        assert_eq!(Fault::of(&lost), Fault::Lost);
    }
}
