//! The fuzzer's program: hands what it makes up to the target that `LANPOST_FUZZ` names.
#![no_main]

use std::sync::OnceLock;

use lanpost_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    TARGET.get_or_init(|| {
        let name = std::env::var("LANPOST_FUZZ").unwrap_or_default();
        let known: Vec<&str> = lanpost_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
        let found = lanpost_fuzz::TARGETS.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("LANPOST_FUZZ is {name:?}, not one of {known:?}")).1
    })(bytes);
});
