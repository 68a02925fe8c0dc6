//! Whose a client is: by its settings, by a token's claims. Never checks a token; the hub does.

use serde_json::Value;
use wsc_core::client::{self as core, Config, Owner, TokenError, token_claims};

/// Whose a client with these settings is; nobody: only tokens to come say it.
pub(crate) fn of_settings(config: &Config) -> Owner {
    let identity = &config.identity;
    if let Some(owner) = config.token.as_deref().and_then(of_token) {
        owner
    } else if config.token.is_some() || config.token_provider {
        // Where tokens say who it is, they say the tenant as well.
        Owner::from_text(identity.user_id.clone())
    } else {
        Owner::new(&identity.user_id, &identity.app_id, &identity.namespace)
    }
}

/// Whose a token is, if it says so.
fn of_token(token: &str) -> Option<Owner> {
    let claims: Value = serde_json::from_str(&token_claims(token.trim())?).ok()?;
    let [user, app, namespace] = ["uid", "aid", "tid"].map(|name| claims[name].as_str().unwrap_or_default());
    Some(Owner::new(user, app, namespace)).filter(|owner| *owner != Owner::default())
}

/// A provider's answer, which is none where the token is another user's: what waits here must not go out under that name.
pub(crate) fn checked(
    machine: &mut core::Client,
    answer: Result<String, TokenError>,
) -> Result<String, TokenError> {
    let token = answer?;
    if let Some(owner) = of_token(&token) {
        let other = owner.to_string();
        if !machine.set_owner(owner) {
            let why = format!("the token is of {other}, the client is of {}", machine.owner());
            return Err(TokenError::Temporary(why));
        }
    }
    Ok(token)
}
