//! The signature of a webhook's body: HMAC-SHA256 over time and body.
//!
//! Grammar of the header: `t=UNIX-SECONDS,v1=64 hex digits`; signed is `UNIX-SECONDS "." BODY`. It is the form that
//! Stripe made known. GitHub's, of the body alone, could be replayed for ever; with the time in it, a receiver that
//! refuses what is older than some minutes, and remembers the `Idempotency-Key`s of those minutes, takes nothing twice.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The header's value.
pub fn sign(secret: &[u8], seconds: i64, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1795312800.{"a":1}' | openssl dgst -sha256 -hmac secret`
    #[test]
    fn it_is_what_openssl_makes_of_it() {
        assert_eq!(
            sign(b"secret", 1_795_312_800, br#"{"a":1}"#),
            "t=1795312800,v1=1144c07eeb3c6d2b554a8d862ea0677206e2a06d69942c7416e970b54889633f"
        );
    }
}
