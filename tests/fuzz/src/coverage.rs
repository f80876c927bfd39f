//! Which parts of the program an input reached: the counters that `-C instrument-coverage` puts
//! before every branch, read in place. They exist in programs built that way alone, hence the
//! feature; without it nothing is ever reached and [`is_counted`] says so.

/// Whether this program counts.
#[must_use]
pub const fn is_counted() -> bool {
    cfg!(feature = "coverage")
}

/// Runs `body` and gives the numbers of the counters that it moved, ascending.
pub fn reached(body: impl FnOnce()) -> Vec<usize> {
    counters().fill(0);
    body();
    let counters = counters().iter().enumerate();
    let moved = counters.filter(|(_, count)| **count > 0);
    moved.map(|(number, _)| number).collect()
}

#[cfg(feature = "coverage")]
#[expect(
    unsafe_code,
    reason = "the counters are the runtime's; nobody else reads them while a body is not running"
)]
fn counters() -> &'static mut [u64] {
    // compiler-rt, InstrProfiling.h: the bounds of the section that holds all counters.
    unsafe extern "C" {
        fn __llvm_profile_begin_counters() -> *mut u64;
        fn __llvm_profile_end_counters() -> *mut u64;
    }
    // SAFETY: both are of one section of aligned 64-bit counters, which lives as long as the
    // program. The counters move while this slice exists; it is used between bodies alone, and an
    // increment that is lost to that is one counter of one input.
    unsafe {
        let begin = __llvm_profile_begin_counters();
        let count = __llvm_profile_end_counters().offset_from_unsigned(begin);
        std::slice::from_raw_parts_mut(begin, count)
    }
}

#[cfg(not(feature = "coverage"))]
fn counters() -> &'static mut [u64] {
    &mut []
}
