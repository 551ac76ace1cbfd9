#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| seaway::fuzzing::flags(data));
