//! Mail, without end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use teamster_tests::fuzz::Target;

fuzz_target!(|bytes: &[u8]| Target::Mail.run(bytes));
