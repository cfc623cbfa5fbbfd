#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| querygate_tests::fuzzed::mysql::client(input));
