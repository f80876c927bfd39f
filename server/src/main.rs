//! The binary `interlock`; everything it does is in the library.
fn main() {}
