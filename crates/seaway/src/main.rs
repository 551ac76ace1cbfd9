//! Starts Seaway, which is the library beside this file.

/// Events are read on one thread, interpreted on another and written on a third, so that most
/// memory is given back by a thread that did not ask for it: the system's allocator takes locks
/// for that, a third of the time of a rebuild.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    seaway::run()
}
