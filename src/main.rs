//! The program: see `cli`.

fn main() -> std::process::ExitCode {
    rowcast::cli::main(std::env::args_os().collect()).into()
}
