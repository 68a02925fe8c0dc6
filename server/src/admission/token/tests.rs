//! Claims of valid tokens, errors of invalid ones.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const LATER: u64 = 4_000_000_000;

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(b"secret");
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

fn verify(claims: &Value) -> Result<Identity, TokenError> {
    Keys::new(b"secret", []).verify(&signed(claims))
}

/// The claims of a good token with some of them changed; `null` takes one away.
fn with(changes: &Value) -> Value {
    let mut claims = json!({"uid": "alice", "exp": LATER});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

#[test]
fn a_token_says_who_and_what() {
    let identity = verify(&with(&json!({"gid": "a, b", "did": "d1", "iat": 7}))).unwrap();
    assert_eq!(identity.groups, ["a", "b"].map(Arc::from));
    assert!(identity.capabilities.send && identity.capabilities.may_join("b"));
    assert!(!identity.capabilities.broadcast && !identity.capabilities.admin);
    assert_eq!((&*identity.device, identity.issued_at, identity.expires_at), ("d1", 7, LATER * 1000));
}

#[test]
fn a_capability_list_gives_what_it_names_and_nothing_else() {
    let claims = with(&json!({"cap": ["broadcast", "group:team-*"], "gid": "x"}));
    let may = verify(&claims).unwrap().capabilities;
    assert!(may.broadcast && may.may_join("team-7"));
    assert!(!may.send && !may.may_join("x") && !may.may_join("team"));
}

#[test]
fn each_fault_of_a_token_has_a_reason_of_its_own() {
    let wrong = |name, expected| TokenError::WrongClaim { name, expected };
    let (number, string) = ("a number: seconds since 1970", "a string");
    let id = "1 to 128 bytes without control characters";
    for (changes, error) in [
        (json!({"exp": 1000}), TokenError::Expired),
        (json!({"exp": -1}), TokenError::Expired),
        (json!({"exp": null}), TokenError::MissingClaim("exp")),
        (json!({"exp": "4000000000"}), wrong("exp", number)),
        (json!({"nbf": LATER}), TokenError::NotYetValid),
        (json!({"nbf": "soon"}), wrong("nbf", number)),
        (json!({"iat": [7]}), wrong("iat", number)),
        (json!({"uid": null}), TokenError::MissingClaim("uid")),
        (json!({"uid": ""}), TokenError::MissingClaim("uid")),
        (json!({"uid": 7}), wrong("uid", string)),
        (json!({"uid": "a\nb"}), wrong("uid", id)),
        (json!({"tid": "x".repeat(129)}), wrong("tid", id)),
        (json!({"gid": ["a"]}), wrong("gid", string)),
        (json!({"cap": "send"}), wrong("cap", "a list of strings")),
        (json!({"cap": [1]}), wrong("cap", "a list of strings")),
        (json!({"aid": "elsewhere"}), TokenError::Application),
    ] {
        assert_eq!(verify(&with(&changes)).unwrap_err(), error, "{changes}");
    }
    let good = signed(&with(&json!({})));
    assert_eq!(Keys::new(b"other", []).verify(&good).unwrap_err(), TokenError::Signature);
    for text in ["", "nonsense", "a.b.c", "eyJhbGciOiJIUzI1NiJ9", &good[5..], "é.é.é"] {
        assert_eq!(Keys::new(b"secret", []).verify(text).unwrap_err(), TokenError::Malformed, "{text}");
    }
}

#[test]
fn of_a_token_with_a_wrong_signature_nothing_else_is_said() {
    let claims = with(&json!({"exp": 1, "uid": null, "aid": "elsewhere"}));
    assert_eq!(Keys::new(b"other", []).verify(&signed(&claims)).unwrap_err(), TokenError::Signature);
}

#[test]
fn the_algorithm_is_the_key_s_not_the_token_s() {
    let header = Header::new(Algorithm::HS512);
    let token =
        jsonwebtoken::encode(&header, &with(&json!({})), &EncodingKey::from_secret(b"secret")).unwrap();
    assert_eq!(Keys::new(b"secret", []).verify(&token).unwrap_err(), TokenError::Algorithm);
    // {"alg":"none"} with the claims and no signature.
    let none = "eyJhbGciOiJub25lIn0.eyJ1aWQiOiJhbGljZSIsImV4cCI6NDAwMDAwMDAwMH0.";
    assert_eq!(Keys::new(b"secret", []).verify(none).unwrap_err(), TokenError::Algorithm);
}

#[test]
fn white_space_around_a_token_does_not_count() {
    let token = format!(" \r\n{}\n", signed(&with(&json!({}))));
    assert!(Keys::new(b"secret", []).verify(&token).is_ok());
}

proptest! {
    #[test]
    fn times_may_have_fractions_and_mean_the_same_in_every_claim(seconds in 0.0_f64..8e9, is_whole: bool) {
        let seconds = if is_whole { seconds.floor() } else { seconds };
        #[expect(clippy::cast_possible_truncation, reason = "a date")]
        let (whole, milliseconds) = (seconds as u64, (seconds * 1000.0) as u64);
        let identity = verify(&with(&json!({"iat": seconds, "nbf": 1.5})));
        prop_assert_eq!(identity.unwrap().issued_at, whole);
        let until = verify(&with(&json!({"exp": seconds})));
        let from = verify(&with(&json!({"nbf": seconds})));
        #[expect(clippy::cast_precision_loss, reason = "a date")]
        let left = seconds - clock::wall().ms() as f64 / 1000.0;
        // Away from the leeway on both sides of now.
        if left > 10.0 {
            prop_assert!(until.unwrap().expires_at.abs_diff(milliseconds) <= 1);
            prop_assert_eq!(from.unwrap_err(), TokenError::NotYetValid);
        } else if left < -10.0 {
            prop_assert_eq!(until.unwrap_err(), TokenError::Expired);
            prop_assert!(from.is_ok());
        }
    }
}
