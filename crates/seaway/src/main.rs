//! Starts Seaway, which is the library beside this file.

fn main() -> std::process::ExitCode {
    seaway::run()
}
