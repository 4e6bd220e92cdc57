//! A system without a store of secrets that we know.

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::{Entry, Error, Result};

/// No store.
pub struct Store;

impl Store {
    /// Refuses.
    pub fn new() -> Result<Arc<Store>> {
        Err(Error::NotSupportedByStore("this system has no keyring that lanpost knows".into()))
    }

    /// Refuses.
    pub fn build(&self, _: &str, _: &str, _: Option<&HashMap<&str, &str>>) -> Result<Entry> {
        Store::new().and(Err(Error::NoDefaultStore))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_refuses() {
        assert!(Store::new().is_err() && Store.build("lanpost", "x", None).is_err());
    }
}
